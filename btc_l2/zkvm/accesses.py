"""Which leaves of the state tree one step reads and writes: what the access game has to search, and no more.

`docs/spec/machine.md`, "Order of writes": a step reads leaf C, the leaf of its instruction, at most two register
leaves and at most one leaf of memory; it writes leaf C, at most one register leaf, at most one leaf of memory. MAP
reads leaf G1 and writes a node of 64 MiB in place of the memory leaf.
"""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode, operand_registers
from btc_l2.zkvm.layout import CONTROL_LEAF, G0, G1, LEAF_BYTES, register_leaf
from btc_l2.zkvm.outcome import RUNNING


@dataclass(frozen=True, slots=True)
class Accesses:
    """Indices of leaves; registers and memory apart, because the limits are about them."""

    instruction: int
    registers_read: tuple[int, ...]  # ascending, each once
    memory_read: tuple[int, ...]
    register_written: tuple[int, ...]
    memory_written: tuple[int, ...]
    node_written: tuple[int, ...] = ()  # MAP: first leaf of the slot

    @property
    def read(self) -> frozenset[int]:
        """Every leaf that the step looks at."""
        return frozenset((CONTROL_LEAF, self.instruction, *self.registers_read, *self.memory_read))

    @property
    def written(self) -> frozenset[int]:
        """Every leaf that the step may change, but for the leaves below a mapped node."""
        return frozenset((CONTROL_LEAF, *self.register_written, *self.memory_written))


def accesses_of(claim: StepClaim) -> Accesses:
    """The leaves of a true claim's step."""
    pc = claim.before.pc
    registers = {register_leaf(number) for number in operand_registers(claim.instruction)}
    maps = claim.before.status == RUNNING and decode(claim.instruction).access == "map"
    memory = (claim.address // LEAF_BYTES,) if claim.address and not claim.key else ()
    return Accesses(
        instruction=(pc & ~3) // LEAF_BYTES,
        registers_read=tuple(sorted(registers | ({G1} if maps else set()))),
        memory_read=memory,
        register_written=(register_leaf(claim.dest),) if claim.dest else (),
        memory_written=memory if claim.old != claim.new else (),
        node_written=(claim.address // LEAF_BYTES,) if claim.key else (),
    )


def leaf_name(index: int) -> str:
    """`C`, `G0` … `G3`, or the address range of a leaf of memory."""
    if index == CONTROL_LEAF:
        return "C"
    if G0 <= index < CONTROL_LEAF:
        return f"G{index - G0}"
    return f"{index * LEAF_BYTES:#010x}"
