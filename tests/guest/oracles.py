"""What each guest must compute, once more in Python: statement bytes → the 32 bytes of the result."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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


def sha256(statement: bytes) -> bytes:
    """u32 length, big endian, then the message."""
    return hashlib.sha256(_message(statement)).digest()


sha256_little = sha256  # bytes, not words: the same in both byte orders


def sha3(statement: bytes) -> bytes:
    """u32 length, big endian, then the message."""
    return hashlib.sha3_256(_message(statement)).digest()


def crc32(statement: bytes, blob: bytes) -> bytes:
    """32 bytes root, u32 slot, u32 length, big endian."""
    length = int.from_bytes(statement[36:40], "big")
    return zlib.crc32(blob[:length].ljust(length, b"\0")).to_bytes(4, "big").ljust(32, b"\0")


def rust_words(statement: bytes, blob: bytes) -> bytes:
    """32 bytes root, u32 length, big endian; the blob is ASCII."""
    counts = Counter(re.findall(r"[a-z0-9]+", blob.decode("ascii").lower()))
    word, times = min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    numbers = (int.from_bytes(statement[32:36], "big"), counts.total(), len(counts), times)
    return b"".join(number.to_bytes(4, "big") for number in numbers) + word.encode()[:16].ljust(16, b"\0")


def _message(statement: bytes) -> bytes:
    return statement[4 : 4 + int.from_bytes(statement[:4], "big")]


@dataclass(slots=True)
class _Book:
    """Waiting orders of each side, unsorted: [key, time, owner, amount]; the least key and time come first."""

    sides: tuple[list[list[int]], list[list[int]]] = field(default_factory=lambda: ([], []))
    bought: Counter[int] = field(default_factory=Counter)
    trades: int = 0

    def place(self, buys: bool, price: int, time: int, owner: int, amount: int) -> None:
        own, others, limit = self.sides[buys], self.sides[not buys], price if buys else -price
        while amount and (best := min(others, default=None)) is not None and best[0] <= limit:
            traded = min(amount, best[3])
            amount, best[3] = amount - traded, best[3] - traded
            self.trades += 1
            self.bought[owner if buys else best[2]] += traded
            if not best[3]:
                others.remove(best)
        if amount:
            own.append([-price if buys else price, time, owner, amount])


def rust_orders(statement: bytes) -> bytes:
    """32 bytes seed, u32 orders, big endian."""
    random, book = _xorshift64(int.from_bytes(statement[:8], "big") | 1), _Book()
    for time in range(int.from_bytes(statement[32:36], "big")):
        buys = next(random) % 2 == 0
        price = 1000 + next(random) % 64 - (40 if buys else 24)
        book.place(buys, price, time, next(random) % 50, 1 + next(random) % 100)
    ranked = sorted(((total, owner) for owner, total in book.bought.items()), reverse=True)
    report = "".join(f"owner {owner:>4} bought {total:08}\n" for total, owner in ranked).encode()
    levels = sum(len({order[0] for order in side}) for side in book.sides)
    waiting = sum(order[3] for side in book.sides for order in side)
    numbers = ((_fnv(list(report), 0xCBF29CE484222325, 0x100000001B3, U64), 8), (book.trades, 4),
               (book.bought.total(), 8), (waiting, 8), (levels, 2), (len(report), 2))  # fmt: skip
    return b"".join(number.to_bytes(size, "big") for number, size in numbers)


def _xorshift64(state: int) -> Iterator[int]:
    while True:
        state ^= state << 13 & U64
        state ^= state >> 7
        state ^= state << 17 & U64
        yield state >> 33
