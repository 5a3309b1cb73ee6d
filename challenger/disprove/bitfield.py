"""CLO CLZ EXT INS SEB SEH WSBH: counts of leading bits, fields, sign extension, byte swap.

Mirrors `btc_l2/zkvm/instructions/bitfield.py`. Positions are handled times four or sixteen, as tables want them.
"""

from __future__ import annotations

from btc_l2.zkvm.outcome import RESERVED_INSTRUCTION
from challenger.disprove.control import TRAP, WRONG, advance, advance_or_trap
from challenger.disprove.effect import RESULT, into_rd, into_rt, no_access, push_rd, write
from challenger.disprove.shift import push_sa, push_zeros, shifted_left, shifted_right
from taproot.gadgets.fields import leading_bits, push_low_bits, push_low_bits_table, push_row
from taproot.gadgets.u32 import NIBBLES, Term, Word, differ, double, expect_zero, nibble, sign_extension, weigh, word
from taproot.script import Op, Stack

A, B = word("a"), word("b")
EXTENSION = "extension"
_LAST_BIT = 31
_SWAPPED = (2, 3, 0, 1, 6, 7, 4, 5)


def clo(s: Stack) -> None:
    """rd := number of leading ones of rs."""
    _count(s, ones=True)


def clz(s: Stack) -> None:
    """rd := number of leading zeros of rs."""
    _count(s, ones=False)


def ext(s: Stack) -> None:
    """rt := `size` bits of rs from bit `pos` up; trap 10 if the field leaves the word."""
    push_rd(s)
    double(s, 2)
    _push_four_sa(s)
    s.op(Op.ADD)
    s.push(4 * _LAST_BIT + 3)
    s.op(Op.GREATERTHAN, TRAP)
    advance_or_trap(s, RESERVED_INSTRUCTION)

    into_rt(s, unless=TRAP)
    s.drop(TRAP)
    no_access(s)
    shifted_right(s, A, push_zeros, push_sa)
    push_low_bits_table(s)
    _push_end(s, "size")
    s.push(0, WRONG)
    for i in range(NIBBLES):
        push_row(s, "size", i, "row")
        push_low_bits(s, nibble("shifted", i), "row")
        _compare(s, i)
        s.drop("row")
    write(s)


def ins(s: Stack) -> None:
    """Bits msb … lsb of rt := low bits of rs; trap 10 if msb < lsb."""
    push_rd(s)
    double(s, 2)
    _push_four_sa(s)
    s.op(Op.LESSTHAN, TRAP)
    advance_or_trap(s, RESERVED_INSTRUCTION)

    into_rt(s, unless=TRAP)
    s.drop(TRAP)
    no_access(s)
    shifted_left(s, A, push_sa)
    push_low_bits_table(s)
    _push_four_sa(s)
    double(s, 2)
    s.rename("start")
    _push_end(s, "end")
    s.push(0, WRONG)
    for i in range(NIBBLES):
        push_row(s, "start", i, "below start")
        push_row(s, "end", i, "below end")
        s.copy(B.items[i])  # its bits above the field: all, less those below the end
        push_low_bits(s, B.items[i], "below end")
        s.op(Op.SUB)
        push_low_bits(s, B.items[i], "below start")
        s.op(Op.ADD)
        push_low_bits(s, nibble("shifted", i), "below end")  # zero below the start
        s.op(Op.ADD, "nibble")
        _compare(s, i)
        s.drop("below end", "below start")
    write(s)


def seb(s: Stack) -> None:
    """rd := lowest byte of rt, sign-extended."""
    _extended(s, 2)


def seh(s: Stack) -> None:
    """rd := lower half of rt, sign-extended."""
    _extended(s, 4)


def wsbh(s: Stack) -> None:
    """rd := rt with the two bytes of each half swapped."""
    advance(s)

    into_rd(s)
    no_access(s)
    differ(s, RESULT, Word(tuple(B.items[i] for i in _SWAPPED)), WRONG)
    write(s)


def _count(s: Stack, ones: bool) -> None:
    """rd := number of leading bits of rs that are all the same."""
    advance(s)

    into_rd(s)
    no_access(s)
    leading_bits(s, A, ones, "count")
    weigh(s, [Term(Word(RESULT.items[:2], keep=True))], "result", 1)
    s.op(Op.SUB, WRONG)
    expect_zero(s, Word(RESULT.items[2:], keep=True))
    write(s)


def _extended(s: Stack, nibbles: int) -> None:
    """rd := the low nibbles of rt, sign-extended."""
    advance(s)

    into_rd(s)
    no_access(s)
    sign_extension(s, B.items[nibbles - 1], EXTENSION)
    above = (EXTENSION,) * (NIBBLES - nibbles)
    differ(s, RESULT, Word((*B.items[:nibbles], *above), keep=True), WRONG)
    write(s)


def _push_four_sa(s: Stack) -> None:
    """stack:  →  4 · sa (bits 10…6)"""
    push_sa(s)
    s.drop()
    double(s, 4)
    s.copy(nibble("instruction", 1))
    s.op(Op.ADD, "4·sa")


def _push_end(s: Stack, name: str) -> None:
    """stack:  →  16 · (rd + 1)"""
    push_rd(s)
    s.op(Op.ONEADD)
    double(s, 4)
    s.rename(name)


def _compare(s: Stack, i: int) -> None:
    """stack:  wrong … nibble  →  wrong or (nibble i of the result ≠ nibble)"""
    s.copy(RESULT.items[i])
    s.op(Op.SUB, "difference")
    s.move(WRONG)
    s.op(Op.BOOLOR, WRONG)
