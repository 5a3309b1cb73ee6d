"""Swaps in a story: user and operator on one chain, the L2 as a ledger in this process, what was sent and to whom."""

from __future__ import annotations

import time
from collections.abc import Sequence

from btc_l2.bridge.htlc import Htlc
from btc_l2.bridge.ledger import LocalLedger
from btc_l2.bridge.swap import SwapTerms, lock_coins, offer_bitcoin
from regtest.ground import fill_purses
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_plain
from regtest.party import DEPOSITOR, OPERATOR
from regtest.story import Sent
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import Sats

COINS, PRICE, DELAY = 1_000_000, Sats(995_000), 20
USER = DEPOSITOR  # she has coins on the L2


class Trade:
    """Everything that several swaps between the same two share."""

    def __init__(self, network: Network, swaps: int) -> None:
        self.chain, self.plot = network.chain, network.own(small_plot())
        self.began = time.perf_counter()
        self._purses = fill_purses(self.chain, self.plot, network.progress)
        self._tell = network.progress
        self.ledger = LocalLedger({USER: swaps * COINS, OPERATOR: 0}, lambda: self.chain.tip().height)
        self._sent: dict[Sent, tuple[TxOut, ...]] = {}

    def key(self, party: str) -> SecretKey:
        """Of the party's side of every swap."""
        return self._purses.cast.secrets[party].key

    def script(self, party: str) -> bytes:
        """Where a party is paid."""
        return self._purses.wallets[party].script_pubkey

    def preimage(self, number: int) -> bytes:
        """The user's secret of a swap."""
        return sha256(b"swap %d/%d" % (self.plot.run, number))

    def lock(self, number: int) -> SwapTerms:
        """The user locks her coins on the L2 as early as an operator can accept."""
        funder, claimer = self.key(OPERATOR).public_key, self.key(USER).public_key
        made = Htlc(funder, claimer, sha256(self.preimage(number)), DELAY, PRICE)
        spare = SwapTerms(COINS, made, USER, OPERATOR, 0).least_expiry_after + 1
        terms = SwapTerms(COINS, made, USER, OPERATOR, self.chain.tip().height + spare)
        lock_coins(terms, self.ledger)
        return terms

    def pay(self, number: int, terms: SwapTerms) -> OutPoint:
        """The operator pays what he may; deep enough for the user on return."""
        output = offer_bitcoin(terms, self.ledger, self.chain)
        tx = self._purses.wallets[OPERATOR].pay([output], self.chain.estimate_fee())
        self.send(f"pay.{number}", tx, OPERATOR, "pays Bitcoin for the coins that the user locked on the L2")
        self.chain.mine(terms.confirmations - 1)
        return tx.outpoint(0)

    def send(self, name: str, tx: Transaction, by: str, why: str) -> None:
        """Broadcast; it is in a block on return."""
        coins = [self.chain.utxo(i.prevout) for i in tx.inputs]
        self.chain.broadcast(tx)
        self.chain.mine()
        sent = Sent(name, tx, self.chain.tip().height, by, f"{by} {why}")
        self._sent[sent] = tuple(coin.output for coin in coins if coin is not None)
        self._tell(f"block {sent.height}: {sent.told}")

    def conclude(self, verdict: str, remarks: Sequence[str]) -> Outcome:
        """What it came to, in Bitcoin."""
        by = {sent.tx.txid: sent.by for sent in self._sent}
        books = self._purses.ledger.close({}, OutPoint(bytes(32), 0), by)
        return conclude_plain("swapped", USER, verdict, self.plot, books, self.began, remarks, self._sent)
