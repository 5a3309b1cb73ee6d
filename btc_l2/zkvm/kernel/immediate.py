"""Opcodes 0x08 to 0x0F: a register and an immediate; SPECIAL2 and SPECIAL3: products, bit fields."""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm.jit import inlined
from btc_l2.zkvm.kernel.fields import (
    HALF,
    N0,
    N1,
    N2,
    N3,
    N8,
    N16,
    N31,
    ONES,
    RD,
    RS,
    SA,
    SHIFT32,
    SIGN,
    U32,
    put,
    rd,
    rs,
    rt,
    sa,
    simm,
    uimm,
)
from btc_l2.zkvm.kernel.special import product_signed, product_unsigned, set_hi_lo

_WSBH_HIGH = np.uint32(0xFF00_FF00)
_WSBH_LOW = np.uint32(0x00FF_00FF)
_ULR = np.uint32(29 << 11)  # RDHWR: UserLocal
_SEB, _SEH, _WSBH = np.uint32(0x10 << 6), np.uint32(0x18 << 6), np.uint32(0x02 << 6)


@inlined
def one_register(i: np.uint32, op: np.uint32, r: U32) -> bool:
    """Opcodes 0x08 to 0x0F."""
    a = r[rs(i)]
    if op == 0x09:
        return put(r, rt(i), np.uint32(a + simm(i)))
    if op == 0x0C:
        return put(r, rt(i), a & uimm(i))
    if op == 0x0D:
        return put(r, rt(i), a | uimm(i))
    if op == 0x0E:
        return put(r, rt(i), a ^ uimm(i))
    if op == 0x0F:
        if i & RS:
            return False
        return put(r, rt(i), np.uint32(i << N16))
    if op == 0x0B:
        return put(r, rt(i), N1 if a < simm(i) else N0)
    if op == 0x0A:
        return put(r, rt(i), N1 if np.int32(a) < np.int32(simm(i)) else N0)
    v = np.uint32(a + simm(i))
    if np.uint32(np.uint32(a ^ v) & np.uint32(simm(i) ^ v)) & SIGN:
        return False
    return put(r, rt(i), v)


@inlined
def leading_zeros(a: np.uint32) -> np.uint32:
    """Number of zeros above the highest one."""
    n = N0
    for step in (16, 8, 4, 2, 1):
        if np.uint32(a >> np.uint32(32 - step)) == 0:
            n = np.uint32(n + np.uint32(step))
            a = np.uint32(a << np.uint32(step))
    return np.uint32(n + (N1 if a == 0 else N0))


@inlined
def special2(i: np.uint32, r: U32, c: U32) -> bool:
    """MUL MADD MADDU MSUB MSUBU CLZ CLO."""
    fn = np.uint32(i & np.uint32(63))
    a, b = r[rs(i)], r[rt(i)]
    if i & SA:
        return False
    if fn == 0x02:
        return put(r, rd(i), np.uint32(a * b))
    if fn == 0x20:
        return put(r, rd(i), leading_zeros(a))
    if fn == 0x21:
        return put(r, rd(i), leading_zeros(np.uint32(~a)))
    if i & RD:
        return False
    accumulator = np.uint64(np.uint64(c[N2]) << SHIFT32) | np.uint64(c[N3])
    if fn == 0x00:
        return set_hi_lo(c, np.uint64(accumulator + product_signed(a, b)))
    if fn == 0x01:
        return set_hi_lo(c, np.uint64(accumulator + product_unsigned(a, b)))
    if fn == 0x04:
        return set_hi_lo(c, np.uint64(accumulator - product_signed(a, b)))
    if fn == 0x05:
        return set_hi_lo(c, np.uint64(accumulator - product_unsigned(a, b)))
    return False


@inlined
def field_mask(size_less_one: np.uint32) -> np.uint32:
    """As many ones as the field has bits: 1 to 32."""
    return np.uint32(ONES >> np.uint32(N31 - size_less_one))


@inlined
def extract(i: np.uint32, r: U32) -> bool:
    """EXT."""
    if np.uint32(sa(i) + rd(i)) > N31:
        return False
    return put(r, rt(i), np.uint32(r[rs(i)] >> sa(i)) & field_mask(rd(i)))


@inlined
def insert(i: np.uint32, r: U32) -> bool:
    """INS."""
    if rd(i) < sa(i):
        return False
    mask = field_mask(np.uint32(rd(i) - sa(i)))
    kept = np.uint32(r[rt(i)] & np.uint32(~np.uint32(mask << sa(i))))
    return put(r, rt(i), kept | np.uint32(np.uint32(r[rs(i)] & mask) << sa(i)))


@inlined
def special3(i: np.uint32, r: U32, c: U32) -> bool:
    """EXT INS SEB SEH WSBH RDHWR."""
    fn = np.uint32(i & np.uint32(63))
    if fn == 0x00:
        return extract(i, r)
    if fn == 0x04:
        return insert(i, r)
    if i & RS:
        return False
    kind = np.uint32(i & SA)
    if fn == 0x3B:
        if kind != N0 or i & RD != _ULR:
            return False
        return put(r, rt(i), c[np.uint32(7)])
    if fn != 0x20:
        return False
    b = r[rt(i)]
    if kind == _SEB:
        return put(r, rd(i), np.uint32(np.int32(np.int8(b & np.uint32(0xFF)))))
    if kind == _SEH:
        return put(r, rd(i), np.uint32(np.int32(np.int16(b & HALF))))
    if kind != _WSBH:
        return False
    return put(r, rd(i), np.uint32(np.uint32(b << N8) & _WSBH_HIGH) | np.uint32(np.uint32(b >> N8) & _WSBH_LOW))
