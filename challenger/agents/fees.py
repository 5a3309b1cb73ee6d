"""What a waiting transaction really pays, and what it takes to replace what pays for it.

Anybody may spend the anchor of a transaction that he can see or publish, with as low a fee as nodes take: an operator
could so keep a challenger's veto waiting until it is too late. So an agent believes the mempool only, whoever sent what
waits there. Replacement (BIP 125 rules 3 and 4, and Core's and Knots' rule on fee rates): the new one pays all that the
old one and its descendants paid, its own size at the relay rate besides, and a higher rate than what it replaces.

The same holds for what spends an input that an agent needs: a late move with a large child and too little fee would
keep the timeout against it out of the mempool for as long as it suits its sender.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from btc_l2.chain.protocol import Chain
from taproot.presigned import Planned
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import MIN_RELAY_FEE_RATE


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction in the mempool (fee in sat), and what spends its outputs there: all fees and vbytes together."""

    tx: Transaction
    fee: int
    children_fee: int
    children_vbytes: int

    @property
    def rate(self) -> float:
        """sat/vB at which miners see it: by itself, or carried by its children."""
        together = (self.fee + self.children_fee) / (self.tx.vbytes + self.children_vbytes)
        return max(self.fee / self.tx.vbytes, together)

    def child_fee(self, vbytes: int) -> int:
        """Least fee of another child of `vbytes` in place of those that are there."""
        if not self.children_vbytes:
            return 0
        faster = ceil(self.children_fee * vbytes / self.children_vbytes) + 1
        return max(self.children_fee + vbytes * MIN_RELAY_FEE_RATE, faster)

    def replacing_fee(self, vbytes: int) -> int:
        """Least fee of the same transaction of `vbytes` with another output 0, in place of it and its children."""
        return self.fee + self.children_fee + vbytes * MIN_RELAY_FEE_RATE


@dataclass(frozen=True, slots=True)
class Rivals:
    """Other transactions in the mempool that spend an input, with all that hangs on them: fees (sat) and best rate."""

    fee: int
    rate: float

    def least_fee(self, vbytes: int) -> int:
        """Least fee of a transaction or package of `vbytes` in their place."""
        return self.fee + vbytes * MIN_RELAY_FEE_RATE


def find_waiting(chain: Chain, planned: Planned) -> Waiting | None:
    """The planned transaction in the mempool: the fixed one itself, of a free one any that spends the same inputs."""
    mempool = chain.mempool()
    for tx in mempool:
        if _is_same(tx, planned):
            children = _descendants(tx, mempool)
            fee = sum(o.value for o in planned.prevouts) - _paid_out(tx)
            return Waiting(tx, fee, _fees(chain, children, mempool), sum(c.vbytes for c in children))
    return None


def find_rivals(chain: Chain, planned: Planned) -> Rivals | None:
    """What stands in the way of the planned transaction."""
    mempool, inputs = chain.mempool(), {i.prevout for i in planned.tx.inputs}
    gone: dict[bytes, Transaction] = {}
    best = 0.0
    for tx in mempool:
        if inputs.isdisjoint(i.prevout for i in tx.inputs) or _is_same(tx, planned):
            continue
        family = [tx, *_descendants(tx, mempool)]
        best = max(best, *(_fees(chain, part, mempool) / sum(t.vbytes for t in part) for part in ([tx], family)))
        gone |= {t.txid: t for t in family}
    return Rivals(_fees(chain, gone.values(), mempool), best) if gone else None


def _is_same(tx: Transaction, planned: Planned) -> bool:
    inputs = [i.prevout for i in planned.tx.inputs]
    return [i.prevout for i in tx.inputs] == inputs if planned.free else tx.txid == planned.tx.txid


def _descendants(tx: Transaction, mempool: Sequence[Transaction]) -> list[Transaction]:
    """All that hang on it; parents come first in a mempool."""
    family = {tx.txid}
    found = []
    for other in mempool:
        if any(i.prevout.txid in family for i in other.inputs):
            family.add(other.txid)
            found.append(other)
    return found


def _fees(chain: Chain, txs: Iterable[Transaction], mempool: Sequence[Transaction]) -> int:
    made = {tx.txid: tx for tx in mempool}

    def spent(outpoint: OutPoint) -> TxOut | None:
        if outpoint.txid in made:
            return made[outpoint.txid].outputs[outpoint.vout]
        coin = chain.utxo(outpoint)
        return None if coin is None else coin.output

    total = 0
    for tx in txs:
        values = [out.value for i in tx.inputs if (out := spent(i.prevout)) is not None]
        total += max(0, sum(values) - _paid_out(tx))
    return total


def _paid_out(tx: Transaction) -> int:
    return sum(o.value for o in tx.outputs)
