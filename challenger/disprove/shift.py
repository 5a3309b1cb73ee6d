"""SLL SRL SRA ROTR and the same by a register, SLLV SRLV SRAV ROTRV. Mirrors `btc_l2/zkvm/instructions/shift.py`."""

from __future__ import annotations

from collections.abc import Callable

from challenger.disprove.control import WRONG, advance
from challenger.disprove.effect import RESULT, into_rd, no_access, write
from taproot.gadgets.nibbles import HIGH_BIT, ODD
from taproot.gadgets.shift import WINDOW, shift_differs, split_two_bits
from taproot.gadgets.u32 import NIBBLES, TOP, double, nibble, sign_extension, word
from taproot.script import Op, Stack

B = word("b")
_Step = Callable[[Stack], None]


def rotr(s: Stack) -> None:
    """rd := rt rotated right by sa."""
    _right(s, _push_word_again, _push_sa)


def rotrv(s: Stack) -> None:
    """rd := rt rotated right by the low bits of rs."""
    _right(s, _push_word_again, _push_rs)


def sll(s: Stack) -> None:
    """rd := rt shifted left by sa."""
    _left(s, _push_sa)


def sllv(s: Stack) -> None:
    """rd := rt shifted left by the low bits of rs."""
    _left(s, _push_rs)


def sra(s: Stack) -> None:
    """rd := rt shifted right by sa, the sign repeated."""
    _right(s, _push_signs, _push_sa)


def srav(s: Stack) -> None:
    """rd := rt shifted right by the low bits of rs, the sign repeated."""
    _right(s, _push_signs, _push_rs)


def srl(s: Stack) -> None:
    """rd := rt shifted right by sa, zeros moved in."""
    _right(s, _push_zeros, _push_sa)


def srlv(s: Stack) -> None:
    """rd := rt shifted right by the low bits of rs, zeros moved in."""
    _right(s, _push_zeros, _push_rs)


def _left(s: Stack, push_amount: _Step) -> None:
    advance(s)

    into_rd(s)
    no_access(s)
    _push_zeros(s)
    for item in B.items:
        s.move(item, WINDOW)
    push_amount(s)
    shift_differs(s, RESULT, True, WRONG)
    write(s)


def _right(s: Stack, push_above: _Step, push_amount: _Step) -> None:
    advance(s)

    into_rd(s)
    no_access(s)
    push_above(s)
    for item in reversed(B.items):
        s.move(item, WINDOW)
    push_amount(s)
    shift_differs(s, RESULT, False, WRONG)
    write(s)


def _push_zeros(s: Stack) -> None:
    for _ in range(NIBBLES):
        s.push(0, WINDOW)


def _push_signs(s: Stack) -> None:
    sign_extension(s, B.items[TOP], WINDOW)
    for _ in range(NIBBLES - 1):
        s.op(Op.DUP, WINDOW, WINDOW)


def _push_word_again(s: Stack) -> None:
    for item in reversed(B.items):
        s.copy(item, WINDOW)


def _push_sa(s: Stack) -> None:
    """Bits 10…6; bits 5 and 4, the top of the function, are 0 in these rows.

    stack:  →  sa >> 2, 16 · (sa & 3)
    """
    s.copy(nibble("instruction", 2))
    s.op(Op.DUP)
    s.run(HIGH_BIT, 1, ("bit",))
    double(s, 3)
    s.op(Op.SUB, "whole")
    s.copy(nibble("instruction", 1))
    double(s, 2)


def _push_rs(s: Stack) -> None:
    """stack:  →  (rs & 31) >> 2, 16 · (rs & 3)"""
    s.copy(nibble("a", 1))
    s.run(ODD, 1, ("bit",))
    double(s, 2)
    s.copy(nibble("a", 0))
    split_two_bits(s)
    s.op(Op.TOALTSTACK)
    s.op(Op.ADD, "whole")
    s.from_alt()
