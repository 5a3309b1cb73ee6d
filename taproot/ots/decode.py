"""From the hints of an opened arrangement to its digits, in Script (see `composition` and `arrangement`).

The hints are proven to be in range by then (each has ROLLed an end); their order, and all else, is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence

from taproot.gadgets.bits import double, times
from taproot.ots.arrangement import DIGIT_BITS, ChainClass, Group, Shape, subsets_below
from taproot.script import Op, Script, Stack

Item = tuple[str, int]  # ("hint", slot) or ("piece g", number)


def decode_items(shape: Shape) -> list[Item]:
    """The numbers that the decoding takes, in its order."""
    items: list[Item] = []
    for g, group in enumerate(shape.groups):
        items += [("hint", slot) for c in group.classes for slot in reversed(c.slots)]
        items += [(f"piece {g}", i) for i in range(1 + len(group.pieces))]
    return items


def decode_arrangements(shapes: Sequence[Shape]) -> Script:
    """Decode values one after the other with one set of tables; the last one's numbers lie on top.

    stack:  →  (nothing)        alt:  numbers of each, the first on top  →  digit n−1 … digit 0 (on top) of each
    """
    s = Stack(alt=[_name(v, item) for v, shape in enumerate(shapes) for item in reversed(decode_items(shape))])
    _push_tables(s, shapes)
    widths: list[int] = []
    for shape in reversed(shapes):
        for group in shape.groups:
            _rank(s, group)
            _compare_pieces(s, group)
        widths += [width for group in shape.groups for width in group.pieces]
    _digits_to_alt(s, widths)
    s.drop_all()
    return s.code()


def _name(value: int, item: Item) -> str:
    return f"{value} {item[0]} {item[1]}"


def _push_tables(s: Stack, shapes: Sequence[Shape]) -> None:
    """C(h + j − 1, j) for j = 2, 3, …, each with h = 0 on top."""
    classes = [c for shape in shapes for c in shape.classes]
    for j in range(max(c.size for c in classes), 1, -1):
        entries = max(c.left - c.size + 1 for c in classes if c.size >= j)
        for h in reversed(range(entries)):
            s.push(subsets_below(h, j), _entry(j, h))


def _entry(j: int, h: int) -> str:
    return f"table {j} {h}"


def _rank(s: Stack, group: Group) -> None:
    """stack:  …  →  …, rank        alt:  hints  →"""
    for i, c in enumerate(group.classes):
        if i:
            s.run(times(c.ranks), 1, ["rank"])
        _class_rank(s, c)
        s.rename("rank")
        if i:
            s.op(Op.ADD, "rank")


def _class_rank(s: Stack, c: ChainClass) -> None:
    """The hints come largest first; each must be at most the one before it.

    stack:  …  →  …, rank        alt:  hints  →
    """
    s.from_alt("higher")
    if c.size == 1:
        return
    _look_up(s, c, c.size)
    for j in range(c.size - 1, 0, -1):  # …, higher, sum
        s.from_alt("hint")
        s.move("higher")
        s.copy("hint")
        s.op(Op.GREATERTHANOREQUAL, "in order")
        s.op(Op.VERIFY)
        if j > 1:
            s.rename("sum", "higher")
            _look_up(s, c, j)
            s.move("sum")
            s.move("term")
        s.op(Op.ADD, "sum")


def _look_up(s: Stack, c: ChainClass, j: int) -> None:
    """stack:  …, hint  →  …, hint, term"""
    s.op(Op.DUP, s.main[-1], "index")
    s.push(s.depth(_entry(j, 0)) - 1)
    s.op(Op.ADD, "index")
    s.pick_dynamic(s.depth(_entry(j, c.left - c.size)) - 1, "term")


def _compare_pieces(s: Stack, group: Group) -> None:
    """The rank consists of the pieces, below what it has above the group's bits.

    Pieces in range leave one way only to write a rank, so what is above them needs no range of its own.

    stack:  …, rank  →  …, pieces        alt:  what is above, pieces  →
    """
    s.from_alt("value")
    for width in group.pieces:
        s.run(double() * width, 1, ["value"])
        s.from_alt()
        s.op(Op.ABS, "piece")  # at least zero, and written minimally
        s.op(Op.DUP, "piece", "piece")
        s.push(1 << width)
        s.op(Op.LESSTHAN, "in range")
        s.op(Op.VERIFY)
        s.op(Op.TUCK, "piece", "value", "piece")
        s.op(Op.ADD, "value")
    s.move("rank")
    s.op(Op.NUMEQUALVERIFY)


def _digits_to_alt(s: Stack, widths: Sequence[int]) -> None:
    """Join the pieces of one digit. Every digit is minimal, as OP_ABS and OP_ADD write numbers.

    stack:  …, pieces  →  …        alt:  →  digit n−1 … digit 0
    """
    left = list(widths)
    while left:
        width = left.pop()
        while width < DIGIT_BITS:
            s.op(Op.SWAP, "lower", "higher")
            s.run(double() * width, 1, ["higher"])
            s.op(Op.ADD, "digit")
            width += left.pop()
        s.to_alt()
