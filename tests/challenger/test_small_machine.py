"""All strategies of both sides on a small machine, with the shipped search, path search and hash disproofs.

The machine's state is a tree of four leaves with three values each; step i reads one leaf and writes its successor into
another. Shown is, for every value that a lying operator can sign and in every order: the search ends at a step whose
left root is true and whose right root is not (part 1), and every claim about such a step loses to a leaf (part 2). And
the other way round: whatever a challenger picks, no leaf wins against an honest operator (part 3).

A value matters only by what it is equal to and what it is the hash of. So the operator draws each node from all nodes
that can be made of his leaves and siblings, the true ones, and one that is the hash of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from typing import cast

import pytest

from btc_l2.zkvm.tree import hash_pair
from challenger.game.kinds import Origin, origin_for, origins_of_a, origins_of_b
from challenger.game.paths import OpenedPath, nodes_above, parent_of
from challenger.game.plan import Plan
from challenger.game.prover import TraceProver
from challenger.game.solver import Disproof, PathSearch, choose_segment, hash_disproof, segment, shown_positions

VALUES = 3
LEAVES = tuple(bytes([v]) * 32 for v in range(VALUES))
NOTHING = b"\xee" * 32  # the hash of nothing that is signed here
BESIDE = b"\xdd" * 32  # a sibling that is not the true one
FLAT, DEEP, WIDE = Plan("toy", (2,)), Plan("toy", (2, 2)), Plan("toy", (3,))
State = tuple[int, ...]


def address_of(plan: Plan, leaf: int) -> int:
    """The byte address whose path bits are those of a leaf's number."""
    return sum((leaf >> plan.edges - 1 - e & 1) << plan.path_bit(e) for e in range(plan.edges))


