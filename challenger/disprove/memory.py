"""LB LBU LH LHU LW LL, SB SH SW SC: aligned loads and stores. Mirrors `btc_l2/zkvm/instructions/memory.py`.

`old` is the word at `address`, which the access game ties to the tree; a bad address traps and touches nothing.
"""

from __future__ import annotations

from challenger.disprove.address import (
    ADDRESS,
    BYTES,
    HALF_WORDS,
    HIGHEST_PLACE,
    PLACE,
    WORDS,
    Size,
    address_is_effective,
    address_is_word_of_effective,
    push_effective_address,
    push_place,
    trap_on_load,
    trap_on_store,
)
from challenger.disprove.compare import result_is_bit
from challenger.disprove.control import BAD, TRAP, WRONG, advance_or_trap, collect, pick_word
from challenger.disprove.effect import RESULT, into_rt, no_register, no_result, write, zero_if
from taproot.gadgets.u32 import (
    NIBBLES,
    Word,
    differ,
    double,
    expect_equal,
    expect_zero,
    fetch,
    nibble,
    nonzero,
    select,
    sign_extension,
    word,
)
from taproot.script import Op, Stack

ADDRESS_LOAD, ADDRESS_STORE = 4, 5  # ExcCode AdEL, AdES
_LL, _LL_AFTER = word("ll"), word("ll'")


def lb(s: Stack, big_endian: bool) -> None:
    """rt := byte, sign-extended."""
    _load_part(s, BYTES, big_endian, extended=True)


def lbu(s: Stack, big_endian: bool) -> None:
    """rt := byte, zero-extended."""
    _load_part(s, BYTES, big_endian, extended=False)


def lh(s: Stack, big_endian: bool) -> None:
    """rt := half word, sign-extended."""
    _load_part(s, HALF_WORDS, big_endian, extended=True)


def lhu(s: Stack, big_endian: bool) -> None:
    """rt := half word, zero-extended."""
    _load_part(s, HALF_WORDS, big_endian, extended=False)


def ll(s: Stack) -> None:
    """rt := word; LL := address | 1."""
    push_effective_address(s)
    trap_on_load(s, WORDS.aligned)
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
    trap_on_load(s, WORDS.aligned)
    advance_or_trap(s, ADDRESS_LOAD)

    into_rt(s, unless=TRAP)
    address_is_effective(s)
    s.drop(TRAP)
    differ(s, RESULT, word("old", keep=True), WRONG)
    write(s)


def sb(s: Stack, big_endian: bool) -> None:
    """Byte := lowest byte of rt."""
    _store_part(s, BYTES, big_endian)


def sc(s: Stack) -> None:
    """If the link of LL still stands at this address: word := rt, rt := 1; else rt := 0. The link is gone."""
    push_effective_address(s)
    trap_on_store(s, WORDS.aligned)
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


def sh(s: Stack, big_endian: bool) -> None:
    """Half word := lower half of rt."""
    _store_part(s, HALF_WORDS, big_endian)


def sw(s: Stack) -> None:
    """Word := rt."""
    push_effective_address(s)
    trap_on_store(s, WORDS.aligned)
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
    """new = rt if the item `stores` is 1, else old: rt lies eight items below old, so eight times the flag selects."""
    s.move(stores)
    double(s, 3)
    s.rename("below")
    s.move(BAD)
    for i in reversed(range(NIBBLES)):
        s.move(nibble("new", i))
        pick_word(s, nibble("old", i), nibble("b", i), "below")
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, BAD)


def _load_part(s: Stack, size: Size, big_endian: bool, extended: bool) -> None:
    """rt := byte or half word at the effective address."""
    push_effective_address(s)
    trap_on_load(s, size.aligned)
    advance_or_trap(s, ADDRESS_LOAD)

    into_rt(s, unless=TRAP)
    address_is_word_of_effective(s)
    s.drop(TRAP)
    push_place(s, size, big_endian)
    _push_part_differs(s, word("old"), RESULT, size.nibbles)
    if extended:
        _pick_part(s, word("old"), size.nibbles, size.nibbles - 1)
        s.rename("top")
        sign_extension(s, "top", "extension")
        s.move(WRONG)
        above = Word(RESULT.items[size.nibbles :], keep=True)
        expect_equal(s, above, Word(("extension",) * len(above.items), keep=True))
    else:
        expect_zero(s, Word(RESULT.items[size.nibbles :], keep=True))
    write(s)


def _store_part(s: Stack, size: Size, big_endian: bool) -> None:
    """Byte or half word at the effective address := low part of rt; the rest of the word stays."""
    push_effective_address(s)
    trap_on_store(s, size.aligned)
    advance_or_trap(s, ADDRESS_STORE)

    no_register(s)
    address_is_word_of_effective(s)
    no_result(s)
    push_place(s, size, big_endian)
    _push_part_differs(s, word("new"), word("b", keep=True), size.nibbles)
    zero_if(s, TRAP)
    collect(s)
    s.push(-1)
    s.move(PLACE)
    s.move(TRAP)
    select(s, PLACE)  # no part is written by a trap
    _rest_stays(s, size.nibbles)


def _pick_part(s: Stack, w: Word, nibbles: int, i: int) -> None:
    """Copy nibble i of the part of w that lies `place` nibbles from its top.

    stack:  →  nibble
    """
    near = s.depth(w.items[NIBBLES - nibbles + i])
    s.copy(PLACE)
    s.push(near)
    s.op(Op.ADD, "index")
    s.pick_dynamic(near + HIGHEST_PLACE, "nibble")


def _push_part_differs(s: Stack, whole: Word, low: Word, nibbles: int) -> None:
    """stack:  →  1 if the part of `whole` at `place` differs from the low part of `low`, else 0"""
    s.push(0, WRONG)
    for i in range(nibbles):
        _pick_part(s, whole, nibbles, i)
        s.copy(low.items[i])
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, WRONG)


def _rest_stays(s: Stack, nibbles: int) -> None:
    """new = old but for the part at `place`, which may be none."""
    for place in range(0, NIBBLES, nibbles):
        part = slice(NIBBLES - nibbles - place, NIBBLES - place)
        differ(s, Word(word("new").items[part]), Word(word("old").items[part]), "changed")
        s.copy(PLACE)
        s.push(place)
        s.op(Op.NUMNOTEQUAL)
        s.op(Op.BOOLAND, WRONG)
        collect(s)
