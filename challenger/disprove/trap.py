"""TEQ TGE TGEU TLT TLTU TNE and the same with an immediate: trap 13 if the condition holds; BREAK: trap 9.

RESERVED: trap 10; which words these are says `reserved.py`.

Mirrors `btc_l2/zkvm/instructions/trap.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from btc_l2.zkvm.outcome import BREAKPOINT, RESERVED_INSTRUCTION, TRAPPED
from btc_l2.zkvm.outcome import TRAP as TRAP_CAUSE
from challenger.disprove.control import TRAP, advance_or_trap, stand_still
from challenger.disprove.effect import nothing_written
from challenger.disprove.immediate import EXTENDED, EXTENSION, push_extension
from taproot.gadgets.u32 import Word, differ, less_than, signed_less_than, word
from taproot.script import Op, Stack

A, B = word("a"), word("b")
_Comparison = Callable[[Stack, Word, Word, str], None]


def break_(s: Stack) -> None:
    """Trap 9."""
    stand_still(s, TRAPPED | BREAKPOINT)

    nothing_written(s)


def reserved(s: Stack) -> None:
    """Trap 10."""
    stand_still(s, TRAPPED | RESERVED_INSTRUCTION)

    nothing_written(s)


def teq(s: Stack) -> None:
    """Trap if rs = rt."""
    _unless(s, differ, B)


def teqi(s: Stack) -> None:
    """Trap if rs = sign-extended immediate."""
    _unless(s, differ, EXTENDED)


def tge(s: Stack) -> None:
    """Trap if rs ≥ rt, signed."""
    _unless(s, signed_less_than, B)


def tgei(s: Stack) -> None:
    """Trap if rs ≥ sign-extended immediate, signed."""
    _unless(s, signed_less_than, EXTENDED)


def tgeiu(s: Stack) -> None:
    """Trap if rs ≥ sign-extended immediate, unsigned."""
    _unless(s, less_than, EXTENDED)


def tgeu(s: Stack) -> None:
    """Trap if rs ≥ rt, unsigned."""
    _unless(s, less_than, B)


def tlt(s: Stack) -> None:
    """Trap if rs < rt, signed."""
    _if(s, signed_less_than, B)


def tlti(s: Stack) -> None:
    """Trap if rs < sign-extended immediate, signed."""
    _if(s, signed_less_than, EXTENDED)


def tltiu(s: Stack) -> None:
    """Trap if rs < sign-extended immediate, unsigned."""
    _if(s, less_than, EXTENDED)


def tltu(s: Stack) -> None:
    """Trap if rs < rt, unsigned."""
    _if(s, less_than, B)


def tne(s: Stack) -> None:
    """Trap if rs ≠ rt."""
    _if(s, differ, B)


def tnei(s: Stack) -> None:
    """Trap if rs ≠ sign-extended immediate."""
    _if(s, differ, EXTENDED)


def _if(s: Stack, compare: _Comparison, y: Word) -> None:
    """Trap if the comparison of rs with `y` holds."""
    _compare(s, compare, y)
    _trap(s)


def _unless(s: Stack, compare: _Comparison, y: Word) -> None:
    """Trap if the comparison of rs with `y` does not hold."""
    _compare(s, compare, y)
    s.op(Op.NOT)
    _trap(s)


def _compare(s: Stack, compare: _Comparison, y: Word) -> None:
    if y is EXTENDED:
        push_extension(s)
    compare(s, A, y, "holds")
    if y is EXTENDED:
        s.drop(EXTENSION)


def _trap(s: Stack) -> None:
    s.rename(TRAP)
    advance_or_trap(s, TRAP_CAUSE)

    s.drop(TRAP)
    nothing_written(s)
