"""What a step writes besides control words: a register (`dest`, `result`), a memory word (`address`, `old`, `new`)."""

from __future__ import annotations

from challenger.disprove.control import BAD, WRONG, collect
from taproot.gadgets.nibbles import HIGH_BIT, ODD
from taproot.gadgets.u32 import (
    TOP,
    Word,
    differ,
    double,
    expect_constant,
    expect_equal,
    expect_zero,
    nibble,
    select,
    word,
)
from taproot.script import Op, Stack

RESULT = word("result", keep=True)  # until `write` takes it
DIFFERS = "differs"  # what `result_is` found
DEST = "dest"  # on the alt stack between `into_…` and `write`
RETURN_ADDRESS = 31


def into_rd(s: Stack, unless: str = "") -> None:
    """dest = rd (bits 15…11); 0 if the item `unless` is 1."""
    push_rd(s)
    _into(s, unless)


def push_rd(s: Stack) -> None:
    """stack:  →  bits 15…11 of the instruction word"""
    s.copy(nibble("instruction", 3))
    double(s)
    s.copy(nibble("instruction", 2))
    s.run(HIGH_BIT, 1, ("bit",))
    s.op(Op.ADD, "target")


def into_rt(s: Stack, unless: str = "") -> None:
    """dest = rt (bits 20…16); 0 if the item `unless` is 1."""
    s.copy(nibble("instruction", 5))
    s.run(ODD, 1, ("bit",))
    double(s, 4)
    s.copy(nibble("instruction", 4))
    s.op(Op.ADD, "target")
    _into(s, unless)


def into_number(s: Stack, register: int) -> None:
    """dest = a register that the instruction word does not name."""
    s.move(BAD)
    expect_constant(s, Word(("dest.0", "dest.1")), register)


def zero_if(s: Stack, flag: str) -> None:
    """stack:  x  →  0 if the item `flag` is 1, else x"""
    name = s.main[-1]
    s.push(0)
    s.op(Op.SWAP)
    s.copy(flag)
    select(s, name)


def _into(s: Stack, unless: str) -> None:
    """stack:  dest… target  →  (nothing); alt: → dest; bad or (dest ≠ target)"""
    if unless:
        zero_if(s, unless)
    s.move("dest.1")
    double(s, 4)
    s.move("dest.0")
    s.op(Op.ADD, DEST)
    s.op(Op.TUCK, DEST, "target", DEST)
    s.op(Op.SUB, WRONG)
    collect(s)
    s.to_alt(DEST)


def write(s: Stack) -> None:
    """The result is right: where `dest` is 0 it must be 0, else `wrong` says whether it is.

    stack:  result… bad wrong  →  bad or (dest ? wrong : result ≠ 0); alt: dest  →
    """
    if DIFFERS in s.main:
        s.move(DIFFERS, WRONG)
    s.to_alt(BAD)
    s.to_alt(WRONG)
    s.move(RESULT.items[TOP], "some")
    expect_zero(s, Word(RESULT.items[:TOP]))
    for name in (WRONG, BAD, DEST):
        s.from_alt(name)
    s.op(Op.NOT, "none")
    s.op(Op.SWAP, "none", BAD)
    s.to_alt()
    select(s, WRONG)
    s.from_alt()
    collect(s)


def result_is(s: Stack, w: Word) -> None:
    """Compare `result` with a control word while this is there.

    stack:  →  (nothing); alt:  →  differs          take it back with `from_alt(DIFFERS)` and give it to `write`
    """
    differ(s, Word(w.items, keep=True), RESULT, DIFFERS)
    s.to_alt()


def no_access(s: Stack) -> None:
    """address = 0."""
    s.move(BAD)
    expect_zero(s, word("address"))


def no_register(s: Stack) -> None:
    """dest = 0."""
    into_number(s, 0)


def no_result(s: Stack) -> None:
    """result = 0."""
    s.move(BAD)
    expect_zero(s, word("result"))


def nothing_written(s: Stack) -> None:
    """dest = 0, address = 0, result = 0."""
    no_register(s)
    no_access(s)
    no_result(s)


def no_store(s: Stack) -> None:
    """new = old."""
    s.move(BAD)
    expect_equal(s, word("new"), word("old"))
