"""Opcodes 0x20 to 0x3F: loads and stores in a flat array of 2^30 words.

A load below the map slots is checked by one subtraction (words: after a rotation that also moves wrong alignment out
of range); the rest, slots and beyond, by `is_loadable`. `flip` is 3 in a big-endian guest and 0 in a little-endian
one: `address ^ flip` counts bytes from the low end of the word.
"""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm.jit import inlined
from btc_l2.zkvm.kernel.fields import (
    BYTE,
    HALF,
    N0,
    N1,
    N2,
    N3,
    N6,
    N8,
    N12,
    N24,
    N26,
    N30,
    ONES,
    U8,
    U32,
    put,
    rs,
    rt,
    simm,
)
from btc_l2.zkvm.layout import PROGRAM_END, PROGRAM_START, RESERVED_PAGE
from btc_l2.zkvm.marks import CLEAN, TOUCHED, WRITTEN

LOW = np.uint32(PROGRAM_START)
LOW_WORD = np.uint32(PROGRAM_START // 4)
SPAN = np.uint32(PROGRAM_END - PROGRAM_START)
SPAN_WORDS = np.uint32((PROGRAM_END - PROGRAM_START) // 4)
_END = np.uint32(PROGRAM_END)
_RESERVED = np.uint32(RESERVED_PAGE)
_CLEAN, _WRITTEN, _TOUCHED = np.uint8(CLEAN), np.uint8(WRITTEN), np.uint8(TOUCHED)


@inlined
def word_index(address: np.uint32) -> np.uint32:
    """address / 4 if aligned; else a number of at least 2^30."""
    return np.uint32(np.uint32(address >> N2) | np.uint32(address << N30))


@inlined
def is_loadable(address: np.uint32, missing: U8) -> bool:
    """Whether an address from the first map slot on can be read here."""
    return bool(_END <= address < _RESERVED and missing[np.uint32(address >> N26)] == 0)


@inlined
def load(i: np.uint32, op: np.uint32, r: U32, c: U32, mem: U32, missing: U8, flip: np.uint32) -> bool:
    """LB LH LWL LW LBU LHU LWR LL."""
    address = np.uint32(r[rs(i)] + simm(i))
    w = word_index(address)
    if op == 0x23 or op == 0x30:
        if np.uint32(w - LOW_WORD) >= SPAN_WORDS and (address & N3 or not is_loadable(address, missing)):
            return False
        if op == 0x30:
            c[N6] = np.uint32(address | N1)
        return put(r, rt(i), mem[w])
    if np.uint32(address - LOW) >= SPAN and not is_loadable(address, missing):
        return False
    m = mem[np.uint32(address >> N2)]
    shift = np.uint32(np.uint32(np.uint32(address ^ flip) & N3) << N3)
    if op == 0x24:
        return put(r, rt(i), np.uint32(m >> shift) & BYTE)
    if op == 0x20:
        return put(r, rt(i), np.uint32(np.int32(np.int8(np.uint32(m >> shift) & BYTE))))
    if op == 0x22 or op == 0x26:
        return load_part(i, op, r, m, shift)
    if address & N1:
        return False
    half = np.uint32(np.uint32(m >> np.uint32(shift & ~N8)) & HALF)
    return put(r, rt(i), half if op == 0x25 else np.uint32(np.int32(np.int16(half))))


@inlined
def load_part(i: np.uint32, op: np.uint32, r: U32, m: np.uint32, shift: np.uint32) -> bool:
    """LWL and LWR."""
    b = r[rt(i)]
    if op == 0x26:
        return put(r, rt(i), np.uint32(m >> shift) | np.uint32(b & np.uint32(~np.uint32(ONES >> shift))))
    shift = np.uint32(N24 - shift)
    return put(r, rt(i), np.uint32(m << shift) | np.uint32(b & np.uint32(~np.uint32(ONES << shift))))


@inlined
def store(i: np.uint32, op: np.uint32, r: U32, c: U32, mem: U32, dirty: U8, flip: np.uint32) -> bool:
    """SB SH SWL SW SWR SC."""
    address = np.uint32(r[rs(i)] + simm(i))
    w = word_index(address)
    if op == 0x2B:
        if np.uint32(w - LOW_WORD) >= SPAN_WORDS or not mark_page(address, dirty, mem):
            return False
        mem[w] = r[rt(i)]
    elif op == 0x38:
        if np.uint32(w - LOW_WORD) >= SPAN_WORDS:
            return False
        if c[N6] == np.uint32(address | N1) and not mark_page(address, dirty, mem):
            return False
        store_linked(i, r, c, mem, address)
    else:
        if np.uint32(address - LOW) >= SPAN or (op == 0x29 and address & N1) or not mark_page(address, dirty, mem):
            return False
        store_part(i, op, r, mem, address, flip)
    return True


@inlined
def mark_page(address: np.uint32, dirty: U8, mem: U32) -> bool:
    """Mark the page as written; False if it holds translated code: then the arena has to know before the store.

    False also if no more pages may be marked. How many may is in word 0: no guest can look into the null guard.
    """
    page = np.uint32(address >> N12)
    if dirty[page] == _WRITTEN:
        return True
    if dirty[page] != _CLEAN:
        dirty[page] = _TOUCHED
        return False
    if mem[N0] == 0:
        return False
    mem[N0] = np.uint32(mem[N0] - N1)
    dirty[page] = _WRITTEN
    return True


@inlined
def store_linked(i: np.uint32, r: U32, c: U32, mem: U32, address: np.uint32) -> None:
    """SC."""
    linked = c[N6] == np.uint32(address | N1)
    if linked:
        mem[np.uint32(address >> N2)] = r[rt(i)]
    c[N6] = N0
    put(r, rt(i), N1 if linked else N0)


@inlined
def store_part(i: np.uint32, op: np.uint32, r: U32, mem: U32, address: np.uint32, flip: np.uint32) -> None:
    """SB SH SWL SWR."""
    w = np.uint32(address >> N2)
    m, b = mem[w], r[rt(i)]
    shift = np.uint32(np.uint32(np.uint32(address ^ flip) & N3) << N3)
    if op == 0x28:
        mem[w] = np.uint32(m & np.uint32(~np.uint32(BYTE << shift))) | np.uint32(np.uint32(b & BYTE) << shift)
    elif op == 0x29:
        shift = np.uint32(shift & ~N8)
        mem[w] = np.uint32(m & np.uint32(~np.uint32(HALF << shift))) | np.uint32(np.uint32(b & HALF) << shift)
    elif op == 0x2E:
        mem[w] = np.uint32(m & np.uint32(~np.uint32(ONES << shift))) | np.uint32(b << shift)
    else:
        shift = np.uint32(N24 - shift)
        mem[w] = np.uint32(m & np.uint32(~np.uint32(ONES >> shift))) | np.uint32(b >> shift)
