"""AND ANDI OR ORI XOR XORI NOR LUI: bitwise operations. MIPS32 Vol. II-A."""

from __future__ import annotations

from btc_l2.zkvm.decode import immediate, rd, rt
from btc_l2.zkvm.outcome import MASK, Outcome, Situation, proceed, write


def and_(s: Situation) -> Outcome:
    """rd := rs and rt."""
    a, b = s.a, s.b

    result = a & b

    return write(proceed(s.control), rd(s.word), result)


def andi(s: Situation) -> Outcome:
    """rt := rs and zero-extended immediate."""
    a, b = s.a, immediate(s.word)

    result = a & b

    return write(proceed(s.control), rt(s.word), result)


def lui(s: Situation) -> Outcome:
    """rt := immediate in the upper half, zero in the lower."""
    upper = immediate(s.word)

    result = upper << 16

    return write(proceed(s.control), rt(s.word), result)


def nor(s: Situation) -> Outcome:
    """rd := neither rs nor rt."""
    a, b = s.a, s.b

    result = ~(a | b) & MASK

    return write(proceed(s.control), rd(s.word), result)


def or_(s: Situation) -> Outcome:
    """rd := rs or rt."""
    a, b = s.a, s.b

    result = a | b

    return write(proceed(s.control), rd(s.word), result)


def ori(s: Situation) -> Outcome:
    """rt := rs or zero-extended immediate."""
    a, b = s.a, immediate(s.word)

    result = a | b

    return write(proceed(s.control), rt(s.word), result)


def xor(s: Situation) -> Outcome:
    """rd := rs exclusive-or rt."""
    a, b = s.a, s.b

    result = a ^ b

    return write(proceed(s.control), rd(s.word), result)


def xori(s: Situation) -> Outcome:
    """rt := rs exclusive-or zero-extended immediate."""
    a, b = s.a, immediate(s.word)

    result = a ^ b

    return write(proceed(s.control), rt(s.word), result)
