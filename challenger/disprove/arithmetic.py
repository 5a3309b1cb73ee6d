"""ADD ADDI ADDIU ADDU SUB SUBU: sums and differences modulo 2^32; those without U trap on signed overflow.

Mirrors `btc_l2/zkvm/instructions/arithmetic.py`. Every relation in this folder has the same paragraphs: what decides
about a trap (if it can), control (its words lie on top of the claim), operands and result.
"""

from __future__ import annotations

from challenger.disprove.control import TRAP, WRONG, advance, advance_or_trap
from challenger.disprove.effect import RESULT, into_rd, into_rt, no_access, write
from challenger.disprove.immediate import IMMEDIATE, push_sign_weight
from taproot.gadgets.u32 import LOW, TOP, Term, add_top, congruent, double, negative, residue, weigh, word
from taproot.script import Op, Stack

OVERFLOW = 12  # ExcCode Ov
A, B = word("a"), word("b")


def add(s: Stack) -> None:
    """rd := rs + rt; trap 12 if the signed sum does not fit."""
    _sum(s, [Term(A), Term(B)])
    advance_or_trap(s, OVERFLOW)

    into_rd(s, unless=TRAP)
    s.drop(TRAP)
    no_access(s)
    _result_is_sum(s)
    write(s)


def addi(s: Stack) -> None:
    """rt := rs + sign-extended immediate; trap 12 if the signed sum does not fit."""
    _sum(s, [Term(A), Term(IMMEDIATE)])
    advance_or_trap(s, OVERFLOW)

    into_rt(s, unless=TRAP)
    s.drop(TRAP)
    no_access(s)
    _result_is_sum(s)
    write(s)


def addiu(s: Stack) -> None:
    """rt := rs + sign-extended immediate."""
    advance(s)

    into_rt(s)
    no_access(s)
    push_sign_weight(s, "sign")
    congruent(s, [Term(RESULT), Term(A, -1), Term(IMMEDIATE, -1)], WRONG, minus="sign")
    write(s)


def addu(s: Stack) -> None:
    """rd := rs + rt."""
    advance(s)

    into_rd(s)
    no_access(s)
    congruent(s, [Term(RESULT), Term(A, -1), Term(B, -1)], WRONG)
    write(s)


def sub(s: Stack) -> None:
    """rd := rs − rt; trap 12 if the signed difference does not fit."""
    _sum(s, [Term(A), Term(B, -1)])
    advance_or_trap(s, OVERFLOW)

    into_rd(s, unless=TRAP)
    s.drop(TRAP)
    no_access(s)
    _result_is_sum(s)
    write(s)


def subu(s: Stack) -> None:
    """rd := rs − rt."""
    advance(s)

    into_rd(s)
    no_access(s)
    congruent(s, [Term(RESULT), Term(A, -1), Term(B)], WRONG)
    write(s)


def _sum(s: Stack, terms: list[Term]) -> None:
    """The exact sum as two numbers, and whether it overflows as a signed one.

    stack:  →  low top trap        sum = low + 2^28 · top, with |low| < 2^29
    """
    for n, term in enumerate(t for t in terms if t.word is not IMMEDIATE):
        negative(s, term.word.items[TOP], "signs")
        if n:
            s.op(Op.ADD if term.sign > 0 else Op.SUB, "signs")
    double(s, 4)
    s.rename("signs")  # in units of the top nibble
    weigh(s, terms, "low")
    if terms[-1].word is IMMEDIATE:
        push_sign_weight(s, "sign")
        s.op(Op.ADD, "low")
    add_top(s, terms, "top")
    _push_carry(s)
    s.copy("top")
    s.op(Op.ADD)
    s.move("signs")
    s.op(Op.SUB, "signed top")
    s.push(-8)
    s.push(8)
    s.op(Op.WITHIN, "fits")
    s.op(Op.NOT, TRAP)


def _push_carry(s: Stack) -> None:
    """stack:  →  1 if low ≥ 2^28, −1 if low < 0, else 0"""
    s.copy("low")
    s.op(Op.DUP)
    s.push(LOW - 1)
    s.op(Op.GREATERTHAN)
    s.op(Op.SWAP)
    s.push(0)
    s.op(Op.LESSTHAN)
    s.op(Op.SUB, "carry")


def _result_is_sum(s: Stack) -> None:
    """stack:  low top  →  wrong          where `result` is not their sum modulo 2^32"""
    weigh(s, [Term(RESULT)], "result.low")
    s.move("low")
    s.op(Op.SUB, "low")
    add_top(s, [Term(RESULT)], "result.top")
    s.move("top")
    s.op(Op.SUB, "top")
    residue(s, WRONG)
