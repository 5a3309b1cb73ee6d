"""Arithmetic modulo 2^32 on words that lie on the stack as eight nibbles.

A nibble is an item of value 0…15; nibble i of the word `w` is the item named `w.i`, 0 the least significant. Nothing
here aborts, whatever the nibbles are. Checks do not fail, they collect: a *flag* is an item whose truth says "something
was wrong", and the `expect_…` gadgets or their finding into the flag on top of the stack.

Sums are not made nibble by nibble. `weigh` makes one number of the seven low nibbles of all terms at once, by Horner's
rule, and only nibble 7 is looked at apart: script numbers have 31 bits and a sign, and 2^32 does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taproot.script import Op, Stack, pick_within, script

NIBBLES = 8
TOP = NIBBLES - 1  # the nibble that `weigh` leaves out
LOW = 1 << 4 * TOP  # weight of the top nibble: the seven low ones are a number below it


def nibble(word: str, i: int) -> str:
    """Name of nibble i of a word."""
    return f"{word}.{i}"


def digits_of(value: int, count: int = NIBBLES) -> tuple[int, ...]:
    """The nibbles of a number, least significant first."""
    return tuple(value >> 4 * i & 15 for i in range(count))


def word_of(digits: Sequence[int]) -> int:
    """The number that nibbles mean, least significant first."""
    return sum(d << 4 * i for i, d in enumerate(digits))


@dataclass(frozen=True, slots=True)
class Word:
    """The items of a word, least significant nibble first; `keep` copies them where they are used, else they move."""

    items: tuple[str, ...]
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A word in a sum, times `sign` · 2^`shift` (shift 0…3)."""

    word: Word
    sign: int = 1
    shift: int = 0


def word(name: str, keep: bool = False) -> Word:
    """The word `name.0` … `name.7`."""
    return Word(tuple(nibble(name, i) for i in range(NIBBLES)), keep)


def fetch(s: Stack, item: str, keep: bool = False) -> None:
    """Bring an item, or a copy of it, to the top."""
    if keep:
        s.copy(item)
    else:
        s.move(item)


def double(s: Stack, times: int = 1) -> None:
    """stack:  x  →  2^times · x"""
    s.emit(*(Op.DUP, Op.ADD) * times)


def select(s: Stack, name: str) -> None:
    """stack:  if_one if_zero flag  →  one of the two          (flag is 0 or 1)"""
    s.run(_SELECT, 3, (name,))


# Flags


def or_item(s: Stack, item: str, keep: bool = False) -> None:
    """stack:  flag  →  flag or (item ≠ 0)"""
    flag = s.main[-1]
    if keep or s.depth(item) != 1:
        fetch(s, item, keep)
    s.op(Op.BOOLOR, flag)


def expect_zero(s: Stack, w: Word) -> None:
    """stack:  flag  →  flag or (w ≠ 0)"""
    for item in reversed(w.items):
        or_item(s, item, w.keep)


def expect_equal(s: Stack, x: Word, y: Word) -> None:
    """stack:  flag  →  flag or (x ≠ y)               cheapest where x lies directly below the flag"""
    flag = s.main[-1]
    for left, right in reversed(list(zip(x.items, y.items, strict=True))):
        fetch(s, left, x.keep)
        fetch(s, right, y.keep)
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, flag)


def expect_constant(s: Stack, w: Word, value: int) -> None:
    """stack:  flag  →  flag or (w ≠ value)"""
    flag = s.main[-1]
    for item, digit in reversed(list(zip(w.items, digits_of(value, len(w.items)), strict=True))):
        if not digit:
            or_item(s, item, w.keep)
            continue
        fetch(s, item, w.keep)
        s.push(digit)
        s.op(Op.SUB, "difference")
        s.op(Op.BOOLOR, flag)


def expect_number(s: Stack, value: int) -> None:
    """stack:  flag x  →  flag or (x ≠ value)"""
    if value:
        s.push(value)
        s.op(Op.SUB, "difference")
    s.op(Op.BOOLOR, s.main[-2])


def differ(s: Stack, x: Word, y: Word, name: str) -> None:
    """stack:  →  1 if x ≠ y, else 0"""
    s.push(0, name)
    expect_equal(s, x, y)


def nonzero(s: Stack, w: Word, name: str) -> None:
    """stack:  →  1 if w ≠ 0, else 0"""
    s.push(0, name)
    expect_zero(s, w)


# Numbers


def weigh(s: Stack, terms: Sequence[Term], name: str, high: int = TOP - 1) -> None:
    """Leave Σ 16^i · (Σ sign · 2^shift · nibble i) over i = high … 0 of all terms; a short word has zeros above.

    stack:  →  number          nibbles lying on top in order are taken where they lie
    """
    most = max(term.shift for term in terms)
    started = False
    for i in reversed(range(high + 1)):
        if started:
            double(s, 4 - most)
        for shift in reversed(range(most + 1)):
            for term in terms:
                if term.shift == shift and i < len(term.word.items):
                    _add(s, term, term.word.items[i], started)
                    started = True
            if started and shift:
                double(s)
    s.rename(name)


