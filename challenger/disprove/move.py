"""MFHI MFLO MTHI MTLO: to and from HI and LO; MOVN MOVZ: conditional moves.

Mirrors `btc_l2/zkvm/instructions/move.py`.
"""

from __future__ import annotations

from challenger.disprove.control import BAD, WRONG, advance, stays
from challenger.disprove.effect import DIFFERS, RESULT, into_rd, no_access, nothing_written, result_is, write
from taproot.gadgets.u32 import differ, expect_equal, nonzero, word
from taproot.script import Op, Stack

A, B = word("a"), word("b")


def mfhi(s: Stack) -> None:
    """rd := HI."""
    result_is(s, word("hi'"))
    stays(s, "hi")
    advance(s)

    s.from_alt(DIFFERS)
    into_rd(s)
    no_access(s)
    write(s)


def mflo(s: Stack) -> None:
    """rd := LO."""
    result_is(s, word("lo'"))
    stays(s, "lo")
    advance(s)

    s.from_alt(DIFFERS)
    into_rd(s)
    no_access(s)
    write(s)


def movn(s: Stack) -> None:
    """rd := rs if rt is not zero; else nothing is written."""
    advance(s)

    nonzero(s, B, "moves")
    s.op(Op.NOT, "idle")
    _move_unless_idle(s)


def movz(s: Stack) -> None:
    """rd := rs if rt is zero; else nothing is written."""
    advance(s)

    nonzero(s, B, "idle")
    _move_unless_idle(s)


def mthi(s: Stack) -> None:
    """HI := rs."""
    s.move(BAD)
    expect_equal(s, word("hi'"), A)
    advance(s)

    nothing_written(s)


def mtlo(s: Stack) -> None:
    """LO := rs."""
    s.move(BAD)
    expect_equal(s, word("lo'"), A)
    advance(s)

    nothing_written(s)


def _move_unless_idle(s: Stack) -> None:
    into_rd(s, unless="idle")
    s.drop("idle")
    no_access(s)
    differ(s, RESULT, A, WRONG)
    write(s)
