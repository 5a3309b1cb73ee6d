"""A translated guest as a value and as a file: object code, and what it is code of.

The file begins with its key and a SHA-256 of the rest; a file whose key or sum is another one is refused. Who
may write the file is not this module's matter (`btc_l2/translation.py`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm import llvm
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.translate.blocks import Fetch
from btc_l2.zkvm.translate.module import Plan, make_plan, write_module
from taproot.errors import InvalidInput, VerificationFailed

_MAGIC = b"zkMIPS translated tier 1\n"
_COUNTS = struct.Struct("<4Q")  # big endian guest or not, mask, heads, words of code


@dataclass(frozen=True, slots=True)
class Translation:
    """Native code of a guest and the guest's code that it stands for."""

    endian: Endian
    mask: int  # of the table of entries
    heads: NDArray[np.uint32]  # addresses with a function
    addresses: NDArray[np.uint32]  # of the words that were translated, ascending
    words: NDArray[np.uint32]  # these words
    object_code: bytes


def translate(fetch: Fetch, hot: Sequence[int], endian: Endian) -> Translation:
    """Translate the blocks at the hot addresses: takes milliseconds for each. InvalidInput if there is none."""
    plan = make_plan(fetch, hot, endian)
    if not plan.blocks:
        raise InvalidInput("no hot address is code that can be translated; the list is another guest's; profile again")
    return _translation(plan, llvm.compile_object(write_module(plan)))


def _translation(plan: Plan, object_code: bytes) -> Translation:
    code = sorted(plan.code().items())
    return Translation(
        plan.endian,
        plan.mask,
        np.array(plan.heads, dtype=np.uint32),
        np.array([address for address, _ in code], dtype=np.uint32),
        np.array([word for _, word in code], dtype=np.uint32),
        object_code,
    )


def translation_key(code: bytes, hot: Sequence[int], endian: Endian) -> bytes:
    """32 bytes that name everything the object code depends on: guest, hot list, processor, llvmlite, translator."""
    parts = (code, np.array(sorted(hot), dtype=np.uint32).tobytes(), endian.encode(), llvm.describe_host().encode(),
             _translator())  # fmt: skip
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


@lru_cache(maxsize=1)
def _translator() -> bytes:
    """Fingerprint of the translator itself: of every file that has a say in what it writes."""
    folder = Path(__file__).resolve().parent
    names = ("llvm.py", "decode.py", "isa.py", "layout.py", "outcome.py")
    sources = (*sorted(folder.glob("*.py")), *(folder.parent / name for name in names))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).digest()


def encode_translation(translation: Translation, key: bytes) -> bytes:
    """The bytes of the file."""
    counts = _COUNTS.pack(
        translation.endian == "big", translation.mask, len(translation.heads), len(translation.addresses)
    )
    arrays = (translation.heads, translation.addresses, translation.words)
    body = counts + b"".join(array.astype("<u4").tobytes() for array in arrays) + translation.object_code
    return _MAGIC + key + hashlib.sha256(key + body).digest() + body


def decode_translation(content: bytes, key: bytes) -> Translation:
    """The inverse of `encode_translation`; VerificationFailed for a file that is damaged or has another key."""
    start = len(_MAGIC) + 64
    body = content[start:]
    head = _MAGIC + key + hashlib.sha256(key + body).digest()
    if content[:start] != head or len(body) < _COUNTS.size:
        raise VerificationFailed("a translated guest in the cache is damaged or another one's; its sum or key differs; "
                                 "delete it, it is made again")  # fmt: skip
    big, mask, heads, words = _COUNTS.unpack_from(body)
    numbers = np.frombuffer(body, dtype="<u4", count=heads + 2 * words, offset=_COUNTS.size).astype(np.uint32)
    rest = _COUNTS.size + 4 * len(numbers)
    parts = np.split(numbers, [heads, heads + words])
    return Translation("big" if big else "little", mask, parts[0], parts[1], parts[2], body[rest:])
