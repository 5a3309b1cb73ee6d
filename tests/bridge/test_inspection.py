"""Every doubt that a look at the chain can raise about a graph, each by itself, and none where all is well."""

from __future__ import annotations

from dataclasses import replace

from btc_l2.bridge.skeleton import build_skeleton
from challenger.agents.footing import AWAITED, CLAIMED, IN_VAULT, LEAVING, STANDS, find_footing, find_refund_doubt
from challenger.agents.inspection import inspect
from challenger.presign.refresh import Standing as Stands
from challenger.presign.refresh import plan_refresh
from taproot.connectors.stake import make_stake
from taproot.presigned import Graph
from taproot.tx import OutPoint
from tests.bridge.conftest import CONTRACT, Bridge
from tests.taproot.toy import TERMS, build_toy_games, make_proposal, play


def doubts(bridge: Bridge, graph: Graph | None = None, depth: int = 1) -> tuple[str, ...]:
    return inspect(bridge.chain, {"olga": graph or bridge.bundle.graph}, depth).doubts


def states(bridge: Bridge) -> dict[str, str]:
    return {f.name: f.state for f in find_footing(bridge.chain, bridge.bundle.graph)}


def other(bridge: Bridge, **funding: object) -> Graph:
    """The same graph over other outpoints."""
    proposal = bridge.bundle.proposal
    changed = replace(proposal.funding, **funding)  # type: ignore[arg-type]
    return make_proposal(funding=changed).build_graph(build_toy_games)


def test_outputs_that_stand_raise_no_doubt(bridge: Bridge) -> None:
    seen = inspect(bridge.chain, {"olga": bridge.bundle.graph}, 1)
    assert seen.doubts == () and seen.tip == bridge.chain.tip() and seen.relay_rate == 1_000
    assert set(states(bridge).values()) == {STANDS}


def test_depth_is_that_of_the_terms_unless_another_is_asked(bridge: Bridge) -> None:
    assert len(inspect(bridge.chain, {"olga": bridge.bundle.graph}).doubts) == 5
    bridge.chain.mine(TERMS.confirmations - 1)
    assert inspect(bridge.chain, {"olga": bridge.bundle.graph}).doubts == ()


def test_a_missing_output_is_named(bridge: Bridge) -> None:
    nowhere = OutPoint(b"\x07" * 32, 0)
    gone = "is unconfirmed, spent or unknown"
    assert doubts(bridge, other(bridge, ticket=nowhere)) == (f"olga: ticket ({nowhere}) {gone}",)
    assert doubts(bridge, other(bridge, deposit=nowhere))[0] == f"deposit ({nowhere}) {gone}"


def test_an_output_of_another_amount_is_named(bridge: Bridge) -> None:
    stake = make_stake(CONTRACT, 0).tx_out
    (wrong,) = bridge.stand(replace(stake, value=stake.value - 1))
    (doubt,) = doubts(bridge, other(bridge, stakes=(wrong,)))
    assert "to another script or amount than agreed" in doubt


def test_a_stake_or_bond_that_is_leaving_is_named_with_the_height_at_which_it_is_free(bridge: Bridge) -> None:
    bridge.plays("leave.bond.bob")
    (doubt,) = doubts(bridge)
    assert f"is leaving: its owner can take it home from height {bridge.chain.tip().height + TERMS.exit_delay}" in doubt
    assert states(bridge)["bond.bob"] == LEAVING


def test_what_waits_in_the_mempool_for_a_standing_output_is_named_but_for_confirm(bridge: Bridge) -> None:
    for name, said in (("confirm", ()), ("leave.stake0", ("olga: stake0",))):
        tx = play(bridge.bundle, name)
        bridge.chain.broadcast([tx, bridge.payer.fee_child(tx, 1)])
        assert tuple(d.partition(" (")[0] for d in doubts(bridge)) == said
    assert "is about to be spent by leave.stake0, which waits in the mempool" in doubts(bridge)[0]


def test_a_deposit_in_the_vault_is_well_and_needs_the_same_depth(bridge: Bridge) -> None:
    bridge.plays("confirm")
    bridge.chain.mine(2)
    assert doubts(bridge, depth=3) == () and states(bridge)["deposit"] == IN_VAULT
    assert any("is 3 blocks deep, 4 are asked for" in d for d in doubts(bridge, depth=4) if d.startswith("deposit"))


def test_an_open_claim_is_named(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    (doubt,) = doubts(bridge)
    assert f"has claimed at height {bridge.chain.tip().height}" in doubt and states(bridge)["ticket"] == CLAIMED


def test_a_refund_that_comes_before_confirm_can_be_buried_is_named(bridge: Bridge) -> None:
    graph = bridge.bundle.graph
    paid = bridge.chain.utxo(graph.outpoints["deposit"])
    assert paid is not None
    ripe, needed = paid.height + TERMS.refund_delay, 2 * TERMS.reaction
    bridge.chain.mine(ripe - needed - 2 - bridge.chain.tip().height)
    assert find_refund_doubt(bridge.chain, graph) is None
    bridge.chain.mine()
    assert f"from height {ripe} on, in {needed} blocks" in str(find_refund_doubt(bridge.chain, graph))
    bridge.chain.mine(needed + 5)
    assert "in 0 blocks" in str(find_refund_doubt(bridge.chain, graph))
    bridge.plays("confirm")
    assert find_refund_doubt(bridge.chain, graph) is None


def test_the_deposit_of_a_refresh_is_awaited_and_only_it(bridge: Bridge) -> None:
    bridge.plays("confirm")
    old = bridge.bundle.graph
    funding = bridge.bundle.proposal.funding
    agreed = plan_refresh(old, Stands(funding.stakes, funding.bonds, funding.ticket))
    refreshed = {"olga": build_skeleton(agreed.terms, agreed.parties, agreed.funding)}
    seen = inspect(bridge.chain, refreshed, 1)
    assert {f.name: f.state for f in seen.footings["olga"]}["deposit"] == AWAITED and seen.doubts == ()
    nowhere = replace(agreed.funding, ticket=OutPoint(b"\x07" * 32, 0))
    lacking = {"olga": build_skeleton(agreed.terms, agreed.parties, nowhere)}
    assert [d.partition(" (")[0] for d in inspect(bridge.chain, lacking, 1).doubts] == ["olga: ticket"]


def test_one_bond_for_two_operators_is_named(bridge: Bridge) -> None:
    graphs = {"olga": bridge.bundle.graph, "oskar": other(bridge, bonds=bridge.bundle.proposal.funding.bonds)}
    found = inspect(bridge.chain, graphs, 1).doubts
    bond = bridge.bundle.proposal.funding.bonds["bob"]
    assert f"bond.bob of olga's graph and bond.bob of oskar's graph are one output ({bond}): it can pay once only" in (
        found
    )
    assert not any("deposit" in doubt for doubt in found)


def test_a_node_that_asks_more_than_the_terms_are_made_for_is_named(bridge: Bridge) -> None:
    bridge.chain.relay_rate = lambda: 3_000  # type: ignore[method-assign]
    assert doubts(bridge) == ("olga: the terms are made for 1 sat/vB and nodes relay nothing below 3",)


def test_a_node_of_another_network_is_named_first(bridge: Bridge) -> None:
    proposal = bridge.bundle.proposal
    other = build_skeleton(replace(TERMS, network="signet"), proposal.parties, proposal.funding)
    assert inspect(bridge.chain, {"olga": other}, 1).doubts == ("the node is on regtest, the terms are for signet",)
