"""The costs on chain, exact: whoever changes a script sees here what it does to a dispute."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import pytest

from challenger.cost import (
    Cost,
    MoveCost,
    Path,
    arities_of,
    compute_cost,
    compute_ways,
)
from challenger.sample import sample_game, sample_parties
from taproot.errors import InvalidInput
from taproot.terms import MOST_ARITY, MOST_ARITY_FIRST, MOST_STEPS_LOG2, Terms
from taproot.units import MAX_STANDARD_WEIGHT, TRUC_MAX_VBYTES, TRUC_VERSION


@lru_cache
def cost() -> Cost:
    return compute_cost(arities_of(32, 4), 5)


def move(name: str) -> MoveCost:
    return next(m for m in cost().moves if m.name == name)


def test_the_ways_a_claim_can_end_cost_what_the_documents_say() -> None:
    assert cost().undisputed == Path(vbytes=519, transactions=2)
    assert cost().worst == Path(vbytes=97_618, transactions=46)
    assert cost().relation == Path(vbytes=69_500, transactions=38)


def test_each_kind_of_move_costs_what_the_documents_say() -> None:
    vbytes = {
        "kickoff": 228, "take1": 291, "p0/assert": 8_820, "p0/reveal.1": 3_107, "p0/choose.0": 188, "p0/step": 4_961,
        "p0/step_map": 5_924, "p0/control.open": 6_140, "p0/control.show1": 4_057, "p0/control.last": 1_185,
        "p0/ask.control": 207,
    }  # fmt: skip
    assert {name: move(name).vbytes for name in vbytes} == vbytes


def test_no_transaction_is_too_heavy_to_relay() -> None:
    assert all(m.vbytes <= TRUC_MAX_VBYTES for m in cost().moves if m.version == TRUC_VERSION)
    assert cost().largest_v3 == max(m.vbytes for m in cost().moves if m.version == TRUC_VERSION)
    assert cost().heaviest <= MAX_STANDARD_WEIGHT
    assert all(m.peak_stack <= 1000 for m in cost().moves)


def test_an_undisputed_exit_costs_the_same_for_any_number_of_challengers() -> None:
    for challengers in (2, 20):
        by_name = {m.name: m.vbytes for m in compute_cost((2,), challengers).moves}
        assert by_name["kickoff"] + by_name["take1"] == cost().undisputed.vbytes <= 530


@pytest.mark.parametrize(("steps_log2", "arity"), [(0, 4), (41, 4), (32, 1), (32, 17)])
def test_rounds_that_cannot_be_built_are_refused(steps_log2: int, arity: int) -> None:
    with pytest.raises(InvalidInput):
        arities_of(steps_log2, arity)


def test_rounds_cover_the_steps() -> None:
    assert arities_of(32, 4) == (4,) * 16
    assert arities_of(32, 8) == (4, *(8,) * 10)
    assert arities_of(32, 3) == (2, *(3,) * 20)
    assert arities_of(28, 4) == (4,) * 14
    for log2 in range(1, MOST_STEPS_LOG2 + 1):
        for arity in range(2, MOST_ARITY + 1):
            arities = arities_of(log2, arity)
            assert 1 << log2 <= prod(arities) and arities[0] <= MOST_ARITY_FIRST


# arity, digest: worst, its transactions, where a relation decides; 2^32 steps, docs/spec/security.md
FIGURES = {
    (2, 256): (87_443, 78, 59_149),
    (3, 256): (92_482, 56, 64_309),
    (4, 256): (97_618, 46, 69_500),
    (8, 256): (120_458, 36, 92_395),
    (4, 192): (86_257, 46, 58_252),
    (2, 192): (79_377, 78, 51_372),
    (4, 160): (80_570, 46, 52_565),
    (2, 160): (75_450, 78, 47_445),
}
ASKED = {256: (105_000, 78_000), 192: (90_000, 65_000), 160: (82_000, 59_000)}  # at arity 4
ASKED_BY_TWO = 95_000


def each_figure() -> list[object]:
    """Those that were asked for, by arity and digest; the others take long."""
    short = {(2, 256), (4, 192), (4, 160)}
    return [pytest.param(*at, marks=[] if at in short else [pytest.mark.long]) for at in FIGURES]


@pytest.mark.parametrize(("arity", "digest"), each_figure())
def test_figures_are_those_of_the_documents_and_better_than_asked(arity: int, digest: int) -> None:
    ways = compute_ways(arities_of(32, arity), digest)
    assert (ways.worst.vbytes, ways.worst.transactions, ways.relation.vbytes) == FIGURES[arity, digest]
    assert ways.undisputed.vbytes <= 530
    if arity == 4:
        assert ways.worst.vbytes <= ASKED[digest][0] and ways.relation.vbytes <= ASKED[digest][1]
        assert ways.worst.transactions <= 46
    if arity == 2:
        assert ways.worst.vbytes <= ASKED_BY_TWO


def test_only_what_lies_on_the_ways_is_weighed_and_that_is_the_heaviest() -> None:
    ways = compute_ways(arities_of(32, 4))
    assert (ways.undisputed, ways.relation, ways.worst) == (cost().undisputed, cost().relation, cost().worst)
    kills = [m.vbytes for m in cost().moves if m.name == "p0/disprove.memory.hash_top@stake0"]
    assert max(kills) == max(m.vbytes for m in cost().moves if "/disprove.memory." in m.name)


@pytest.mark.parametrize("arities", [(4,) * 16, pytest.param((2, *(8,) * 13), marks=pytest.mark.long)])
def test_penalty_and_stake_pay_for_what_a_game_costs_each_side(arities: tuple[int, ...]) -> None:
    """With a child of 155 vB for each version 3 move."""
    worst, terms, child = compute_ways(arities).worst, Terms(arities=arities, exit_delay=20_000), 155
    operator, challenger = terms.operator_vbytes, terms.challenger_vbytes
    assert operator + challenger >= worst.vbytes + child * (worst.transactions - 1)


@pytest.mark.parametrize("arities", [(4,) * 16, (2,) * 40, (2, *(8,) * 13), (4, 2, 8, 3, 5, 6, 7)])
def test_every_output_and_script_keeps_the_limits_of_relay(arities: tuple[int, ...]) -> None:
    parties = sample_parties(2)
    game = sample_game(arities, parties, parties.challengers[0])
    assert max(1 + len(t.moves) + len(t.disproofs) for t in game.scripts.turns.values()) <= 120
    bound = 60_000 if len(arities) <= 32 else 60_250
    for leaf in game.leaves.values():
        assert len(leaf.tap.code) < bound
        assert leaf.tap.items + leaf.tap.script.effect.peak <= 1000
