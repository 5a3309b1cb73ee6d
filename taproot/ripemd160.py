"""RIPEMD160 in plain Python, for systems whose OpenSSL leaves it out.

Source: H. Dobbertin, A. Bosselaers, B. Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD" (1996).
Two lines of five rounds of 16 steps run over each 64-byte block and are added crosswise at its end.
"""

from __future__ import annotations

import struct

_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)

# message word of each step, per round
_LEFT_WORD = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8),
    (3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12),
    (1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2),
    (4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13),
)
_RIGHT_WORD = (
    (5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12),
    (6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2),
    (15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13),
    (8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14),
    (12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11),
)
# left rotation of each step, per round
_LEFT_SHIFT = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12),
    (11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5),
    (11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12),
    (9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6),
)
_RIGHT_SHIFT = (
    (8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6),
    (9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11),
    (9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5),
    (15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8),
    (8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11),
)
_LEFT_CONSTANT = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANT = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)

_State = tuple[int, int, int, int, int]


def ripemd160(data: bytes) -> bytes:
    """RIPEMD160 of `data`, 20 bytes."""
    padding = b"\x80" + b"\x00" * ((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    padded = data + padding
    state: _State = _INITIAL
    for offset in range(0, len(padded), 64):
        state = _compress(state, struct.unpack_from("<16I", padded, offset))
    return struct.pack("<5I", *state)


def _compress(state: _State, words: tuple[int, ...]) -> _State:
    left = right = state
    for r in range(5):
        left = _round(left, words, r, _LEFT_WORD[r], _LEFT_SHIFT[r], _LEFT_CONSTANT[r])
        right = _round(right, words, 4 - r, _RIGHT_WORD[r], _RIGHT_SHIFT[r], _RIGHT_CONSTANT[r])
    sums = [(state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5]) & 0xFFFFFFFF for i in range(5)]
    return sums[0], sums[1], sums[2], sums[3], sums[4]


def _round(
    state: _State,
    words: tuple[int, ...],
    mix: int,
    order: tuple[int, ...],
    shifts: tuple[int, ...],
    constant: int,
) -> _State:
    a, b, c, d, e = state
    for word, shift in zip(order, shifts, strict=True):
        a = (_rotate(a + _mix(mix, b, c, d) + words[word] + constant, shift) + e) & 0xFFFFFFFF
        a, b, c, d, e = e, a, b, _rotate(c, 10), d
    return a, b, c, d, e


def _mix(kind: int, x: int, y: int, z: int) -> int:
    if kind == 0:
        return x ^ y ^ z
    if kind == 1:
        return (x & y) | (~x & z)
    if kind == 2:
        return (x | (~y & 0xFFFFFFFF)) ^ z
    if kind == 3:
        return (x & z) | (y & ~z)
    return x ^ (y | (~z & 0xFFFFFFFF))


def _rotate(value: int, bits: int) -> int:
    value &= 0xFFFFFFFF
    return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF
