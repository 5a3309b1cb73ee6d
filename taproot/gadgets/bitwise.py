"""AND, OR, XOR, NOR of nibbles by two tables: 98 items, one look-up per operand and one per result.

The *ternary spread* of a nibble Σ bᵢ·2ⁱ is Σ bᵢ·3ⁱ. In the sum of two spreads each base-3 digit counts the bits set
there: 0, 1 or 2. So one table of 81 entries, indexed by the sum, serves any symmetric operation on bits. The spreads
are pushed with a bias that makes their sum the index itself: no addition of an offset per nibble.
"""

from __future__ import annotations

from collections.abc import Sequence

from taproot.gadgets.spread import SUMS, spread
from taproot.gadgets.u32 import Word, fetch
from taproot.script import Op, Stack

_SPREADS = 16
_BIAS = (_SPREADS + 2) // 2  # twice: the spreads, the flag above them, and one item between the tables

# bit of the result where none, one, both of the operands' bits are set
AND = (0, 0, 1)
OR = (0, 1, 1)
XOR = (0, 1, 0)
NOR = (1, 0, 0)


def combine(total: int, bits: Sequence[int]) -> int:
    """The nibble that an operation makes of a sum of two spreads."""
    return sum(bits[total // 3**i % 3] << i for i in range(4))


def bitwise_differs(s: Stack, x: Word, y: Word, claimed: Word, bits: Sequence[int], name: str) -> None:
    """Compare a claimed word with the bitwise combination of two words of the same length.

    stack:  →  1 if claimed ≠ x ∘ y, else 0
    """
    below = len(s.main)
    _push_tables(s, bits)
    s.push(0, name)
    for left, right, result in zip(x.items, y.items, claimed.items, strict=True):
        _push_spread(s, left, x.keep, 1)
        _push_spread(s, right, y.keep, 2)
        s.op(Op.ADD)
        s.pick_dynamic(2 * _BIAS + SUMS - 1, "nibble")
        fetch(s, result, claimed.keep)
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, name)
    s.to_alt()
    s.drop_all(keep=below - sum(len(w.items) for w in (x, y, claimed) if not w.keep))
    s.from_alt()


def _push_tables(s: Stack, bits: Sequence[int]) -> None:
    for total in reversed(range(SUMS)):
        s.push(combine(total, bits))
    s.push(0)
    for x in reversed(range(_SPREADS)):
        s.push(_BIAS + spread(x))


def _push_spread(s: Stack, item: str, keep: bool, above: int) -> None:
    """stack:  →  biased spread of the item, where `above` items lie on the spreads"""
    fetch(s, item, keep)
    s.push(above)
    s.op(Op.ADD)
    s.pick_dynamic(above + _SPREADS - 1, "spread")
