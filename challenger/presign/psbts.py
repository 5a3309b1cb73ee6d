"""A PSBT from elsewhere against the presigned graphs: which transaction it is, what contradicts them, what was added.

A record that the graph makes itself (spent output, leaf, keys, participants) must be there with the same value; what
others add is told, signatures are checked. Nothing in a PSBT makes a signer sign: he signs what is in his own graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from taproot import psbt_fields as f
from taproot.cosigners import SIGNATURE_BYTES
from taproot.keys import is_valid_schnorr
from taproot.presigned import Graph, Planned, Slot, Spend
from taproot.psbt import Psbt, Records
from taproot.psbt_graph import add_signature, make_psbt
from taproot.sighash import append_hash_type
from taproot.tx import Reader, Transaction, TxOut


@dataclass(frozen=True, slots=True)
class Compared:
    """The transaction of the graph that a PSBT is, or comes nearest to; `operator` says whose graph it is in."""

    operator: str
    name: str
    differences: tuple[str, ...]
    added: tuple[str, ...]


def compare(psbt: Psbt, graphs: Mapping[str, Graph]) -> Compared | None:
    """None if it spends nothing of any graph."""
    found = [(operator, graph, name) for operator, graph in graphs.items() if (name := _exact(psbt.tx, graph))]
    if not found:
        near = [(*_nearest(psbt.tx, graph), operator, graph) for operator, graph in graphs.items()]
        shared, name, operator, graph = max(near, key=lambda row: row[0])
        return Compared(operator, name, tuple(_tx_differences(psbt.tx, graph.planned(name))), ()) if shared else None
    operator, graph, name = found[0]
    differences, added = _records(psbt, graph, name)
    return Compared(operator, name, tuple(differences), tuple(added))


def with_signatures(psbt: Psbt, graph: Graph, name: str, signatures: Mapping[tuple[str, int], bytes]) -> Psbt:
    """With the presigned signatures of a bundle."""
    for index, spend in enumerate(graph.planned(name).inputs):
        for slot in spend.slots:
            if slot.presigned:
                psbt = add_signature(psbt, graph, name, index, slot.party, signatures[name, index])
    return psbt


# ---- which transaction -----------------------------------------------------------------------------------------------


def _exact(tx: Transaction, graph: Graph) -> str | None:
    """The fixed transaction with this txid, or the free one that differs in output 0 only."""
    fixed = graph.name_of(tx.txid)
    if fixed is not None:
        return fixed
    return next((n for n, p in graph.transactions.items() if p.free and not list(_tx_differences(tx, p))), None)


def _nearest(tx: Transaction, graph: Graph) -> tuple[int, str]:
    """How many inputs it shares with which transaction."""
    spent = {i.prevout for i in tx.inputs}
    shared = {name: len(spent & {i.prevout for i in p.tx.inputs}) for name, p in graph.transactions.items()}
    name = max(shared, key=lambda n: (shared[n], -len(graph.planned(n).tx.inputs)))
    return shared[name], name


def _tx_differences(tx: Transaction, planned: Planned) -> Iterator[str]:
    """In the words of a person; output 0 of a free transaction is the player's."""
    own = planned.tx
    if (tx.version, tx.locktime) != (own.version, own.locktime):
        yield f"version {tx.version}, lock time {tx.locktime}; the graph has {own.version} and {own.locktime}"
    if [i.prevout for i in tx.inputs] != [i.prevout for i in own.inputs]:
        yield f"its {len(tx.inputs)} inputs are not the {len(own.inputs)} of the graph, or in another order"
    elif [i.sequence for i in tx.inputs] != [i.sequence for i in own.inputs]:
        yield f"sequence numbers {[i.sequence for i in tx.inputs]}; the graph has {[i.sequence for i in own.inputs]}"
    if len(tx.outputs) != len(own.outputs):
        yield f"{len(tx.outputs)} outputs; the graph has {len(own.outputs)}"
    for k, (given, agreed) in enumerate(zip(tx.outputs, own.outputs, strict=False)):
        if given != agreed and not (planned.free and k == 0):
            yield f"output {k} pays {_paid(given)}; the graph has {_paid(agreed)}"


