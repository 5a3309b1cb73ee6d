"""SLT SLTI SLTIU SLTU: 1 if less, else 0. Mirrors `btc_l2/zkvm/instructions/compare.py`."""

from __future__ import annotations

from challenger.disprove.control import WRONG, advance
from challenger.disprove.effect import RESULT, into_rd, into_rt, no_access, write
from challenger.disprove.immediate import EXTENDED, push_extension
from taproot.gadgets.u32 import Word, expect_zero, less_than, signed_less_than, word
from taproot.script import Op, Stack

A, B = word("a"), word("b")


def slt(s: Stack) -> None:
    """rd := 1 if rs < rt as signed numbers, else 0."""
    advance(s)

    into_rd(s)
    no_access(s)
    signed_less_than(s, A, B, "less")
    result_is_bit(s, "less")
    write(s)


def slti(s: Stack) -> None:
    """rt := 1 if rs < immediate as signed numbers, else 0."""
    advance(s)

    into_rt(s)
    no_access(s)
    push_extension(s)
    signed_less_than(s, A, EXTENDED, "less")
    result_is_bit(s, "less")
    write(s)


def sltiu(s: Stack) -> None:
    """rt := 1 if rs < sign-extended immediate as unsigned numbers, else 0."""
    advance(s)

    into_rt(s)
    no_access(s)
    push_extension(s)
    less_than(s, A, EXTENDED, "less")
    result_is_bit(s, "less")
    write(s)


def sltu(s: Stack) -> None:
    """rd := 1 if rs < rt as unsigned numbers, else 0."""
    advance(s)

    into_rd(s)
    no_access(s)
    less_than(s, A, B, "less")
    result_is_bit(s, "less")
    write(s)


def result_is_bit(s: Stack, bit: str) -> None:
    """stack:  bit  →  wrong          where `result` is not the bit"""
    s.move(bit)
    s.copy(RESULT.items[0])
    s.op(Op.SUB, WRONG)
    expect_zero(s, Word(RESULT.items[1:], keep=True))
