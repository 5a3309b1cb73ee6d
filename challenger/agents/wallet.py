"""A party's fee wallet: Taproot key-path coins that pay for the moves through their anchors (CPFP).

A move is a version 3 transaction without a fee; its child spends the pay-to-anchor output and confirmed coins and pays
for both (BIP 431 "topologically restricted until confirmation", one parent and one child of at most 1,000 vB).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from btc_l2.chain.protocol import Chain, Coin
from taproot.errors import Unavailable
from taproot.keys import SecretKey, sign_schnorr
from taproot.sighash import SighashCache
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import DUST_P2TR, SEQUENCE_RBF, TRUC_CHILD_MAX_VBYTES, TRUC_VERSION, Sats

CHILD_VBYTES = 155  # anchor input, one key-path input, one output
INPUT_VBYTES = 58  # each further key-path input
MOST_COINS = 1 + (TRUC_CHILD_MAX_VBYTES - CHILD_VBYTES) // INPUT_VBYTES

FeeOf = Callable[[int], int]  # vbytes of a child → sat that it pays


def child_vbytes(coins: int) -> int:
    """Size of a child that spends an anchor and so many coins (at most some bytes too much)."""
    return CHILD_VBYTES + INPUT_VBYTES * (coins - 1)


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

    def fee_child(self, parent: Transaction, feerate: int) -> Transaction:
        """The child that pays `feerate` sat/vB for itself and its parent; raises as `child_paying`."""
        return self.child_paying(parent, lambda vbytes: feerate * (parent.vbytes + vbytes))

    def child_paying(self, parent: Transaction, fee_of: FeeOf) -> Transaction:
        """The child of `parent` that pays `fee_of` its own size. Coins of a child that it replaces are free for it.

        Raises Unavailable if the confirmed coins cannot carry the fee.
        """
        anchor = next(i for i, out in enumerate(parent.outputs) if out.script_pubkey == P2A_SCRIPT)
        anchored = parent.outputs[anchor]
        coins = self._coins_for(parent.outpoint(anchor))
        chosen = choose_coins(coins, lambda n: fee_of(child_vbytes(n)) - anchored.value)
        fee = fee_of(child_vbytes(max(1, len(chosen))))
        if not chosen:
            raise Unavailable(f"fee wallet has no confirmed coins for {fee} sat; send some to it, the move waits")
        rest = Sats(sum(c.output.value for c in chosen) + anchored.value - fee)
        inputs = tuple(TxIn(o, SEQUENCE_RBF) for o in (parent.outpoint(anchor), *(c.outpoint for c in chosen)))
        child = Transaction(TRUC_VERSION, inputs, (TxOut(rest, self.script_pubkey),), 0)
        return self._sign(child, [anchored, *(c.output for c in chosen)])

    def pay(self, outputs: list[TxOut], feerate: int) -> Transaction:
        """An ordinary payment with one coin and change."""
        total = sum(o.value for o in outputs)
        fee = feerate * (120 + 43 * len(outputs))
        coin = next((c for c in self.coins() if c.output.value - total - fee >= DUST_P2TR), None)
        if coin is None:
            raise Unavailable(f"wallet has no coin for {total + fee} sat; fund it first")
        change = TxOut(Sats(coin.output.value - total - fee), self.script_pubkey)
        tx = Transaction(2, (TxIn(coin.outpoint, SEQUENCE_RBF),), (*outputs, change), 0)
        return self._sign(tx, [coin.output])

    def split(self, count: int, value: int, feerate: int) -> Transaction | None:
        """A payment to itself after which it has `count` coins of `value` sat or more; None if it has them.

        A child spends confirmed coins only, and its change is one for the next block at the earliest: so a wallet
        needs as many coins as moves can be under way at once. Raises Unavailable if no coin is large enough.
        """
        missing = count - sum(c.output.value >= value for c in self.coins())
        return self.pay([TxOut(Sats(value), self.script_pubkey)] * missing, feerate) if missing > 0 else None

    def _coins_for(self, anchor: OutPoint) -> list[Coin]:
        """Coins for a child at this anchor, smallest first: the free ones, and those of the child that it replaces."""
        held = {i.prevout for tx in self.chain.mempool() for i in tx.inputs if anchor in {j.prevout for j in tx.inputs}}
        freed = [c for c in self.chain.find_coins(self.script_pubkey) if c.outpoint in held] if held else []
        return sorted([*self.coins(), *freed], key=lambda c: c.output.value)

    def _sign(self, tx: Transaction, prevouts: Sequence[TxOut]) -> Transaction:
        """Sign all inputs that are ours."""
        cache = SighashCache(tx, prevouts)
        own = [k for k, out in enumerate(prevouts) if out.script_pubkey == self.script_pubkey]
        return tx.with_witnesses({k: (sign_schnorr(self._secret, cache.key_path(k)),) for k in own})


def choose_coins(coins: Sequence[Coin], needed: Callable[[int], int]) -> list[Coin]:
    """The smallest coin that suffices, else as few of the largest as do; empty if they do not.

    `needed(n)` is what n coins have to bring in, besides change that is not dust. `coins` come smallest first.
    """
    single = next((c for c in coins if c.output.value >= needed(1) + DUST_P2TR), None)
    if single is not None:
        return [single]
    chosen: list[Coin] = []
    for coin in list(reversed(coins))[:MOST_COINS]:
        chosen.append(coin)
        if sum(c.output.value for c in chosen) >= needed(len(chosen)) + DUST_P2TR:
            return chosen
    return []
