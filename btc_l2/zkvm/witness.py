"""One step with its four roots: what the operator answers when the search has come down to it.

The writes go in the order control, register, memory; `A → R1 → R2 → B` are the roots around them.
"""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.zkvm.claim import StepClaim as StepClaim
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import compute_claim, write_control, write_memory, write_register


@dataclass(frozen=True, slots=True)
class StepWitness:
    """A claim and the roots before, between and after its three writes."""

    claim: StepClaim
    pre: bytes  # A
    r1: bytes  # after the write of leaf C
    r2: bytes  # after the write of a register
    post: bytes  # B


def step_witness(machine: Machine) -> StepWitness:
    """The true witness of the machine's next step; the machine does not change."""
    claim = compute_claim(machine)
    return StepWitness(claim, machine.root(), *apply_claim(machine, claim))


def apply_claim(machine: Machine, claim: StepClaim) -> tuple[bytes, bytes, bytes]:
    """Roots R1, R2, B after the three writes of any claim, true or false; the machine does not change.

    Unavailable if a false claim writes a word into a mapped slot whose blob is missing.
    """
    copy = machine.copy()
    write_control(copy, claim)
    r1 = copy.root()
    write_register(copy, claim)
    r2 = copy.root()
    write_memory(copy, claim)
    return r1, r2, copy.root()
