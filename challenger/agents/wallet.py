"""A party's fee wallet: Taproot key-path coins that pay for the moves through their anchors (CPFP).

A move is a version 3 transaction without a fee; its child spends the pay-to-anchor output and one confirmed coin and
pays for both (BIP 431 "topologically restricted until confirmation", one parent and one child).
"""

from __future__ import annotations

from btc_l2.chain.protocol import Chain, Coin
from taproot.errors import Unavailable
from taproot.keys import SecretKey, sign_schnorr
from taproot.sighash import SighashCache
from taproot.tx import P2A_SCRIPT, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import DUST_P2TR, SEQUENCE_RBF, TRUC_VERSION, Sats

CHILD_VBYTES = 155  # anchor input, one key-path input, one output


class Wallet:
    """Coins of one key; nothing is remembered, everything is asked from the chain."""

    def __init__(self, chain: Chain, secret: SecretKey) -> None:
        self.chain = chain
        self._secret = secret.taproot_tweaked()
        self.script_pubkey = p2tr_script(secret.x_only.taproot_output_key()[0])

    def coins(self) -> list[Coin]:
        """Confirmed coins that no mempool transaction spends, smallest first."""
        busy = {i.prevout for tx in self.chain.mempool() for i in tx.inputs}
        tip = self.chain.tip().height
        free = (c for c in self.chain.find_coins(self.script_pubkey) if c.outpoint not in busy and c.is_mature(tip))
        return sorted(free, key=lambda c: c.output.value)

    def balance(self) -> Sats:
        """Sum of the confirmed coins."""
        return Sats(sum(c.output.value for c in self.chain.find_coins(self.script_pubkey)))

    def fee_child(self, parent: Transaction, feerate: int, least: int = 0) -> Transaction:
        """The child that pays `feerate` sat/vB for itself and its parent, and `least` sat in any case.

        Raises Unavailable if no confirmed coin can carry the fee.
        """
        anchor = next(i for i, out in enumerate(parent.outputs) if out.script_pubkey == P2A_SCRIPT)
        fee = max(feerate * (parent.vbytes + CHILD_VBYTES), least)
        anchored = parent.outputs[anchor]
        coin = next((c for c in self.coins() if c.output.value + anchored.value - fee >= DUST_P2TR), None)
        if coin is None:
            raise Unavailable(f"fee wallet has no confirmed coin for {fee} sat; send coins to it, the move waits")
        change = TxOut(Sats(coin.output.value + anchored.value - fee), self.script_pubkey)
        inputs = (TxIn(parent.outpoint(anchor), SEQUENCE_RBF), TxIn(coin.outpoint, SEQUENCE_RBF))
        child = Transaction(TRUC_VERSION, inputs, (change,), 0)
        return self._sign(child, 1, [anchored, coin.output])

    def pay(self, outputs: list[TxOut], feerate: int) -> Transaction:
        """An ordinary payment with one coin and change."""
        total = sum(o.value for o in outputs)
        fee = feerate * (120 + 43 * len(outputs))
        coin = next((c for c in self.coins() if c.output.value - total - fee >= DUST_P2TR), None)
        if coin is None:
            raise Unavailable(f"wallet has no coin for {total + fee} sat; fund it first")
        change = TxOut(Sats(coin.output.value - total - fee), self.script_pubkey)
        tx = Transaction(2, (TxIn(coin.outpoint, SEQUENCE_RBF),), (*outputs, change), 0)
        return self._sign(tx, 0, [coin.output])

    def _sign(self, tx: Transaction, index: int, prevouts: list[TxOut]) -> Transaction:
        message = SighashCache(tx, prevouts).key_path(index)
        return tx.with_witness(index, [sign_schnorr(self._secret, message)])


