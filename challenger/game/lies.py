"""Lying operators: each lie a false claim that is as consistent as it can be made, played to the end.

A lie about a step leaves the true trace at one step and goes on from the false state, so every later root fits it. A
lie about init or final leaves everything else true. For each of them the honest challenger has a winning leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import REGION_BYTES, REGION_LEVEL, SLOT_BASE
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import compute_claim, write_control, write_memory, write_register
from btc_l2.zkvm.step import step as readable_step
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.tree import ZERO_NODES
from challenger.game.kinds import CONTROL_ADDRESS, LEAF_BYTES, Access
from challenger.game.paths import OpenedPath, nodes_above, open_path
from challenger.game.prover import (
    Blobs,
    ShownStep,
    TraceProver,
    leaf_bytes,
    path_of_claim,
    place_of,
    run_trace,
    with_word,
)
from challenger.game.semantics import complete_claim, row_name
from taproot.errors import InvalidInput

BIT = 0x0000_0100  # the bit that lies flip: it does not touch alignment
FALSE_FROM_DEPTH = 5  # a false leaf comes with false nodes from this depth on, true ones above
SEARCHED_STEPS = 200_000
EMPTY_BLOB = ZERO_NODES[REGION_LEVEL]  # root of a blob of zeros
SOME_BLOB = ZERO_NODES[REGION_LEVEL + 1]  # root of a blob that nobody has

Forge = Callable[[StepClaim, Endian], StepClaim]
Tamper = Callable[[Machine, StepClaim], None]


class Opening(Enum):
    """How a false content is defended: by a path that fits it below some depth, by the true path, by another leaf's."""

    BENT = "bent"
    TRUE = "true"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class StepLie:
    """What is false about a step: the claim, and the trees after its writes (by the root's name).

    `rows`: instructions at which it can be told (empty: any); `early`: look for them from the first step on, not from
    the middle of the run; `opening`: what the operator shows of a leaf whose content he claimed falsely.
    """

    forge: Forge
    rows: frozenset[str] = frozenset()
    tamper: Mapping[str, Tamper] | None = None
    early: bool = False
    opening: Opening = Opening.BENT


class LyingProver(TraceProver):
    """Leaves the true trace at the first step from `start` on that fits the lie."""

    def __init__(
        self, image: Image, claim: bytes, total: int, lie: StepLie, start: int, trace: Trace | None = None,
        blobs: Blobs | None = None, depth: int = FALSE_FROM_DEPTH,
    ) -> None:  # fmt: skip
        """`depth`: where a bent path leaves the truth."""
        super().__init__(image, claim, total, trace, blobs)
        self.depth = depth
        self.opening = lie.opening
        self.at = find_step(super().machine_at(start), lie) + start
        self.before = super().machine_at(self.at)
        self.lie = lie.forge(compute_claim(self.before), image.endian)
        self.trees = _write_all(self.before, self.lie, lie.tamper or {})
        self.false_trace = run_trace(self.trees["B"], total - self.at - 1)

    def root_at(self, step: int) -> bytes:
        """True up to the lie, consistent with it afterwards."""
        return super().root_at(step) if step <= self.at else self.false_trace.root_at(step - self.at - 1)

    def machine_at(self, step: int) -> Machine:
        """The machine behind that root."""
        return super().machine_at(step) if step <= self.at else self.false_trace.machine_at(step - self.at - 1)

    def _compute_step(self, index: int) -> ShownStep:
        if index != self.at:
            return super()._compute_step(index)
        return ShownStep(self.lie, self.trees["step.r1"].root(), self.trees["step.r2"].root())

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """For the false step: bottoms that fit the claim, nodes that fit the false roots as far as they can."""
        if index != self.at:
            return super().path(access, index)
        true = path_of_claim(access, self.before, self.lie)
        if self.opening is Opening.BESIDE and self._claimed_bottom(access, true.pre[-1]) != true.pre[-1]:
            return open_path(access.plan, self.before, true.address ^ LEAF_BYTES, None)
        pre = self._pre_nodes(access, true)
        if access.post is None or true.post is None:
            return replace(true, pre=pre)
        false_tree = open_path(access.plan, self.trees[access.post], true.address, None)
        return replace(true, pre=pre, post=(*false_tree.pre[:-1], true.post[-1]))

    def _pre_nodes(self, access: Access, true: OpenedPath) -> tuple[bytes, ...]:
        """The true nodes, or, where the claim says another content, false ones from some depth on."""
        bottom = self._claimed_bottom(access, true.pre[-1])
        if bottom == true.pre[-1] or self.opening is Opening.TRUE:
            return true.pre
        false = nodes_above(access.plan, true.address, bottom, true.siblings)
        return true.pre[: self.depth] + false[self.depth :]

    def _claimed_bottom(self, access: Access, true: bytes) -> bytes:
        if access.kind == "control":
            return leaf_bytes(self.lie.before)
        if access.kind == "key":
            return self.lie.key
        named = {"fetch": self.lie.instruction, "rs": self.lie.a, "rt": self.lie.b, "memory": self.lie.old}
        if access.kind not in named:
            return true
        return with_word(true, place_of(access, self.lie)[1], named[access.kind])