def true_path(plan: Plan, state: State, leaf: int, after: int | None = None) -> OpenedPath:
    """The path of a leaf in a state; with `after` also the path once that value is written."""
    level, index = [LEAVES[v] for v in state], leaf
    siblings: list[bytes] = []
    for _ in range(plan.edges):
        siblings.insert(0, level[index ^ 1])
        level = [hash_pair(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        index //= 2
    address, above = address_of(plan, leaf), tuple(siblings)
    pre = nodes_above(plan, address, LEAVES[state[leaf]], above)
    post = None if after is None else nodes_above(plan, address, LEAVES[after], above)
    return OpenedPath(address, pre, post, above)


@cache
def drawn(plan: Plan, true: OpenedPath, depth: int) -> tuple[bytes, ...]:
    """Every node that matters at a depth."""
    if depth == plan.edges:
        return LEAVES
    below = drawn(plan, true, depth + 1)
    siblings = (true.siblings[depth], BESIDE)
    made = {parent_of(plan, true.address, depth, child, sibling) for child in below for sibling in siblings}
    known = {true.pre[depth], *((true.post[depth],) if true.post else ())}
    return tuple(sorted(made | known | {NOTHING}))


# ---- part 1: the search ----------------------------------------------------------------------------------------------


@dataclass
class Roots:
    """What the search asks the truth for: root i is (i, 0)."""

    def root_at(self, step: int) -> bytes:
        """The true root."""
        return bytes([step, 0]) * 16


TRUTH = cast(TraceProver, Roots())


def root(step: int, lie: int) -> bytes:
    """The true root (lie 0), or one of several false ones."""
    return bytes([step, lie]) * 16


def searches(arities: Sequence[int], lies: int, choices: tuple[int, ...] = ()) -> Iterator[dict[str, bytes]]:
    """All roots that an operator can show against the honest challenger, and his choices (`choice.r`)."""
    if len(choices) == len(arities):
        yield {f"choice.{r}": bytes([c]) for r, c in enumerate(choices)}
        return
    positions = shown_positions(prod(arities), arities, choices)
    for told in product(range(lies + 1), repeat=len(positions)):
        shown = [root(p, lie) for p, lie in zip(positions, told, strict=True)]
        choice = choose_segment(shown, positions, TRUTH)
        names = {f"search.{len(choices)}.{k}": value for k, value in enumerate(shown, 1)}
        for rest in searches(arities, lies, (*choices, choice)):
            yield names | rest


@pytest.mark.parametrize(
    ("arities", "lies"), [((2,), 2), ((2, 2, 2), 2), ((4, 2), 2), ((3, 3), 2), ((2,) * 7, 1), ((5, 3), 1)]
)
def test_every_search_ends_between_a_true_and_a_false_root(arities: tuple[int, ...], lies: int) -> None:
    total = prod(arities)
    for last in range(1, lies + 1):
        for shown in searches(arities, lies):
            signed = shown | {"z0": root(0, 0), "zN": root(total, last)}
            choices = tuple(shown[f"choice.{r}"][0] for r in range(len(arities)))
            first, size = segment(total, arities, choices)
            assert size == 1
            assert signed[origin_for(origins_of_a(arities), choices).message] == root(first, 0)
            after = signed[origin_for(origins_of_b(arities), choices).message]
            assert after[:1] == root(first + 1, 0)[:1] and after != root(first + 1, 0)


@pytest.mark.parametrize("arities", [(2,), (2, 3), (4, 4), (3, 2, 2), (2,) * 6])
def test_every_path_of_choices_has_one_origin_on_each_side(arities: tuple[int, ...]) -> None:
    def fitting(origins: Sequence[Origin], choices: tuple[int, ...]) -> int:
        return sum(all(choices[r] == c for r, c in origin.choices) for origin in origins)

    for choices in product(*map(range, arities)):
        assert fitting(origins_of_a(arities), choices) == fitting(origins_of_b(arities), choices) == 1


# ---- part 2: a false step --------------------------------------------------------------------------------------------


def successor(value: int) -> int:
    """What a step computes."""
    return (value + 1) % VALUES


def openings(plan: Plan, true: OpenedPath, bottom: tuple[bytes, bytes | None], roots: tuple[bytes, bytes | None]
) -> Iterator[Disproof | None]:  # fmt: skip
    """How each way to open a path ends against the honest challenger."""
    search = PathSearch(plan, true, bottom[0])

    def rounds(choices: tuple[int, ...], shown: dict[int, tuple[bytes, bytes | None]]) -> Iterator[Disproof | None]:
        if len(choices) == plan.rounds:
            edge = plan.start(choices)
            for sibling in (true.siblings[edge], BESIDE):
                yield hash_disproof(plan, true.address, edge, shown[edge], shown[edge + 1], sibling)
            return
        depths = plan.cuts(choices)
        afters = [drawn(plan, true, d) if roots[1] is not None else (None,) for d in depths]
        for pairs in product(*(product(drawn(plan, true, d), after) for d, after in zip(depths, afters, strict=True))):
            choice = search.choose(choices, [pre for pre, _ in pairs], [post for _, post in pairs])
            yield from rounds((*choices, choice), shown | dict(zip(depths, pairs, strict=True)))

    return rounds((), {0: roots, plan.edges: bottom})


def lost_reads(plan: Plan, state: State, leaf: int) -> Iterator[Disproof | None]:
    """A read of a value that is not there: the bottom must be it (else a plain leaf wins), the root is true."""
    true = true_path(plan, state, leaf)
    for told in LEAVES:
        if told != true.pre[-1]:
            yield from openings(plan, true, (told, None), (true.pre[0], None))


def lost_writes(plan: Plan, state: State, leaf: int, value: int) -> Iterator[Disproof | None]:
    """A write whose root after is false: the bottom after must be the claimed value, the one before is free."""
    true = true_path(plan, state, leaf, value)
    assert true.post is not None
    for after, before in product(drawn(plan, true, 0), LEAVES):
        if after != true.post[0]:
            yield from openings(plan, true, (before, LEAVES[value]), (true.pre[0], after))


SMALL_STATES = ((0, 1, 2, 0), (0, 0, 0, 0), (2, 1, 0, 2))


@pytest.mark.parametrize("state", SMALL_STATES)
@pytest.mark.parametrize("leaf", range(4))
def test_every_false_step_loses(state: State, leaf: int) -> None:
    """Step: read leaf `src`, write its successor into `leaf`. The operator says (a, result) and the root after."""
    for src, a, result in product(range(4), range(VALUES), range(VALUES)):
        if result != successor(a):
            continue  # the relation leaf wins
        if a != state[src]:
            assert all(end is not None for end in lost_reads(FLAT, state, src))
        elif src == 0:  # the read is true: what is written is the same whichever leaf it came from
            ends = list(lost_writes(FLAT, state, leaf, result))
            assert len(ends) > 1000 and all(end is not None for end in ends)


@pytest.mark.parametrize("plan", [DEEP, WIDE], ids=["in halves twice", "in thirds"])
@pytest.mark.parametrize("leaf", [0, 5])
def test_every_false_read_of_a_deeper_tree_loses(plan: Plan, leaf: int) -> None:
    state = tuple(n * n % VALUES for n in range(1 << plan.edges))
    ends = list(lost_reads(plan, state, leaf))
    assert len(ends) > 100 and all(end is not None for end in ends)


@pytest.mark.long
@pytest.mark.parametrize("state", list(product(range(VALUES), repeat=4)))
@pytest.mark.parametrize("leaf", range(4))
def test_every_false_write_in_every_state_loses(state: State, leaf: int) -> None:
    for value in range(VALUES):
        assert all(end is not None for end in lost_writes(FLAT, state, leaf, value))


# ---- part 3: an honest operator --------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [FLAT, DEEP, WIDE], ids=["in halves", "in halves twice", "in thirds"])
def test_no_choice_wins_against_a_true_path(plan: Plan) -> None:
    leaves = 1 << plan.edges
    states = product(range(VALUES), repeat=4) if plan is FLAT else [tuple(n % VALUES for n in range(leaves))]
    for state, leaf, value in product(states, range(leaves), [None, *range(VALUES)]):
        true = true_path(plan, state, leaf, value)
        after = true.post or (None,) * len(true.pre)
        for choices in product(*map(range, plan.splits)):
            edge = plan.start(choices)
            parents, children = ((true.pre[d], after[d]) for d in (edge, edge + 1))
            assert hash_disproof(plan, true.address, edge, parents, children, true.siblings[edge]) is None


def test_a_challenger_who_errs_may_win_nothing_against_a_liar() -> None:
    """The search is needed: at an edge where the liar's nodes fit there is no disproof."""
    true = true_path(FLAT, SMALL_STATES[0], 0)
    false = nodes_above(FLAT, true.address, LEAVES[1], true.siblings)
    ends = [
        hash_disproof(FLAT, true.address, e, ((true.pre[0], false[1])[e], None), (false[e + 1], None), true.siblings[e])
        for e in range(FLAT.edges)
    ]
    assert (ends[0] is None, ends[1] is None) == (False, True)
