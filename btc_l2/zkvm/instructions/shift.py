"""SLL SRL SRA ROTR and the same by a register, SLLV SRLV SRAV ROTRV. MIPS32 Vol. II-A.

Only the five low bits of the register count.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rd, sa
from btc_l2.zkvm.outcome import MASK, Outcome, Situation, proceed, signed, write


def rotr(s: Situation) -> Outcome:
    """rd := rt rotated right by sa."""
    b, amount = s.b, sa(s.word)

    result = (b >> amount | b << 32 - amount) & MASK

    return write(proceed(s.control), rd(s.word), result)


def rotrv(s: Situation) -> Outcome:
    """rd := rt rotated right by the five low bits of rs."""
    b, amount = s.b, s.a & 31

    result = (b >> amount | b << 32 - amount) & MASK

    return write(proceed(s.control), rd(s.word), result)


def sll(s: Situation) -> Outcome:
    """rd := rt shifted left by sa."""
    b, amount = s.b, sa(s.word)

    result = b << amount & MASK

    return write(proceed(s.control), rd(s.word), result)


def sllv(s: Situation) -> Outcome:
    """rd := rt shifted left by the five low bits of rs."""
    b, amount = s.b, s.a & 31

    result = b << amount & MASK

    return write(proceed(s.control), rd(s.word), result)


def sra(s: Situation) -> Outcome:
    """rd := rt shifted right by sa, the sign repeated."""
    b, amount = s.b, sa(s.word)

    result = signed(b) >> amount & MASK

    return write(proceed(s.control), rd(s.word), result)


def srav(s: Situation) -> Outcome:
    """rd := rt shifted right by the five low bits of rs, the sign repeated."""
    b, amount = s.b, s.a & 31

    result = signed(b) >> amount & MASK

    return write(proceed(s.control), rd(s.word), result)


def srl(s: Situation) -> Outcome:
    """rd := rt shifted right by sa, zeros moved in."""
    b, amount = s.b, sa(s.word)

    result = b >> amount

    return write(proceed(s.control), rd(s.word), result)


def srlv(s: Situation) -> Outcome:
    """rd := rt shifted right by the five low bits of rs, zeros moved in."""
    b, amount = s.b, s.a & 31

    result = b >> amount

    return write(proceed(s.control), rd(s.word), result)
