"""What a party knows about an execution: every root, every step, every path, on demand.

The operator answers from it, the challenger compares with it. `TraceProver` is the true one; a lying operator
(challenger/game/lies.py) overrides what he lies about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import operand_registers
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.witness import step_witness
from challenger.game.kinds import (
    CLAIM_ADDRESS,
    CLAIM_LEAVES,
    CONTROL_ADDRESS,
    LEAF_BYTES,
    REGISTERS_ADDRESS,
    Access,
)
from challenger.game.paths import OpenedPath, open_path

Blobs = Mapping[bytes, bytes]  # by root


@dataclass(frozen=True, slots=True)
class ShownStep:
    """What the operator signs about one step: the claim and the roots after its first two writes."""

    claim: StepClaim
    r1: bytes
    r2: bytes

    @property
    def is_map(self) -> bool:
        """Does the step replace the node of a slot (so that its key is signed too)?"""
        return bool(self.claim.key)


def leaf_bytes(words: Sequence[int]) -> bytes:
    """Eight words as the 32 bytes of a leaf."""
    return b"".join(w.to_bytes(4, "little") for w in words)


def leaf_words(leaf: bytes) -> tuple[int, ...]:
    """The eight words of a leaf."""
    return tuple(int.from_bytes(leaf[4 * i : 4 * i + 4], "little") for i in range(8))


def with_word(leaf: bytes, index: int, word: int) -> bytes:
    """A leaf with one word replaced."""
    words = list(leaf_words(leaf))
    words[index] = word
    return leaf_bytes(words)


def register_place(number: int) -> tuple[int, int]:
    """Byte address of a register's leaf and the index of its word there."""
    return REGISTERS_ADDRESS + LEAF_BYTES * (number >> 3), number & 7


def place_of(access: Access, claim: StepClaim | None) -> tuple[int, int]:
    """(byte address of the leaf, index of the word) that an access must open, given the claim about the step."""
    if isinstance(access.place, int):
        return access.place, 0
    assert claim is not None
    if access.place in ("pc", "address"):
        address = claim.before[0] if access.place == "pc" else claim.address
        return address & ~31, address >> 2 & 7
    a, b = operand_registers(claim.instruction)
    return register_place({"rs": a, "rt": b, "dest": claim.dest}[access.place])


def run_trace(machine: Machine, total: int) -> Trace:
    """The trace of a machine, run to its exit or to `total` steps."""
    trace = Trace(machine)
    trace.run(total)
    return trace


class TraceProver:
    """The truth about a program run on a claim, padded to `total` steps (an exited machine steps to itself)."""

    def __init__(
        self, image: Image, claim: bytes, total: int, trace: Trace | None = None, blobs: Blobs | None = None
    ) -> None:
        self.image = image
        self.claim = claim
        self.total = total
        self.blobs = blobs
        self.trace = trace or run_trace(self.start(), total)
        self._step = lru_cache(maxsize=4)(self._compute_step)

    def start(self) -> Machine:
        """The machine before the first step."""
        return self.image.machine(self.claim, self.blobs)

    def claim_leaf(self, k: int) -> bytes:
        """Leaf k of the claim as it stands in the tree."""
        return self.start().leaf(CLAIM_ADDRESS // LEAF_BYTES + k)

    def init_machines(self) -> list[Machine]:
        """The image, and the image after one, two, three, four claim leaves were written."""
        machines = [self.image.machine()]
        for k in range(CLAIM_LEAVES):
            after = machines[-1].copy()
            after.write_leaf(CLAIM_ADDRESS // LEAF_BYTES + k, self.claim_leaf(k))
            machines.append(after)
        return machines

    def init_roots(self) -> list[bytes]:
        """Roots after each claim leaf: Z1, Z2, Z3, z_0."""
        return [m.root() for m in self.init_machines()[1:]]

    def z0(self) -> bytes:
        """Root before the first step."""
        return self.root_at(0)

    def zn(self) -> bytes:
        """Root after the last step."""
        return self.root_at(self.total)

    def root_at(self, step: int) -> bytes:
        """Root after `step` steps."""
        return self.trace.root_at(step)

    def machine_at(self, step: int) -> Machine:
        """A copy of the machine after `step` steps."""
        return self.trace.machine_at(step)

    def step(self, index: int) -> ShownStep:
        """What happens between root `index` and root `index + 1`."""
        return self._step(index)

    def _compute_step(self, index: int) -> ShownStep:
        witness = step_witness(self.machine_at(index))
        return ShownStep(witness.claim, witness.r1, witness.r2)

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """The path an honest operator opens; `index` is the searched step, None for init and final."""
        if index is None:
            return self._path_outside(access)
        return path_of_claim(access, self.machine_at(index), self.step(index).claim)

    def _path_outside(self, access: Access) -> OpenedPath:
        assert isinstance(access.place, int)
        if access.kind == "final":
            return open_path(access.plan, self.machine_at(self.total), access.place, None)
        k = (access.place - CLAIM_ADDRESS) // LEAF_BYTES
        return open_path(access.plan, self.init_machines()[k], access.place, self.claim_leaf(k))


def machine_before(access: Access, a: Machine, claim: StepClaim) -> Machine:
    """The machine whose root is the pre-root of an access, if the claim's writes are taken as they are."""
    if access.pre == "A":
        return a
    machine = a.copy()
    machine.write_leaf(CONTROL_ADDRESS // LEAF_BYTES, leaf_bytes(claim.after))
    if access.pre == "step.r2":
        address, word = register_place(claim.dest)
        machine.write_leaf(address // LEAF_BYTES, with_word(machine.leaf(address // LEAF_BYTES), word, claim.result))
    return machine


def bottom_after(access: Access, before: bytes, claim: StepClaim, word: int) -> bytes | None:
    """The bottom after the write that the claim describes; None for a read."""
    if not access.writes:
        return None
    if access.kind == "control":
        return leaf_bytes(claim.after)
    if access.kind == "slot":
        return claim.key
    return with_word(before, word, claim.result if access.kind == "register" else claim.new)


def path_of_claim(access: Access, a: Machine, claim: StepClaim) -> OpenedPath:
    """The true path of an access of a step, for a claim that may itself be false."""
    address, word = place_of(access, claim)
    machine = machine_before(access, a, claim)
    bottom = machine.node(access.plan.bottom_level, address >> (5 + access.plan.bottom_level))
    return open_path(access.plan, machine, address, bottom_after(access, bottom, claim, word))
