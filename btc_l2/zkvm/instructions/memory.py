"""LB LBU LH LHU LW LL, SB SH SW SC: aligned loads and stores. MIPS32 Vol. II-A.

A bad address, or one that is not a multiple of the size, is trap 4 for loads and trap 5 for stores. `s.memory` is
the word that the address stands in. LL leaves `address | 1` in the control word LL; SC stores only where it finds
the same value there, and clears it.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rt, signed_immediate
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


def lb(s: Situation) -> Outcome:
    """rt := byte, sign-extended."""
    address = effective_address(s)
    if not may_load(address):
        return trap(s.control, ADDRESS_LOAD)

    byte = s.memory >> byte_shift(address, s.endian) & 0xFF
    result = (byte ^ 0x80) - 0x80 & MASK

    return _loaded(s, address, result)


def lbu(s: Situation) -> Outcome:
    """rt := byte, zero-extended."""
    address = effective_address(s)
    if not may_load(address):
        return trap(s.control, ADDRESS_LOAD)

    result = s.memory >> byte_shift(address, s.endian) & 0xFF

    return _loaded(s, address, result)


def lh(s: Situation) -> Outcome:
    """rt := half word, sign-extended."""
    address = effective_address(s)
    if not may_load(address) or address % 2:
        return trap(s.control, ADDRESS_LOAD)

    half = s.memory >> _half_shift(s, address) & 0xFFFF
    result = (half ^ 0x8000) - 0x8000 & MASK

    return _loaded(s, address, result)


def lhu(s: Situation) -> Outcome:
    """rt := half word, zero-extended."""
    address = effective_address(s)
    if not may_load(address) or address % 2:
        return trap(s.control, ADDRESS_LOAD)

    result = s.memory >> _half_shift(s, address) & 0xFFFF

    return _loaded(s, address, result)


def ll(s: Situation) -> Outcome:
    """rt := word; LL := address | 1."""
    address = effective_address(s)
    if not may_load(address) or address % 4:
        return trap(s.control, ADDRESS_LOAD)

    result = s.memory

    control = proceed(s.control)._replace(ll=address | 1)
    dest = rt(s.word)
    return Outcome(control, dest, result if dest else 0, address)


def lw(s: Situation) -> Outcome:
    """rt := word."""
    address = effective_address(s)
    if not may_load(address) or address % 4:
        return trap(s.control, ADDRESS_LOAD)

    result = s.memory

    return _loaded(s, address, result)


def sb(s: Situation) -> Outcome:
    """Byte := lowest byte of rt."""
    address = effective_address(s)
    if not may_store(address):
        return trap(s.control, ADDRESS_STORE)

    shift = byte_shift(address, s.endian)
    new = s.memory & ~(0xFF << shift) | (s.b & 0xFF) << shift

    return Outcome(proceed(s.control), address=address & ~3, store=new)


def sc(s: Situation) -> Outcome:
    """If the link of LL still stands at this address: word := rt, rt := 1; else rt := 0. The link is gone."""
    address = effective_address(s)
    if not may_store(address) or address % 4:
        return trap(s.control, ADDRESS_STORE)

    linked = s.control.ll == address | 1
    new = s.b if linked else None

    control = proceed(s.control)._replace(ll=0)
    dest = rt(s.word)
    return Outcome(control, dest, int(linked and dest != 0), address, new)


def sh(s: Situation) -> Outcome:
    """Half word := lower half of rt."""
    address = effective_address(s)
    if not may_store(address) or address % 2:
        return trap(s.control, ADDRESS_STORE)

    shift = _half_shift(s, address)
    new = s.memory & ~(0xFFFF << shift) | (s.b & 0xFFFF) << shift

    return Outcome(proceed(s.control), address=address & ~3, store=new)


def sw(s: Situation) -> Outcome:
    """Word := rt."""
    address = effective_address(s)
    if not may_store(address) or address % 4:
        return trap(s.control, ADDRESS_STORE)

    new = s.b

    return Outcome(proceed(s.control), address=address, store=new)


def effective_address(s: Situation) -> int:
    """rs + sign-extended offset, modulo 2^32."""
    return s.a + signed_immediate(s.word) & MASK


def _half_shift(s: Situation, address: int) -> int:
    """Bits below the half word at an even address: those below the lower of its two bytes."""
    return byte_shift(address, s.endian) & ~8


def _loaded(s: Situation, address: int, result: int) -> Outcome:
    dest = rt(s.word)
    return Outcome(proceed(s.control), dest, result if dest else 0, address & ~3)
