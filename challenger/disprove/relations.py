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
from challenger.disprove import arithmetic
from challenger.disprove.control import BAD, begin
from challenger.disprove.effect import no_store
from challenger.disprove.pattern import require_pattern
from taproot.script import Script, Stack

_MODULES: dict[str, ModuleType] = {m.__name__.rsplit(".", 1)[1]: m for m in (arithmetic,)}

# Control words besides PC, NPC and STATUS that a row reads or changes
_OWN: dict[str, tuple[str, ...]] = {}
_MAY_TRAP = {"ADD", "ADDI", "SUB"}


@dataclass(frozen=True, slots=True)
class Relation:
    """One leaf before its keys are known: `body` runs on the digits of the claim."""

    name: str
    proves: str
    body: Script


@lru_cache(maxsize=256)
def relation(name: str, big_endian: bool = True) -> Relation:
    """The relation of a row of the instruction table, EXITED or BAD_FETCH; KeyError if there is none."""
    meaning = _find(name)
    assert meaning is not None
    s = begin(_OWN.get(name, ()), name in _MAY_TRAP)
    meaning(s)
    if "new.0" in s.main:
        no_store(s)
    require_pattern(s, BY_NAME[name].mask, BY_NAME[name].match)
    return Relation(name, f"a step of {name} is claimed to do something else than {name} does", s.finish(BAD))


def relation_names() -> tuple[str, ...]:
    """All relations that there are."""
    return tuple(name for name in BY_NAME if _find(name))


def _find(name: str) -> Callable[[Stack], None] | None:
    row = BY_NAME[name]
    if row.group not in _MODULES:
        return None
    function = name.lower()
    return getattr(_MODULES[row.group], f"{function}_" if keyword.iskeyword(function) else function, None)
