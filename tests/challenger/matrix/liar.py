"""An operator who tells a falsehood about one step and defends it as he likes.

His roots after the step belong to the false tree. In a path he shows nodes that fit the signed roots down to some depth
and nodes that fit the bottom he claims below it; or the true path, another leaf's path, or anything at all.
"""

from __future__ import annotations

import random
from dataclasses import replace

from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from challenger.game.kinds import LEAF_BYTES, Access
from challenger.game.paths import OpenedPath, nodes_above, open_path
from challenger.game.prover import (
    ShownStep,
    TraceProver,
    leaf_bytes,
    path_of_claim,
    place_of,
    run_trace,
    with_word,
)
from taproot.errors import Unavailable
from tests.challenger.matrix.falsehoods import SOMEWHERE, Falsehood, written

OPENINGS = ("bent", "bent", "true", "beside", "chaos")
WRITES = ("step.r1", "step.r2", "B")


def _run_on(machine: Machine, steps: int) -> Trace | None:
    """The run of a false tree; None where it needs a blob that nobody has, so that any root is as good."""
    try:
        trace = run_trace(machine, steps)
        trace.roots_at(range(trace.steps + 1))
    except Unavailable:
        return None
    return trace


def _root_of(tree: Machine, rng: random.Random) -> bytes:
    """The root; anything for a tree that nobody can know (a blob that is missing is mapped over the registers)."""
    try:
        return tree.root()
    except Unavailable:
        return rng.randbytes(32)


class Liar(TraceProver):
    """Leaves the truth at step `at`; `opening` is how he defends himself, `depth` where a bent path changes over."""

    def __init__(self, truth: TraceProver, at: int, lie: Falsehood, rng: random.Random, lasting: bool = False) -> None:
        """`lasting`: a word of memory that nothing writes later is false besides, so that the lie is not healed."""
        super().__init__(truth.image, truth.claim, truth.total, truth.trace, truth.blobs)
        self.at, self.lie, self.rng = at, lie.claim, rng
        self.opening, self.depth = rng.choice(OPENINGS), rng.randrange(1, 28)
        self.before = truth.machine_at(at)
        self.trees: dict[str, Machine] = {}
        tree = self.before
        for root in WRITES:
            tree = tree.copy()
            written(tree, self.lie, root)
            if root in lie.changes:
                lie.changes[root](tree)
            self.trees[root] = tree
        if lasting or "B" in lie.roots or _root_of(self.trees["B"], rng) == truth.root_at(at + 1):
            SOMEWHERE(self.trees["B"])
        self.roots = {root: _root_of(self.trees[root], rng) for root in WRITES} | dict(lie.roots)
        self.false_trace = _run_on(self.trees["B"], truth.total - at - 1)
        self.nowhere = [rng.randbytes(32) for _ in range(truth.total + 1)]

    def root_at(self, step: int) -> bytes:
        """True up to the lie."""
        if step == self.at + 1:
            return self.roots["B"]
        if step <= self.at:
            return super().root_at(step)
        return self.nowhere[step] if self.false_trace is None else self.false_trace.root_at(step - self.at - 1)

    def _compute_step(self, index: int) -> ShownStep:
        if index != self.at:
            return super()._compute_step(index)
        return ShownStep(self.lie, self.roots["step.r1"], self.roots["step.r2"])

    def path(self, access: Access, index: int | None) -> OpenedPath:
        """What he shows of the false step."""
        if index != self.at:
            return super().path(access, index)
        true = path_of_claim(access, self.before, self.lie)
        try:
            return self._shown(access, true)
        except Unavailable:
            return true

    def _shown(self, access: Access, true: OpenedPath) -> OpenedPath:
        if self.opening == "true":
            return true
        if self.opening == "beside":
            return self._beside(access, true.address ^ LEAF_BYTES << self.rng.randrange(27))
        bent = self._bent(access, true)
        return self._chaos(bent) if self.opening == "chaos" else bent

    def _bent(self, access: Access, true: OpenedPath) -> OpenedPath:
        """Nodes of the trees whose roots are signed above, nodes over the claimed bottoms below."""
        signed = open_path(access.plan, self.trees.get(access.pre, self.before), true.address, None)
        bottom = self._claimed_bottom(access, signed.pre[-1])
        pre = self._joined(access, true.address, signed, bottom)
        if access.post is None or true.post is None:
            return replace(signed, pre=pre)
        after = open_path(access.plan, self.trees[access.post], true.address, None)
        return replace(signed, pre=pre, post=self._joined(access, true.address, after, true.post[-1]))

    def _joined(self, access: Access, address: int, signed: OpenedPath, bottom: bytes) -> tuple[bytes, ...]:
        over = nodes_above(access.plan, address, bottom, signed.siblings)
        depth = min(self.depth, access.plan.edges)
        return signed.pre[:depth] + over[depth:]

    def _beside(self, access: Access, address: int) -> OpenedPath:
        before = open_path(access.plan, self.before, address, None)
        if access.post is None:
            return before
        return replace(before, post=open_path(access.plan, self.trees[access.post], address, None).pre)

    def _chaos(self, path: OpenedPath) -> OpenedPath:
        """Some values are anything."""

        def some(values: tuple[bytes, ...]) -> tuple[bytes, ...]:
            return tuple(self.rng.randbytes(32) if self.rng.randrange(4) == 0 else v for v in values)

        return OpenedPath(
            path.address, some(path.pre), None if path.post is None else some(path.post), some(path.siblings)
        )

    def _claimed_bottom(self, access: Access, known: bytes) -> bytes:
        """What the leaf before the access must hold by the claim."""
        if access.kind == "control":
            return leaf_bytes(self.lie.before)
        if access.kind == "key":
            return self.lie.key
        named = {"fetch": self.lie.instruction, "rs": self.lie.a, "rt": self.lie.b, "memory": self.lie.old}
        if access.kind not in named:
            return known
        return with_word(known, place_of(access, self.lie)[1], named[access.kind])
