"""CLO CLZ EXT INS SEB SEH WSBH: counts of leading bits, fields, sign extension, byte swap. MIPS32 Vol. II-A."""

from __future__ import annotations

from btc_l2.zkvm.decode import rd, rt, sa
from btc_l2.zkvm.outcome import MASK, RESERVED_INSTRUCTION, Outcome, Situation, proceed, trap, write


def clo(s: Situation) -> Outcome:
    """rd := number of leading ones of rs."""
    a = s.a

    result = 32 - (~a & MASK).bit_length()

    return write(proceed(s.control), rd(s.word), result)


def clz(s: Situation) -> Outcome:
    """rd := number of leading zeros of rs."""
    a = s.a

    result = 32 - a.bit_length()

    return write(proceed(s.control), rd(s.word), result)


def ext(s: Situation) -> Outcome:
    """rt := `size` bits of rs from bit `pos` up; trap 10 if the field leaves the word."""
    a, pos, size = s.a, sa(s.word), rd(s.word) + 1

    result = a >> pos & (1 << size) - 1
    if pos + size > 32:
        return trap(s.control, RESERVED_INSTRUCTION)

    return write(proceed(s.control), rt(s.word), result)


def ins(s: Situation) -> Outcome:
    """Bits msb … lsb of rt := low bits of rs; trap 10 if msb < lsb."""
    a, b, lsb, msb = s.a, s.b, sa(s.word), rd(s.word)

    if msb < lsb:
        return trap(s.control, RESERVED_INSTRUCTION)
    field = (1 << msb - lsb + 1) - 1
    result = b & ~(field << lsb) | (a & field) << lsb

    return write(proceed(s.control), rt(s.word), result)


def seb(s: Situation) -> Outcome:
    """rd := lowest byte of rt, sign-extended."""
    b = s.b

    result = (b & 0xFF ^ 0x80) - 0x80 & MASK

    return write(proceed(s.control), rd(s.word), result)


def seh(s: Situation) -> Outcome:
    """rd := lower half of rt, sign-extended."""
    b = s.b

    result = (b & 0xFFFF ^ 0x8000) - 0x8000 & MASK

    return write(proceed(s.control), rd(s.word), result)


def wsbh(s: Situation) -> Outcome:
    """rd := rt with the two bytes of each half swapped."""
    b = s.b

    result = b >> 8 & 0x00FF_00FF | b << 8 & 0xFF00_FF00

    return write(proceed(s.control), rd(s.word), result)
