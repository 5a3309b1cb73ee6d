"""The model checker: every play of the shipped graph holds, every seeded mistake is found, zones are what they say."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenger.model.check import catch, check_graph
from challenger.model.explore import Findings
from challenger.model.mutants import Mutant, all_mutants
from challenger.model.reduce import is_turn, merge_turns
from challenger.model.system import System
from challenger.model.zone import Zone
from challenger.sample import FEW_ROUNDS, sample_deposit, sample_graph
from taproot.graph import Graph
from taproot.terms import Terms


@cache
def small() -> Graph:
    return sample_graph(Terms(arities=FEW_ROUNDS))


@cache
def findings(terms: Terms) -> tuple[Findings, ...]:
    return tuple(check_graph(sample_graph(terms)))


def test_no_honest_party_is_robbed_or_stuck_under_the_default_terms() -> None:
    assert {f.play: f.violations for f in findings(Terms()) if f.violations} == {}


def test_the_last_kill_of_a_dispute_comes_before_take2_with_the_margin_and_a_reaction_to_spare() -> None:
    terms = Terms()
    longest = max(f.longest for f in findings(terms))
    assert terms.total_delay // 2 < longest < terms.total_delay - terms.margin - terms.reaction


def test_plain_signers_change_no_play() -> None:
    """The players among them: their second keys sign in the n-of-n only, so nobody can do anything more or less."""
    plain = sample_deposit(Terms(arities=FEW_ROUNDS), plain=4)[0]
    assert tuple(check_graph(plain)) == findings(Terms(arities=FEW_ROUNDS))


@pytest.mark.long
def test_an_operator_survives_two_games_at_once() -> None:
    assert not any(f.violations for f in check_graph(small(), both_games=True))


@pytest.mark.long
def test_a_pool_of_two_stakes_needs_a_turn_that_is_longer_by_one_reaction() -> None:
    terms = Terms(arities=FEW_ROUNDS, stakes=Terms().stakes * 2, move_delay=19)
    assert terms.move_delay == 3 * terms.reaction + 1
    assert not any(f.violations for f in check_graph(sample_graph(terms)))


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_a_seeded_mistake_is_found_with_a_trace(mutant: Mutant) -> None:
    (found,) = catch(small(), [mutant])
    assert found.violation is not None
    assert found.violation.trace or found.play == "amounts"


def test_the_graph_without_a_mistake_is_not_found_guilty() -> None:
    (found,) = catch(small(), [Mutant("none", lambda graph: graph)])
    assert found.violation is None


def test_the_system_knows_every_transaction_of_the_graph() -> None:
    assert set(small().transactions) <= set(System.of(small()).txs)


def test_turns_that_are_joined_differ_in_nothing_but_their_name() -> None:
    system = System.of(small())
    merged = merge_turns(system)
    assert set(merged.txs) < set(system.txs)
    kinds = {(tx.kind, tx.by, tx.live, tx.needs_lie) for tx in system.txs.values()}
    assert {(tx.kind, tx.by, tx.live, tx.needs_lie) for tx in merged.txs.values()} == kinds
    made = {output for tx in merged.txs.values() for output in tx.makes if is_turn(output)}
    assert made == {output for tx in merged.txs.values() for output in tx.spends if is_turn(output)}


@given(st.lists(st.tuples(st.sampled_from(["most", "least", "wait", "new"]), st.sampled_from("ab"), st.integers(0, 6))))
def test_a_zone_holds_exactly_the_ages_that_can_be(steps: list[tuple[str, str, int]]) -> None:
    """Beside the zone, every pair of ages up to 12 is kept one by one."""
    top = 12
    zone: Zone | None = Zone().restart((), "ab")
    points = {(0, 0)}
    for what, clock, age in steps:
        assert zone is not None
        at = "ab".index(clock)
        if what == "wait":
            zone = zone.after_any_time()
            points = {(a + t, b + t) for a, b in points for t in range(top + 1) if max(a, b) + t <= top}
        elif what == "new":
            zone = zone.restart([clock], [clock])
            points = {(0, b) if at == 0 else (a, 0) for a, b in points}
        elif what == "most":
            zone, points = zone.at_most(clock, age), {p for p in points if p[at] <= age}
        else:
            zone, points = zone.at_least(clock, age), {p for p in points if p[at] >= age}
        if zone is None:
            assert not points
            return
    assert zone is not None
    inside = {(a, b) for a in range(top + 1) for b in range(top + 1) if _holds(zone, a, b)}
    assert points <= inside
    assert {p for p in inside if max(p) <= top // 2} <= points


def _holds(zone: Zone, a: int, b: int) -> bool:
    first = zone.at_most("a", a)
    second = first and first.at_least("a", a)
    third = second and second.at_most("b", b)
    return bool(third and third.at_least("b", b))