def find_step(machine: Machine, lie: StepLie) -> int:
    """Steps until the first one where the lie leads to another state; InvalidInput if it is too far away."""
    for n in range(SEARCHED_STEPS):
        claim = compute_claim(machine)
        if (not lie.rows or row_name(claim) in lie.rows) and _matters(lie, claim, machine.endian):
            return n
        readable_step(machine)
    raise InvalidInput(f"the lie cannot be told within {SEARCHED_STEPS} steps; choose another guest or lie")


def _matters(lie: StepLie, claim: StepClaim, endian: Endian) -> bool:
    false = lie.forge(claim, endian)
    return bool(lie.tamper) or _writes(false) != _writes(claim)


def _writes(claim: StepClaim) -> tuple[object, ...]:
    return claim.after, claim.dest, claim.result, claim.address, claim.new, claim.key


def _write_all(before: Machine, claim: StepClaim, tamper: Mapping[str, Tamper]) -> dict[str, Machine]:
    """The three trees after the writes of a claim, each changed by its tamper."""
    trees: dict[str, Machine] = {}
    machine = before
    for root, write in (("step.r1", write_control), ("step.r2", write_register), ("B", write_memory)):
        machine = machine.copy()
        write(machine, claim)
        if root in tamper:
            tamper[root](machine, claim)
        trees[root] = machine
    return trees


def _nothing(claim: StepClaim, endian: Endian) -> StepClaim:
    return claim


def _result(claim: StepClaim, endian: Endian) -> StepClaim:
    return replace(claim, result=claim.result ^ BIT)


def _operand(claim: StepClaim, endian: Endian) -> StepClaim:
    return complete_claim(replace(claim, a=claim.a ^ BIT), endian)


def _instruction(claim: StepClaim, endian: Endian) -> StepClaim:
    """XOR becomes NOR, ADDU becomes SUBU…: another row of the same form, its meaning told truly."""
    return complete_claim(replace(claim, instruction=claim.instruction ^ 0x2), endian)


def _memory_read(claim: StepClaim, endian: Endian) -> StepClaim:
    return complete_claim(replace(claim, old=claim.old ^ BIT, new=claim.new ^ BIT), endian)


def _next_pc(claim: StepClaim, endian: Endian) -> StepClaim:
    return replace(claim, after=claim.after._replace(npc=claim.after.npc ^ BIT))


def _control(claim: StepClaim, endian: Endian) -> StepClaim:
    return complete_claim(replace(claim, before=claim.before._replace(hi=claim.before.hi ^ BIT)), endian)


def _reserved(claim: StepClaim, endian: Endian) -> StepClaim:
    """A memory write without effect, aimed at leaf C: on the tree it would put an old control word back."""
    return replace(claim, address=CONTROL_ADDRESS, old=claim.before.pc, new=claim.before.pc)


def _tamper_store(machine: Machine, claim: StepClaim) -> None:
    machine.store_word(claim.address, claim.new ^ BIT)


def _tamper_elsewhere(machine: Machine, claim: StepClaim) -> None:
    place = claim.before.pc & ~0xFFFF
    machine.store_word(place, machine.load_word(place) ^ BIT)


def _tamper_register(machine: Machine, _claim: StepClaim) -> None:
    unused = 27  # $k1: no compiler touches it, so the lie is not overwritten later
    machine.set_register(unused, machine.register(unused) ^ BIT)


def _map_key(claim: StepClaim, endian: Endian) -> StepClaim:
    """The key is said to be that of an empty blob."""
    return replace(claim, key=EMPTY_BLOB)


def _map_slot(claim: StepClaim, endian: Endian) -> StepClaim:
    return replace(claim, address=claim.address ^ REGION_BYTES)


