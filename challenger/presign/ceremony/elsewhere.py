"""Signatures of a plain signer whose key lives elsewhere, in an HSM or a hardware signer: PSBTs out, PSBTs in.

Only what the member has agreed to goes out, `confirm` when all other signatures are on his disk. What comes back is
taken by what it signs, whatever its file is called; each signature is checked before it becomes his share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from taproot.errors import InvalidInput
from taproot.presigned import Graph, Planned
from taproot.psbt import Psbt
from taproot.psbt_graph import make_psbt, read_parts
from taproot.tx import Transaction

SUFFIX = ".psbt"


def to_sign(graphs: Mapping[str, Graph], messages: Sequence[bytes], version: int = 0) -> dict[str, Psbt]:
    """A PSBT by file name for each transaction with one of the messages; one in several graphs goes out once."""
    wanted = set(messages)
    made: dict[str, Psbt] = {}
    for operator, graph in graphs.items():
        for request in graph.requests():
            name = f"{operator}.{request.tx.replace('/', '.')}{SUFFIX}"
            if request.message in wanted or name in made:
                wanted.discard(request.message)
                made[name] = made.get(name) or make_psbt(graph, request.tx, version)
    return made


def read_signed(psbts: Iterable[Psbt], graphs: Mapping[str, Graph], name: str) -> dict[bytes, bytes]:
    """The member's signatures in the PSBTs by message.

    Raises InvalidInput for a PSBT of another transaction, Misbehaviour naming him for a wrong signature.
    """
    known = {_body(p.tx, p.free): (graph, tx) for graph in graphs.values() for tx, p in graph.transactions.items()}
    found: dict[bytes, bytes] = {}
    for psbt in psbts:
        at = known.get(_body(psbt.tx, False)) or known.get(_body(psbt.tx, True))
        if at is None:
            raise InvalidInput(f"a PSBT of transaction {psbt.tx.txid_hex}, which is none of what is signed here")
        graph, tx = at
        for index, message in _presigned(graph, graph.planned(tx), tx):
            parts = read_parts(psbt, graph, tx, index)
            found |= {message: parts[name]} if name in parts else {}
    return found


def _body(tx: Transaction, free: bool) -> tuple[object, ...]:
    """What a transaction is known by; output 0 of a free one is the player's."""
    inputs = tuple((i.prevout, i.sequence) for i in tx.inputs)
    return free, tx.version, tx.locktime, inputs, tx.outputs[int(free) :]


def _presigned(graph: Graph, planned: Planned, name: str) -> Iterator[tuple[int, bytes]]:
    for index, spend in enumerate(planned.inputs):
        for slot in spend.slots:
            if slot.presigned:
                yield index, graph.sighash(name, index, None, slot.sighash)
