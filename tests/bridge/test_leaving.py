"""The slow exit of stakes and bonds on an embedded chain: who may when, and what libbitcoinkernel says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from btc_l2.bridge.skeleton import build_skeleton
from challenger.agents.leaving import (
    Held,
    check_exit,
    check_leave,
    find_claims,
    find_held,
    make_exit,
    make_leave,
)
from challenger.agents.wallet import Wallet
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import payout_script
from taproot.errors import InvalidInput, Refused, Unavailable
from taproot.graph import Funding
from taproot.presigned import Graph
from taproot.terms import ANCHOR
from tests.bridge.conftest import CONTRACT, Bridge, give_coins
from tests.taproot.toy import SECRETS, play

TERMS = CONTRACT.terms
LATEST = TERMS.total_delay + TERMS.slash_delay


def graphs_of(bridge: Bridge) -> dict[str, Graph]:
    proposal = bridge.bundle.proposal
    return {"d.operator": build_skeleton(TERMS, proposal.parties, proposal.funding)}


def held(bridge: Bridge, owner: str, which: str) -> Held:
    return find_held(graphs_of(bridge), owner, which)


def leave(bridge: Bridge, owner: str, which: str) -> None:
    wallet = Wallet(bridge.chain, SECRETS[owner])
    give_coins(bridge.chain, wallet.script_pubkey, [50_000])
    package = make_leave(held(bridge, owner, which), bridge.bundle.signatures, SECRETS[owner], wallet, 3)
    bridge.chain.broadcast(package)
    bridge.chain.mine()


@pytest.mark.parametrize(("owner", "name"), [("operator", "stake0"), ("alice", "bond.alice")])
def test_an_owner_leaves_in_two_steps_and_gets_all_but_anchor_and_fee(bridge: Bridge, owner: str, name: str) -> None:
    own = held(bridge, owner, name)
    value = own.graph.outputs[name].value
    check_leave(bridge.chain, own)
    leave(bridge, owner, name)
    left = bridge.chain.tip().height
    bridge.chain.mine(TERMS.exit_delay - 1)
    check_exit(bridge.chain, own)
    tx = make_exit(own, SECRETS[owner], payout_script(own.graph.contract, owner), 4)
    assert tx.outputs[0].value == value - ANCHOR - 4 * tx.vbytes
    bridge.send(tx)
    assert bridge.chain.tip().height == left + TERMS.exit_delay


def test_exit_one_block_too_early_is_refused_with_the_numbers_and_by_the_chain(bridge: Bridge) -> None:
    own = held(bridge, "operator", "stake0")
    leave(bridge, "operator", "stake0")
    free = bridge.chain.tip().height + TERMS.exit_delay
    bridge.chain.mine(TERMS.exit_delay - 2)
    with pytest.raises(Refused, match=f"too early: stake0 .* free from height {free} on; wait 1 blocks"):
        check_exit(bridge.chain, own)
    with pytest.raises(Refused, match="non-BIP68-final"):
        bridge.chain.check(make_exit(own, SECRETS["operator"], payout_script(own.graph.contract, "operator"), 1))


def test_what_is_not_leaving_cannot_exit_and_what_is_leaving_cannot_leave(bridge: Bridge) -> None:
    own = held(bridge, "alice", "bond.alice")
    with pytest.raises(Refused, match=f"not leaving; announce it by `leave`, {TERMS.exit_delay} blocks later"):
        check_exit(bridge.chain, own)
    leave(bridge, "alice", "bond.alice")
    free = bridge.chain.tip().height + TERMS.exit_delay
    with pytest.raises(Refused, match=f"is leaving since height .*; `exit` takes it home from height {free} on"):
        check_leave(bridge.chain, own)
    bridge.chain.mine(TERMS.exit_delay)
    bridge.plays("exit.bond.alice")
    with pytest.raises(Refused, match="nothing to announce"):
        check_leave(bridge.chain, own)


def test_a_stake_answers_for_an_open_claim_until_it_is_paid(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    own, kickoff = held(bridge, "operator", "stake0"), bridge.chain.tip().height
    with pytest.raises(Refused, match=rf"claim of height {kickoff} \(d.operator\) until height {kickoff + LATEST} at"):
        check_leave(bridge.chain, own)
    check_leave(bridge.chain, own, during_claim=True)
    bridge.chain.mine(TERMS.challenge_delay)
    bridge.plays("take1")
    check_leave(bridge.chain, own)


def test_exit_waits_for_a_claim_that_was_kicked_off_while_leaving(bridge: Bridge) -> None:
    own = held(bridge, "operator", "stake0")
    bridge.plays("confirm")
    leave(bridge, "operator", "stake0")
    bridge.chain.mine(TERMS.exit_delay - 50)
    bridge.plays("kickoff")
    kickoff = bridge.chain.tip().height
    bridge.chain.mine(100)
    with pytest.raises(Refused, match=f"answers for the claim of height {kickoff}.*until height {kickoff + LATEST}"):
        check_exit(bridge.chain, own)


def test_a_bond_answers_for_a_challenge_only(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    check_leave(bridge.chain, held(bridge, "bob", "bond.bob"))
    with pytest.raises(Refused, match="a challenge to the claim"):
        check_leave(bridge.chain, held(bridge, "alice", "bond.alice"))


def test_a_bond_answers_until_the_slash_can_have_confirmed_and_no_longer(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice", "alice/assert")
    bridge.chain.mine(TERMS.total_delay)
    bridge.plays("take2")
    own, paid = held(bridge, "alice", "bond.alice"), bridge.chain.tip().height
    assert [a.until for a in find_claims(bridge.chain, own)] == [paid + TERMS.slash_delay]
    bridge.chain.mine(TERMS.slash_delay)
    assert not list(find_claims(bridge.chain, own))


def test_a_claim_that_nobody_ended_holds_nobody_for_ever(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    own = held(bridge, "operator", "stake0")
    bridge.chain.mine(LATEST - 1)
    assert list(find_claims(bridge.chain, own))
    bridge.chain.mine()
    assert not list(find_claims(bridge.chain, own))


def test_a_claim_to_another_deposit_counts_too(bridge: Bridge) -> None:
    funding = bridge.bundle.proposal.funding
    deposit, ticket = bridge.stand(make_deposit(CONTRACT).tx_out, make_ticket(CONTRACT).tx_out)
    other = build_skeleton(TERMS, CONTRACT.parties, Funding(deposit, funding.stakes, funding.bonds, ticket))
    bridge.plays("confirm", "kickoff")
    own = find_held({"e.operator": other, **graphs_of(bridge)}, "operator", "operator/stake0")
    assert set(own.graphs) == {"d.operator", "e.operator"}
    assert [a.label for a in find_claims(bridge.chain, own)] == ["d.operator"]


def test_only_ones_own_outputs_are_found_and_each_by_its_outpoint(bridge: Bridge) -> None:
    at = bridge.bundle.graph.outpoints["bond.bob"]
    assert held(bridge, "bob", str(at)).name == "bond.bob"
    for owner, which in (("alice", "bond.bob"), ("alice", "stake0"), ("carol", "bond.carol"), ("operator", "ticket")):
        with pytest.raises(InvalidInput, match="0 stakes or bonds of"):
            held(bridge, owner, which)
    with pytest.raises(Refused, match="another key in the name of bob"):
        held(bridge, "bob", "bond.bob").check_key(SECRETS["alice"])


def test_two_outputs_of_one_name_have_to_be_told_apart(bridge: Bridge) -> None:
    funding = bridge.bundle.proposal.funding
    moved = replace(funding, bonds={**funding.bonds, "bob": funding.ticket}, ticket=funding.bonds["bob"])
    graphs = {**graphs_of(bridge), "e.operator": build_skeleton(TERMS, CONTRACT.parties, moved)}
    with pytest.raises(InvalidInput, match=r"2 stakes or bonds of bob.*operator/bond.bob"):
        find_held(graphs, "bob", "bond.bob")
    assert find_held(graphs, "bob", str(funding.ticket)).outpoint == funding.ticket


def test_an_empty_fee_wallet_is_said_before_anything_is_sent(bridge: Bridge) -> None:
    own, wallet = held(bridge, "alice", "bond.alice"), Wallet(bridge.chain, SECRETS["alice"])
    with pytest.raises(Unavailable, match="fee wallet has no confirmed coins"):
        make_leave(own, bridge.bundle.signatures, SECRETS["alice"], wallet, 1)
    assert play(bridge.bundle, "leave.bond.alice").txid == bridge.bundle.graph.planned("leave.bond.alice").tx.txid
