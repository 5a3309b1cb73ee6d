"""What each guest must compute, once more in Python: statement bytes → the 32 bytes of the result."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from itertools import islice

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
RECORD_WORDS = 16


def hashchain(statement: bytes) -> bytes:
    """32 bytes seed, u32 rounds, big endian."""
    digest = statement[:32]
    for _ in range(int.from_bytes(statement[32:36], "big")):
        digest = hashlib.sha256(digest).digest()
    return digest


def fibonacci(statement: bytes) -> bytes:
    """u32 n, big endian."""
    before, number, crc = 1, 0, 0
    for _ in range(int.from_bytes(statement[:4], "big")):
        before, number = number, (before + number) & U64
        crc = zlib.crc32(number.to_bytes(8, "big"), crc)
    return (number.to_bytes(8, "big") + crc.to_bytes(4, "big")).ljust(32, b"\0")


def sortproof(statement: bytes) -> bytes:
    """Four words of seed, u32 number of records, little endian."""
    words = [int.from_bytes(statement[i : i + 4], "little") for i in range(0, 20, 4)]
    stream, count = _xorshift128(words[:4]), words[4]
    records = [list(islice(stream, RECORD_WORDS)) for _ in range(count)]
    hashes = [_fnv(record, 0x811C9DC5, 0x01000193, U32) for record in records]
    keys = sorted(record[0] for record in records)
    mixed = 0
    for value in hashes:
        mixed ^= value
    order = _fnv(keys, 0xCBF29CE484222325, 0x100000001B3, U64)
    result = [sum(hashes) & U32, mixed, order & U32, order >> 32, keys[0], keys[count // 2], keys[-1], count]
    return b"".join(word.to_bytes(4, "little") for word in result)


def blobsum(statement: bytes, blob: bytes) -> bytes:
    """32 bytes root, u32 slot, u32 words, big endian; what is behind the blob is zero."""
    count = int.from_bytes(statement[36:40], "big")
    padded = blob.ljust(4 * count, b"\0")
    words = [int.from_bytes(padded[i : i + 4], "big") for i in range(0, 4 * count, 4)]
    mixed = 0
    for word in words:
        mixed ^= word
    result = [sum(words) & U32, mixed, words[-1] if words else 0]
    return b"".join(word.to_bytes(4, "big") for word in result).ljust(32, b"\0")


def _xorshift128(state: list[int]) -> Iterator[int]:
    x, y, z, w = state
    while True:
        t = x ^ (x << 11 & U32)
        x, y, z = y, z, w
        w = w ^ (w >> 19) ^ t ^ (t >> 8)
        yield w


def _fnv(words: list[int], start: int, prime: int, mask: int) -> int:
    """FNV-1a over words instead of bytes."""
    value = start
    for word in words:
        value = (value ^ word) * prime & mask
    return value
