"""BLAKE3 of 64 bytes in machine code, and the state tree over whole pages.

BLAKE3 specification, section 2: one block of 64 bytes is one compression with chaining value IV, counter 0, length
64 and the flags CHUNK_START, CHUNK_END, ROOT. Words of memory are message words as they are.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.jit import compiled, inlined

U32: TypeAlias = NDArray[np.uint32]
State: TypeAlias = tuple[np.uint32, ...]

PAGES_AT_ONCE = 16
LANES = 64 * PAGES_AT_ONCE
LANE_WORDS = 8 * LANES
PAGE_NODES = 128  # inner nodes of a page in heap order: 1 is the page, 2k and 2k + 1 are below k; 0 is not used

_IV0, _IV1, _IV2, _IV3 = np.uint32(0x6A09E667), np.uint32(0xBB67AE85), np.uint32(0x3C6EF372), np.uint32(0xA54FF53A)
_IV4, _IV5, _IV6, _IV7 = np.uint32(0x510E527F), np.uint32(0x9B05688C), np.uint32(0x1F83D9AB), np.uint32(0x5BE0CD19)
_BLOCK_LENGTH = np.uint32(64)
_L = tuple(np.uint64(LANES * k) for k in range(8))  # distance of word k of a node from its word 0
_FLAGS = np.uint32(1 | 2 | 8)  # CHUNK_START, CHUNK_END, ROOT
_ZERO = np.uint32(0)
_K = tuple(np.uint64(k) for k in range(16))
_ONE, _TWO, _WORDS = np.uint64(1), np.uint64(2), np.uint64(16)
_R16, _R12, _R8, _R7 = np.uint32(16), np.uint32(12), np.uint32(8), np.uint32(7)
_L16, _L20, _L24, _L25 = np.uint32(16), np.uint32(20), np.uint32(24), np.uint32(25)


@inlined
def _mix(
    a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32, x: np.uint32, y: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Quarter round G of section 2.2."""
    a = np.uint32(a + b + x)
    d = d ^ a
    d = np.uint32(d >> _R16 | d << _L16)
    c = np.uint32(c + d)
    b = b ^ c
    b = np.uint32(b >> _R12 | b << _L20)
    a = np.uint32(a + b + y)
    d = d ^ a
    d = np.uint32(d >> _R8 | d << _L24)
    c = np.uint32(c + d)
    b = b ^ c
    b = np.uint32(b >> _R7 | b << _L25)
    return a, b, c, d


@inlined
def _round(s: State, m: State) -> State:
    """Columns, then diagonals."""
    a0, b0, c0, d0 = _mix(s[0], s[4], s[8], s[12], m[0], m[1])
    a1, b1, c1, d1 = _mix(s[1], s[5], s[9], s[13], m[2], m[3])
    a2, b2, c2, d2 = _mix(s[2], s[6], s[10], s[14], m[4], m[5])
    a3, b3, c3, d3 = _mix(s[3], s[7], s[11], s[15], m[6], m[7])
    a0, b1, c2, d3 = _mix(a0, b1, c2, d3, m[8], m[9])
    a1, b2, c3, d0 = _mix(a1, b2, c3, d0, m[10], m[11])
    a2, b3, c0, d1 = _mix(a2, b3, c0, d1, m[12], m[13])
    a3, b0, c1, d2 = _mix(a3, b0, c1, d2, m[14], m[15])
    return (a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)


@inlined
def _permute(m: State) -> State:
    """Order of the message words in the next round, table 2."""
    return (m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8])


@inlined
def _compress(m: State) -> State:
    """BLAKE3 of one block of 16 message words, eight words."""
    s: State = (
        _IV0, _IV1, _IV2, _IV3, _IV4, _IV5, _IV6, _IV7,
        _IV0, _IV1, _IV2, _IV3, _ZERO, _ZERO, _BLOCK_LENGTH, _FLAGS,
    )  # fmt: skip
    s, m = _round(s, m), _permute(m)  # seven rounds, written out: a loop here would hide the one over the lanes
    s, m = _round(s, m), _permute(m)
    s, m = _round(s, m), _permute(m)
    s, m = _round(s, m), _permute(m)
    s, m = _round(s, m), _permute(m)
    s, m = _round(s, m), _permute(m)
    s = _round(s, m)
    return (
        s[0] ^ s[8], s[1] ^ s[9], s[2] ^ s[10], s[3] ^ s[11],
        s[4] ^ s[12], s[5] ^ s[13], s[6] ^ s[14], s[7] ^ s[15],
    )  # fmt: skip


