"""A chain with the standing outputs of the toy graph confirmed, presigned, and a miner's key that pays for things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund_all
from challenger.agents.wallet import Wallet
from challenger.presign.bundle import Bundle
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.connectors.stake import make_bond, make_stake
from taproot.graph import Funding
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import COIN, Sats
from tests.taproot.toy import TERMS, make_parties, play, presign_toy

PAYER = SecretKey(sha256(b"payer"))
CONTRACT = Contract.make(TERMS, make_parties())


@dataclass
class Bridge:
    """A presigned deposit on a chain of its own, and a wallet that pays fees."""

    chain: EmbeddedChain
    bundle: Bundle
    payer: Wallet

    def send(self, tx: Transaction) -> None:
        """Through the mempool, with a child if it has an anchor; confirmed on return."""
        anchored = tx.version == 3
        self.chain.broadcast([tx, self.payer.fee_child(tx, 1)] if anchored else tx)
        self.chain.mine()
        assert self.chain.confirmations(tx.txid) == 1

    def plays(self, *names: str) -> None:
        for name in names:
            self.send(play(self.bundle, name))

    def value_of(self, script_pubkey: bytes) -> int:
        return sum(c.output.value for c in self.chain.find_coins(script_pubkey))

    def stand(self, *outputs: TxOut) -> list[OutPoint]:
        return list(fund_all(self.chain, outputs))


def fund_standing(chain: EmbeddedChain, contract: Contract = CONTRACT) -> Funding:
    bonds = [make_bond(contract, name) for name in contract.parties.challengers]
    stakes = [make_stake(contract, k) for k in range(len(contract.terms.stakes))]
    outputs = [o.tx_out for o in (make_deposit(contract), *stakes, *bonds, make_ticket(contract))]
    deposit, *rest, ticket = fund_all(chain, outputs)
    named = dict(zip(contract.parties.challengers, rest[len(stakes) :], strict=True))
    return Funding(deposit, tuple(rest[: len(stakes)]), named, ticket)


def give_coins(chain: EmbeddedChain, script_pubkey: bytes, values: Sequence[int]) -> None:
    fund_all(chain, [TxOut(Sats(value), script_pubkey) for value in values])


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    with EmbeddedChain() as made:
        yield made


@pytest.fixture
def bridge(chain: EmbeddedChain) -> Bridge:
    payer = Wallet(chain, PAYER)
    give_coins(chain, payer.script_pubkey, [COIN // 100] * 8)
    return Bridge(chain, presign_toy(funding=fund_standing(chain)), payer)
