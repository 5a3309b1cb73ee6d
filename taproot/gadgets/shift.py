"""Shifts by an amount on the stack: whole nibbles by OP_ROLL from a window, the rest by two tables of 64 entries.

The window W holds 16 nibbles. The shifted word is made of W[n] … W[n + 8], where n is the number of whole nibbles:
nibble j is made of its *near* part, from W[n + j], and its *far* part, from W[n + j + 1]. For a shift to the right the
window is the word from its least significant nibble up, then what moves in from above; for a shift to the left it is
the word from its most significant nibble down, then zeros, and the result comes out from its top nibble down.
"""

from __future__ import annotations

from taproot.gadgets.u32 import NIBBLES, double, nibble
from taproot.script import Op, Stack, script

WINDOW = "window"  # name of each of the window's 2 · 8 items; W[0] is the topmost
_ROW = 16  # a table has a row of 16 nibbles for each number of bits, 0…3
_TABLE = 4 * _ROW
_HELD = 3  # n, near, far: what lies on the tables all the time
_MOST = 4 * 15 + 15  # highest index into a table; above 63 only where the number of bits is none


def shift_window(s: Stack, left: bool, name: str) -> None:
    """Leave the word that comes out of the window.

    stack:  window… n 16·m  →  name.0 … name.7, the window shifted by n nibbles and m bits

    n is 0…7, and m 0…3; with another 16·m up to 60 the answer means nothing, but nothing is read out of range.
    """
    below = len(s.main) - 2 * NIBBLES - 2
    s.rename("n", "near")
    _push_tables(s, left)
    _push_indices(s)
    _roll_nibble(s, 0)
    _push_near(s)
    order = range(NIBBLES)
    for i in reversed(order) if left else order:
        _roll_nibble(s, 1)
        _add_far(s, nibble(name, i))
        s.to_alt()
        _push_near(s)
    s.drop_all(keep=below)
    for _ in order:
        s.from_alt()


def split_two_bits(s: Stack) -> None:
    """stack:  x  →  x >> 2, 16 · (x & 3)          for a nibble x"""
    s.run(_SPLIT, 1, ("high", "low"))
    double(s, 4)


def near_part(x: int, bits: int, left: bool) -> int:
    """What stays of a nibble in its place."""
    return x << bits & 15 if left else x >> bits


def far_part(x: int, bits: int, left: bool) -> int:
    """What a nibble gives to its neighbour."""
    return x >> 4 - bits if left else x << 4 - bits & 15


def _push_tables(s: Stack, left: bool) -> None:
    """stack:  →  near table, far table; entry 16·bits + x, entry 0 topmost"""
    for part in (near_part, far_part):
        for bits in reversed(range(4)):
            for x in reversed(range(_ROW)):
                s.push(part(x, bits, left), "entry")


def _push_indices(s: Stack) -> None:
    """Add to n and 16·m what lies above the window and the tables where they are used.

    stack:  n 16·m (tables)  →  (tables) n near far
    """
    s.move("n")
    s.push(2 * _TABLE + _HELD + 1)
    s.op(Op.ADD, "n")
    s.move("near")
    s.op(Op.DUP)
    s.push(_TABLE + _HELD)
    s.op(Op.ADD)
    s.op(Op.SWAP)
    s.push(_HELD + 2)
    s.op(Op.ADD, "far")
    s.rename("near", "far")


def _roll_nibble(s: Stack, pending: int) -> None:
    """Take the next nibble out of the window: what is taken shifts the rest to the same index.

    stack:  window… tables n near far [pending]  →  the same without the nibble, then the nibble
    """
    s.copy("n")
    if not pending:
        s.op(Op.ONESUB)
    highest = 2 * _TABLE + _HELD + pending + NIBBLES - 1
    reached = s.main[-highest - 2 : -1]
    s.roll_dynamic(highest, [*reached[1:], "nibble"])


def _push_near(s: Stack) -> None:
    """stack:  nibble  →  pending"""
    s.copy("near")
    s.op(Op.ADD)
    s.pick_dynamic(_MOST + _TABLE + _HELD, "pending")


def _add_far(s: Stack, name: str) -> None:
    """stack:  pending nibble  →  nibble, pending + far part"""
    s.op(Op.TUCK, "nibble", "pending", "nibble")
    s.copy("far")
    s.op(Op.ADD)
    s.pick_dynamic(_MOST + _HELD + 2, "part")
    s.op(Op.ADD, name)


# x → x >> 2, x & 3
_SPLIT = script(
    Op.DUP, 3, Op.GREATERTHAN, Op.OVER, 7, Op.GREATERTHAN, Op.ADD, Op.OVER, 11, Op.GREATERTHAN, Op.ADD,
    Op.TUCK, Op.DUP, Op.ADD, Op.DUP, Op.ADD, Op.SUB,
)  # fmt: skip
