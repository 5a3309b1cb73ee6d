"""Was a step told on the right turn? A MAP that maps must be told as `step_map`, every other step as `step`.

`MAP` wins on `verdict` if the claim is such a MAP; `NOT_MAP` wins on `verdict_map` if it is not. A running machine
with an allowed PC, the word SYSCALL 2, and a slot below 15 make one.
"""

from __future__ import annotations

from btc_l2.zkvm.layout import SLOTS
from challenger.disprove.access import PlainLeaf, open_on_main
from challenger.disprove.place import digit
from challenger.game.semantics import MAP_TOLD_PLAINLY, MAP_WORD, NOT_MAP
from taproot.script import Op, Script, Stack

OPENS = ("step.words", "step.before")


def _all_equal(s: Stack, word: str, nibbles: range, value: int, name: str) -> None:
    """stack:  →  1 iff these nibbles of the word are all `value`"""
    s.push(1, name)
    for i in nibbles:
        s.copy(digit(word, i))
        s.push(value)
        s.op(Op.NUMEQUAL, "eq")
        s.op(Op.BOOLAND, name)


def _and(s: Stack, flag: str = "maps") -> None:
    s.op(Op.BOOLAND, flag)


def _push_is_map(s: Stack) -> None:
    """stack:  →  1 iff the instruction is SYSCALL 2 with a slot below 15"""
    s.push(1, "maps")
    for i in range(8):
        s.copy(digit("instruction", i))
        s.push(MAP_WORD >> 4 * i & 15)
        s.op(Op.NUMEQUAL, "eq")
        _and(s)
    _all_equal(s, "a", range(1, 8), 0, "small")
    _and(s)
    s.copy(digit("a", 0))
    s.push(SLOTS)
    s.op(Op.LESSTHAN, "slot")
    _and(s)


def _push_runs(s: Stack) -> None:
    """stack:  →  1 iff STATUS is 0 and PC is aligned and between 0x1_0000 and 0xFFFF_F000"""
    _all_equal(s, "status", range(8), 0, "runs")
    for value, nibbles in ((0, range(4, 8)), (15, range(3, 8))):
        _all_equal(s, "pc", nibbles, value, "outside")
        s.op(Op.NOT, "inside")
        _and(s, "runs")
    s.push(0, "aligned")
    for value in (0, 4, 8, 12):
        s.copy(digit("pc", 0))
        s.push(value)
        s.op(Op.NUMEQUAL, "eq")
        s.op(Op.BOOLOR, "aligned")
    _and(s, "runs")


def _maps_body(wins_if_maps: bool) -> Script:
    s = open_on_main((), OPENS)
    _push_is_map(s)
    _push_runs(s)
    s.op(Op.BOOLAND, "verdict")
    if not wins_if_maps:
        s.op(Op.NOT, "verdict")
    s.to_alt()
    s.drop_all()
    s.from_alt("verdict")
    return s.finish("verdict")


def told_leaf(name: str) -> PlainLeaf:
    """The leaf `MAP` or `NOT_MAP`."""
    proves = {
        MAP_TOLD_PLAINLY: "the step maps a blob but was told without its key",
        NOT_MAP: "the step was told as a MAP that maps, but it is none",
    }
    return PlainLeaf(name, proves[name], (), OPENS, _maps_body(name == MAP_TOLD_PLAINLY))
