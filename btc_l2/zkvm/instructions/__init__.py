"""What each instruction does: one file per class, one pure function per row of the instruction table."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from types import ModuleType

from btc_l2.zkvm.instructions import (
    arithmetic,
    bitfield,
    branch,
    compare,
    logic,
    memory,
    move,
    muldiv,
    shift,
    system,
    trap,
    unaligned,
)
from btc_l2.zkvm.isa import BY_NAME, Instruction
from btc_l2.zkvm.outcome import Outcome, Situation

_MODULES: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[1]: module
    for module in (
        arithmetic, bitfield, branch, compare, logic, memory, move, muldiv, shift, system, trap, unaligned
    )
}  # fmt: skip


def find_semantics(row: Instruction) -> Callable[[Situation], Outcome]:
    """The function of a row: its lower-case name in the file of its group (`and_`, `or_`, `break_` for keywords)."""
    name = row.name.lower()
    function: Callable[[Situation], Outcome] = getattr(
        _MODULES[row.group], f"{name}_" if keyword.iskeyword(name) else name
    )
    return function


SEMANTICS = {name: find_semantics(row) for name, row in BY_NAME.items()}
