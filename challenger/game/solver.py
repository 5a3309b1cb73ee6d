"""The challenger's decisions: pure functions from what the operator signed and what is true to the winning move.

For every false claim one of these finds a move (docs/spec/dispute.md); for an honest operator `find_lie` returns None.
Nothing here knows transactions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import EXITED
from btc_l2.zkvm.state import Machine
from challenger.game.kinds import MAP_STEP_ACCESSES, STEP_ACCESSES, Access
from challenger.game.paths import OpenedPath, parent_of
from challenger.game.plan import Plan
from challenger.game.prover import ShownStep, TraceProver, leaf_bytes, leaf_words, path_of_claim, place_of
from challenger.game.semantics import find_violated_relation


@dataclass(frozen=True, slots=True)
class Disproof:
    """A leaf that wins, with the challenger's hints by name."""

    leaf: str
    hints: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What the operator signs when challenged; roots to as many bytes as he signs."""

    claim: tuple[bytes, ...]
    z0: bytes
    zn: bytes


def fits(shown: bytes, true: bytes) -> bool:
    """Is that the true root, as far as it was signed?"""
    return shown == true[: len(shown)]


def first_difference(shown: Sequence[bytes], true: Sequence[bytes]) -> int | None:
    """Index of the first false root, None if all are true."""
    return next((i for i, (a, b) in enumerate(zip(shown, true, strict=True)) if not fits(a, b)), None)


def find_lie(assertion: Assertion, truth: TraceProver) -> str | None:
    """`init`, `search` or `final`: which part of the assertion is false; None if it is honest.

    `truth` runs the asserted claim.
    """
    if not fits(assertion.z0, truth.z0()):
        return "init"
    if not fits(assertion.zn, truth.zn()):
        return "search"
    if truth.machine_at(truth.total).control[5] != EXITED:
        return "final"
    return None


def choose_claim_leaf(shown: Sequence[bytes], truth: TraceProver) -> int:
    """Which of the four claim-leaf writes goes from a true root to a false one; `shown`: Z1, Z2, Z3, z_0."""
    at = first_difference(shown, truth.init_roots())
    assert at is not None, "init was picked although z_0 is true"
    return at


def segment(total: int, arities: Sequence[int], choices: Sequence[int]) -> tuple[int, int]:
    """(first step, number of steps) of the segment that the choices leave."""
    start, size = 0, total
    for arity, choice in zip(arities, choices, strict=False):
        size //= arity
        start += choice * size
    return start, size


def shown_positions(total: int, arities: Sequence[int], choices: Sequence[int]) -> list[int]:
    """Steps whose roots the operator shows in the next round of the search."""
    start, size = segment(total, arities, choices)
    part = size // arities[len(choices)]
    return [start + k * part for k in range(1, arities[len(choices)])]


def choose_segment(shown: Sequence[bytes], positions: Sequence[int], truth: TraceProver) -> int:
    """The first part whose right end is false (the right end of the last part is known to be false)."""
    at = first_difference(shown, [truth.root_at(p) for p in positions])
    return len(shown) if at is None else at


def choose_verdict(step: ShownStep, b: bytes, index: int, truth: TraceProver) -> Disproof | Access:
    """A relation leaf if the claim breaks its own instruction's meaning, else the first false access."""
    relation = find_violated_relation(step.claim, step.is_map, truth.image.endian)
    if relation is not None:
        return Disproof(relation, {})
    machine = truth.machine_at(index)
    accesses = MAP_STEP_ACCESSES if step.is_map else STEP_ACCESSES
    roots = {"step.r1": step.r1, "step.r2": step.r2, "B": b}
    for access in accesses:
        if access_is_false(access, machine, step.claim, roots):
            return access
    raise AssertionError("the disputed root follows from the claim: it cannot be false")


def access_is_false(access: Access, a: Machine, claim: StepClaim, roots: Mapping[str, bytes]) -> bool:
    """Does the claim, or the root after the write, contradict the true tree before the access?"""
    true = path_of_claim(access, a, claim)
    if claimed_bottom_is_false(access, true, claim):
        return True
    return access.post is not None and true.post is not None and not fits(roots[access.post], true.post[0])


def claimed_bottom_is_false(access: Access, true: OpenedPath, claim: StepClaim) -> bool:
    """Does the claim name a content of the leaf (before the access) that is not the true one?"""
    leaf = true.pre[-1]
    if access.kind == "control":
        return leaf != leaf_bytes(claim.before)
    if access.kind == "key":
        return leaf != claim.key
    named = {"fetch": claim.instruction, "rs": claim.a, "rt": claim.b, "memory": claim.old}
    return access.kind in named and leaf_words(leaf)[place_of(access, claim)[1]] != named[access.kind]


class PathSearch:
    """The search along one opened path: where it stops being what it must be.

    If the bottom before the access is false, the false node is sought in the path before (`holds`: it is true); else
    the depth is sought where the path before is true and the path after is false (`holds`). `holds` is so at the root
    and not at the bottom, hence there is an edge where it ends, and one hash of that edge is wrong.
    """

    def __init__(self, plan: Plan, true: OpenedPath, bottom_pre: bytes) -> None:
        self.plan = plan
        self.true = true
        self.seek_pre = true.post is None or bottom_pre != true.pre[-1]

    def holds(self, depth: int, pre: bytes, post: bytes | None) -> bool:
        """Is the node pair at that depth still on the good side?"""
        if pre != self.true.pre[depth]:
            return False
        return self.seek_pre or (self.true.post is not None and post != self.true.post[depth])

    def choose(self, choices: tuple[int, ...], pre: Sequence[bytes], post: Sequence[bytes | None]) -> int:
        """The first part whose lower end does not hold."""
        for k, depth in enumerate(self.plan.cuts(choices)):
            if not self.holds(depth, pre[k], post[k]):
                return k
        return self.plan.splits[len(choices)] - 1


def hash_disproof(
    plan: Plan, address: int, edge: int, parents: tuple[bytes, bytes | None], children: tuple[bytes, bytes | None],
    sibling: bytes,
) -> Disproof | None:  # fmt: skip
    """The hash leaf of an edge that wins (`pre` or `post`), with the index of a differing digit; None if both fit."""
    for side, parent, child in zip(("pre", "post"), parents, children, strict=True):
        if parent is None or child is None:
            continue
        true_parent = parent_of(plan, address, edge, child, sibling)
        if not fits(parent, true_parent):
            return Disproof(side, {"digit": differing_digit(parent, true_parent)})
    return None


def differing_digit(x: bytes, y: bytes) -> int:
    """Index of the first digit (low nibble first) in which two values differ, as far as both go."""
    at = next(i for i, (a, b) in enumerate(zip(x, y, strict=False)) if a != b)
    return 2 * at if (x[at] ^ y[at]) & 15 else 2 * at + 1
