"""The claim about one step: every value that ties its instruction to the tree (`docs/spec/machine.md`, "One step")."""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.zkvm.outcome import Control


@dataclass(frozen=True, slots=True)
class StepClaim:
    """What somebody says a step reads and writes. Words are unsigned 32-bit numbers."""

    before: Control  # leaf C
    instruction: int  # word at PC & ~3
    a: int  # operand: rs, or $4 for SYSCALL 0 to 3
    b: int  # operand: rt
    address: int  # of the memory write: of the access, of the slot for MAP, else 0
    old: int  # word at `address` before; 0 for MAP
    new: int  # word at `address` after; 0 for MAP
    dest: int  # register written, 0 if none
    result: int  # its value, 0 if none
    after: Control  # leaf C
    key: bytes = b""  # MAP: leaf G1, the new node of the slot; else empty
