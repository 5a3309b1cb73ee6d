"""LW LL SW SC: aligned loads and stores of words. Mirrors `btc_l2/zkvm/instructions/memory.py`.

`old` is the word at `address`, which the access game ties to the tree; a bad address traps and touches nothing.
"""

from __future__ import annotations

from challenger.disprove.address import (
    ADDRESS,
    WORDS,
    address_is_effective,
    push_effective_address,
    trap_on_load,
    trap_on_store,
)
from challenger.disprove.compare import result_is_bit
from challenger.disprove.control import BAD, TRAP, WRONG, advance_or_trap, collect, pick_word
from challenger.disprove.effect import RESULT, into_rt, no_register, no_result, write
from taproot.gadgets.u32 import (
    NIBBLES,
    Word,
    differ,
    double,
    expect_equal,
    fetch,
    nibble,
    nonzero,
    select,
    word,
)
from taproot.script import Op, Stack

ADDRESS_LOAD, ADDRESS_STORE = 4, 5  # ExcCode AdEL, AdES
_LL, _LL_AFTER = word("ll"), word("ll'")


def ll(s: Stack) -> None:
    """rt := word; LL := address | 1."""
    push_effective_address(s)
    trap_on_load(s, WORDS)
    differ(s, Word(_LL_AFTER.items, keep=True), _LL, WRONG)
    _push_link_differs(s, _LL_AFTER)
    s.copy(TRAP)
    select(s, WRONG)
    collect(s)
    advance_or_trap(s, ADDRESS_LOAD)

    into_rt(s, unless=TRAP)
    address_is_effective(s)
    s.drop(TRAP)
    differ(s, RESULT, word("old", keep=True), WRONG)
    write(s)


def lw(s: Stack) -> None:
    """rt := word."""
    push_effective_address(s)
    trap_on_load(s, WORDS)
    advance_or_trap(s, ADDRESS_LOAD)

    into_rt(s, unless=TRAP)
    address_is_effective(s)
    s.drop(TRAP)
    differ(s, RESULT, word("old", keep=True), WRONG)
    write(s)


def sc(s: Stack) -> None:
    """If the link of LL still stands at this address: word := rt, rt := 1; else rt := 0. The link is gone."""
    push_effective_address(s)
    trap_on_store(s, WORDS)
    differ(s, Word(_LL_AFTER.items, keep=True), Word(_LL.items, keep=True), WRONG)
    nonzero(s, _LL_AFTER, "linked")
    s.copy(TRAP)
    select(s, WRONG)
    collect(s)
    _push_link_differs(s, _LL)
    s.copy(TRAP)
    s.op(Op.BOOLOR)
    s.op(Op.NOT, "stores")
    advance_or_trap(s, ADDRESS_STORE)

    into_rt(s, unless=TRAP)
    address_is_effective(s)
    s.drop(TRAP)
    s.copy("stores", "bit")
    result_is_bit(s, "bit")
    write(s)
    _new_is_b_if(s, "stores")


def sw(s: Stack) -> None:
    """Word := rt."""
    push_effective_address(s)
    trap_on_store(s, WORDS)
    advance_or_trap(s, ADDRESS_STORE)

    no_register(s)
    address_is_effective(s)
    no_result(s)
    s.move(TRAP)
    s.op(Op.NOT, "stores")
    _new_is_b_if(s, "stores")


def _push_link_differs(s: Stack, link: Word) -> None:
    """Compare a word (moved) with `address` | 1, where `address` is a multiple of 4.

    stack:  →  1 if they differ, else 0
    """
    fetch(s, link.items[0])
    s.copy(ADDRESS.items[0])
    s.op(Op.SUB)
    s.op(Op.ONESUB, "unlinked")
    expect_equal(s, Word(link.items[1:]), Word(ADDRESS.items[1:], keep=True))


def _new_is_b_if(s: Stack, stores: str) -> None:
    """new = rt if the item `stores` is 1, else old; rt lies eight items below old, so eight times the flag selects it."""
    s.move(stores)
    double(s, 3)
    s.rename("below")
    s.move(BAD)
    for i in reversed(range(NIBBLES)):
        s.move(nibble("new", i))
        pick_word(s, nibble("old", i), nibble("b", i), "below")
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, BAD)
