"""Dust and relay rates are looked at before anything is signed: of terms, of graphs, inside the ceremony itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from challenger.presign.vetting import check_policy, check_relayable, find_relay_faults, stand_in, vetted
from taproot.errors import Refused
from taproot.presigned import Graph, Planned
from taproot.tx import Transaction, TxOut
from taproot.units import Sats
from tests.challenger.signers import Table, policy_of
from tests.taproot.toy import build_toy_games, make_proposal


def graph() -> Graph:
    return make_proposal().build_graph(build_toy_games)


def with_first_output(made: Graph, name: str, value: int) -> Graph:
    """The same graph, but for the amount of one transaction's first output: what faulty terms would lead to."""
    planned: Planned = made.planned(name)
    first = TxOut(Sats(value), planned.tx.outputs[0].script_pubkey)
    tx = Transaction(planned.tx.version, planned.tx.inputs, (first, *planned.tx.outputs[1:]), planned.tx.locktime)
    changed = {**made.transactions, name: replace(planned, tx=tx)}
    return Graph(made.contract, made.outputs, made.outpoints, changed)


def test_a_graph_of_valid_terms_passes() -> None:
    made = graph()
    assert vetted(made) is made


@pytest.mark.parametrize("value", [329, 0])
def test_an_output_below_dust_is_refused_by_name(value: int) -> None:
    with pytest.raises(Refused, match=f"output 0 of confirm has {value} sat, which is dust.*sign again"):
        vetted(with_first_output(graph(), "confirm", value))
    check_relayable(with_first_output(graph(), "confirm", 330))


def test_a_kill_that_leaves_nothing_at_the_terms_rate_is_refused() -> None:
    name = "alice/timeout.assert@bare"
    assert list(find_relay_faults(with_first_output(graph(), name, 25_329), 1_000)) == [
        f"{name} leaves dust after a fee of 25000 sat"
    ]
    check_relayable(with_first_output(graph(), name, 25_330))


def test_a_policy_is_measured_at_the_rate_that_nodes_are_said_to_take() -> None:
    policy = policy_of(3, 2)
    check_policy(policy)
    with pytest.raises(Refused, match="made for 1 sat/vB and nodes relay nothing below 2"):
        check_policy(policy, 1_001)


def test_the_stand_in_for_the_depositor_is_no_member() -> None:
    policy = policy_of(3)
    taken = replace(policy.members[0], party=replace(policy.members[0].party, name="depositor"))
    assert stand_in(policy).name == "depositor"
    assert stand_in(replace(policy, members=(taken, *policy.members[1:]), operators=("bob",))).name == "depositor1"


def test_a_ceremony_shows_and_signs_no_graph_with_dust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is spoiled where it is made: `Terms` themselves let no such amounts through."""
    from challenger.presign.proposal import Proposal

    table = Table(tmp_path, 3)
    table.propose()
    table.give_keys()
    made = Proposal.build_graph
    assert set(table.seat("bob").graphs()) == {"alice"}
    monkeypatch.setattr(Proposal, "build_graph", lambda self, games: with_first_output(made(self, games), "take1", 7))
    with pytest.raises(Refused, match="output 0 of take1 has 7 sat, which is dust"):
        table.seat("bob").graphs()
