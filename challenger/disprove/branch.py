"""Branches and jumps. Mirrors `btc_l2/zkvm/instructions/branch.py`.

PC' = NPC is checked last, so what stands for NPC in a sum is PC', which lies nearer to the top.
"""

from __future__ import annotations

from challenger.disprove.control import BAD, WRONG, collect, delay_slot, plus_four
from challenger.disprove.effect import (
    DIFFERS,
    RESULT,
    RETURN_ADDRESS,
    into_number,
    into_rd,
    no_access,
    nothing_written,
    write,
)
from challenger.disprove.immediate import COUNT, IMMEDIATE, push_sign_weight
from taproot.gadgets.u32 import (
    TOP,
    Term,
    Word,
    congruent,
    differ,
    double,
    expect_equal,
    negative,
    nibble,
    nonzero,
    select,
    weigh,
    word,
)
from taproot.script import Op, Stack

A, B = word("a"), word("b")
NPC = word("pc'", keep=True)  # see above
TARGET = word("npc'")
TAKEN = "taken"


def beq(s: Stack) -> None:
    """Branch if rs = rt."""
    differ(s, A, B, "differ")
    s.op(Op.NOT, TAKEN)
    _branch(s)

    nothing_written(s)


def bgez(s: Stack) -> None:
    """Branch if rs ≥ 0."""
    negative(s, A.items[TOP], "negative")
    s.op(Op.NOT, TAKEN)
    _branch(s)

    nothing_written(s)


def bgezal(s: Stack) -> None:
    """Branch if rs ≥ 0; $31 := return address, taken or not."""
    plus_four(s, word("result"))
    negative(s, A.items[TOP], "negative")
    s.op(Op.NOT, TAKEN)
    _branch(s)

    into_number(s, RETURN_ADDRESS)
    no_access(s)


def bgtz(s: Stack) -> None:
    """Branch if rs > 0."""
    _push_positive(s, TAKEN)
    _branch(s)

    nothing_written(s)


def blez(s: Stack) -> None:
    """Branch if rs ≤ 0."""
    _push_positive(s, "positive")
    s.op(Op.NOT, TAKEN)
    _branch(s)

    nothing_written(s)


def bltz(s: Stack) -> None:
    """Branch if rs < 0."""
    negative(s, A.items[TOP], TAKEN)
    _branch(s)

    nothing_written(s)


def bltzal(s: Stack) -> None:
    """Branch if rs < 0; $31 := return address, taken or not."""
    plus_four(s, word("result"))
    negative(s, A.items[TOP], TAKEN)
    _branch(s)

    into_number(s, RETURN_ADDRESS)
    no_access(s)


def bne(s: Stack) -> None:
    """Branch if rs ≠ rt."""
    differ(s, A, B, TAKEN)
    _branch(s)

    nothing_written(s)


def j(s: Stack) -> None:
    """Jump within the 256 MiB of the delay slot."""
    _jump_to_index(s, J_NIBBLE)

    nothing_written(s)


def jal(s: Stack) -> None:
    """Jump within the 256 MiB of the delay slot; $31 := return address."""
    plus_four(s, word("result"))
    _jump_to_index(s, JAL_NIBBLE)

    into_number(s, RETURN_ADDRESS)
    no_access(s)


def jalr(s: Stack) -> None:
    """Jump to rs; rd := return address."""
    s.move(BAD)
    expect_equal(s, TARGET, A)
    congruent(s, [Term(RESULT), Term(NPC, -1)], DIFFERS, minus=4)
    s.to_alt()
    delay_slot(s)

    s.from_alt(DIFFERS)
    into_rd(s)
    no_access(s)
    write(s)


def jr(s: Stack) -> None:
    """Jump to rs."""
    s.move(BAD)
    expect_equal(s, TARGET, A)
    delay_slot(s)

    nothing_written(s)


def _push_positive(s: Stack, name: str) -> None:
    """stack:  →  1 if rs > 0, else 0"""
    nonzero(s, Word(A.items, keep=True), "nonzero")
    negative(s, A.items[TOP], "negative")
    s.op(Op.GREATERTHAN, name)


def _branch(s: Stack) -> None:
    """NPC' = NPC + 4 · offset if `taken`, else NPC + 4; PC' = NPC.

    stack:  taken  →  (nothing)
    """
    weigh(s, [Term(IMMEDIATE)], "offset", COUNT - 1)
    push_sign_weight(s, "sign")
    s.op(Op.ADD)
    double(s, 2)
    s.push(4)
    s.move(TAKEN)
    select(s, "offset")
    congruent(s, [Term(TARGET), Term(NPC, -1)], WRONG, minus="offset")
    collect(s)
    delay_slot(s)


J_NIBBLE, JAL_NIBBLE = 8, 12  # nibble 6 of the word: opcode bits above, the top two bits of the index below
_INDEX = Word(tuple(nibble("instruction", i) for i in range(TOP)), keep=True)


def _jump_to_index(s: Stack, opcode_bits: int) -> None:
    """NPC' = NPC & 0xF000_0000 | 4 · index; PC' = NPC."""
    s.move(BAD)
    expect_equal(s, Word(TARGET.items[TOP:]), Word(NPC.items[TOP:], keep=True))
    s.to_alt()
    weigh(s, [Term(TARGET), Term(_INDEX, -1, 2)], "low")
    s.push(-4 * opcode_bits << 4 * (TOP - 1))
    s.op(Op.NUMNOTEQUAL, WRONG)
    s.from_alt(BAD)
    collect(s)
    delay_slot(s)
