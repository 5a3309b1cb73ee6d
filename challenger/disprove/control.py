"""The control words of a step: leaf C before and after. Every relation leaf is made of these pieces.

On the stack lies the claim (`claim.CLAIM_LAYOUT`) and, mostly on top, the flag `bad`: true once something in the claim
contradicts the instruction's meaning. Pieces consume the words that they have checked. What a leaf *requires* (its own
pattern) it verifies, and fails where it does not hold; all else goes into the flag.
"""

from __future__ import annotations

from collections.abc import Collection

from challenger.disprove.claim import CLAIM_LAYOUT, CONTROL
from taproot.gadgets.nibbles import MULTIPLE_OF_4
from taproot.gadgets.u32 import (
    NIBBLES,
    Term,
    Word,
    add_items,
    congruent,
    double,
    expect_constant,
    expect_equal,
    expect_zero,
    nibble,
    or_item,
    select,
    word,
)
from taproot.script import Op, Stack

BAD = "bad"
WRONG = "wrong"  # a finding that is not yet in the flag
TRAP = "trap"  # 1 if the instruction traps, else 0
TRAP_CLASS = 12  # top nibble of STATUS after a trap, 8 after an exit
ALL_ONES = 5 * 15  # sum of the five top nibbles of an address in the reserved page
_LOWEST = ("hi", "lo")  # nothing lies below that `begin` would look at


def begin(own: Collection[str] = (), may_trap: bool = False) -> Stack:
    """The claim under a flag that already knows whether the words that stay are as before, and whether STATUS' is 0.

    HI, LO, HEAP, LL, TLS stay and STATUS' = 0, but for those in `own`: these are left for the row. With `may_trap` the
    nibbles 0 and 7 of STATUS', which a trap sets, are left above NPC'.
    """
    s = Stack(*CLAIM_LAYOUT)
    s.push(0, BAD)
    for name in reversed(CONTROL[2:]):
        after = word(f"{name}'")
        if name in own:
            _park(s, after.items if name not in _LOWEST else ())
        elif name != "status":
            stays(s, name)
        elif may_trap:
            _park(s, after.items[7:])
            expect_zero(s, Word(after.items[1:7]))
            _park(s, after.items[:1])
        else:
            expect_zero(s, after)
    while s.alt:
        s.from_alt()
    s.move(BAD)
    return s


def _park(s: Stack, items: tuple[str, ...]) -> None:
    """Put items on the alt stack so that what lies below them is near the top."""
    for item in reversed(items):
        s.to_alt(item)


def stays(s: Stack, name: str) -> None:
    """stack:  w…  w'…  bad  →  bad or (w' ≠ w)"""
    s.move(BAD)
    expect_equal(s, word(f"{name}'"), word(name))


def forget(s: Stack, name: str) -> None:
    """stack:  w… bad  →  bad"""
    s.to_alt(BAD)
    assert s.main[-1] == nibble(name, NIBBLES - 1)
    s.drop_top(NIBBLES)
    s.from_alt()


def collect(s: Stack) -> None:
    """stack:  wrong  →  (nothing); bad or wrong"""
    if s.main[-1] != WRONG or s.depth(BAD) != 1:
        s.move(BAD)
    or_item(s, BAD if s.main[-1] == WRONG else WRONG)
    s.rename(BAD)


def delay_slot(s: Stack) -> None:
    """PC' = NPC. Last of the control words: requires a running machine and leaves `words` under the flag."""
    s.move(BAD)
    expect_equal(s, word("pc'"), word("npc"))
    require_running(s)


def advance(s: Stack) -> None:
    """The next instruction becomes this one: NPC' = NPC + 4, PC' = NPC."""
    plus_four(s, word("npc'"))
    delay_slot(s)


def plus_four(s: Stack, w: Word) -> None:
    """stack:  w… bad  →  bad or (w ≠ PC' + 4)          where PC' = NPC is checked elsewhere"""
    s.to_alt(BAD)
    congruent(s, [Term(w), Term(word("pc'", keep=True), -1)], WRONG, minus=4)
    s.from_alt(BAD)
    collect(s)


