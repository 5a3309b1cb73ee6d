"""ADD ADDI ADDIU ADDU SUB SUBU: sums and differences modulo 2^32; those without U trap on signed overflow.

Mirrors `btc_l2/zkvm/instructions/arithmetic.py`. Every relation in this folder has the same paragraphs: control (its
words lie on top of the claim), operands and result, what is written.
"""

from __future__ import annotations

from challenger.disprove.control import WRONG, advance
from challenger.disprove.effect import RESULT, into_rd, no_access, write
from taproot.gadgets.u32 import Term, congruent, word
from taproot.script import Stack


def addu(s: Stack) -> None:
    """rd := rs + rt."""
    advance(s)

    into_rd(s)
    no_access(s)
    congruent(s, [Term(RESULT), Term(word("a"), -1), Term(word("b"), -1)], WRONG)

    write(s)
