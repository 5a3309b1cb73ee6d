"""From a translation to a tier: native code in this process and the table that leads to it."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm import llvm
from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.tiers import Tier
from btc_l2.zkvm.translate.module import ENTRIES
from btc_l2.zkvm.translate.translation import Translation

_NOWHERE = (1 << 64) - 1  # in place of an address: no guest address is so large


def load_tier(translation: Translation) -> Tier:
    """Bring a translation into this process; Unavailable on a processor that it is not for."""
    library = llvm.load_object(translation.object_code, (ENTRIES,))
    return Tier(
        translation.endian,
        _table(translation, library.symbols[ENTRIES]),
        np.unique(translation.addresses // PAGE_BYTES).astype(np.int64),
        (translation.addresses // 4).astype(np.int64),
        translation.words,
        library,
    )


def _table(translation: Translation, entries: int) -> NDArray[np.uint64]:
    count = len(translation.heads)
    functions = np.array((ctypes.c_uint64 * count).from_address(entries)[:], dtype=np.uint64)
    rows = np.zeros((translation.mask + 1, 2), dtype=np.uint64)
    rows[0, 0] = _NOWHERE  # a row of zeroes would be that of address 0
    places, chosen = np.unique(translation.heads // 4 & np.uint32(translation.mask), return_index=True)
    rows[places, 0], rows[places, 1] = translation.heads[chosen], functions[chosen]
    return rows.reshape(-1)
