"""ADD ADDI ADDIU ADDU SUB SUBU: sums and differences modulo 2^32; those without U trap on signed overflow.

MIPS32 Vol. II-A. Every instruction in this folder has the same three paragraphs: operands, result, control.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rd, rt, signed_immediate
from btc_l2.zkvm.outcome import MASK, OVERFLOW, Outcome, Situation, proceed, signed, trap, write


def add(s: Situation) -> Outcome:
    """rd := rs + rt; trap 12 if the signed sum does not fit."""
    a, b = s.a, s.b

    result = a + b & MASK
    if signed(a) + signed(b) != signed(result):
        return trap(s.control, OVERFLOW)

    return write(proceed(s.control), rd(s.word), result)


def addi(s: Situation) -> Outcome:
    """rt := rs + sign-extended immediate; trap 12 if the signed sum does not fit."""
    a, b = s.a, signed_immediate(s.word)

    result = a + b & MASK
    if signed(a) + signed(b) != signed(result):
        return trap(s.control, OVERFLOW)

    return write(proceed(s.control), rt(s.word), result)


def addiu(s: Situation) -> Outcome:
    """rt := rs + sign-extended immediate."""
    a, b = s.a, signed_immediate(s.word)

    result = a + b & MASK

    return write(proceed(s.control), rt(s.word), result)


def addu(s: Situation) -> Outcome:
    """rd := rs + rt."""
    a, b = s.a, s.b

    result = a + b & MASK

    return write(proceed(s.control), rd(s.word), result)


def sub(s: Situation) -> Outcome:
    """rd := rs − rt; trap 12 if the signed difference does not fit."""
    a, b = s.a, s.b

    result = a - b & MASK
    if signed(a) - signed(b) != signed(result):
        return trap(s.control, OVERFLOW)

    return write(proceed(s.control), rd(s.word), result)


def subu(s: Situation) -> Outcome:
    """rd := rs − rt."""
    a, b = s.a, s.b

    result = a - b & MASK

    return write(proceed(s.control), rd(s.word), result)
