"""TEQ TGE TGEU TLT TLTU TNE and the same with an immediate: trap 13 if the condition holds; BREAK: trap 9.

RESERVED stands for every word that is no instruction of the machine: trap 10. MIPS32 Vol. II-A.
"""

from __future__ import annotations

from btc_l2.zkvm.decode import signed_immediate
from btc_l2.zkvm.outcome import BREAKPOINT, RESERVED_INSTRUCTION, TRAP, Outcome, Situation, proceed, signed, trap


def break_(s: Situation) -> Outcome:
    """Trap 9."""
    return trap(s.control, BREAKPOINT)


def reserved(s: Situation) -> Outcome:
    """Trap 10."""
    return trap(s.control, RESERVED_INSTRUCTION)


def teq(s: Situation) -> Outcome:
    """Trap if rs = rt."""
    a, b = s.a, s.b

    holds = a == b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def teqi(s: Situation) -> Outcome:
    """Trap if rs = sign-extended immediate."""
    a, b = s.a, signed_immediate(s.word)

    holds = a == b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tge(s: Situation) -> Outcome:
    """Trap if rs ≥ rt, signed."""
    a, b = s.a, s.b

    holds = signed(a) >= signed(b)

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tgei(s: Situation) -> Outcome:
    """Trap if rs ≥ sign-extended immediate, signed."""
    a, b = s.a, signed_immediate(s.word)

    holds = signed(a) >= signed(b)

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tgeiu(s: Situation) -> Outcome:
    """Trap if rs ≥ sign-extended immediate, unsigned."""
    a, b = s.a, signed_immediate(s.word)

    holds = a >= b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tgeu(s: Situation) -> Outcome:
    """Trap if rs ≥ rt, unsigned."""
    a, b = s.a, s.b

    holds = a >= b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tlt(s: Situation) -> Outcome:
    """Trap if rs < rt, signed."""
    a, b = s.a, s.b

    holds = signed(a) < signed(b)

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tlti(s: Situation) -> Outcome:
    """Trap if rs < sign-extended immediate, signed."""
    a, b = s.a, signed_immediate(s.word)

    holds = signed(a) < signed(b)

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tltiu(s: Situation) -> Outcome:
    """Trap if rs < sign-extended immediate, unsigned."""
    a, b = s.a, signed_immediate(s.word)

    holds = a < b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tltu(s: Situation) -> Outcome:
    """Trap if rs < rt, unsigned."""
    a, b = s.a, s.b

    holds = a < b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tne(s: Situation) -> Outcome:
    """Trap if rs ≠ rt."""
    a, b = s.a, s.b

    holds = a != b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))


def tnei(s: Situation) -> Outcome:
    """Trap if rs ≠ sign-extended immediate."""
    a, b = s.a, signed_immediate(s.word)

    holds = a != b

    return trap(s.control, TRAP) if holds else Outcome(proceed(s.control))
