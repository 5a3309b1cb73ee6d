"""Where an access must go, computed in Script from the step's claim: the leaf's address and the word inside the leaf.

Digits lie on the main stack under the names `group.index`; a word of the claim starts at a fixed digit of its group.
The challenger helps with halves: for a nibble x he gives h with x − 2h ∈ {0, 1}, which is checked.
"""

from __future__ import annotations

from collections.abc import Callable

from challenger.disprove.claim import GROUPS
from challenger.game.kinds import REGISTERS_ADDRESS
from taproot.script import Op, Stack

HALF = "half"  # the hint: a nibble shifted right by one


def group_of(word: str) -> str:
    """The signed group that a word of the claim belongs to."""
    return next(g for g, words in GROUPS.items() if any(w == word for w, _ in words))


def digit(word: str, nibble: int) -> str:
    """Name of one nibble of a word of the claim, as `open_on_main` names it."""
    group = group_of(word)
    at = 0
    for name, nibbles in GROUPS[group]:
        if name == word:
            return f"step.{group}.{at + nibble}"
        at += nibbles
    raise AssertionError(word)


def split_bit(s: Stack, nibble: str) -> None:
    """Split a nibble by the hint on top of the stack.

    stack:  h  →  h (x − 2h)      with x − 2h proven to be 0 or 1, so that h = x >> 1
    """
    s.op(Op.DUP, "h", "h")
    s.op(Op.DUP, "h", "h")
    s.op(Op.ADD, "2h")
    s.copy(nibble)
    s.op(Op.SWAP, "x", "2h")
    s.op(Op.SUB, "bit")
    s.op(Op.DUP, "bit", "bit")
    s.push(0)
    s.push(2)
    s.op(Op.WITHIN, "ok")
    s.op(Op.VERIFY)


def at_least_eight(s: Stack, nibble: str) -> None:
    """stack:  →  x >> 3"""
    s.copy(nibble)
    s.push(8)
    s.op(Op.GREATERTHANOREQUAL, "high")


def _double(s: Stack) -> None:
    s.op(Op.DUP, "v", "v")
    s.op(Op.ADD, "v")


def needs_half(place: str) -> bool:
    """Does this place take the hint `half`?"""
    return place in ("pc", "address", "rs", "rt")


def half_of(place: str, words: dict[str, int]) -> int:
    """The hint `half` for the claimed words (host side)."""
    if place in ("pc", "address"):
        return (words[place] >> 4 & 15) >> 1
    return (words["instruction"] >> 20 & 15) >> 1


def _register_half(s: Stack) -> None:
    """Nibble 5 of the instruction holds bits 20–23: rs's low three bits above rt's top bit.

    stack:  half  →  half (bit 20)
    """
    s.move(HALF)
    split_bit(s, digit("instruction", 5))


def _selector_rs(s: Stack) -> None:
    """stack:  half  →  rs >> 3   (bits 25–24: the low half of nibble 6, whose upper half is 0…3)"""
    _register_half(s)
    s.drop_top(2)
    s.copy(digit("instruction", 6))
    for limit, name in ((8, "x8"), (4, "x4")):
        s.op(Op.DUP, "x", "x")
        s.push(limit)
        s.op(Op.GREATERTHANOREQUAL, name)
        for _ in range(limit.bit_length() - 1):
            _double(s)
        s.op(Op.SUB, "x")


def _selector_rt(s: Stack) -> None:
    """stack:  half  →  rt >> 3   (bit 19 + 2 · bit 20)"""
    _register_half(s)
    s.op(Op.NIP, "bit")
    _double(s)
    at_least_eight(s, digit("instruction", 4))
    s.op(Op.ADD, "selector")


def _selector_dest(s: Stack) -> None:
    """stack:  →  dest >> 3"""
    s.copy(digit("dest", 1))
    _double(s)
    at_least_eight(s, digit("dest", 0))
    s.op(Op.ADD, "selector")


_SELECTORS: dict[str, Callable[[Stack], None]] = {"rs": _selector_rs, "rt": _selector_rt, "dest": _selector_dest}


def push_expected_address(s: Stack, place: str | int) -> None:
    """Leave the seven digits (nibbles 1…7, nibble 1 lowest) of the byte address of the leaf that the claim calls for.

    stack:  [half]  →  e1 … e7
    """
    if isinstance(place, int):
        for i in range(1, 8):
            s.push(place >> 4 * i & 15, f"e{i}")
    elif place in _SELECTORS:
        _SELECTORS[place](s)
        _double(s)
        s.rename("e1")
        for i in range(2, 8):
            s.push(REGISTERS_ADDRESS >> 4 * i & 15, f"e{i}")
    else:
        s.move(HALF)
        split_bit(s, digit(place, 1))
        s.drop_top()
        _double(s)
        s.rename("e1")
        for i in range(2, 8):
            s.copy(digit(place, i), f"e{i}")


def push_word_index(s: Stack, place: str) -> None:
    """Leave the index (0…7) of the word inside its leaf.

    stack:  [half]  →  index
    """
    if place in ("pc", "address"):
        s.move(HALF)
        split_bit(s, digit(place, 1))
        s.op(Op.NIP, "bit")
        _double(s)
        _double(s)
        for limit in (4, 8, 12):
            s.copy(digit(place, 0))
            s.push(limit)
            s.op(Op.GREATERTHANOREQUAL, "ge")
            s.op(Op.ADD, "index")
    elif place == "rs":
        _register_half(s)
        s.drop_top()
        _push_is_syscall(s)
        _double(s)
        _double(s)
        s.op(Op.ADD, "index")
    else:
        if place == "rt":
            s.drop(HALF)
        _push_low_three(s, digit("instruction", 4) if place == "rt" else digit("dest", 0))


def _push_low_three(s: Stack, nibble: str) -> None:
    """stack:  →  x & 7"""
    s.copy(nibble)
    at_least_eight(s, nibble)
    for _ in range(3):
        _double(s)
    s.op(Op.SUB, "index")


def _push_is_syscall(s: Stack) -> None:
    """One iff the instruction is SYSCALL with code 0…3 (0x0C, 0x4C, 0x8C, 0xCC): then the operand is $4, not $rs.

    stack:  →  0 or 1
    """
    s.copy(digit("instruction", 0))
    s.push(12)
    s.op(Op.NUMEQUAL, "is")
    s.push(0, "quarter")
    for n in (0, 4, 8, 12):
        s.copy(digit("instruction", 1))
        s.push(n)
        s.op(Op.NUMEQUAL, "eq")
        s.op(Op.ADD, "quarter")
    s.op(Op.BOOLAND, "is")
    for i in range(2, 8):
        s.copy(digit("instruction", i))
        s.op(Op.NOT, "zero")
        s.op(Op.BOOLAND, "is")
