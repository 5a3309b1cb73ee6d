"""Opcode SPECIAL: shifts, HI and LO, arithmetic and logic on two registers, conditional traps."""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm.jit import inlined
from btc_l2.zkvm.kernel.fields import (
    LOW32,
    N0,
    N1,
    N2,
    N3,
    N6,
    N31,
    N32,
    RD,
    RS,
    RT,
    SA,
    SHIFT32,
    SIGN,
    U32,
    put,
    rd,
    rs,
    rt,
    sa,
)

_ROTATE_FIXED = np.uint32(1 << 21)  # the bit that makes SRL a ROTR
_ROTATE_VARIABLE = np.uint32(1 << 6)  # and SRLV a ROTRV


@inlined
def rotate(b: np.uint32, amount: np.uint32) -> np.uint32:
    """b rotated right."""
    return np.uint32(np.uint32(b >> amount) | np.uint32(b << (np.uint32(N32 - amount) & N31)))


@inlined
def shift(i: np.uint32, fn: np.uint32, r: U32) -> bool:
    """Functions 0 to 7: SLL SRL SRA ROTR and by a register."""
    b = r[rt(i)]
    if fn == 0x00:
        if i & RS:
            return False
        return put(r, rd(i), np.uint32(b << sa(i)))
    if fn == 0x02:
        if i & RS & ~_ROTATE_FIXED:
            return False
        return put(r, rd(i), rotate(b, sa(i)) if i & _ROTATE_FIXED else np.uint32(b >> sa(i)))
    if fn == 0x03:
        if i & RS:
            return False
        return put(r, rd(i), np.uint32(np.int32(b) >> np.int32(sa(i))))
    amount = np.uint32(r[rs(i)] & N31)
    if fn == 0x04:
        if i & SA:
            return False
        return put(r, rd(i), np.uint32(b << amount))
    if fn == 0x06:
        if i & SA & ~_ROTATE_VARIABLE:
            return False
        return put(r, rd(i), rotate(b, amount) if i & _ROTATE_VARIABLE else np.uint32(b >> amount))
    if fn == 0x07:
        if i & SA:
            return False
        return put(r, rd(i), np.uint32(np.int32(b) >> np.int32(amount)))
    return False


@inlined
def set_hi_lo(c: U32, value: np.uint64) -> bool:
    """HI:LO := value."""
    c[N3] = np.uint32(value & LOW32)
    c[N2] = np.uint32(value >> SHIFT32)
    return True


@inlined
def product_signed(a: np.uint32, b: np.uint32) -> np.uint64:
    """a · b as two's complement of 64 bits."""
    return np.uint64(np.int64(np.int32(a)) * np.int64(np.int32(b)))


@inlined
def product_unsigned(a: np.uint32, b: np.uint32) -> np.uint64:
    """a · b of 64 bits."""
    return np.uint64(np.uint64(a) * np.uint64(b))


@inlined
def divide_signed(a: np.uint32, b: np.uint32, c: U32) -> bool:
    """LO := a / b towards zero, HI := remainder with the sign of a; by zero: by one."""
    x, y = np.int64(np.int32(a)), np.int64(np.int32(b))
    if y == 0:
        y = np.int64(1)
    q = np.int64(abs(x) // abs(y))
    if (x < 0) != (y < 0):
        q = np.int64(-q)
    c[N3] = np.uint32(q)
    c[N2] = np.uint32(np.int64(x - q * y))
    return True


@inlined
def divide_unsigned(a: np.uint32, b: np.uint32, c: U32) -> bool:
    """LO := a / b, HI := remainder; by zero: by one."""
    if b == 0:
        b = N1
    c[N3] = np.uint32(a // b)
    c[N2] = np.uint32(a % b)
    return True


@inlined
def hi_lo(i: np.uint32, fn: np.uint32, r: U32, c: U32) -> bool:
    """Functions 0x10 to 0x1F: moves from and to HI and LO, products, quotients."""
    if fn == 0x12:
        if i & (RS | RT | SA):
            return False
        return put(r, rd(i), c[N3])
    if fn == 0x10:
        if i & (RS | RT | SA):
            return False
        return put(r, rd(i), c[N2])
    a = r[rs(i)]
    if fn == 0x13 or fn == 0x11:
        if i & (RT | RD | SA):
            return False
        c[N3 if fn == 0x13 else N2] = a
        return True
    b = r[rt(i)]
    if i & (RD | SA):
        return False
    if fn == 0x19:
        return set_hi_lo(c, product_unsigned(a, b))
    if fn == 0x18:
        return set_hi_lo(c, product_signed(a, b))
    if fn == 0x1B:
        return divide_unsigned(a, b, c)
    if fn == 0x1A:
        return divide_signed(a, b, c)
    return False


@inlined
def two_registers(i: np.uint32, fn: np.uint32, r: U32) -> bool:
    """Functions 0x20 to 0x2F: sums, logic, comparisons."""
    a, b = r[rs(i)], r[rt(i)]
    if i & SA:
        return False
    if fn == 0x21:
        return put(r, rd(i), np.uint32(a + b))
    if fn == 0x23:
        return put(r, rd(i), np.uint32(a - b))
    if fn == 0x24:
        return put(r, rd(i), a & b)
    if fn == 0x25:
        return put(r, rd(i), a | b)
    if fn == 0x26:
        return put(r, rd(i), a ^ b)
    if fn == 0x27:
        return put(r, rd(i), np.uint32(~(a | b)))
    if fn == 0x2B:
        return put(r, rd(i), N1 if a < b else N0)
    if fn == 0x2A:
        return put(r, rd(i), N1 if np.int32(a) < np.int32(b) else N0)
    if fn == 0x20:
        v = np.uint32(a + b)
        if np.uint32(np.uint32(a ^ v) & np.uint32(b ^ v)) & SIGN:
            return False
        return put(r, rd(i), v)
    if fn == 0x22:
        v = np.uint32(a - b)
        if np.uint32(np.uint32(a ^ b) & np.uint32(a ^ v)) & SIGN:
            return False
        return put(r, rd(i), v)
    return False


@inlined
def conditional_trap(kind: np.uint32, a: np.uint32, b: np.uint32) -> bool:
    """Kinds GE GEU LT LTU EQ – NE (functions 0x30 …, REGIMM 0x08 …): False if it traps or is none."""
    if kind == 0:
        return bool(np.int32(a) < np.int32(b))
    if kind == N1:
        return bool(a < b)
    if kind == N2:
        return bool(np.int32(a) >= np.int32(b))
    if kind == N3:
        return bool(a >= b)
    if kind == 4:
        return bool(a != b)
    return bool(kind == N6 and a == b)