@inlined
def hash_into(left: U32, right: U32, out: U32) -> None:
    """out := BLAKE3(left ‖ right), eight words each."""
    m: State = (
        left[0], left[1], left[2], left[3], left[4], left[5], left[6], left[7],
        right[0], right[1], right[2], right[3], right[4], right[5], right[6], right[7],
    )  # fmt: skip
    h = _compress(m)
    for k in range(8):
        out[k] = h[k]


@inlined
def _put(out: U32, at: np.uint64, h: State) -> None:
    """Write a node of lane `at`: word k stands LANES · k behind word 0."""
    out[at], out[at + _L[1]], out[at + _L[2]], out[at + _L[3]] = h[0], h[1], h[2], h[3]
    out[at + _L[4]], out[at + _L[5]], out[at + _L[6]], out[at + _L[7]] = h[4], h[5], h[6], h[7]


@inlined
def _hash_leaves(words: U32, first: np.uint64, out: U32, n: np.int64) -> None:
    """n nodes above pairs of leaves, from 16 n words of memory from `first` on."""
    for lane in range(n):
        a = first + np.uint64(lane) * _WORDS
        m: State = (
            words[a], words[a + _K[1]], words[a + _K[2]], words[a + _K[3]],
            words[a + _K[4]], words[a + _K[5]], words[a + _K[6]], words[a + _K[7]],
            words[a + _K[8]], words[a + _K[9]], words[a + _K[10]], words[a + _K[11]],
            words[a + _K[12]], words[a + _K[13]], words[a + _K[14]], words[a + _K[15]],
        )  # fmt: skip
        _put(out, np.uint64(lane), _compress(m))


@inlined
def _hash_nodes(below: U32, out: U32, n: np.int64) -> None:
    """n nodes above the pairs of 2 n nodes."""
    for lane in range(n):
        a = np.uint64(lane) * _TWO
        b = a + _ONE
        m: State = (
            below[a], below[a + _L[1]], below[a + _L[2]], below[a + _L[3]],
            below[a + _L[4]], below[a + _L[5]], below[a + _L[6]], below[a + _L[7]],
            below[b], below[b + _L[1]], below[b + _L[2]], below[b + _L[3]],
            below[b + _L[4]], below[b + _L[5]], below[b + _L[6]], below[b + _L[7]],
        )  # fmt: skip
        _put(out, np.uint64(lane), _compress(m))


@compiled
def page_tree(words: U32, nodes: U32) -> None:
    """Inner nodes of one page: 1,024 words to nodes[PAGE_NODES, 8] in heap order."""
    for k in range(64):
        hash_into(words[16 * k : 16 * k + 8], words[16 * k + 8 : 16 * k + 16], nodes[64 + k])
    for k in range(63, 0, -1):
        hash_into(nodes[2 * k], nodes[2 * k + 1], nodes[k])


@compiled
def page_roots(words: U32, even: U32, odd: U32, roots: U32) -> None:
    """Nodes of pages: words[1024 n] of n pages to roots[8 n]; even and odd, LANE_WORDS each, are scratch.

    A level of PAGES_AT_ONCE pages is one loop over independent lanes with constant distances, which the compiler turns
    into vector instructions: ten times the speed of one compression after the other.
    """
    pages = roots.shape[0] // 8
    for first in range(0, pages, PAGES_AT_ONCE):
        count = min(PAGES_AT_ONCE, pages - first)
        _hash_leaves(words, np.uint64(1024 * first), even, 64 * count)
        for level in range(3):
            _hash_nodes(even, odd, count * 32 >> 2 * level)
            _hash_nodes(odd, even, count * 16 >> 2 * level)
        for p in range(count):
            for k in range(8):
                roots[8 * (first + p) + k] = even[LANES * k + p]


@compiled
def fold(indices: NDArray[np.int64], nodes: U32, zeros: U32) -> None:
    """Fold n ≥ 1 nodes of one level, by ascending index, up len(zeros) levels; the top stands in nodes[0].

    zeros[k] is the node of an untouched subtree k levels above the first. Works in place.
    """
    n = indices.shape[0]
    for level in range(zeros.shape[0]):
        kept = 0
        i = 0
        while i < n:
            parent = indices[i] >> 1
            if indices[i] & 1:
                hash_into(zeros[level], nodes[i], nodes[kept])
            elif i + 1 < n and indices[i + 1] == indices[i] + 1:
                hash_into(nodes[i], nodes[i + 1], nodes[kept])
                i += 1
            else:
                hash_into(nodes[i], zeros[level], nodes[kept])
            indices[kept] = parent
            kept += 1
            i += 1
        n = kept
