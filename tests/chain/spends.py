"""Small outputs to spend: one tapscript leaf under the NUMS key, and pay-to-anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btc_l2.chain.faucet import fund
from btc_l2.chain.kernel import single_leaf_output
from btc_l2.chain.protocol import Chain
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_FINAL, Sats

OP_TRUE = b"\x51"
EQUAL = b"\x87"  # succeeds for two equal items
DROP_ALL = b"\x75" * 40 + OP_TRUE  # takes 40 items of any kind


@dataclass(frozen=True)
class Lock:
    """A funded output with one leaf."""

    script: bytes
    outpoint: OutPoint
    value: int

    @property
    def script_pubkey(self) -> bytes:
        return single_leaf_output(self.script)[0]

    def spend(
        self,
        *items: bytes,
        outputs: Sequence[TxOut] | None = None,
        fee: int = 1_000,
        sequence: int = SEQUENCE_FINAL,
        version: int = 2,
        locktime: int = 0,
    ) -> Transaction:
        """A transaction with this one input; by default one output to the same script."""
        witness = (*items, self.script, single_leaf_output(self.script)[1])
        out = outputs if outputs is not None else [TxOut(Sats(self.value - fee), self.script_pubkey)]
        return Transaction(version, (TxIn(self.outpoint, sequence, b"", witness),), tuple(out), locktime)

    def follow(self, tx: Transaction, vout: int = 0) -> Lock:
        """The same lock on an output of `tx`."""
        return Lock(self.script, tx.outpoint(vout), tx.outputs[vout].value)


def lock_coins(chain: Chain, script: bytes = OP_TRUE, value: int = 1_000_000) -> Lock:
    return Lock(script, fund(chain, single_leaf_output(script)[0], value), value)


def pay(value: int, script_pubkey: bytes | None = None) -> TxOut:
    return TxOut(Sats(value), script_pubkey or single_leaf_output(OP_TRUE)[0])


def anchor(value: int = 240) -> TxOut:
    return TxOut(Sats(value), P2A_SCRIPT)


def bump(parent: Transaction, anchor_vout: int, coins: Lock, fee: int, version: int = 3) -> Transaction:
    """A child that spends the parent's anchor and pays `fee` sat (for both) out of `coins`."""
    witness = (coins.script, single_leaf_output(coins.script)[1])
    inputs = (TxIn(parent.outpoint(anchor_vout)), TxIn(coins.outpoint, witness=witness))
    total = parent.outputs[anchor_vout].value + coins.value
    return Transaction(version, inputs, (pay(total - fee),))
