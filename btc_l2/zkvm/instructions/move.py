"""MFHI MFLO MTHI MTLO: to and from HI and LO; MOVN MOVZ: conditional moves. MIPS32 Vol. II-A."""

from __future__ import annotations

from btc_l2.zkvm.decode import rd
from btc_l2.zkvm.outcome import Outcome, Situation, proceed, write


def mfhi(s: Situation) -> Outcome:
    """rd := HI."""
    hi = s.control.hi

    result = hi

    return write(proceed(s.control), rd(s.word), result)


def mflo(s: Situation) -> Outcome:
    """rd := LO."""
    lo = s.control.lo

    result = lo

    return write(proceed(s.control), rd(s.word), result)


def movn(s: Situation) -> Outcome:
    """rd := rs if rt is not zero; else nothing is written."""
    a, b = s.a, s.b

    moves = b != 0

    return write(proceed(s.control), rd(s.word), a) if moves else Outcome(proceed(s.control))


def movz(s: Situation) -> Outcome:
    """rd := rs if rt is zero; else nothing is written."""
    a, b = s.a, s.b

    moves = b == 0

    return write(proceed(s.control), rd(s.word), a) if moves else Outcome(proceed(s.control))


def mthi(s: Situation) -> Outcome:
    """HI := rs."""
    a = s.a

    hi = a

    return Outcome(proceed(s.control)._replace(hi=hi))


def mtlo(s: Situation) -> Outcome:
    """LO := rs."""
    a = s.a

    lo = a

    return Outcome(proceed(s.control)._replace(lo=lo))
