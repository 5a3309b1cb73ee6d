"""Keys that nobody can sign with (NUMS, "nothing up my sleeve"), for outputs that only have script paths.

A key is `H + r*G`. H is the point of BIP341 ("Constructing and spending Taproot outputs") whose discrete logarithm
nobody knows: its x coordinate is SHA256 of the generator. With r published everyone can check that; with an r per
output two such outputs do not look alike.
"""

from __future__ import annotations

import hashlib

from taproot.errors import VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import XOnlyKey

_GENERATOR = bytes.fromhex(
    "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)
H = XOnlyKey(hashlib.sha256(_GENERATOR).digest())
_R_TAG = "btc-l2/nums"


def nums_key(r: bytes) -> XOnlyKey:
    """The key `H + r*G` for a published scalar r (32 bytes). Raises InvalidInput if r is no scalar."""
    key, _parity = H.tweak_add(r)
    return key


def nums_scalar(label: bytes) -> bytes:
    """A scalar r (32 bytes) that anyone can recompute from a public label."""
    return tagged_hash(_R_TAG, label)


def verify_nums(key: bytes, r: bytes) -> None:
    """Raises VerificationFailed unless `key` is `H + r*G`, that is, unless nobody can sign with it."""
    if nums_key(r) != key:
        raise VerificationFailed(f"internal key {key.hex()} is not H + r*G: its owner could spend without a script")
