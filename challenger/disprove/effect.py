"""What a step writes besides control words: a register (`dest`, `result`), a memory word (`address`, `old`, `new`)."""

from __future__ import annotations

from challenger.disprove.control import BAD, WRONG, collect
from taproot.gadgets.nibbles import HIGH_BIT, ODD
from taproot.gadgets.u32 import (
    Word,
    double,
    expect_constant,
    expect_equal,
    expect_zero,
    nibble,
    nonzero,
    select,
    word,
)
from taproot.script import Op, Stack

RESULT = word("result", keep=True)  # until `write` takes it
DEST = "dest"  # on the alt stack between `into_…` and `write`
RETURN_ADDRESS = 31


def into_rd(s: Stack, unless: str = "") -> None:
    """dest = rd (bits 15…11); 0 if the item `unless` is 1."""
    s.copy(nibble("instruction", 3))
    double(s)
    s.copy(nibble("instruction", 2))
    s.run(HIGH_BIT, 1, ("bit",))
    s.op(Op.ADD, "target")
    _into(s, unless)


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

    stack:  result… wrong  →  (nothing); alt: dest →; bad or (dest ? wrong : result ≠ 0)
    """
    s.to_alt(WRONG)
    nonzero(s, word("result"), "some")
    s.from_alt()
    s.from_alt()
    s.op(Op.NOT, "none")
    select(s, WRONG)
    collect(s)


def no_access(s: Stack) -> None:
    """address = 0."""
    s.move(BAD)
    expect_zero(s, word("address"))


def no_write(s: Stack) -> None:
    """dest = 0, result = 0."""
    s.move(BAD)
    expect_zero(s, Word(("dest.0", "dest.1")))
    expect_zero(s, word("result"))


def no_store(s: Stack) -> None:
    """new = old."""
    s.move(BAD)
    expect_equal(s, word("new"), word("old"))
