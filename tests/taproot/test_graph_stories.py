"""The graph on a chain: who can spend what at which height. The chain is Bitcoin Core's validation in process.

Blocks are filled by hand (`mine_block`), past the mempool: here consensus is asked. One story goes through the mempool
with packages and relay policy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Rejected
from challenger.presign.bundle import Bundle
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.connectors.stake import make_bond, make_stake
from taproot.graph import Funding
from taproot.hashes import sha256
from taproot.keys import SecretKey, sign_schnorr
from taproot.sighash import SighashCache
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import SEQUENCE_RBF, Sats
from tests.taproot.toy import TERMS, make_parties, play, presign_toy

MINER = SecretKey(sha256(b"miner"))
MINER_SCRIPT = p2tr_script(MINER.x_only.taproot_output_key()[0])
MATURE = 102


@dataclass
class Story:
    """A chain on which the standing outputs are confirmed, and the signed graph."""

    chain: EmbeddedChain
    bundle: Bundle

    def tx(self, name: str, leaf: str | None = None) -> Transaction:
        return play(self.bundle, name, leaf)

    def plays(self, *names: str) -> None:
        """Each in a block of its own."""
        for name in names:
            self.chain.mine_block([self.tx(name)])

    def refuses(self, name: str) -> str:
        """The reason for which no block can hold the transaction now."""
        with pytest.raises(Rejected) as refused:
            self.chain.mine_block([self.tx(name)])
        return refused.value.reason

    def wait(self, blocks: int) -> None:
        self.chain.mine(blocks)

    def unspent(self, output: str) -> bool:
        return self.chain.utxo(self.bundle.graph.output(output)[0]) is not None


def pay(chain: EmbeddedChain, outputs: tuple[TxOut, ...]) -> Transaction:
    """Confirm a transaction with these outputs, paid from the miner's oldest coin."""
    coin = chain.find_coins(MINER_SCRIPT)[0]
    change = TxOut(Sats(coin.output.value - sum(o.value for o in outputs) - 2000), MINER_SCRIPT)
    tx = Transaction(2, (TxIn(coin.outpoint, SEQUENCE_RBF),), (*outputs, change))
    signed = with_miner(tx, 0, [coin.output])
    chain.mine_block([signed])
    return signed


def with_miner(tx: Transaction, index: int, prevouts: list[TxOut]) -> Transaction:
    message = SighashCache(tx, prevouts).key_path(index)
    return tx.with_witness(index, [sign_schnorr(MINER.taproot_tweaked(), message)])


def fund(chain: EmbeddedChain, plain: Collection[str] = ()) -> Funding:
    c = Contract.make(TERMS, make_parties(plain=plain))
    outputs = (make_deposit(c), make_stake(c, 0), make_bond(c, "alice"), make_bond(c, "bob"), make_ticket(c))
    txid = pay(chain, tuple(output.tx_out for output in outputs)).txid
    deposit, stake, alice, bob, ticket = (OutPoint(txid, vout) for vout in range(5))
    return Funding(deposit, (stake,), {"alice": alice, "bob": bob}, ticket)


@pytest.fixture
def story() -> Iterator[Story]:
    with EmbeddedChain() as chain:
        chain.mine(MATURE, MINER_SCRIPT)
        yield Story(chain, presign_toy(funding=fund(chain)))


CHALLENGED = ("confirm", "kickoff", "fan", "challenge.alice", "veto.alice")


def test_undisputed_claim_is_paid_after_the_challenge_delay_and_not_before(story: Story) -> None:
    story.plays("confirm", "kickoff")
    story.wait(TERMS.challenge_delay - 2)
    assert story.refuses("take1") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("take1")
    assert story.refuses("take2") == "bad-txns-inputs-missingorspent"
    assert story.tx("kickoff").vbytes + story.tx("take1").vbytes <= 530


def test_after_a_veto_take1_is_dead_and_take2_waits_for_the_whole_dispute(story: Story) -> None:
    story.plays(*CHALLENGED)
    story.wait(TERMS.challenge_delay)
    assert story.refuses("take1") == "bad-txns-inputs-missingorspent"
    kickoff = story.chain.tip().height - story.chain.confirmations(story.tx("kickoff").txid) + 1
    story.wait(kickoff + TERMS.total_delay - 2 - story.chain.tip().height)
    assert story.refuses("take2") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("take2")


def test_a_veto_needs_its_challenge_on_the_chain(story: Story) -> None:
    story.plays("confirm", "kickoff", "fan", "challenge.bob")
    assert story.refuses("veto.alice") == "bad-txns-inputs-missingorspent"
    story.plays("veto.bob")


def test_an_operator_who_does_not_move_is_killed_after_the_move_delay_and_not_before(story: Story) -> None:
    story.plays(*CHALLENGED)
    story.wait(TERMS.move_delay - 3)
    assert story.refuses("alice/timeout.assert@stake0") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("alice/timeout.assert@stake0")
    story.wait(TERMS.total_delay)
    assert story.unspent("vault")
    assert {story.refuses(take) for take in ("take1", "take2")} == {"bad-txns-inputs-missingorspent"}


def test_an_operator_who_moved_cannot_be_timed_out(story: Story) -> None:
    story.plays(*CHALLENGED, "alice/assert")
    story.wait(TERMS.move_delay)
    assert story.refuses("alice/timeout.assert@bare") == "bad-txns-inputs-missingorspent"


@pytest.mark.parametrize("leaf", ["wrong.0"])
def test_a_disproof_takes_the_stake_and_ends_the_claim(story: Story, leaf: str) -> None:
    story.plays(*CHALLENGED, "alice/assert")
    story.chain.mine_block([story.tx("alice/disprove.pick@stake0", leaf)])
    assert not story.unspent("asset") and not story.unspent("stake0")
    assert story.unspent("vault") and story.unspent("bond.alice")


