"""Bit fields of words: the low bits of a nibble by a table, the number of leading zeros."""

from __future__ import annotations

from taproot.gadgets.u32 import Word, double, fetch
from taproot.script import Op, Stack

LOW_BITS = "low bits"  # name of each entry of the table; entry 0 is the topmost
ROW = 16  # entries for each number of bits, 0…4
_TABLE = 5 * ROW
_ALL = 4  # bits of a nibble


def push_low_bits_table(s: Stack) -> None:
    """stack:  →  80 entries: 16·k + x stands for x modulo 2^k"""
    for k in reversed(range(_ALL + 1)):
        for x in reversed(range(ROW)):
            s.push(x % (1 << k), LOW_BITS)


def push_row(s: Stack, end: str, i: int, name: str) -> None:
    """How many bits of nibble i lie below bit `end` of a word, for the item 16·end.

    stack:  →  16 · (0…4)
    """
    s.copy(end)
    if i:
        s.push(_ALL * ROW * i)
        s.op(Op.SUB)
        s.push(0)
        s.op(Op.MAX)
    s.push(_ALL * ROW)
    s.op(Op.MIN, name)


def push_low_bits(s: Stack, item: str, row: str) -> None:
    """Copy a nibble and leave its low bits, by an item from `push_row`.

    stack:  →  nibble mod 2^k
    """
    near = s.depth(LOW_BITS)
    s.copy(item)
    s.copy(row)
    s.op(Op.ADD)
    s.push(near)
    s.op(Op.ADD)
    s.pick_dynamic(near + _TABLE - 1, "low")


def leading_bits(s: Stack, w: Word, ones: bool, name: str) -> None:
    """Count the leading zeros of a word, or its leading ones.

    stack:  →  0…32
    """
    for x in reversed(range(ROW)):
        s.push(_ALL - (x ^ (ROW - 1 if ones else 0)).bit_length(), "leading")
    s.push(0, "count")
    s.push(_ALL, "open")  # 0 once a bit has ended the count
    for item in reversed(w.items):
        fetch(s, item, w.keep)
        s.push(2)
        s.op(Op.ADD)
        s.pick_dynamic(2 + ROW - 1, "leading")
        s.op(Op.MIN, "added")
        s.op(Op.TUCK, "added", "count", "added")
        s.op(Op.ADD, "count")
        s.op(Op.SWAP, "count", "added")
        s.push(_ALL)
        s.op(Op.NUMEQUAL, "open")
        double(s, 2)
    s.drop()
    s.to_alt()
    s.drop_top(ROW)
    s.from_alt(name)
