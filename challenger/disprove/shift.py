"""SLL SRL SRA ROTR and the same by a register, SLLV SRLV SRAV ROTRV. Mirrors `btc_l2/zkvm/instructions/shift.py`."""

from __future__ import annotations

from collections.abc import Callable

from challenger.disprove.control import WRONG, advance
from challenger.disprove.effect import RESULT, into_rd, no_access, write
from taproot.gadgets.nibbles import HIGH_BIT, ODD
from taproot.gadgets.shift import WINDOW, shift_window, split_two_bits
from taproot.gadgets.u32 import NIBBLES, TOP, Word, differ, double, nibble, sign_extension, word
from taproot.script import Op, Stack

B = word("b")
_Step = Callable[[Stack], None]


def rotr(s: Stack) -> None:
    """rd := rt rotated right by sa."""
    _right(s, _push_word_again, push_sa)


def rotrv(s: Stack) -> None:
    """rd := rt rotated right by the low bits of rs."""
    _right(s, _push_word_again, _push_rs)


def sll(s: Stack) -> None:
    """rd := rt shifted left by sa."""
    _left(s, push_sa)


def sllv(s: Stack) -> None:
    """rd := rt shifted left by the low bits of rs."""
    _left(s, _push_rs)


def sra(s: Stack) -> None:
    """rd := rt shifted right by sa, the sign repeated."""
    _right(s, _push_signs, push_sa)


def srav(s: Stack) -> None:
    """rd := rt shifted right by the low bits of rs, the sign repeated."""
    _right(s, _push_signs, _push_rs)


def srl(s: Stack) -> None:
    """rd := rt shifted right by sa, zeros moved in."""
    _right(s, push_zeros, push_sa)


def srlv(s: Stack) -> None:
    """rd := rt shifted right by the low bits of rs, zeros moved in."""
    _right(s, push_zeros, _push_rs)


def shifted_left(s: Stack, w: Word, push_amount: _Step) -> None:
    """stack:  →  shifted.0 … shifted.7, the word w (moved) shifted left"""
    push_zeros(s)
    for item in w.items:
        s.move(item, WINDOW)
    push_amount(s)
    shift_window(s, True, "shifted")


def shifted_right(s: Stack, w: Word, push_above: _Step, push_amount: _Step) -> None:
    """stack:  →  shifted.0 … shifted.7, the word w (moved) shifted right, what moves in from above pushed by a step"""
    push_above(s)
    for item in reversed(w.items):
        s.move(item, WINDOW)
    push_amount(s)
    shift_window(s, False, "shifted")


def push_zeros(s: Stack) -> None:
    """stack:  →  a window's upper half of zeros"""
    for _ in range(NIBBLES):
        s.push(0, WINDOW)


def push_sa(s: Stack) -> None:
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


def _left(s: Stack, push_amount: _Step) -> None:
    advance(s)

    into_rd(s)
    no_access(s)
    shifted_left(s, B, push_amount)
    differ(s, word("shifted"), RESULT, WRONG)
    write(s)


def _right(s: Stack, push_above: _Step, push_amount: _Step) -> None:
    advance(s)

    into_rd(s)
    no_access(s)
    shifted_right(s, B, push_above, push_amount)
    differ(s, word("shifted"), RESULT, WRONG)
    write(s)


def _push_signs(s: Stack) -> None:
    sign_extension(s, B.items[TOP], WINDOW)
    for _ in range(NIBBLES - 1):
        s.op(Op.DUP, WINDOW, WINDOW)


def _push_word_again(s: Stack) -> None:
    for item in reversed(B.items):
        s.copy(item, WINDOW)


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
