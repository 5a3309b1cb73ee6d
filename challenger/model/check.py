"""All plays of a graph, searched; and all mutants, each of which some play must catch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from challenger.model.books import find_wrong_amounts
from challenger.model.explore import Explorer, Findings, Violation
from challenger.model.mutants import Mutant
from challenger.model.play import (
    Play,
    Table,
    honest_challenger,
    honest_depositor,
    honest_operator,
    honest_signers,
    idle_challenger,
    leaving_owner,
)
from challenger.model.reduce import merge_turns, with_free_game, without_game
from challenger.model.system import System
from taproot.connectors.stake import bond_name, stake_name
from taproot.presigned import Graph


@dataclass(frozen=True, slots=True)
class Caught:
    """The play that found a mutant out, and what it found; empty if none did."""

    mutant: str
    play: str
    violation: Violation | None


def plays_of(graph: Graph, both_games: bool = False) -> Iterator[Play]:
    """Every honest party against all others together.

    Games of different challengers share nothing but the claim's outputs: the operator is shown in one game at a time,
    with `both_games` in two at once; beside an honest challenger another one may kill at will.
    """
    parties = graph.contract.parties
    system = merge_turns(System.of(graph))
    me, other = parties.challengers[:2]
    everything = _table(graph, system)
    one_game = _table(graph, _without_others(system, parties.challengers[1:]))
    free_game = _table(graph, with_free_game(_without_others(system, parties.challengers[2:]), other))
    yield honest_depositor("honest depositor", everything)
    yield honest_signers("honest signers", everything)
    yield leaving_owner("owner of a stake leaves", everything, stake_name(0), parties.operator.name)
    yield leaving_owner("owner of a bond leaves", everything, bond_name(me), me)
    yield idle_challenger("challenger without objection", free_game, me)
    yield honest_operator("honest operator", one_game)
    yield honest_challenger("honest challenger", free_game, me)
    if both_games:
        two = _table(graph, _without_others(system, parties.challengers[2:]))
        yield honest_operator("honest operator, two games", two)


def check_graph(graph: Graph, both_games: bool = False) -> Iterator[Findings]:
    """The amounts, then each play."""
    parties = graph.contract.parties
    wrong = [Violation(what, ()) for what in find_wrong_amounts(graph)]
    yield Findings("amounts", transitions=len(graph.transactions), violations=wrong)
    for play in plays_of(graph, both_games):
        yield Explorer(play, parties.challengers).run()


def catch(graph: Graph, mutants: Iterable[Mutant]) -> Iterator[Caught]:
    """Each mutant of a graph with the first play that finds it out."""
    for mutant in mutants:
        found = next((f for f in check_graph(mutant.change(graph)) if f.violations), None)
        yield Caught(mutant.name, found.play if found else "", found.violations[0] if found else None)


def _table(graph: Graph, system: System) -> Table:
    parties = graph.contract.parties
    return Table(system, graph.contract.terms, parties.operator.name, parties.depositor.name, parties.challengers)


def _without_others(system: System, challengers: Iterable[str]) -> System:
    for challenger in challengers:
        system = without_game(system, challenger)
    return system
