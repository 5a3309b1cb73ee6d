"""What a claim about a step must say, given its own instruction, operands and memory word: the relation, off chain.

The relation leaves (challenger/disprove) say the same in Script; this is how the challenger knows which of them wins.
"""

from __future__ import annotations

from dataclasses import replace

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.instructions import find_semantics
from btc_l2.zkvm.isa import SYSCALL_WORDS
from btc_l2.zkvm.layout import SLOTS
from btc_l2.zkvm.outcome import ADDRESS_LOAD, Control, Endian, Outcome, Situation, may_load, trap

MAP_WORD = SYSCALL_WORDS[2]
EXITED, BAD_FETCH, NOT_MAP, MAP_TOLD_PLAINLY = "EXITED", "BAD_FETCH", "NOT_MAP", "MAP"


def row_name(claim: StepClaim) -> str:
    """The relation that a claim falls under: a row of the instruction table, EXITED or BAD_FETCH."""
    control = Control(*claim.before)
    if control.status:
        return EXITED
    if control.pc & 3 or not may_load(control.pc):
        return BAD_FETCH
    return decode(claim.instruction).name


def _outcome(claim: StepClaim, endian: Endian) -> Outcome:
    control, row = Control(*claim.before), row_name(claim)
    if row == EXITED:
        return Outcome(control)
    if row == BAD_FETCH:
        return trap(control, ADDRESS_LOAD)
    situation = Situation(claim.instruction, claim.a, claim.b, control, claim.old, endian, claim.key)
    return find_semantics(decode(claim.instruction))(situation)


def complete_claim(claim: StepClaim, endian: Endian) -> StepClaim:
    """The claim with all that follows from `before`, `instruction`, `a`, `b`, `old` (and `key`) put right."""
    outcome = _outcome(claim, endian)
    address = outcome.address or 0
    old = 0 if outcome.key else claim.old
    new = old if outcome.store is None else outcome.store
    dest, result = outcome.dest, outcome.result
    return replace(claim, after=outcome.control, dest=dest, result=result, address=address, old=old, new=new)


def maps(claim: StepClaim) -> bool:
    """Is this a step that must be told as `step_map`: a running MAP with a valid slot?"""
    return row_name(claim) == "SYSCALL_MAP" and claim.a < SLOTS


def find_violated_relation(claim: StepClaim, told_as_map: bool, endian: Endian) -> str | None:
    """The relation leaf that wins against a claim, None if the claim means what its instruction means."""
    if told_as_map != maps(claim):
        return NOT_MAP if told_as_map else MAP_TOLD_PLAINLY
    return None if complete_claim(claim, endian) == claim else row_name(claim)
