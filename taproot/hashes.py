"""The hash functions of Bitcoin: SHA256, double SHA256, HASH160 and the tagged hashes of BIP340.

RIPEMD160 comes from OpenSSL where it is still enabled, else from the fallback below (ISO/IEC 10118-3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

from taproot.ripemd160 import ripemd160 as _portable_ripemd160


def sha256(data: bytes) -> bytes:
    """SHA256, 32 bytes."""
    return hashlib.sha256(data).digest()


def hash256(data: bytes) -> bytes:
    """SHA256 of SHA256, 32 bytes: txids and block hashes (OP_HASH256)."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash160(data: bytes) -> bytes:
    """RIPEMD160 of SHA256, 20 bytes (OP_HASH160)."""
    return ripemd160(hashlib.sha256(data).digest())


def tagged_hash(tag: str, data: bytes) -> bytes:
    """SHA256(SHA256(tag) || SHA256(tag) || data), 32 bytes (BIP340 "Design")."""
    hasher = tagged_hasher(tag)
    hasher.update(data)
    return hasher.digest()


def tagged_hasher(tag: str) -> _Hash:
    """A SHA256 object that has already taken in the tag; the caller feeds the message piece by piece."""
    return _tag_midstate(tag).copy()


@cache
def _tag_midstate(tag: str) -> _Hash:
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix)


def _choose_ripemd160() -> Callable[[bytes], bytes]:
    """A copy of a fresh hasher costs half of what asking OpenSSL for one by name does."""
    try:
        fresh = hashlib.new("ripemd160")
    except ValueError:
        return _portable_ripemd160

    def hashed(data: bytes) -> bytes:
        hasher = fresh.copy()
        hasher.update(data)
        return hasher.digest()

    return hashed


ripemd160 = _choose_ripemd160()