def _map_operand(claim: StepClaim, endian: Endian) -> StepClaim:
    return complete_claim(replace(claim, a=claim.a ^ 1), endian)


def _map_plain(claim: StepClaim, endian: Endian) -> StepClaim:
    """A MAP that is told as an ordinary step without effect on memory."""
    return replace(claim, key=b"", address=0, old=0, new=0)


def _plain_map(claim: StepClaim, endian: Endian) -> StepClaim:
    """An ordinary step that is told as a MAP of some blob to slot 0."""
    return replace(claim, key=SOME_BLOB, address=SLOT_BASE, old=0, new=0)


def _tamper_slot(machine: Machine, claim: StepClaim) -> None:
    machine.write_node(REGION_LEVEL, claim.address // REGION_BYTES, EMPTY_BLOB)


_ALU = frozenset({"XOR", "ADDU", "OR", "AND", "ADDIU"})
_SWAPPABLE = frozenset({"XOR", "ADDU", "AND"})  # rows whose function code stays a row of the table with bit 1 flipped
_MAP = frozenset({"SYSCALL_MAP"})

STEP_LIES: dict[str, StepLie] = {
    "result": StepLie(_result, _ALU),
    "operand": StepLie(_operand, _ALU),
    "operand-opened": StepLie(_operand, _ALU, opening=Opening.TRUE),
    "operand-beside": StepLie(_operand, _ALU, opening=Opening.BESIDE),
    "instruction": StepLie(_instruction, _SWAPPABLE),
    "memory-read": StepLie(_memory_read, frozenset({"LW"})),
    "memory-write": StepLie(_nothing, frozenset({"SW"}), {"B": _tamper_store}),
    "elsewhere": StepLie(_nothing, _ALU, {"B": _tamper_elsewhere}),
    "reserved": StepLie(_reserved, _ALU),
    "next-pc": StepLie(_next_pc, _ALU),
    "control": StepLie(_control, _ALU),
    "register": StepLie(_nothing, _ALU, {"step.r2": _tamper_register}),
    "told-as-map": StepLie(_plain_map, _ALU),
    "map-told-plainly": StepLie(_map_plain, _MAP, early=True),
    "map-operand": StepLie(_map_operand, _MAP, early=True),
    "map-key": StepLie(_map_key, _MAP, early=True),
    "map-slot": StepLie(_map_slot, _MAP, early=True),
    "map-node": StepLie(_nothing, _MAP, {"B": _tamper_slot}, early=True),
}


MAP_LIES = tuple(name for name, lie in STEP_LIES.items() if lie.rows == _MAP)


class InitLie(TraceProver):
    """z_0 comes from another program: one word of its entry page is changed, the run of it is told truly."""

    def __init__(self, image: Image, claim: bytes, total: int, blobs: Blobs | None = None) -> None:
        super().__init__(image, claim, total, blobs=blobs)
        machine = self.start()
        place = image.entry | 0xFFC
        machine.store_word(place, machine.load_word(place) ^ BIT)
        self.false_trace = run_trace(machine, total)

    def root_at(self, step: int) -> bytes:
        """Roots of the changed program's run."""
        return self.false_trace.root_at(step)

    def init_roots(self) -> list[bytes]:
        """True up to Z3; the false z_0 comes last."""
        return [*super().init_roots()[:3], self.z0()]

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """The write of the last claim leaf, with the false tree's nodes after it."""
        true = super().path(access, index)
        if access.post != "z0" or true.post is None:
            return true
        false = open_path(access.plan, self.false_trace.machine_at(0), true.address, None)
        return replace(true, post=(*false.pre[:-1], true.post[-1]))


class FinalLie(TraceProver):
    """Every root is true, but the program did not exit with code 0; the leaf that is opened says it did."""

    def __init__(
        self, image: Image, claim: bytes, total: int, blobs: Blobs | None = None, depth: int = FALSE_FROM_DEPTH
    ) -> None:
        """`depth`: where the path to that leaf leaves the truth."""
        super().__init__(image, claim, total, blobs=blobs)
        self.depth = depth

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """A leaf C that shows a clean exit, with nodes that fit it from some depth on."""
        true = super().path(access, index)
        if access.kind != "final":
            return true
        false = nodes_above(access.plan, true.address, with_word(true.pre[-1], 5, 0x8000_0000), true.siblings)
        return replace(true, pre=true.pre[: self.depth] + false[self.depth :])


def machine_lies() -> tuple[str, ...]:
    """Names of all lies about the execution."""
    return (*STEP_LIES, "initial", "final")
