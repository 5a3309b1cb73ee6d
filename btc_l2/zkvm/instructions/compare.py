"""SLT SLTI SLTIU SLTU: 1 if less, else 0. MIPS32 Vol. II-A."""

from __future__ import annotations

from btc_l2.zkvm.decode import rd, rt, signed_immediate
from btc_l2.zkvm.outcome import Outcome, Situation, proceed, signed, write


def slt(s: Situation) -> Outcome:
    """rd := 1 if rs < rt as signed numbers, else 0."""
    a, b = s.a, s.b

    result = int(signed(a) < signed(b))

    return write(proceed(s.control), rd(s.word), result)


def slti(s: Situation) -> Outcome:
    """rt := 1 if rs < immediate as signed numbers, else 0."""
    a, b = s.a, signed_immediate(s.word)

    result = int(signed(a) < signed(b))

    return write(proceed(s.control), rt(s.word), result)


def sltiu(s: Situation) -> Outcome:
    """rt := 1 if rs < sign-extended immediate as unsigned numbers, else 0."""
    a, b = s.a, signed_immediate(s.word)

    result = int(a < b)

    return write(proceed(s.control), rt(s.word), result)


def sltu(s: Situation) -> Outcome:
    """rd := 1 if rs < rt as unsigned numbers, else 0."""
    a, b = s.a, s.b

    result = int(a < b)

    return write(proceed(s.control), rd(s.word), result)