def add_top(s: Stack, terms: Sequence[Term], name: str) -> None:
    """Leave the sum of the top nibbles of those terms that have one.

    stack:  →  number
    """
    for started, term in enumerate(t for t in terms if len(t.word.items) > TOP):
        _add(s, term, term.word.items[TOP], bool(started))
    s.rename(name)


def add_items(s: Stack, items: Sequence[str], name: str) -> None:
    """Leave the sum of items (moved).

    stack:  →  number
    """
    s.move(items[0])
    for item in items[1:]:
        if s.depth(item) != 1:
            s.move(item)
        s.op(Op.ADD, name)
    s.rename(name)


def congruent(s: Stack, terms: Sequence[Term], name: str, minus: int | str = 0) -> None:
    """Leave whether the sum of the terms, less `minus`, is *no* multiple of 2^32.

    stack:  →  wrong          `minus` is a constant or the name of an item (moved), below 2^28 in size

    At most three terms without shift, or so few that the low part V stays within ±(2^29 − 1).
    """
    add_top(s, terms, "top")
    s.to_alt()
    weigh(s, terms, "low")
    if minus:
        if isinstance(minus, str):
            s.move(minus)
        else:
            s.push(minus)
        s.op(Op.SUB, "low")
    s.from_alt("top")
    residue(s, name)


def residue(s: Stack, name: str) -> None:
    """Leave whether low + 2^28 · top is *no* multiple of 2^32, for |low| < 2^29, |top| < 31.

    stack:  low top  →  wrong
    """
    s.run(_RESIDUE, 2, (name,))


def less_than(s: Stack, x: Word, y: Word, name: str) -> None:
    """Compare two words without sign.

    stack:  →  1 if x < y, else 0
    """
    for i, (left, right) in enumerate(zip(x.items, y.items, strict=True)):
        fetch(s, right, y.keep)
        if i:
            s.op(Op.ADD, "y")  # one more if the nibbles below are less
        fetch(s, left, x.keep)
        s.op(Op.GREATERTHAN, name)


def signed_less_than(s: Stack, x: Word, y: Word, name: str) -> None:
    """Compare two words as two's complement numbers: each sign turns the unsigned answer over.

    stack:  →  1 if x < y, else 0
    """
    negative(s, x.items[TOP], "x<0")
    negative(s, y.items[TOP], "y<0")
    s.op(Op.NUMNOTEQUAL, "signs")
    s.to_alt()
    less_than(s, x, y, name)
    s.from_alt()
    s.op(Op.NUMNOTEQUAL, name)


def negative(s: Stack, top: str, name: str) -> None:
    """Copy a top nibble and leave its sign bit.

    stack:  →  1 if nibble ≥ 8, else 0
    """
    s.copy(top)
    s.push(7)
    s.op(Op.GREATERTHAN, name)


def sign_extension(s: Stack, top: str, name: str) -> None:
    """Copy the top nibble of an immediate and leave the nibble that stands above it in a word.

    stack:  →  15 if nibble ≥ 8, else 0
    """
    negative(s, top, name)
    s.run(_TIMES_15, 1, (name,))


def magnitude(s: Stack, w: Word, negative: str, name: str) -> None:
    """Digits that with the item `negative` (0 or 1) added mean w, or 2^32 − w where that is 1.

    stack:  →  name.0 … name.7
    """
    s.copy(negative)
    s.run(_TIMES_15, 1, ("mask",))
    for i, item in enumerate(w.items):
        fetch(s, item, w.keep)
        s.copy("mask")
        s.op(Op.SUB)
        s.op(Op.ABS, nibble(name, i))
    s.drop("mask")


def _add(s: Stack, term: Term, item: str, started: bool) -> None:
    """stack:  [sum]  →  sum ± item"""
    lies_below = not term.word.keep and s.depth(item) == 1
    if not (started and term.sign > 0 and lies_below):
        fetch(s, item, term.word.keep)
    if started:
        s.op(Op.ADD if term.sign > 0 else Op.SUB, "sum")
    elif term.sign < 0:
        s.op(Op.NEGATE, "sum")


_SELECT = script(pick_within(1), Op.NIP, Op.NIP)

_TIMES_15 = script(Op.DUP, *(Op.DUP, Op.ADD) * 4, Op.SWAP, Op.SUB)

# low top → wrong. The carry is the sign of low if |low| is 0 or 2^28; then |top + carry| must be 0 or 16.
_RESIDUE = script(
    Op.OVER, 1, Op.MIN, -1, Op.MAX, Op.ADD,  # low  top + carry
    Op.ABS, 8, Op.SUB, Op.ABS, 8, Op.SUB,  # low  0 iff it was 0 or ±16
    Op.SWAP, Op.ABS, Op.DUP, LOW, Op.NUMEQUAL, Op.SWAP, Op.NOT, Op.NUMEQUAL,  # 1 iff |low| is neither 0 nor 2^28
    Op.BOOLOR,
)  # fmt: skip
