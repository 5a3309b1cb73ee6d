"""AND ANDI OR ORI XOR XORI NOR LUI: bitwise operations. Mirrors `btc_l2/zkvm/instructions/logic.py`."""

from __future__ import annotations

from collections.abc import Sequence

from challenger.disprove.control import WRONG, advance
from challenger.disprove.effect import RESULT, into_rd, into_rt, no_access, write
from challenger.disprove.immediate import COUNT, IMMEDIATE
from taproot.gadgets.bitwise import AND, NOR, OR, XOR, bitwise_differs
from taproot.gadgets.u32 import Word, differ, expect_equal, expect_zero, word
from taproot.script import Stack

_LOWER = Word(RESULT.items[:COUNT], keep=True)
_UPPER = Word(RESULT.items[COUNT:], keep=True)


def and_(s: Stack) -> None:
    """rd := rs and rt."""
    _register(s, AND)


def andi(s: Stack) -> None:
    """rt := rs and zero-extended immediate."""
    advance(s)

    into_rt(s)
    no_access(s)
    _lower_half(s, AND)
    expect_zero(s, _UPPER)
    write(s)


def lui(s: Stack) -> None:
    """rt := immediate in the upper half, zero in the lower."""
    advance(s)

    into_rt(s)
    no_access(s)
    differ(s, _UPPER, IMMEDIATE, WRONG)
    expect_zero(s, _LOWER)
    write(s)


def nor(s: Stack) -> None:
    """rd := neither rs nor rt."""
    _register(s, NOR)


def or_(s: Stack) -> None:
    """rd := rs or rt."""
    _register(s, OR)


def ori(s: Stack) -> None:
    """rt := rs or zero-extended immediate."""
    _immediate(s, OR)


def xor(s: Stack) -> None:
    """rd := rs exclusive-or rt."""
    _register(s, XOR)


def xori(s: Stack) -> None:
    """rt := rs exclusive-or zero-extended immediate."""
    _immediate(s, XOR)


def _register(s: Stack, bits: Sequence[int]) -> None:
    advance(s)

    into_rd(s)
    no_access(s)
    bitwise_differs(s, word("a"), word("b"), RESULT, bits, WRONG)
    write(s)


def _immediate(s: Stack, bits: Sequence[int]) -> None:
    """An operation that leaves the upper half as it is."""
    advance(s)

    into_rt(s)
    no_access(s)
    _lower_half(s, bits)
    expect_equal(s, _UPPER, Word(word("a").items[COUNT:]))
    write(s)


def _lower_half(s: Stack, bits: Sequence[int]) -> None:
    bitwise_differs(s, Word(word("a").items[:COUNT]), IMMEDIATE, _LOWER, bits, WRONG)
