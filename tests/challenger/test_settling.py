"""Payout, cancel and refresh signed live by files, each signer at his own desk; the chain judges what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Rejected
from challenger.presign.ceremony.accord import Own, Settles
from challenger.presign.ceremony.contribution import Round
from challenger.presign.refresh import NOBODY
from regtest.node.bitcoind import Bitcoind
from taproot.connectors.output import payout_script
from taproot.errors import Refused
from taproot.hashes import sha256
from taproot.terms import ANCHOR
from taproot.tx import Transaction
from taproot.units import Sats
from tests.chain.conftest import skip_without_bitcoind
from tests.challenger.settlers import Town
from tests.challenger.signers import DEPOSITOR, policy_of

OLGA = "alice"  # the operator of these tables


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    with EmbeddedChain() as made:
        yield made


@pytest.fixture
def town(chain: EmbeddedChain, tmp_path: Path) -> Town:
    return Town(tmp_path, chain, count=4)


def test_payout_after_a_kickoff_ends_every_kill_and_pays_the_operator(town: Town) -> None:
    own = town.presign_deposit()
    bundle = own[1][OLGA]
    town.plays(bundle, "confirm", "kickoff", "fan", "challenge.bob")
    tx = town.settle(own, Settles.PAYOUT)
    spent = [bundle.graph.outpoints[name] for name in ("vault", "asset", "unchallenged")]
    assert [i.prevout for i in tx.inputs] == spent and len(tx.outputs) == 1
    town.send(tx)
    held = sum(bundle.graph.outputs[name].value for name in ("vault", "asset", "unchallenged"))
    fee = held - tx.outputs[0].value
    assert 2 * tx.vbytes - 2 <= fee <= 2 * tx.vbytes + 2
    assert town.value_of(payout_script(bundle.graph.contract, OLGA)) == held - fee
    town.chain.mine(town.policy.terms.total_delay)
    for dead in ("bob/timeout.assert@stake0", "bob/timeout.assert@bare", "take1", "take2"):
        with pytest.raises(Rejected, match="missingorspent"):
            town.chain.mine_block([town.made(bundle, dead)])


@pytest.mark.parametrize("source", ["deposit", "vault"])
def test_cancel_pays_the_depositor_at_once(town: Town, source: str) -> None:
    own = town.presign_deposit()
    bundle = own[1][OLGA]
    if source == "vault":
        town.plays(bundle, "confirm")
    tx = town.settle(own, Settles.CANCEL)
    town.send(tx)
    depositor = payout_script(bundle.graph.contract, DEPOSITOR.name)
    assert town.value_of(depositor) == tx.outputs[0].value > town.policy.terms.deposit - ANCHOR - 1000


def test_cancel_pays_another_address_if_all_agree(town: Town) -> None:
    own = town.presign_deposit()
    other = payout_script(own[1][OLGA].graph.contract, "dave")
    town.send(town.settle(own, Settles.CANCEL, payee=other))
    assert town.value_of(other) > town.policy.terms.deposit - 1000


def move_and_pay_out(town: Town) -> tuple[Transaction, Own]:
    """A refresh, a kickoff on the new graph, its payout, all sent; the payout and the new bundles."""
    own = town.presign_deposit()
    town.plays(own[1][OLGA], "confirm")
    new = town.presign_successor(own, OLGA)
    town.send(town.settle(own, Settles.MOVE, new))
    town.plays(new[1][OLGA], "confirm", "kickoff")
    paid = town.settle(new, Settles.PAYOUT)
    town.send(paid)
    return paid, new


@pytest.mark.parametrize("plain", [("bob",), ("alice", "bob", "carol")])
def test_signers_without_musig2_settle_and_refresh_with_the_others(
    chain: EmbeddedChain, tmp_path: Path, plain: tuple[str, ...]
) -> None:
    town = Town(tmp_path, chain, plain=plain)
    paid, _ = move_and_pay_out(town)
    assert len(paid.inputs) == 4 and paid.vbytes > 4 * 50


def test_two_operators_have_one_vault_and_the_settlement_takes_the_claim_of_one(
    chain: EmbeddedChain, tmp_path: Path
) -> None:
    town = Town(tmp_path, chain, count=3, operators=2)
    own = town.presign_deposit()
    town.plays(own[1]["bob"], "confirm", "kickoff")
    tx = town.settle(own, Settles.PAYOUT, operator="bob")
    town.send(tx)
    assert town.value_of(payout_script(own[1]["bob"].graph.contract, "bob")) == tx.outputs[0].value
    town.plays(own[1]["alice"], "kickoff")
    town.chain.mine(town.policy.terms.challenge_delay)
    with pytest.raises(Rejected, match="missingorspent"):
        town.chain.mine_block([town.made(own[1]["alice"], "take1")])


def test_refresh_moves_the_vault_under_graphs_with_another_stake_and_the_new_claim_works(town: Town) -> None:
    own = town.presign_deposit()
    old = own[1][OLGA]
    town.plays(old, "confirm", "leave.stake0")
    town.chain.mine(town.policy.terms.exit_delay)
    town.plays(old, "exit.stake0")
    fresh = town.stand(OLGA)
    town.standing[OLGA] = fresh
    new = town.presign_successor(own, OLGA)
    renewed = new[1][OLGA]
    assert renewed.proposal.parties.depositor.name == NOBODY and renewed.proposal.funding.stakes == fresh.stakes
    assert renewed.proposal.terms.deposit == town.policy.terms.deposit - 2 * ANCHOR
    move = town.settle(own, Settles.MOVE, new)
    assert move.outpoint(0) == renewed.proposal.funding.deposit and move.version == 3
    town.send(move)
    town.plays(renewed, "confirm", "kickoff")
    town.chain.mine(town.policy.terms.challenge_delay)
    with pytest.raises(Rejected, match="missingorspent"):
        town.chain.mine_block([town.made(old, "take1")])
    town.plays(renewed, "take1")
    assert town.value_of(payout_script(renewed.graph.contract, OLGA)) > town.policy.terms.deposit - 4 * ANCHOR


@pytest.mark.parametrize("count", [4, 3])
def test_a_vault_moves_under_another_policy_with_a_newer_checkpoint_and_other_signers(town: Town, count: int) -> None:
    """Registered in new homes: another image, another penalty, and with three signers dave is not there any more."""
    own = town.presign_deposit()
    town.plays(own[1][OLGA], "confirm")
    policy = replace(
        policy_of(count, terms=replace(town.policy.terms, penalty=Sats(4_000_000), challenge_delay=30)),
        constants={"image_root": sha256(b"a newer checkpoint")},
    )
    after = town.under(policy)
    new = after.presign_successor(own, OLGA)
    renewed = new[1][OLGA]
    assert renewed.proposal.constants["image_root"] == sha256(b"a newer checkpoint")
    with pytest.raises(Refused, match="not those that the proposal names"):
        town.settle(own, Settles.MOVE, new)
    town.send(town.settle(own, Settles.MOVE, new, policy=policy))
    after.plays(renewed, "confirm", "kickoff")
    town.chain.mine(30)
    after.plays(renewed, "take1")
    assert town.value_of(payout_script(renewed.graph.contract, OLGA)) > town.policy.terms.deposit - 4 * ANCHOR


def test_a_refreshed_deposit_is_refreshed_again_and_cancelled_to_an_address_only(town: Town) -> None:
    own = town.presign_deposit()
    town.plays(own[1][OLGA], "confirm")
    for _ in range(2):
        new = town.presign_successor(own, OLGA)
        town.send(town.settle(own, Settles.MOVE, new))
        own = new
        town.plays(own[1][OLGA], "confirm")
    with pytest.raises(Refused, match="the depositor is nobody"):
        town.settle(own, Settles.CANCEL)
    to = payout_script(own[1][OLGA].graph.contract, "dave")
    town.send(town.settle(own, Settles.CANCEL, payee=to))
    assert town.value_of(to) > town.policy.terms.deposit - 5 * ANCHOR - 1000


@pytest.mark.bitcoind
def test_a_node_takes_a_payout_after_a_kickoff_and_a_move_with_its_child(tmp_path: Path) -> None:
    skip_without_bitcoind()
    with Bitcoind() as node:
        town = Town(tmp_path, node.chain(), count=3)
        paid, new = move_and_pay_out(town)
        assert len(paid.inputs) == 4 and town.value_of(payout_script(new[1][OLGA].graph.contract, OLGA)) > 0


def test_a_settlement_has_two_rounds_of_files(town: Town) -> None:
    own = town.presign_deposit()
    id_ = town.propose(own, town.wanted(own, Settles.CANCEL))
    assert town.settling("carol", id_).missing() == (Round.NONCES, 1, list(town.policy.names))
    town.agree(id_, own)
    assert {c.round for c in town.sign(id_)} == {Round.NONCES}
