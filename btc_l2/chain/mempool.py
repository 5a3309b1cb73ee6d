"""The mempool of the embedded chain: admission, packages, replacement, and what goes into the next block.

It follows Bitcoin Core: a transaction is examined alone (form, coins, timelocks, amounts), then its fee, its
conflicts (replacement by fee rate, BIP 125 rules 3 and 4 with full replaceability), its unconfirmed relatives
(version 3: BIP 431, with eviction of a sibling), and last every input by Bitcoin Core's script interpreter. In a
package those that fail alone for their fee are judged together by the fee rate of all (child pays for parent).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btc_l2.chain import kernel, policy
from btc_l2.chain.block import MAX_BLOCK_CONTENT, Block
from btc_l2.chain.index import ChainIndex, CoinView
from btc_l2.chain.protocol import Coin, Rejected
from btc_l2.chain.timelocks import is_final, meets_relative_locks
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import MAX_MONEY, MIN_RELAY_FEE_RATE, TRUC_VERSION

MAX_REPLACED = 100  # transactions that one replacement may evict, BIP 125 rule 5
SCRIPT_FAILURE = "mempool-script-verify-flag-failed"
# What a fee-paying child can heal; Core calls these failures "reconsiderable".
_HEALED_BY_PACKAGE = ("min relay fee not met", "insufficient fee", "bad-txns-inputs-missingorspent")


@dataclass(frozen=True, slots=True)
class Entry:
    """An unconfirmed transaction with what was found out about it; `fee` in sat."""

    tx: Transaction
    prevouts: tuple[TxOut, ...]
    fee: int
    vbytes: int


@dataclass(slots=True)
class Mempool:
    """Unconfirmed transactions over a view of the chain; `standard` switches the relay policy on."""

    index: ChainIndex
    view: CoinView
    standard: bool = True
    entries: dict[bytes, Entry] = field(default_factory=dict)
    spenders: dict[OutPoint, bytes] = field(default_factory=dict)

    def transactions(self) -> tuple[Transaction, ...]:
        """All, each after its parents."""
        return tuple(entry.tx for entry in self.entries.values())

    def accept(self, txs: Sequence[Transaction]) -> None:
        """Admit one transaction or a package (parents first). Raises Rejected and then admits nothing of it.

        As in Core, members of a package that are fine alone stay admitted even if a later one fails.
        """
        waiting: list[Transaction] = []
        for tx in txs:
            try:
                self._admit([tx])
            except Rejected as error:
                if len(txs) == 1 or error.reason not in _HEALED_BY_PACKAGE:
                    raise
                waiting.append(tx)
        if waiting:
            self._admit(waiting)

    def check(self, tx: Transaction) -> None:
        """Raise Rejected as `accept` would; nothing changes."""
        self._judge([tx])

    def restore(self, txs: Iterable[Transaction]) -> None:
        """Fill in transactions of removed blocks and of an earlier mempool; those that no longer fit are left out.

        Policy and fees are not asked again, as in Core after a reorganisation.
        """
        for tx in txs:
            try:
                entry = self._examine(tx, {}, standard=False)
                self._check_scripts(entry)
            except Rejected:
                continue
            if not self._conflicts([entry]):
                self._insert(entry)

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self.spenders.clear()

    def remove_block(self, block: Block) -> None:
        """Drop what a connected block has confirmed, and what conflicts with it."""
        for tx in block.transactions:
            self._drop(tx.txid)
            for tx_in in tx.inputs:
                rival = self.spenders.get(tx_in.prevout)
                if rival is not None:
                    self._evict(self._with_descendants([rival]))

    def select(self) -> tuple[list[Transaction], int]:
        """Transactions for the next block, parents first, within its weight; and the sum of their fees."""
        chosen: dict[bytes, Entry] = {}
        room = MAX_BLOCK_CONTENT
        for txid, entry in self.entries.items():
            if entry.tx.weight <= room and self._parents(entry.tx) <= chosen.keys():
                chosen[txid] = entry
                room -= entry.tx.weight
        return [entry.tx for entry in chosen.values()], sum(entry.fee for entry in chosen.values())

    def ancestors_of(self, txs: Iterable[Transaction]) -> list[Transaction]:
        """Unconfirmed ancestors in this mempool, each after its own parents."""
        found: set[bytes] = set()
        queue = [parent for tx in txs for parent in self._parents(tx)]
        while queue:
            txid = queue.pop()
            if txid not in found:
                found.add(txid)
                queue.extend(self._parents(self.entries[txid].tx))
        return [entry.tx for txid, entry in self.entries.items() if txid in found]

    # ---- admission -------------------------------------------------------------------------------------

    def _admit(self, txs: Sequence[Transaction]) -> None:
        entries, replaced = self._judge(txs)
        self._evict(replaced)
        for entry in entries:
            self._insert(entry)

    def _judge(self, txs: Sequence[Transaction]) -> tuple[list[Entry], set[bytes]]:
        """What would come in and what it would push out; Rejected if it may not."""
        group: dict[bytes, Entry] = {}
        for tx in txs:
            if tx.txid not in self.entries:
                group[tx.txid] = self._examine(tx, group, self.standard)
        entries = list(group.values())
        replaced = self._find_replaced(entries)
        if self.standard and entries:
            _check_fees(entries)
            self._check_relatives(entries, replaced)
        for entry in entries:
            self._check_scripts(entry)
        return entries, replaced

    def _examine(self, tx: Transaction, group: Mapping[bytes, Entry], standard: bool) -> Entry:
        """Everything about `tx` that does not depend on other unconfirmed transactions, but its parents."""
        _check_amounts(tx)
        if standard:
            policy.check_form(tx)
        height = self.index.tip.height + 1
        if not is_final(tx, height, self.index.median_time(height - 1)):
            raise Rejected("non-final", f"nLockTime {tx.locktime}, next block {height}")
        coins = [self._find_coin(i.prevout, group, height) for i in tx.inputs]
        if not all(coin.is_mature(height - 1) for coin in coins):
            raise Rejected("bad-txns-premature-spend-of-coinbase")
        if not meets_relative_locks(tx, [c.height for c in coins], height, self.index.median_time):
            raise Rejected("non-BIP68-final", f"next block {height}")
        prevouts = tuple(coin.output for coin in coins)
        if standard:
            policy.check_standard(tx, prevouts)
        fee = sum(o.value for o in prevouts) - sum(o.value for o in tx.outputs)
        if fee < 0:
            raise Rejected("bad-txns-in-belowout", f"outputs exceed inputs by {-fee} sat")
        return Entry(tx, prevouts, fee, tx.vbytes)

    def _find_coin(self, outpoint: OutPoint, group: Mapping[bytes, Entry], height: int) -> Coin:
        """The coin in the chain, or an output of an unconfirmed parent as if it stood in the next block."""
        coin = self.view.coins.get(outpoint)
        if coin is not None:
            return coin
        parent = group.get(outpoint.txid) or self.entries.get(outpoint.txid)
        if parent is None or outpoint.vout >= len(parent.tx.outputs):
            raise Rejected("bad-txns-inputs-missingorspent", str(outpoint))
        return Coin(outpoint, parent.tx.outputs[outpoint.vout], height, False)

    def _check_scripts(self, entry: Entry) -> None:
        prevouts = [(int(o.value), o.script_pubkey) for o in entry.prevouts]
        bad = kernel.find_bad_input(entry.tx.serialize(), prevouts)
        if bad is not None:
            raise Rejected(SCRIPT_FAILURE, f"input {bad} of {entry.tx.txid_hex}")

    # ---- conflicts and relatives -----------------------------------------------------------------------

    def _conflicts(self, entries: Sequence[Entry]) -> set[bytes]:
        inputs = (i.prevout for e in entries for i in e.tx.inputs)
        return {self.spenders[outpoint] for outpoint in inputs if outpoint in self.spenders}

    def _find_replaced(self, entries: Sequence[Entry]) -> set[bytes]:
        """What the newcomers push out; Rejected if they pay too little for it."""
        conflicts = self._conflicts(entries)
        if len(entries) == 1:
            conflicts |= self._rival_sibling(entries[0])
        replaced = self._with_descendants(conflicts)
        if not replaced:
            return set()
        if any(self._parents(e.tx) & replaced for e in entries):
            raise Rejected("bad-txns-spends-conflicting-tx")
        if len(replaced) > MAX_REPLACED:
            raise Rejected("too many potential replacements", f"{len(replaced)} > {MAX_REPLACED}")
        fee, vbytes = sum(e.fee for e in entries), sum(e.vbytes for e in entries)
        rivals = [self.entries[txid] for txid in conflicts]
        due = sum(self.entries[txid].fee for txid in replaced) + vbytes * MIN_RELAY_FEE_RATE
        if fee < due or any(fee * rival.vbytes <= rival.fee * vbytes for rival in rivals):
            raise Rejected(
                "insufficient fee",
                f"{fee} sat for {vbytes} vB do not replace {len(replaced)} tx, {due} sat do",
            )
        return replaced

    def _rival_sibling(self, entry: Entry) -> set[bytes]:
        """The one child of a version 3 parent, which a better paying child may replace (BIP 431)."""
        parents = self._parents(entry.tx)
        if entry.tx.version != TRUC_VERSION or len(parents) != 1:
            return set()
        return self._children(next(iter(parents))) - {entry.tx.txid}

    def _check_relatives(self, entries: Sequence[Entry], replaced: set[bytes]) -> None:
        group = {e.tx.txid: e for e in entries}
        for entry in entries:
            ancestors = self._all_ancestors(entry.tx, group)
            parents = [e.tx for txid, e in ancestors.items() if txid in {i.prevout.txid for i in entry.tx.inputs}]
            siblings = {child for p in parents for child in self._children(p.txid)} - replaced
            others = {t for t, e in group.items() for p in parents if p.txid in {i.prevout.txid for i in e.tx.inputs}}
            policy.check_truc(entry.tx, parents, len(ancestors), len((siblings | others) - {entry.tx.txid}))
            sizes = [entry.vbytes, *(e.vbytes for e in ancestors.values())]
            most = max(
                (len(self._with_descendants([t]) - replaced) for t in ancestors if t in self.entries),
                default=0,
            )
            policy.check_chain_limits(sizes, most + len(entries))

    def _all_ancestors(self, tx: Transaction, group: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
        found: dict[bytes, Entry] = {}
        queue = [i.prevout.txid for i in tx.inputs]
        while queue:
            txid = queue.pop()
            entry = group.get(txid) or self.entries.get(txid)
            if entry is not None and txid not in found:
                found[txid] = entry
                queue.extend(i.prevout.txid for i in entry.tx.inputs)
        return found

    def _parents(self, tx: Transaction) -> set[bytes]:
        return {i.prevout.txid for i in tx.inputs} & self.entries.keys()

    def _children(self, txid: bytes) -> set[bytes]:
        entry = self.entries.get(txid)
        if entry is None:
            return set()
        outpoints = (OutPoint(txid, vout) for vout in range(len(entry.tx.outputs)))
        return {self.spenders[outpoint] for outpoint in outpoints if outpoint in self.spenders}

    def _with_descendants(self, txids: Iterable[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        queue = list(txids)
        while queue:
            txid = queue.pop()
            if txid not in found:
                found.add(txid)
                queue.extend(self._children(txid))
        return found

    # ---- storage ---------------------------------------------------------------------------------------

    def _insert(self, entry: Entry) -> None:
        self.entries[entry.tx.txid] = entry
        self.spenders.update((i.prevout, entry.tx.txid) for i in entry.tx.inputs)

    def _evict(self, txids: Iterable[bytes]) -> None:
        for txid in txids:
            self._drop(txid)

    def _drop(self, txid: bytes) -> None:
        entry = self.entries.pop(txid, None)
        if entry is not None:
            for tx_in in entry.tx.inputs:
                del self.spenders[tx_in.prevout]


def _check_amounts(tx: Transaction) -> None:
    """Consensus rules that need no context (Core `CheckTransaction`)."""
    if tx.is_coinbase:
        raise Rejected("coinbase", "only a block brings one")
    if len({i.prevout for i in tx.inputs}) != len(tx.inputs):
        raise Rejected("bad-txns-inputs-duplicate")
    if sum(o.value for o in tx.outputs) > MAX_MONEY:
        raise Rejected("bad-txns-txouttotal-toolarge")


def _check_fees(entries: Sequence[Entry]) -> None:
    """All together pay the minimum; below version 3 also each alone, as a child may leave the mempool first."""
    for entry in entries:
        if entry.tx.version != TRUC_VERSION:
            policy.check_fee(entry.fee, entry.vbytes)
    policy.check_fee(sum(e.fee for e in entries), sum(e.vbytes for e in entries))