def _paid(output: TxOut) -> str:
    return f"{output.value} sat to {output.script_pubkey.hex()}"


# ---- its records -----------------------------------------------------------------------------------------------------


def _records(psbt: Psbt, graph: Graph, name: str) -> tuple[list[str], list[str]]:
    leaf = _shown_leaf(psbt, graph, graph.planned(name).inputs[0])
    expected = make_psbt(graph, name, psbt.version, leaf)
    differences: list[str] = []
    added: list[str] = []
    for index, (own, given) in enumerate(zip(expected.inputs, psbt.inputs, strict=True)):
        differences += _missing(f"input {index}", own, given, f.INPUT)
        for key in given.keys() - own.keys():
            wrong, told = _added_to_input(psbt, graph, name, index, leaf, key, given[key])
            (differences if wrong else added).append(f"input {index}: {told}")
    for index, (own, given) in enumerate(zip(expected.outputs, psbt.outputs, strict=True)):
        differences += _missing(f"output {index}", own, given, f.OUTPUT)
        added += [f"output {index}: {_name_of(key, f.OUTPUT)}" for key in given.keys() - own.keys()]
    return sorted(differences), sorted(added)


def _missing(where: str, own: Records, given: Records, fields: Mapping[int, f.Field]) -> Iterator[str]:
    for key, value in own.items():
        if key not in given:
            yield f"{where} lacks {_name_of(key, fields)}"
        elif given[key] != value:
            yield f"{where} has another {_name_of(key, fields)}: {_short(given[key])}; the graph has {_short(value)}"


def _added_to_input(
    psbt: Psbt, graph: Graph, name: str, index: int, leaf: str | None, key: bytes, value: bytes
) -> tuple[bool, str]:
    """Whether it is wrong, and what it is."""
    reader = Reader(key, 0)
    if reader.compact_size() != f.IN_TAP_SCRIPT_SIG:
        return False, _name_of(key, f.INPUT)
    spend, signer, leaf_hash = graph.planned(name).inputs[index], key[reader.offset :][:32], key[reader.offset + 32 :]
    spent = spend.leaf or leaf
    slot = next((s for s in spend.slots if signer in graph.contract.keys(s.party)), None)
    if slot is None or spent is None or graph.outputs[spend.output].path(spent).leaf.hash != leaf_hash:
        return True, f"a signature of a key or for a leaf that has no place there ({signer.hex()})"
    return _signature(psbt, graph, name, index, spent, slot, signer, value)


def _signature(
    psbt: Psbt, graph: Graph, name: str, index: int, leaf: str, slot: Slot, signer: bytes, value: bytes
) -> tuple[bool, str]:
    message = graph.sighash(name, index, leaf, slot.sighash, psbt.tx)
    bare = value[:SIGNATURE_BYTES]
    valid = value == append_hash_type(bare, slot.sighash) and is_valid_schnorr(signer, message, bare)
    return not valid, f"{'valid' if valid else 'WRONG'} signature of {slot.party} ({signer.hex()[:16]})"


def _shown_leaf(psbt: Psbt, graph: Graph, spend: Spend) -> str | None:
    """Where any disproof may be spent: the leaf that the PSBT shows, if it is one."""
    if spend.leaf is not None:
        return None
    shown = {value[:-1] for value in psbt.all_of(0, f.IN_TAP_LEAF_SCRIPT).values()}
    disproofs = [(n, p) for n, p in graph.outputs[spend.output].paths.items() if p.parties == (spend.slots[0].party,)]
    return next((n for n, p in disproofs if p.leaf.code in shown), None)


def _name_of(key: bytes, fields: Mapping[int, f.Field]) -> str:
    kind = Reader(key, 0).compact_size()
    return fields[kind].name if kind in fields else f"a record of type {kind:#x}"


def _short(value: bytes) -> str:
    return value.hex() if len(value) <= 48 else f"{value[:16].hex()}… ({len(value)} bytes)"
