"""Payout, cancel and refresh signed live by all: what they pay, what they end, and who can stop them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from btc_l2.chain.protocol import Rejected
from challenger.presign.bundle import Bundle
from challenger.presign.proposal import Proposal
from challenger.presign.refresh import (
    MOVE,
    NOBODY,
    Refresh,
    Standing,
    check_refresh,
    nobody_at,
    plan_refresh,
    sign_refresh,
)
from challenger.presign.session import presign
from challenger.presign.settlement import (
    CLAIM_OUTPUTS,
    LiveSigner,
    approve_payment,
    plan_exit_of_all,
    plan_settlement,
    sign_settlement,
    sign_together,
)
from taproot.connectors.output import payout_script
from taproot.connectors.stake import make_stake
from taproot.errors import InvalidInput, Misbehaviour, Refused, VerificationFailed
from taproot.nums import nums_scalar, verify_nums
from taproot.presigned import Graph
from taproot.terms import ANCHOR
from taproot.tx import Transaction, TxOut
from taproot.units import Sats
from tests.bridge.conftest import CONTRACT, Bridge
from tests.taproot.toy import SECRETS, build_toy_games, make_proposal, play, presign_toy

OPERATOR = payout_script(CONTRACT, "operator")
DEPOSITOR = payout_script(CONTRACT, "depositor")


def agree(_tx: Transaction) -> None:
    """Approves everything."""


def exit_all(bridge: Bridge, *sources: str, to: bytes = OPERATOR) -> Transaction:
    graph = bridge.bundle.graph
    settlement = plan_exit_of_all(graph, "payout", sources, to, 1)
    least = sum(graph.outputs[s].value for s in sources) - 1000
    return sign_together(settlement, SECRETS, approve_payment(to, least))


# ---- payout and cancel -----------------------------------------------------------------------------------------------


def test_payout_gives_the_vault_to_the_operator_and_ends_both_takes(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    tx = exit_all(bridge, "vault")
    bridge.send(tx)
    assert bridge.value_of(OPERATOR) == tx.outputs[0].value == CONTRACT.terms.deposit - ANCHOR - tx.vbytes
    bridge.chain.mine(CONTRACT.terms.total_delay)
    for take in ("take1", "take2"):
        with pytest.raises(Rejected, match="missingorspent"):
            bridge.chain.mine_block([play(bridge.bundle, take)])


def test_payout_after_a_kickoff_takes_the_kill_token_so_that_no_kill_is_left(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    bridge.send(exit_all(bridge, "vault", "asset", "unchallenged"))
    bridge.chain.mine(CONTRACT.terms.move_delay)
    for variant in ("stake0", "bare"):
        with pytest.raises(Rejected, match="missingorspent"):
            bridge.chain.mine_block([play(bridge.bundle, f"alice/timeout.assert@{variant}")])


def test_payout_of_the_vault_alone_leaves_the_kill_to_a_challenger(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    bridge.send(exit_all(bridge, "vault"))
    bridge.chain.mine(CONTRACT.terms.move_delay)
    bridge.chain.mine_block([play(bridge.bundle, "alice/timeout.assert@stake0")])


def test_payout_before_the_fan_returns_the_whole_ticket_but_anchors(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    tx = exit_all(bridge, "vault", *CLAIM_OUTPUTS)
    bridge.send(tx)
    ticket = CONTRACT.terms.ticket_value(2)
    assert bridge.value_of(OPERATOR) == CONTRACT.terms.deposit - ANCHOR + ticket - ANCHOR - tx.vbytes


@pytest.mark.parametrize("source", ["deposit", "vault"])
def test_cancel_pays_the_depositor_without_delay(bridge: Bridge, source: str) -> None:
    if source == "vault":
        bridge.plays("confirm")
    tx = exit_all(bridge, source, to=DEPOSITOR)
    bridge.send(tx)
    held = CONTRACT.terms.deposit - (ANCHOR if source == "vault" else 0)
    assert bridge.value_of(DEPOSITOR) == held - tx.vbytes


def test_one_signer_who_refuses_stops_a_settlement(bridge: Bridge) -> None:
    settlement = plan_exit_of_all(bridge.bundle.graph, "payout", ["vault"], OPERATOR, 1)
    with pytest.raises(Refused, match="does not pay the agreed party"):
        sign_together(settlement, SECRETS, approve_payment(DEPOSITOR, 1))
    with pytest.raises(Refused, match="agreed are"):
        sign_together(settlement, SECRETS, approve_payment(OPERATOR, CONTRACT.terms.deposit))


def test_signer_with_another_plan_is_named(bridge: Bridge) -> None:
    graph = bridge.bundle.graph
    one = plan_exit_of_all(graph, "payout", ["vault"], OPERATOR, 1)
    other = plan_exit_of_all(graph, "payout", ["vault"], DEPOSITOR, 1)
    names = graph.contract.aggregate.parties
    signers = [LiveSigner(n, SECRETS[n], other if n == "bob" else one, agree) for n in names]
    with pytest.raises(Misbehaviour, match="bob"):
        sign_settlement(one, signers)


def test_key_of_another_or_no_key_signs_nothing(bridge: Bridge) -> None:
    settlement = plan_exit_of_all(bridge.bundle.graph, "payout", ["vault"], OPERATOR, 1)
    with pytest.raises(Refused, match="another key"):
        LiveSigner("alice", SECRETS["bob"], settlement, agree)
    with pytest.raises(InvalidInput, match="is missing"):
        sign_together(settlement, {"alice": SECRETS["alice"]}, agree)


@pytest.mark.parametrize("sources", [(), ("vault", "vault"), ("ticket",), ("nowhere",)])
def test_plan_of_impossible_sources_is_refused(bridge: Bridge, sources: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        plan_settlement(bridge.bundle.graph, "payout", sources, [TxOut(Sats(1000), OPERATOR)])


def test_plan_that_pays_more_than_there_is_or_only_dust_is_refused(bridge: Bridge) -> None:
    graph = bridge.bundle.graph
    with pytest.raises(InvalidInput, match="exceed"):
        plan_settlement(graph, "payout", ["vault"], [TxOut(CONTRACT.terms.deposit, OPERATOR)])
    with pytest.raises(Refused, match="lower fees"):
        plan_exit_of_all(graph, "payout", ["unchallenged"], OPERATOR, 5)


# ---- refresh ---------------------------------------------------------------------------------------------------------


def refresh(bridge: Bridge) -> tuple[Refresh, Bundle]:
    """A new stake in place of the one that is gone, the same bonds and ticket; a presigned new graph."""
    funding = bridge.bundle.proposal.funding
    (stake,) = bridge.stand(make_stake(CONTRACT, 0).tx_out)
    agreed = plan_refresh(bridge.bundle.graph, Standing((stake,), funding.bonds, funding.ticket))
    return agreed, presign(renewed(agreed), SECRETS, build_toy_games)


def renewed(agreed: Refresh) -> Proposal:
    toy = make_proposal()
    return agreed.propose(toy.one_time, toy.constants)


def test_refresh_moves_the_vault_under_a_graph_whose_kills_take_the_new_stake(bridge: Bridge) -> None:
    bridge.plays("confirm", "leave.stake0")
    bridge.chain.mine(CONTRACT.terms.exit_delay)
    bridge.plays("exit.stake0")
    agreed, bundle = refresh(bridge)
    bridge.send(sign_refresh(agreed, bundle, SECRETS))
    bridge.bundle = bundle
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    bridge.chain.mine(agreed.terms.move_delay)
    before = bridge.value_of(payout_script(CONTRACT, "alice"))
    kill = play(bundle, "alice/timeout.assert@stake0")
    bridge.chain.mine_block([kill])
    assert bridge.value_of(payout_script(CONTRACT, "alice")) - before > CONTRACT.terms.stakes[0] // 2


def test_refresh_costs_the_vault_two_anchors(bridge: Bridge) -> None:
    bridge.plays("confirm")
    agreed, bundle = refresh(bridge)
    assert agreed.terms.deposit == CONTRACT.terms.deposit - 2 * ANCHOR
    assert bundle.graph.outputs["vault"].value == bridge.bundle.graph.outputs["vault"].value - 2 * ANCHOR


def test_after_a_refresh_the_old_takes_are_dead_and_the_new_one_works(bridge: Bridge) -> None:
    bridge.plays("confirm")
    old = bridge.bundle
    agreed, bundle = refresh(bridge)
    bridge.send(sign_refresh(agreed, bundle, SECRETS))
    bridge.bundle = bundle
    bridge.plays("confirm", "kickoff")
    bridge.chain.mine(agreed.terms.challenge_delay)
    with pytest.raises(Rejected, match="missingorspent"):
        bridge.chain.mine_block([play(old, "take1")])
    bridge.plays("take1")


def test_nobody_can_refund_what_was_refreshed(bridge: Bridge) -> None:
    vault = bridge.bundle.graph.outpoints["vault"]
    agreed, bundle = refresh(bridge)
    assert agreed.parties.depositor.name == NOBODY
    verify_nums(agreed.parties.depositor.x_only, nums_scalar(b"refresh/" + vault.serialize()))
    assert nobody_at(vault) != nobody_at(replace(vault, vout=7))
    bridge.plays("confirm")
    bridge.send(sign_refresh(agreed, bundle, SECRETS))
    bridge.chain.mine(agreed.terms.refund_delay)
    stranger = {NOBODY: lambda _message: bytes(64)}
    refund = bundle.graph.finalize("refund", {}, stranger, DEPOSITOR, 1)
    with pytest.raises(Rejected, match="script-verify-flag"):
        bridge.chain.mine_block([refund])


def test_move_is_not_signed_before_the_new_graph_is(bridge: Bridge) -> None:
    agreed, bundle = refresh(bridge)
    key = next(iter(bundle.signatures))
    broken = replace(bundle, signatures={**bundle.signatures, key: bytes(64)})
    with pytest.raises(VerificationFailed):
        sign_refresh(agreed, broken, SECRETS)
    with pytest.raises(Refused, match="not that of the agreed graph"):
        sign_refresh(agreed, presign_toy(funding=bridge.bundle.proposal.funding), SECRETS)
    check_refresh(agreed, bundle)


def test_refresh_without_the_vault_is_refused(bridge: Bridge) -> None:
    funding = bridge.bundle.proposal.funding
    with pytest.raises(InvalidInput, match="moves the vault"):
        plan_refresh(bridge.bundle.graph, Standing(funding.stakes, funding.bonds, funding.ticket), sources=("asset",))


def test_a_settlement_is_a_graph_of_one_transaction(bridge: Bridge) -> None:
    settlement: Graph = plan_exit_of_all(bridge.bundle.graph, "payout", ["vault", "asset"], OPERATOR, 1)
    assert [r.key for r in settlement.requests()] == [("payout", 0), ("payout", 1)]
    assert MOVE not in settlement.transactions
