"""LWL LWR SWL SWR: the left and the right part of a word at any address.

Mirrors `btc_l2/zkvm/instructions/unaligned.py`. All four merge two words: one is shifted by whole bytes, the other
fills the places that this leaves.
"""

from __future__ import annotations

from challenger.disprove.address import (
    BYTE,
    BYTES,
    address_is_word_of_effective,
    push_effective_address,
    trap_on_load,
    trap_on_store,
)
from challenger.disprove.control import TRAP, WRONG, advance_or_trap, collect
from challenger.disprove.effect import RESULT, into_rt, no_register, no_result, write
from challenger.disprove.memory import ADDRESS_LOAD, ADDRESS_STORE
from taproot.gadgets.u32 import NIBBLES, Word, double, fetch, select, word
from taproot.script import Op, Stack

B, OLD, NEW = word("b"), word("old"), word("new")
SHIFT = "shift"  # in nibbles
_MOST = 6


def lwl(s: Stack, big_endian: bool) -> None:
    """Upper bytes of rt := the addressed byte and those below it in its word."""
    _load(s, big_endian, left=True)


def lwr(s: Stack, big_endian: bool) -> None:
    """Lower bytes of rt := the addressed byte and those above it in its word."""
    _load(s, not big_endian, left=False)


def swl(s: Stack, big_endian: bool) -> None:
    """The addressed byte and those below it in its word := upper bytes of rt."""
    _store(s, big_endian, left=False)


def swr(s: Stack, big_endian: bool) -> None:
    """The addressed byte and those above it in its word := lower bytes of rt."""
    _store(s, not big_endian, left=True)


def _load(s: Stack, from_byte: bool, left: bool) -> None:
    push_effective_address(s)
    trap_on_load(s, BYTES.aligned)
    advance_or_trap(s, ADDRESS_LOAD)

    into_rt(s, unless=TRAP)
    address_is_word_of_effective(s)
    s.drop(TRAP)
    _push_shift(s, from_byte)
    _push_merge_differs(s, OLD, B, RESULT, left)
    write(s)


def _store(s: Stack, from_byte: bool, left: bool) -> None:
    push_effective_address(s)
    trap_on_store(s, BYTES.aligned)
    advance_or_trap(s, ADDRESS_STORE)

    no_register(s)
    address_is_word_of_effective(s)
    no_result(s)
    s.push(NIBBLES)
    _push_shift(s, from_byte)
    s.move(TRAP)
    select(s, SHIFT)  # after a trap all places are left to the old word
    _push_merge_differs(s, B, OLD, NEW, left)
    collect(s)


def _push_shift(s: Stack, from_byte: bool) -> None:
    """stack:  byte  →  twice the byte, or 6 less that"""
    s.move(BYTE)
    double(s)
    if not from_byte:
        s.push(_MOST)
        s.op(Op.SWAP)
        s.op(Op.SUB)
    s.rename(SHIFT)


def _push_merge_differs(s: Stack, shifted: Word, filling: Word, claimed: Word, left: bool) -> None:
    """Compare a word with one shifted by `shift` nibbles, the places left filled from another one; these two are kept.

    stack:  →  1 if it differs, else 0
    """
    s.push(0, WRONG)
    for i in range(NIBBLES):
        if i % 2 == 0:  # places i and i + 1 are covered by the shifted word
            s.copy(SHIFT)
            s.push(i if left else _MOST - i)
            s.op(Op.LESSTHANOREQUAL, f"covered.{i}")
            s.move(WRONG)
        _pick_shifted(s, shifted.items[i], left)
        s.copy(filling.items[i])
        s.copy(f"covered.{i & ~1}")
        select(s, "nibble")
        fetch(s, claimed.items[i], claimed.keep)
        s.op(Op.SUB, "difference")
        s.move(WRONG)
        s.op(Op.BOOLOR, WRONG)


def _pick_shifted(s: Stack, item: str, left: bool) -> None:
    """Copy the nibble that a shift brings to the place of this one; some other item where it brings none."""
    near = s.depth(item)
    s.push(near)
    s.copy(SHIFT)
    s.op(Op.ADD if left else Op.SUB, "index")
    s.pick_dynamic(near + (NIBBLES if left else 0), "nibble")