def stand_still(s: Stack, status: int) -> None:
    """STATUS' is a constant, PC' = PC, NPC' = NPC: the step traps. Requires a running machine."""
    s.move(BAD)
    expect_constant(s, word("status'"), status)
    stand(s)


def stand(s: Stack) -> None:
    """PC' = PC, NPC' = NPC. Requires a running machine."""
    stays(s, "npc")
    expect_equal(s, word("pc'"), word("pc", keep=True))
    require_running(s)


def advance_or_trap(s: Stack, cause: int) -> None:
    """As `advance` if the item `trap` is 0; else STATUS' = 0xC00000cc, NPC' = NPC, PC' = PC. `trap` stays."""
    s.move(BAD)
    _expect_if_trap(s, nibble("status'", 7), TRAP_CLASS)
    _expect_if_trap(s, nibble("status'", 0), cause)
    s.to_alt()
    s.copy(TRAP)
    s.op(Op.NOT)
    double(s, 2)
    s.rename("step")
    congruent(s, [Term(word("npc'")), Term(word("npc", keep=True), -1)], WRONG, minus="step")
    s.from_alt(BAD)
    collect(s)
    _expect_pc_or_npc(s)
    require_running(s)


def _expect_if_trap(s: Stack, item: str, value: int) -> None:
    """stack:  bad  →  bad or (item ≠ value · trap)"""
    s.move(item)
    s.push(value)
    s.push(0)
    s.copy(TRAP)
    select(s, "expected")
    s.op(Op.SUB, "difference")
    s.op(Op.BOOLOR, BAD)


def _expect_pc_or_npc(s: Stack) -> None:
    """PC' = PC if `trap`, else NPC: PC lies eight items below NPC, so the flag times eight selects the word."""
    s.copy(TRAP)
    double(s, 3)
    s.rename("below")
    s.move(BAD)
    for i in reversed(range(NIBBLES)):
        s.move(nibble("pc'", i))
        pick_word(s, nibble("npc", i), nibble("pc", i), "below")
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, BAD)
    s.drop("below")


def pick_word(s: Stack, if_zero: str, if_eight: str, below: str) -> None:
    """Copy one of two items that lie eight apart.

    stack:  →  the first item if `below` is 0, the second if it is 8
    """
    assert s.depth(if_eight) == s.depth(if_zero) + NIBBLES
    near = s.depth(if_zero)
    s.copy(below)
    if near:
        s.push(near)
        s.op(Op.ADD, "index")
    s.pick_dynamic(near + NIBBLES, if_zero)


def require_running(s: Stack) -> None:
    """The step has an instruction: STATUS = 0, PC a multiple of 4, 0x1_0000 ≤ PC < 0xFFFF_F000; else the leaf fails.

    Consumes the words before from PC to STATUS as far as they are left; what lies above comes back.
    """
    s.move(BAD)
    above = s.depth(nibble("status", 7))
    for _ in range(above):
        s.to_alt()
    require_status_zero(s)
    s.drop_top(s.depth(nibble("pc", 7)))
    push_fetchable(s)
    s.op(Op.VERIFY)
    for _ in range(above):
        s.from_alt()


def require_status_zero(s: Stack) -> None:
    """stack:  status…  →  (nothing); fails unless STATUS = 0"""
    add_items(s, word("status").items[::-1], "sum")
    s.op(Op.NOT, "running")
    s.op(Op.VERIFY)


def push_fetchable(s: Stack) -> None:
    """stack:  pc…  →  1 if PC is a multiple of 4 from 0x1_0000 to below 0xFFFF_F000, else 0"""
    add_items(s, [nibble("pc", i) for i in (7, 6, 5, 4)], "high")
    s.op(Op.DUP, "high", "not in the null guard")
    s.to_alt()
    add_items(s, ["high", nibble("pc", 3)], "high")
    s.push(ALL_ONES)
    s.op(Op.NUMNOTEQUAL, "not in the reserved page")
    s.from_alt()
    s.op(Op.BOOLAND, "allowed")
    s.to_alt()
    s.drop(nibble("pc", 2), nibble("pc", 1))
    s.move(nibble("pc", 0))
    s.run(MULTIPLE_OF_4, 1, ("aligned",))
    s.from_alt()
    s.op(Op.BOOLAND, "fetchable")
