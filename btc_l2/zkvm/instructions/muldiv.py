"""DIV DIVU MULT MULTU, MADD MADDU MSUB MSUBU: to HI and LO; MUL: to a register. MIPS32 Vol. II-A.

Division by zero divides by one, −2^31 / −1 is −2^31 (as qemu). HI and LO stay as they are after MUL.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rd
from btc_l2.zkvm.outcome import MASK, Outcome, Situation, proceed, signed, write


def div(s: Situation) -> Outcome:
    """LO := rs / rt rounded towards zero, HI := the remainder with the sign of rs; signed."""
    a, b = signed(s.a), signed(s.b or 1)

    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    hi, lo = a - quotient * b & MASK, quotient & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def divu(s: Situation) -> Outcome:
    """LO := rs / rt rounded down, HI := the remainder; unsigned."""
    a, b = s.a, s.b or 1

    hi, lo = a % b, a // b

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def madd(s: Situation) -> Outcome:
    """HI:LO := HI:LO + rs · rt modulo 2^64, signed factors."""
    a, b, accumulator = s.a, s.b, s.control.hi << 32 | s.control.lo

    total = accumulator + signed(a) * signed(b)
    hi, lo = total >> 32 & MASK, total & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def maddu(s: Situation) -> Outcome:
    """HI:LO := HI:LO + rs · rt modulo 2^64, unsigned factors."""
    a, b, accumulator = s.a, s.b, s.control.hi << 32 | s.control.lo

    total = accumulator + a * b
    hi, lo = total >> 32 & MASK, total & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def msub(s: Situation) -> Outcome:
    """HI:LO := HI:LO − rs · rt modulo 2^64, signed factors."""
    a, b, accumulator = s.a, s.b, s.control.hi << 32 | s.control.lo

    total = accumulator - signed(a) * signed(b)
    hi, lo = total >> 32 & MASK, total & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def msubu(s: Situation) -> Outcome:
    """HI:LO := HI:LO − rs · rt modulo 2^64, unsigned factors."""
    a, b, accumulator = s.a, s.b, s.control.hi << 32 | s.control.lo

    total = accumulator - a * b
    hi, lo = total >> 32 & MASK, total & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def mul(s: Situation) -> Outcome:
    """rd := low word of rs · rt."""
    a, b = s.a, s.b

    result = a * b & MASK

    return write(proceed(s.control), rd(s.word), result)


def mult(s: Situation) -> Outcome:
    """HI:LO := rs · rt, signed."""
    a, b = s.a, s.b

    product = signed(a) * signed(b)
    hi, lo = product >> 32 & MASK, product & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))


def multu(s: Situation) -> Outcome:
    """HI:LO := rs · rt, unsigned."""
    a, b = s.a, s.b

    product = a * b
    hi, lo = product >> 32 & MASK, product & MASK

    return Outcome(proceed(s.control)._replace(hi=hi, lo=lo))
