"""A digest as eight words to compare by voice; the door to the library `mnemonic` (word list of BIP 39).

Eight words are 88 bits. Who can choose both of two documents looks for two with the same words, 2^44 trials; so the
words are those of scrypt(digest), 2^14 · 8 (16 MiB, 50 ms): a trial costs what 10^5 hashes cost.
"""

from __future__ import annotations

import hashlib
from functools import cache

from mnemonic import Mnemonic

COUNT = 8
_BITS = 11
_SALT = b"btc-l2/spoken/1"


@cache
def words_of(digest: bytes) -> tuple[str, ...]:
    """Eight words of the English list; two digests share them by no accident."""
    stretched = hashlib.scrypt(digest, salt=_SALT, n=1 << 14, r=8, p=1, dklen=COUNT * _BITS // 8)
    number = int.from_bytes(stretched, "big")
    names = _word_list()
    return tuple(names[number >> _BITS * k & (1 << _BITS) - 1] for k in reversed(range(COUNT)))


@cache
def _word_list() -> tuple[str, ...]:
    return tuple(Mnemonic("english").wordlist)
