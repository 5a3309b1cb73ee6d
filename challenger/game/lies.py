"""Lying operators: each lie a false claim that is as consistent as it can be made, played to the end.

A lie about a step leaves the trace at one step and goes on from the false state, so every later root is consistent with
it. A lie about init or final leaves everything else true. For each, the honest challenger has a winning leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step as readable_step
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.claim import StepClaim
from challenger.game.kinds import CHAINS, Access
from challenger.game.paths import OpenedPath, forge_path
from challenger.game.prover import (
    ShownStep,
    TraceProver,
    claim_roots,
    leaf_bytes,
    path_of_claim,
    place_of,
    with_word,
)
from taproot.errors import InvalidInput

Forge = Callable[[StepClaim], StepClaim]
LEAVE = 0x0000_0100  # the bit that lies flip: far from addresses' low bits


def _meaning(claim: StepClaim, endian: Endian) -> StepClaim:
    """The claim with everything recomputed that follows from its instruction, operands and memory word."""
    from challenger.game.semantics import complete_claim

    return complete_claim(claim, endian)


def _wrong_result(claim: StepClaim) -> StepClaim:
    return replace(claim, result=claim.result ^ LEAVE)


def _wrong_next_pc(claim: StepClaim) -> StepClaim:
    after = list(claim.after)
    after[1] ^= LEAVE
    return replace(claim, after=tuple(after))


def _reserved_write(claim: StepClaim) -> StepClaim:
    """A memory write that changes nothing, aimed at leaf C: it would put the old control words back."""
    return replace(claim, address=0xFFFF_F080, old=claim.before[0], new=claim.before[0])


class StepLie(TraceProver):
    """Leaves the true trace at step `at`.

    `forge` makes the false claim from the true one; `wants` says at which instructions the lie can be told;
    `tamper` changes the tree after the claim's writes (a root that does not follow from the claim).
    """

    def __init__(
        self, image: Image, claim: bytes, total: int, at: int, forge: Callable[[StepClaim, Endian], StepClaim],
        tamper: Callable[[Machine, StepClaim], None] | None = None, depth: int = 5,
    ) -> None:  # fmt: skip
        super().__init__(image, claim, total)
        self.at = at
        self.depth = depth
        before = super().machine_at(at)
        self.lie = forge(super().step(at).claim, image.endian)
        self.r1, self.r2, _ = claim_roots(before, self.lie)
        false = machine_after(before, self.lie)
        if tamper is not None:
            tamper(false, self.lie)
        self.false_trace = Trace(false)

    def root_at(self, step: int) -> bytes:
        """True up to the lie, consistent with it afterwards."""
        return super().root_at(step) if step <= self.at else self.false_trace.root_at(step - self.at - 1)

    def machine_at(self, step: int) -> Machine:
        """The machine behind that root."""
        return super().machine_at(step) if step <= self.at else self.false_trace.machine_at(step - self.at - 1)

    def _compute_step(self, index: int) -> ShownStep:
        if index == self.at:
            return ShownStep(self.lie, self.r1, self.r2)
        return super()._compute_step(index)

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """For the false step: a path whose bottoms fit the claim, false below `depth`."""
        if index != self.at:
            return super().path(access, index)
        true = path_of_claim(access, super().machine_at(index), self.lie)
        pre, post = self._false_bottoms(access, true)
        root_is_false = true.post is not None and access.post == "B" and true.post[0] != self.root_at(index + 1)
        if pre == true.pre[-1] and not root_is_false:
            return true
        return forge_path(access.plan, true, pre, post, self.depth)

    def _false_bottoms(self, access: Access, true: OpenedPath) -> tuple[bytes, bytes | None]:
        _, word = place_of(access, self.lie)
        pre = true.pre[-1]
        named = {"fetch": self.lie.instruction, "rs": self.lie.a, "rt": self.lie.b, "memory": self.lie.old}
        if access.kind in named:
            pre = with_word(pre, word, named[access.kind])
        if access.kind == "control":
            pre = leaf_bytes(self.lie.before)
        if true.post is None:
            return pre, None
        post = with_word(pre, word, self.lie.new) if access.kind == "memory" else true.post[-1]
        return pre, post


def machine_after(before: Machine, claim: StepClaim) -> Machine:
    """The machine after the three writes of a claim, true or not."""
    from challenger.game.kinds import CONTROL, MAP_STEP_ACCESSES, STEP_ACCESSES

    machine = before.copy()
    accesses = (MAP_STEP_ACCESSES if claim.key else STEP_ACCESSES)[-2:]
    for access in (CONTROL, *accesses):
        path = path_of_claim(access, before, claim)
        assert path.post is not None
        if access.kind == "slot":
            machine.write_node(access.plan.bottom_level, path.address >> 26, path.post[-1])
        else:
            machine.write_leaf(path.address >> 5, path.post[-1])
    return machine


class InitLie(TraceProver):
    """z_0 comes from another image: one word of the program is changed, then the run is consistent."""

    def __init__(self, image: Image, claim: bytes, total: int, address: int) -> None:
        super().__init__(image, claim, total)
        machine = image.machine(claim)
        machine.store_word(address, machine.load_word(address) ^ LEAVE)
        self.false_trace = Trace(machine)

    def root_at(self, step: int) -> bytes:
        """Roots of the run of the changed program."""
        return self.false_trace.root_at(step)

    def init_roots(self) -> list[bytes]:
        """True up to Z3; the false z_0 comes last."""
        return [*super().init_roots()[:3], self.z0()]

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """The write of the last claim leaf ends in the false z_0: true nodes after the root."""
        return super().path(access, index)


class FinalLie(TraceProver):
    """Every root is true, but the program did not exit with code 0; the leaf that is opened says it did."""

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """A leaf C that claims a clean exit, false below depth 5."""
        true = super().path(access, index)
        if access.kind != "final":
            return true
        return forge_path(access.plan, true, with_word(true.pre[-1], 5, 0x8000_0000), None, 5)
