"""Tiers of native code that this process has, found by the content of a machine's memory.

A tier is used for a machine whose memory holds exactly the words that it was made from. So it is installed once
(`translate/load.py` makes it from a translation), and no machine needs a name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.outcome import Endian

_FEW = slice(64)  # most other guests differ in their first words


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Loaded code. `table`: rows (address in the guest, function), a power of two of them."""

    endian: Endian
    table: NDArray[np.uint64]
    page_numbers: NDArray[np.int64]  # pages with translated code
    places: NDArray[np.int64]  # of the translated words, in words from address 0
    words: NDArray[np.uint32]
    library: object  # keeps the native code

    def matches(self, memory: NDArray[np.uint32], endian: Endian) -> bool:
        """Whether a memory of 2^30 words holds the code that was translated."""
        return endian == self.endian and all(
            bool((memory[self.places[part]] == self.words[part]).all()) for part in (_FEW, slice(None))
        )

    def stands_in(self, pages: set[int]) -> bool:
        """Whether translated code is in one of these pages."""
        return not pages.isdisjoint(self.page_numbers.tolist())


_installed: list[Tier] = []


def install(tier: Tier) -> None:
    """Use a tier from now on for every machine that it matches."""
    _installed.append(tier)


def uninstall(tier: Tier) -> None:
    """Do not use it any more."""
    _installed.remove(tier)


def installed() -> tuple[Tier, ...]:
    """All tiers in use, the latest first."""
    return tuple(reversed(_installed))
