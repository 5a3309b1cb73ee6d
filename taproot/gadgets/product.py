"""Products of words, checked from the top digit down, so that no carry has to be divided off.

To check R = X · Y the digits of R − X · Y are gathered in columns of 16^k and summed by Horner's rule from the highest
column: after column k the sum is what the columns below must still carry into it. It must end as 0. In between it is
small if R is right, so it can be clamped: what leaves the range of a true carry never comes back to 0.

X is cut into limbs of a few nibbles; of each limb a table holds the multiples by 0 … 15, so a digit of Y times a limb
is one OP_PICK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taproot.gadgets.u32 import double, fetch, select
from taproot.script import Op, Stack


@dataclass(frozen=True, slots=True)
class Digit:
    """A nibble in a column, times `sign`; with `mask` the smaller of the nibble and that item (0 or 15)."""

    item: str
    sign: int = 1
    keep: bool = False
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Multiple:
    """A limb in a column, times a digit on the stack (kept), times `sign`."""

    table: str
    digit: str
    sign: int = -1


Entry = Digit | Multiple
_MOST = 15  # highest multiple in a table


def entry(table: str, n: int) -> str:
    """Name of the multiple by n in a table."""
    return f"{table}·{n}"


def push_multiples(s: Stack, name: str) -> None:
    """stack:  x  →  0 x 2x … 15·x"""
    s.rename(entry(name, 1))
    s.push(0, entry(name, 0))
    s.op(Op.SWAP, entry(name, 0), entry(name, 1))
    for n in range(2, _MOST + 1):
        s.copy(entry(name, n - 1))
        s.copy(entry(name, 1))
        s.op(Op.ADD, entry(name, n))


def sum_columns(s: Stack, columns: Sequence[Sequence[Entry]], fresh: bool = False) -> None:
    """Leave what the columns sum up to: Σ 16^k · column k, and 16^count times the item on top unless `fresh`.

    stack:  [carry above the columns]  →  sum
    """
    for column in reversed(columns):
        if not fresh:
            double(s, 4)
        for part in column:
            if isinstance(part, Digit):
                _push_digit(s, part)
            else:
                _push_multiple(s, part)
            if not fresh:
                s.op(Op.ADD if part.sign > 0 else Op.SUB, "sum")
            elif part.sign < 0:
                s.op(Op.NEGATE)
            fresh = False
        s.rename("sum")


def clamp(s: Stack, limit: int) -> None:
    """stack:  x  →  x brought into ±limit"""
    name = s.main[-1]
    s.push(limit)
    s.op(Op.MIN)
    s.push(-limit)
    s.op(Op.MAX, name)


def wrap(s: Stack, modulus: int) -> None:
    """Bring a number into ±modulus/2 if one modulus more or less does it.

    stack:  x  →  x, one modulus less if x ≥ modulus/2, one more if x < −modulus/2
    """
    s.rename("x")
    for bound, compare, op in ((modulus // 2 - 1, Op.GREATERTHAN, Op.SUB), (-modulus // 2, Op.LESSTHAN, Op.ADD)):
        s.push(modulus)
        s.push(0)
        s.copy("x")
        s.push(bound)
        s.op(compare)
        select(s, "change")
        s.op(op, "x")


def raise_into(s: Stack, modulus: int, doublings: int) -> None:
    """Add modulus · n, 0 ≤ n < 2^doublings, so that a negative number comes into 0 … modulus − 1.

    stack:  x  →  x mod modulus          for −modulus · (2^doublings − 1) ≤ x < modulus
    """
    s.rename("x")
    for j in reversed(range(doublings)):
        s.op(Op.DUP, "x", "raised")
        s.push(modulus << j)
        s.op(Op.ADD, "raised")
        s.op(Op.DUP, "raised", "raised")
        s.push(modulus - 1)
        s.op(Op.GREATERTHAN, "too high")
        select(s, "x")


def _push_digit(s: Stack, digit: Digit) -> None:
    fetch(s, digit.item, digit.keep)
    if digit.mask:
        s.copy(digit.mask)
        s.op(Op.MIN)


def _push_multiple(s: Stack, multiple: Multiple) -> None:
    """stack:  →  limb · digit          the multiple by 15 lies topmost"""
    highest = s.depth(entry(multiple.table, _MOST)) + _MOST
    s.push(highest)
    s.copy(multiple.digit)
    s.op(Op.SUB, "index")
    s.pick_dynamic(highest, "multiple")