def test_a_stake_that_is_leaving_is_taken_too_and_one_that_left_leaves_the_bare_kill(story: Story) -> None:
    story.plays(*CHALLENGED, "leave.stake0", "alice/assert", "alice/pick")
    story.wait(TERMS.move_delay)
    assert story.refuses("alice/timeout.reveal@stake0") == "bad-txns-inputs-missingorspent"
    story.chain.check(story.tx("alice/timeout.reveal@leaving0"))
    story.wait(TERMS.exit_delay)
    story.plays("exit.stake0")
    assert story.refuses("alice/timeout.reveal@leaving0") == "bad-txns-inputs-missingorspent"
    story.plays("alice/timeout.reveal@bare")


def test_nobody_leaves_without_the_delay_however_old_his_stake_is(story: Story) -> None:
    story.wait(TERMS.exit_delay + 1)
    assert story.refuses("exit.bond.bob") == "bad-txns-inputs-missingorspent"
    story.plays("leave.bond.bob")
    story.wait(TERMS.exit_delay - 2)
    assert story.refuses("exit.bond.bob") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("exit.bond.bob")


def test_a_challenger_who_stops_is_slashed_after_take2_and_only_then(story: Story) -> None:
    story.plays(*CHALLENGED, "alice/assert")
    story.wait(TERMS.total_delay)
    assert story.refuses("alice/slash.pick@bond") == "bad-txns-inputs-missingorspent"  # no receipt
    story.plays("take2", "alice/slash.pick@bond")
    assert not story.unspent("bond.alice") and story.unspent("bond.bob")


def test_a_challenger_who_leaves_during_the_dispute_is_slashed_all_the_same(story: Story) -> None:
    story.plays("leave.bond.alice", *CHALLENGED, "alice/assert")
    story.wait(TERMS.total_delay)
    story.plays("take2")
    assert story.refuses("exit.bond.alice") == "bad-txns-nonfinal"
    story.plays("alice/slash.pick@leaving")


def test_a_challenger_has_his_time_before_he_can_be_slashed(story: Story) -> None:
    story.plays(*CHALLENGED)
    story.wait(TERMS.total_delay)
    story.plays("take2", "alice/assert")
    story.wait(TERMS.move_delay - 2)
    assert story.refuses("alice/slash.pick@bond") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("alice/slash.pick@bond")


def test_of_two_challengers_who_win_the_second_loses_nothing(story: Story) -> None:
    story.plays(*CHALLENGED, "challenge.bob", "alice/assert", "bob/assert", "bob/choose")
    story.wait(TERMS.move_delay)
    story.plays("bob/timeout.answer@stake0")
    assert story.refuses("alice/disprove.pick@bare") == "bad-txns-inputs-missingorspent"
    story.wait(TERMS.total_delay)
    assert story.refuses("take2") == "bad-txns-inputs-missingorspent"
    assert story.refuses("alice/slash.pick@bond") == "bad-txns-inputs-missingorspent"
    assert story.unspent("bond.alice") and story.unspent("bond.bob")


def test_a_depositor_takes_his_coins_back_after_the_delay_and_not_before(story: Story) -> None:
    story.wait(TERMS.refund_delay - 2)
    assert story.refuses("refund") == "bad-txns-nonfinal"
    story.wait(1)
    story.plays("refund")
    assert story.refuses("confirm") == "bad-txns-inputs-missingorspent"


def test_a_deposit_in_the_vault_cannot_be_refunded(story: Story) -> None:
    story.plays("confirm")
    story.wait(TERMS.refund_delay)
    assert story.refuses("refund") == "bad-txns-inputs-missingorspent"


def relay(story: Story, name: str) -> None:
    """Through the mempool: a fixed transaction with a child that pays for both, a free one alone."""
    tx = story.tx(name)
    if story.bundle.graph.planned(name).free:
        story.chain.broadcast(tx)
    else:
        story.chain.broadcast([tx, fee_child(story.chain, tx)])
    story.chain.mine()
    assert story.chain.confirmations(tx.txid) == 1


def fee_child(chain: EmbeddedChain, parent: Transaction) -> Transaction:
    coins = [c for c in chain.find_coins(MINER_SCRIPT) if c.is_mature(chain.tip().height)]
    anchor = next(i for i, o in enumerate(parent.outputs) if o.script_pubkey == P2A_SCRIPT)
    inputs = (TxIn(parent.outpoint(anchor), SEQUENCE_RBF), TxIn(coins[0].outpoint, SEQUENCE_RBF))
    change = TxOut(Sats(coins[0].output.value - 5000), MINER_SCRIPT)
    return with_miner(Transaction(3, inputs, (change,)), 1, [parent.outputs[anchor], coins[0].output])


def test_every_kind_of_transaction_is_relayed(story: Story) -> None:
    for name in (*CHALLENGED, "leave.bond.bob", "alice/assert", "challenge.bob", "alice/choose"):
        relay(story, name)
    story.wait(TERMS.move_delay)
    story.chain.check(story.tx("bob/timeout.assert@stake0"))
    story.chain.check(story.tx("alice/timeout.answer@bare"))
    relay(story, "bob/assert")
    story.chain.check(story.tx("bob/disprove.pick@stake0"))
    story.wait(TERMS.total_delay)
    relay(story, "take2")
    relay(story, "bob/slash.pick@leaving")
    relay(story, "leave.stake0")
    story.wait(TERMS.exit_delay)
    relay(story, "exit.stake0")
