"""Branches and jumps. MIPS32 Vol. II-A.

The instruction at NPC (the delay slot) runs before the target; also where the branch itself stands in a delay slot.
Targets count from the delay slot, links point behind it: `NPC + 4`. Operands are read before a link is written.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rd, signed_immediate
from btc_l2.zkvm.outcome import MASK, Outcome, Situation, branch, proceed, signed, write

RETURN_ADDRESS = 31


def beq(s: Situation) -> Outcome:
    """Branch if rs = rt."""
    a, b = s.a, s.b

    taken = a == b

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def bgez(s: Situation) -> Outcome:
    """Branch if rs ≥ 0."""
    a = signed(s.a)

    taken = a >= 0

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def bgezal(s: Situation) -> Outcome:
    """Branch if rs ≥ 0; $31 := return address, taken or not."""
    a = signed(s.a)

    link = s.control.npc + 4 & MASK

    control = branch(s.control, _relative(s)) if a >= 0 else proceed(s.control)
    return write(control, RETURN_ADDRESS, link)


def bgtz(s: Situation) -> Outcome:
    """Branch if rs > 0."""
    a = signed(s.a)

    taken = a > 0

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def blez(s: Situation) -> Outcome:
    """Branch if rs ≤ 0."""
    a = signed(s.a)

    taken = a <= 0

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def bltz(s: Situation) -> Outcome:
    """Branch if rs < 0."""
    a = signed(s.a)

    taken = a < 0

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def bltzal(s: Situation) -> Outcome:
    """Branch if rs < 0; $31 := return address, taken or not."""
    a = signed(s.a)

    link = s.control.npc + 4 & MASK

    control = branch(s.control, _relative(s)) if a < 0 else proceed(s.control)
    return write(control, RETURN_ADDRESS, link)


def bne(s: Situation) -> Outcome:
    """Branch if rs ≠ rt."""
    a, b = s.a, s.b

    taken = a != b

    return Outcome(branch(s.control, _relative(s)) if taken else proceed(s.control))


def j(s: Situation) -> Outcome:
    """Jump within the 256 MiB of the delay slot."""
    index = s.word & 0x03FF_FFFF

    target = s.control.npc & 0xF000_0000 | index << 2

    return Outcome(branch(s.control, target))


def jal(s: Situation) -> Outcome:
    """Jump within the 256 MiB of the delay slot; $31 := return address."""
    index = s.word & 0x03FF_FFFF

    target = s.control.npc & 0xF000_0000 | index << 2
    link = s.control.npc + 4 & MASK

    return write(branch(s.control, target), RETURN_ADDRESS, link)


def jalr(s: Situation) -> Outcome:
    """Jump to rs; rd := return address."""
    target = s.a

    link = s.control.npc + 4 & MASK

    return write(branch(s.control, target), rd(s.word), link)


def jr(s: Situation) -> Outcome:
    """Jump to rs."""
    target = s.a

    return Outcome(branch(s.control, target))


def _relative(s: Situation) -> int:
    """Target of a branch: NPC + 4 · offset."""
    return s.control.npc + (signed_immediate(s.word) << 2)
