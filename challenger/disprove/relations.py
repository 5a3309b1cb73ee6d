"""The relation leaves: for each row of the instruction table, the script that a false claim about such a step loses to.

A relation's body starts on the digits of the claim (`claim.CLAIM_LAYOUT`), which the operator signed, and ends with one
item: true iff the claim contradicts the instruction's meaning. It fails where the claim is none of this instruction.
Given `before`, `instruction`, `a`, `b`, `old`, which the access game checks, it says what every other value must be.
The rows, with EXITED and BAD_FETCH for states without an instruction, share out all states and words, so that a claim
has exactly one relation. Normative text: `docs/spec/machine.md`, "The claim about a step".
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from btc_l2.zkvm.isa import BY_NAME
from challenger.disprove import (
    arithmetic,
    bitfield,
    branch,
    compare,
    logic,
    memory,
    move,
    muldiv,
    shift,
    state,
    system,
    trap,
    unaligned,
)
from challenger.disprove.control import BAD, begin
from challenger.disprove.effect import no_store
from challenger.disprove.pattern import require_pattern, require_syscall_other
from challenger.disprove.reserved import require_reserved
from taproot.script import Script, Stack

_Meaning = Callable[..., None]  # writes the relation's own part on a Stack; some rows also take the byte order

_MODULES: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[1]: module
    for module in (arithmetic, bitfield, branch, compare, logic, memory, move, muldiv, shift, system, trap, unaligned)
}
_STATES: dict[str, _Meaning] = {"EXITED": state.exited, "BAD_FETCH": state.bad_fetch}

# Control words besides PC and NPC that a row reads or changes
_OWN: dict[str, tuple[str, ...]] = {
    "MFHI": ("hi",),
    "MFLO": ("lo",),
    "MTHI": ("hi",),
    "MTLO": ("lo",),
    **dict.fromkeys(("DIV", "DIVU", "MADD", "MADDU", "MSUB", "MSUBU", "MULT", "MULTU"), ("hi", "lo")),
    "RDHWR": ("tls",),
    "MTC0_USERLOCAL": ("tls",),
    "LL": ("ll",),
    "SC": ("ll",),
    "SYSCALL_ENTER": ("ll",),
    **dict.fromkeys(("BREAK", "RESERVED", "SYSCALL_HALT", "SYSCALL_OTHER", "EXITED", "BAD_FETCH"), ("status",)),
}
_MAY_TRAP = {"ADD", "ADDI", "SUB", "EXT", "INS", "SYSCALL_MAP"} | {
    name for name, row in BY_NAME.items() if row.group in ("memory", "trap", "unaligned")
}
BY_BYTE = {"LB", "LBU", "LH", "LHU", "SB", "SH", "LWL", "LWR", "SWL", "SWR"}  # the byte order matters


@dataclass(frozen=True, slots=True)
class Relation:
    """One leaf before its keys are known: `body` runs on the digits of the claim."""

    name: str
    proves: str
    body: Script


@lru_cache(maxsize=256)
def relation(name: str, big_endian: bool = True) -> Relation:
    """The relation of a row of the instruction table, EXITED or BAD_FETCH; KeyError if there is none."""
    meaning = _MEANINGS[name]
    s = begin(_OWN.get(name, ()), name in _MAY_TRAP)
    if name in BY_BYTE:
        meaning(s, big_endian)
    else:
        meaning(s)
    if "new.0" in s.main:
        no_store(s)
    _require(s, name)
    summary = (meaning.__doc__ or name).splitlines()[0]
    return Relation(name, f"the step is claimed to be something else than {name} is: {summary}", s.finish(BAD))


def relation_names() -> tuple[str, ...]:
    """All relations that there are."""
    return tuple(_MEANINGS)


def rows_without_leaf() -> tuple[str, ...]:
    """Rows of the instruction table that no relation decides yet."""
    return tuple(name for name in BY_NAME if name not in _MEANINGS)


def _require(s: Stack, name: str) -> None:
    """Fail on words of another row; leave the flag alone on the stack."""
    if name in _STATES:
        require_pattern(s, 0, 0)
    elif name == "RESERVED":
        require_reserved(s)
    elif name == "SYSCALL_OTHER":
        require_syscall_other(s)
    else:
        require_pattern(s, BY_NAME[name].mask, BY_NAME[name].match)


def _find(name: str) -> _Meaning | None:
    """The function of a row in the file of its group (`and_`, `or_`, `break_` for keywords)."""
    function = name.lower()
    module = _MODULES.get(BY_NAME[name].group)
    return getattr(module, f"{function}_" if keyword.iskeyword(function) else function, None)


_FOUND = {name: _find(name) for name in BY_NAME}
_MEANINGS = {**{name: found for name, found in _FOUND.items() if found}, **_STATES}
