"""LWL LWR SWL SWR: the left and the right part of a word at any address. MIPS32 Vol. II-A.

The address is the word's most significant byte for L, its least significant byte for R. Both reach only into the
aligned word that the address stands in, so a pair of them moves an unaligned word. They never trap for alignment.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rt
from btc_l2.zkvm.instructions.memory import effective_address
from btc_l2.zkvm.outcome import (
    ADDRESS_LOAD,
    ADDRESS_STORE,
    MASK,
    Outcome,
    Situation,
    byte_shift,
    may_load,
    may_store,
    proceed,
    trap,
)


def lwl(s: Situation) -> Outcome:
    """Upper bytes of rt := the addressed byte and those below it in its word."""
    address = effective_address(s)
    if not may_load(address):
        return trap(s.control, ADDRESS_LOAD)

    shift = 24 - byte_shift(address, s.endian)
    result = s.memory << shift & MASK | s.b & ~(MASK << shift)

    return _loaded(s, address, result)


def lwr(s: Situation) -> Outcome:
    """Lower bytes of rt := the addressed byte and those above it in its word."""
    address = effective_address(s)
    if not may_load(address):
        return trap(s.control, ADDRESS_LOAD)

    shift = byte_shift(address, s.endian)
    result = s.memory >> shift | s.b & ~(MASK >> shift)

    return _loaded(s, address, result)


def swl(s: Situation) -> Outcome:
    """The addressed byte and those below it in its word := upper bytes of rt."""
    address = effective_address(s)
    if not may_store(address):
        return trap(s.control, ADDRESS_STORE)

    shift = 24 - byte_shift(address, s.endian)
    new = s.b >> shift | s.memory & ~(MASK >> shift)

    return Outcome(proceed(s.control), address=address & ~3, store=new)


def swr(s: Situation) -> Outcome:
    """The addressed byte and those above it in its word := lower bytes of rt."""
    address = effective_address(s)
    if not may_store(address):
        return trap(s.control, ADDRESS_STORE)

    shift = byte_shift(address, s.endian)
    new = s.b << shift & MASK | s.memory & ~(MASK << shift)

    return Outcome(proceed(s.control), address=address & ~3, store=new)


def _loaded(s: Situation, address: int, result: int) -> Outcome:
    dest = rt(s.word)
    return Outcome(proceed(s.control), dest, result if dest else 0, address & ~3)
