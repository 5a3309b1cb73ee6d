"""The costs on chain, exact: whoever changes a script sees here what it does to a dispute."""

from __future__ import annotations

from functools import lru_cache

import pytest

from challenger.cost import Cost, MoveCost, Path, arities_of, compute_cost
from taproot.errors import InvalidInput
from taproot.units import MAX_STANDARD_WEIGHT, TRUC_MAX_VBYTES, TRUC_VERSION


@lru_cache
def cost() -> Cost:
    return compute_cost(arities_of(32, 4), 5)


def move(name: str) -> MoveCost:
    return next(m for m in cost().moves if m.name == name)


def test_the_ways_a_claim_can_end_cost_what_the_documents_say() -> None:
    assert cost().undisputed == Path(vbytes=519, transactions=2)
    assert cost().worst == Path(vbytes=100_426, transactions=48)
    assert cost().relation == Path(vbytes=72_011, transactions=40)


def test_each_kind_of_move_costs_what_the_documents_say() -> None:
    vbytes = {
        "kickoff": 228, "take1": 291, "p0/assert": 5_930, "p0/reveal.1": 3_107, "p0/choose.0": 180, "p0/step": 6_718,
        "p0/step_map": 7_681, "p0/control.open": 6_140, "p0/control.show1": 4_057, "p0/control.last": 1_166,
        "p0/ask.control": 207,
    }  # fmt: skip
    assert {name: move(name).vbytes for name in vbytes} == vbytes


def test_no_transaction_is_too_heavy_to_relay() -> None:
    assert all(m.vbytes <= TRUC_MAX_VBYTES for m in cost().moves if m.version == TRUC_VERSION)
    assert cost().largest_v3 == max(m.vbytes for m in cost().moves if m.version == TRUC_VERSION)
    assert cost().heaviest <= MAX_STANDARD_WEIGHT
    assert all(m.peak_stack <= 1000 for m in cost().moves)


def test_an_undisputed_exit_costs_the_same_for_any_number_of_challengers() -> None:
    assert compute_cost((4, 4), 2).undisputed == compute_cost((4, 4), 7).undisputed == cost().undisputed


@pytest.mark.parametrize(("steps_log2", "arity"), [(0, 4), (41, 4), (32, 1), (32, 17)])
def test_rounds_that_cannot_be_built_are_refused(steps_log2: int, arity: int) -> None:
    with pytest.raises(InvalidInput):
        arities_of(steps_log2, arity)


def test_rounds_cover_the_steps() -> None:
    assert arities_of(32, 4) == (4,) * 16
    assert arities_of(32, 8) == (8,) * 11
    assert arities_of(28, 4) == (4,) * 14
