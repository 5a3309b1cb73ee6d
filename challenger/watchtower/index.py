"""The index of a graph, and what a block's transactions are by it: names for many deposits at once, from the disk.

A fixed transaction is known by its txid. A free one (kill, slash, exit, refund) has no txid beforehand: it is known by
the outpoints that it spends, in order, and by the leaf of its first input where that is given. What spends an output of
a graph and is none of its transactions is `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from btc_l2.chain.block import Block
from challenger.agents.view import UNKNOWN
from challenger.watchtower.store import Event, Store
from taproot.hashes import sha256
from taproot.presigned import Graph, Planned
from taproot.tx import OutPoint, Transaction


def output_rows(graph: Graph) -> Iterator[tuple[bytes, str]]:
    """(outpoint, name) of every output of the graph."""
    for name, outpoint in graph.outpoints.items():
        yield _key_of(outpoint), name


def transaction_rows(graph: Graph) -> Iterator[tuple[bytes, str, bytes | None]]:
    """(key, name, hash of the leaf that must be spent) of every transaction of the graph."""
    for name, planned in graph.transactions.items():
        yield (_spent_key(planned.tx) if planned.free else planned.tx.txid), name, _leaf_of(graph, planned)


def find_events(store: Store, blocks: Sequence[Block]) -> list[Event]:
    """What happened to the outputs of all registered deposits in these blocks."""
    spends = [
        (block.height, place, tx, [_key_of(i.prevout) for i in tx.inputs])
        for block in blocks
        for place, tx in enumerate(block.transactions)
        if not tx.is_coinbase
    ]
    watched = store.find_outputs([key for *_, keys in spends for key in keys]) if spends else []
    deposits: dict[bytes, set[int]] = {}
    for key, deposit, _ in watched:
        deposits.setdefault(key, set()).add(deposit)
    return [
        Event(deposit, height, place, _name(store, tx, deposit), tx.serialize())
        for height, place, tx, keys in spends
        for deposit in sorted(set().union(*(deposits.get(key, ()) for key in keys)))
    ]


def _name(store: Store, tx: Transaction, deposit: int) -> str:
    found = {key: (name, leaf) for key, d, name, leaf in store.find_transactions([tx.txid, _spent_key(tx)])
             if d == deposit}  # fmt: skip
    if tx.txid in found:
        return found[tx.txid][0]
    name, leaf = found.get(_spent_key(tx), (UNKNOWN, None))
    witness = tx.inputs[0].witness
    return name if leaf is None or (len(witness) > 1 and sha256(witness[-2]) == leaf) else UNKNOWN


def _leaf_of(graph: Graph, planned: Planned) -> bytes | None:
    """Hash of the only script that a free transaction's first input can run; None if it may be one of many."""
    first = planned.inputs[0]
    if not planned.free or first.leaf is None:
        return None
    return sha256(graph.outputs[first.output].path(first.leaf).leaf.code)


def _key_of(outpoint: OutPoint) -> bytes:
    return outpoint.txid + outpoint.vout.to_bytes(4, "little")


def _spent_key(tx: Transaction) -> bytes:
    """What a free transaction is known by."""
    return sha256(b"".join(_key_of(i.prevout) for i in tx.inputs))
