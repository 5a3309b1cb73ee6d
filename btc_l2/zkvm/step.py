"""The readable step: what the machine does, one instruction at a time. The kernel and the script follow it.

`compute_claim` looks at a state and says what the next step reads and writes; `apply_writes` makes these three writes
in their order. A step is one after the other.
"""

from __future__ import annotations

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode, operand_registers, signed_immediate
from btc_l2.zkvm.instructions import SEMANTICS
from btc_l2.zkvm.isa import Instruction
from btc_l2.zkvm.layout import G1, REGION_BYTES, REGION_LEVEL
from btc_l2.zkvm.outcome import ADDRESS_LOAD, MASK, Outcome, Situation, may_load, may_store, trap
from btc_l2.zkvm.state import Machine


def step(machine: Machine) -> StepClaim:
    """Execute one step in place; the claim is what it did. Unavailable if it reads a blob that is not here."""
    claim = compute_claim(machine)
    write_control(machine, claim)
    write_register(machine, claim)
    write_memory(machine, claim)
    return claim


def compute_claim(machine: Machine) -> StepClaim:
    """What the next step of this state reads and writes; the machine does not change."""
    before = machine.control
    word = machine.load_word(before.pc & ~3)
    ra, rb = operand_registers(word)
    a, b = machine.register(ra), machine.register(rb)
    outcome = _decide(machine, word, a, b)
    address = outcome.address or 0
    old = 0 if outcome.key else machine.load_word(address)
    new = old if outcome.store is None else outcome.store
    return StepClaim(before, word, a, b, address, old, new, outcome.dest, outcome.result, outcome.control, outcome.key)


def write_control(machine: Machine, claim: StepClaim) -> None:
    """First write: leaf C."""
    machine.control = claim.after


def write_register(machine: Machine, claim: StepClaim) -> None:
    """Second write: one register."""
    machine.set_register(claim.dest, claim.result)


def write_memory(machine: Machine, claim: StepClaim) -> None:
    """Third write: one word of memory, or the node of a slot."""
    if claim.key:
        machine.write_node(REGION_LEVEL, claim.address // REGION_BYTES, claim.key)
    elif machine.load_word(claim.address) != claim.new:
        machine.store_word(claim.address, claim.new)


def _decide(machine: Machine, word: int, a: int, b: int) -> Outcome:
    control = machine.control
    if machine.exited:
        return Outcome(control)
    if control.pc % 4 or not may_load(control.pc):
        return trap(control, ADDRESS_LOAD)
    row = decode(word)
    key = machine.leaf(G1) if row.access == "map" else b""
    memory = _read_operand(machine, row, word, a)
    return SEMANTICS[row.name](Situation(word, a, b, control, memory, machine.endian, key))


def _read_operand(machine: Machine, row: Instruction, word: int, a: int) -> int:
    """The word that a load or store looks at, if it may: a forbidden access needs no blob."""
    address = a + signed_immediate(word) & MASK
    allowed = {"load": may_load, "store": may_store}.get(row.access)
    return machine.load_word(address) if allowed and allowed(address) else 0
