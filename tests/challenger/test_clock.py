"""The clock: every delay of the graph comes from the terms, and no two sides' spends of an output meet in one block.

The longest dispute is measured on the graph, move by move, and compared with what the model checker finds and with
`Terms.total_delay`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from challenger.model.check import plays_of
from challenger.model.explore import Explorer
from challenger.model.system import delay_of
from challenger.sample import sample_graph
from taproot.graph import Graph
from taproot.presigned import Kind, Planned
from taproot.terms import Terms
from taproot.units import Sats

MANY = Terms(arities=(4,) * 16)
TERMS = {
    "default": Terms(),
    "2^32 steps": MANY,
    "one round": Terms(arities=(2,)),
    "two stakes": Terms(arities=(2, 2), stakes=(Sats(20_000_000),) * 2, move_delay=19),
    "tightest": Terms(
        arities=(2, 2), confirmations=1, reaction=2, move_delay=5, challenge_delay=7, refund_delay=5, margin=1
    ),
}
every_terms = pytest.mark.parametrize("name", TERMS)


@cache
def graph_of(name: str) -> Graph:
    return sample_graph(TERMS[name])


def last_kill(graph: Graph) -> int:
    """Latest age of the claim at a kill by an honest challenger: fan, challenge, then the slowest branch."""
    terms = graph.contract.terms
    j = graph.contract.parties.challengers[0]
    (challenge,) = (p for p in graph.transactions.values() if p.kind is Kind.CHALLENGE and p.by == j)
    return 2 * terms.reaction + slowest(graph, next(o for o in challenge.outputs if o is not None and "/" in o))


def slowest(graph: Graph, turn: str) -> int:
    """Blocks from a turn to the kill: the operator wins each race against the timeout, the stake leaves at the end."""
    terms = graph.contract.terms
    spenders = [graph.planned(name) for name in graph.spenders(turn)]
    is_operators = any(p.kind is Kind.TIMEOUT for p in spenders)
    move = terms.reaction + (terms.move_delay if is_operators else 0)
    resent = sum(any(s.output == f"stake{k}" for p in spenders for s in p.inputs) for k in range(len(terms.stakes)))
    kill = move + resent * terms.reaction
    return max([kill, *(move + slowest(graph, after) for p in spenders for after in nexts(p))])


def nexts(planned: Planned) -> Iterator[str]:
    return (o for o in planned.outputs if o is not None and planned.kind is Kind.MOVE)


@every_terms
def test_every_delay_of_the_graph_stands_in_the_terms(name: str) -> None:
    graph, terms = graph_of(name), TERMS[name]
    in_leaves = {(p.leaf.name, p.delay) for o in graph.outputs.values() for p in o.paths.values() if p.delay}
    assert in_leaves == {("refund", terms.refund_delay), ("exit", terms.exit_delay), ("timeout", terms.move_delay)}
    presigned = {
        (p.kind, delay_of(tx_in.sequence))
        for p in graph.transactions.values()
        for spend, tx_in in zip(p.inputs, p.tx.inputs, strict=True)
        if delay_of(tx_in.sequence) and spend.slots[0].presigned
    }
    assert presigned == {(Kind.TAKE1, terms.challenge_delay), (Kind.TAKE2, terms.total_delay)}


@every_terms
def test_an_input_waits_exactly_as_long_as_its_leaf_asks(name: str) -> None:
    graph = graph_of(name)
    for planned in graph.transactions.values():
        for spend, tx_in in zip(planned.inputs, planned.tx.inputs, strict=True):
            assert spend.sequence == tx_in.sequence
            if spend.leaf is not None and not spend.slots[0].presigned:
                assert graph.outputs[spend.output].path(spend.leaf).delay == delay_of(tx_in.sequence)


@every_terms
def test_take2_comes_after_the_longest_dispute_with_more_than_the_margin_to_spare(name: str) -> None:
    terms = TERMS[name]
    assert last_kill(graph_of(name)) + terms.margin < terms.total_delay


@pytest.mark.parametrize("name", ["default", "one round", "tightest"])
def test_the_longest_dispute_of_the_model_is_that_of_the_graph(name: str) -> None:
    graph = graph_of(name)
    (play,) = (p for p in plays_of(graph) if p.name == "honest challenger")
    found = Explorer(play, graph.contract.parties.challengers).run()
    assert not found.violations
    assert found.longest == last_kill(graph)


@every_terms
def test_the_last_block_of_an_honest_spend_is_before_the_first_of_the_other_sides(name: str) -> None:
    graph, t = graph_of(name), TERMS[name]
    answers, kills = t.reaction, (1 + len(t.stakes)) * t.reaction
    spared = t.challenger_moves * (t.move_delay + 2 * t.reaction)
    meetings = {
        "the operator's turn: answer, timeout": (answers, t.move_delay),
        "the challenger's turn: kill sent again for each stake that leaves, timeout": (kills, t.move_delay),
        "unchallenged: fan, challenge and veto, take1": (3 * t.reaction, t.challenge_delay),
        "kill token: last kill, take2": (last_kill(graph), t.total_delay),
        "deposit: confirm, refund": (2 * t.reaction, t.refund_delay),
        "bond that leaves: slash after spared moves, exit": (t.total_delay + 2 * t.reaction + spared, t.exit_delay),
    }
    assert [what for what, (honest, other) in meetings.items() if honest >= other] == []


@every_terms
def test_on_every_turn_the_other_side_ends_the_silence_with_and_without_stake_or_bond(name: str) -> None:
    graph, terms = graph_of(name), TERMS[name]
    pool = {f"{way}{k}" for k in range(len(terms.stakes)) for way in ("stake", "leaving")}
    variants = {Kind.TIMEOUT: pool | {"bare"}, Kind.SLASH: {"bond", "leaving"}}
    turns = [output for output in graph.outputs if "/" in output]
    assert len(turns) > 100
    for turn in turns:
        ends = [p for p in map(graph.planned, graph.spenders(turn)) if p.kind in variants]
        (kind,) = {p.kind for p in ends}
        assert {p.name.partition("@")[2] for p in ends} == variants[kind]
        movers = {p.by for p in map(graph.planned, graph.spenders(turn)) if p.kind is Kind.MOVE}
        assert movers.isdisjoint({p.by for p in ends})
