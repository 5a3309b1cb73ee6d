"""PSBTs of the presigned graph: what a foreign signer needs to see, nonces and parts of signatures in and out.

`make_psbt` fills what BIP 371 and 373 have for an input of the graph: spent output, internal key, Merkle root, the leaf
that is spent with its control block, the keys in it with the leaf's hash (and the fingerprint that a key without a
derivation has), the MuSig2 key with its participants in the order of aggregation. `add_nonces` and `add_parts` put a
round of the ceremony in, `read_nonces` and `read_parts` take what others put in out of it, `add_signature` what became
of them. A plain signer's part is a whole signature, in the field that any wallet fills (PSBT_IN_TAP_SCRIPT_SIG) without
having heard of MuSig2. A signer's own check stays: a message is signed because it is in his graph, not because a PSBT
shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taproot import psbt_fields as f
from taproot.connectors.output import Output, SpendPath
from taproot.cosigners import SIGNATURE_BYTES
from taproot.errors import InvalidInput, Misbehaviour
from taproot.hashes import hash160
from taproot.keys import XOnlyKey
from taproot.musig2 import KeyAgg, aggregate_nonces
from taproot.parties import N_OF_N
from taproot.presigned import Graph, Planned, Slot, Spend
from taproot.psbt import Psbt, record
from taproot.sighash import SighashCache, SighashType, append_hash_type
from taproot.tree import Leaf, TapTree
from taproot.tx import compact_size, serialize_witness

ByMessage = Mapping[bytes, Mapping[str, bytes]]  # message → cosigner → nonce or part
MOST_TREE_BYTES = 100_000  # a turn with all its leaves has megabytes, which no wallet shows


def make_psbt(graph: Graph, name: str, version: int = 0, leaf: str | None = None) -> Psbt:
    """The PSBT of a transaction of the graph; `leaf` names the disproof where any is allowed, else none is shown.

    Raises InvalidInput for an unknown transaction, version or leaf.
    """
    planned = graph.planned(name)
    psbt = Psbt.of(planned.tx, version)
    for index in range(len(planned.inputs)):
        psbt = psbt.with_input(index, _input_records(graph, planned, index, leaf))
    for index, output in enumerate(planned.outputs):
        if output is not None:
            psbt = psbt.with_output(index, _output_records(graph, graph.outputs[output]))
    return psbt


def add_nonces(psbt: Psbt, graph: Graph, name: str, index: int, nonces: Mapping[str, bytes]) -> Psbt:
    """With public nonces (66 bytes) of some cosigners, by name. Raises InvalidInput for a second, different one."""
    return _add(psbt, f.IN_MUSIG2_PUB_NONCE, graph, name, index, nonces)


def add_parts(psbt: Psbt, graph: Graph, name: str, index: int, parts: Mapping[str, bytes]) -> Psbt:
    """With parts of the signature of some cosigners, by name: 32 bytes, of plain signers 64."""
    plain, slot = graph.contract.cosigners.plain, _presigned(graph, name, index)
    for party in plain.keys() & parts.keys():
        psbt = _put(psbt, graph, name, index, plain[party], parts[party], slot)
    others = {party: part for party, part in parts.items() if party not in plain}
    return _add(psbt, f.IN_MUSIG2_PARTIAL_SIG, graph, name, index, others)


def read_nonces(psbt: Psbt, graph: Graph, name: str, index: int) -> dict[str, bytes]:
    """Public nonces for the n-of-n signature of this input, by cosigner.

    Raises InvalidInput for a PSBT of another transaction, Misbehaviour naming the cosigner whose nonce is no point.
    """
    nonces = _read(psbt, f.IN_MUSIG2_PUB_NONCE, graph, name, index)
    for party, nonce in nonces.items():
        aggregate_nonces([nonce], [party])
    return nonces


def read_parts(psbt: Psbt, graph: Graph, name: str, index: int) -> dict[str, bytes]:
    """Parts of the n-of-n signature by cosigner; MuSig2 parts need the nonces of all MuSig2 signers in the PSBT.

    Raises Misbehaviour naming the cosigner whose part is wrong, InvalidInput if a nonce is missing.
    """
    parts = _read(psbt, f.IN_MUSIG2_PARTIAL_SIG, graph, name, index)
    nonces = _nonces(psbt, graph, name, index) if parts else {}
    parts |= _read_plain(psbt, graph, name, index)
    cosigners, joined = graph.contract.cosigners, _joined(graph, nonces)
    message = _message(psbt, graph, name, index)
    for party, part in parts.items():
        cosigners.check_share(party, message, joined, nonces.get(party, b""), part)
    return parts


def join_parts(psbt: Psbt, graph: Graph, name: str, index: int) -> bytes:
    """The presigned signature from all parts in the PSBT. Raises as `read_parts`, or if a nonce or part is missing."""
    cosigners, nonces = graph.contract.cosigners, _nonces(psbt, graph, name, index)
    parts = read_parts(psbt, graph, name, index)
    _complete(cosigners.names, parts, "part")
    return cosigners.join(_message(psbt, graph, name, index), _joined(graph, nonces), nonces, parts)


def add_signature(psbt: Psbt, graph: Graph, name: str, index: int, party: str, signature: bytes) -> Psbt:
    """With a finished signature of a party (64 bytes) or of all (`N_OF_N`, 64 per key) in the leaf of this input."""
    slot = next((s for s in graph.planned(name).inputs[index].slots if s.party == party), None)
    if slot is None:
        raise InvalidInput(f"{party} does not sign input {index} of {name}")
    parts = graph.contract.cosigners.split(signature) if slot.presigned else (signature,)
    for key, part in zip(graph.contract.keys(party), parts, strict=True):
        psbt = _put(psbt, graph, name, index, key, part, slot)
    return psbt


def finalize(psbt: Psbt, graph: Graph, name: str, items: Sequence[bytes] = ()) -> Psbt:
    """With final witnesses in the place of what they are made of (BIP 371); `items` as in `Graph.assemble`.

    Raises InvalidInput for a missing signature or a wrong number of items.
    """
    _check_tx(psbt, graph, name)
    for index, spend in enumerate(graph.planned(name).inputs):
        leaf_hash = _spent_leaf(psbt, graph, name, index)
        found: list[bytes | None] = []
        for slot in spend.slots:
            found += [psbt.find(index, f.IN_TAP_SCRIPT_SIG, k + leaf_hash) for k in graph.contract.keys(slot.party)]
            if None in found:
                raise InvalidInput(f"input {index} of {name} lacks a signature of {slot.party}")
        leaf = _leaf_named(graph, spend, leaf_hash)
        stack = [*(items if index == 0 else ()), *(s for s in reversed(found) if s is not None)]
        output = graph.outputs[spend.output]
        if len(stack) != output.paths[leaf].leaf.items:
            raise InvalidInput(f"leaf {leaf} of {spend.output} takes {output.paths[leaf].leaf.items} witness items")
        whole = [*stack, output.paths[leaf].leaf.code, output.tree.control_block(leaf)]
        psbt = psbt.without(index, *range(f.IN_TAP_KEY_SIG, f.IN_MUSIG2_PARTIAL_SIG + 1), f.IN_SIGHASH_TYPE)
        psbt = psbt.with_input(index, record(f.IN_FINAL_WITNESS, serialize_witness(whole)))
    return psbt


def export_round(graph: Graph, nonces: ByMessage, parts: ByMessage, version: int = 0) -> dict[str, Psbt]:
    """A PSBT per transaction with what is known of a ceremony: message → cosigner → nonce, and part of the signature.

    Transactions without presigned inputs are left out.
    """
    psbts: dict[str, Psbt] = {}
    for r in graph.requests():
        psbt = psbts.get(r.tx) or make_psbt(graph, r.tx, version)
        psbt = add_nonces(psbt, graph, r.tx, r.index, nonces.get(r.message, {}))
        psbts[r.tx] = add_parts(psbt, graph, r.tx, r.index, parts.get(r.message, {}))
    return psbts


def import_round(graph: Graph, psbts: Mapping[str, Psbt]) -> tuple[ByMessage, ByMessage]:
    """Inverse of `export_round`: nonces and parts by message. Parts are checked, so MuSig2 parts need all nonces.

    Raises Misbehaviour naming the cosigner whose nonce or part is wrong, InvalidInput as `read_parts`.
    """
    nonces: dict[bytes, dict[str, bytes]] = {}
    parts: dict[bytes, dict[str, bytes]] = {}
    for r in graph.requests():
        if r.tx in psbts:
            nonces[r.message] = read_nonces(psbts[r.tx], graph, r.tx, r.index)
            parts[r.message] = read_parts(psbts[r.tx], graph, r.tx, r.index)
    return nonces, parts


# ---- records of inputs and outputs -----------------------------------------------------------------------------------


def _input_records(graph: Graph, planned: Planned, index: int, leaf: str | None) -> dict[bytes, bytes]:
    spend = planned.inputs[index]
    output = graph.outputs[spend.output]
    records = record(f.IN_WITNESS_UTXO, output.tx_out.serialize())
    if spend.leaf or leaf:
        records |= _leaf_records(graph, spend, _path(output, spend, leaf))
    tree = output.tree
    return records | record(f.IN_TAP_INTERNAL_KEY, tree.internal_key) | record(f.IN_TAP_MERKLE_ROOT, tree.merkle_root)


def _leaf_records(graph: Graph, spend: Spend, path: SpendPath) -> dict[bytes, bytes]:
    """The leaf that is spent, its keys, how it is signed."""
    records: dict[bytes, bytes] = {}
    sighash = next((s.sighash for s in spend.slots), SighashType.DEFAULT)
    if sighash != SighashType.DEFAULT:
        records |= record(f.IN_SIGHASH_TYPE, sighash.to_bytes(4, "little"))
    control = graph.outputs[spend.output].tree.control_block(path.leaf.name)
    records |= record(f.IN_TAP_LEAF_SCRIPT, path.leaf.code + bytes([Leaf(path.leaf.code).version]), control)
    for party in path.parties:
        for key in graph.contract.keys(party):
            records |= _derivation(f.IN_TAP_BIP32, key, _full_key(graph, party, key), [path.leaf.hash])
    if N_OF_N in path.parties:
        records |= _participants(f.IN_MUSIG2_PARTICIPANTS, graph.contract.cosigners.musig2)
    return records


def _output_records(graph: Graph, output: Output) -> dict[bytes, bytes]:
    records = record(f.OUT_TAP_INTERNAL_KEY, output.tree.internal_key)
    codes = [path.leaf.code for path in output.paths.values()]
    if sum(map(len, codes)) <= MOST_TREE_BYTES and len(set(codes)) == len(codes):
        rows = [(depth, output.paths[name].leaf.code) for name, depth in depth_first(output.tree)]
        parts = [bytes([depth, Leaf(code).version]) + compact_size(len(code)) + code for depth, code in rows]
        records |= record(f.OUT_TAP_TREE, b"".join(parts))
    if any(N_OF_N in path.parties for path in output.paths.values()):
        records |= _participants(f.OUT_MUSIG2_PARTICIPANTS, graph.contract.cosigners.musig2)
    return records


def _path(output: Output, spend: Spend, leaf: str | None) -> SpendPath:
    name = spend.leaf or leaf
    if name is None:
        raise InvalidInput(f"output {output.name} is spent by a disproof here; say by which leaf")
    path = output.path(name)
    if path.parties != tuple(slot.party for slot in spend.slots):
        raise InvalidInput(f"leaf {name!r} of output {output.name} is not a disproof")
    return path


def depth_first(tree: TapTree) -> list[tuple[str, int]]:
    """Names and depths of a tree's leaves in an order in which they fill it (BIP 371, PSBT_OUT_TAP_TREE)."""
    paths = {name: tree.control_block(name)[33:] for name in tree.names}
    return [(name, len(paths[name]) // 32) for name in _ordered(paths)]


def _ordered(paths: Mapping[str, bytes]) -> list[str]:
    """Leaves below one node; the last hash of a path is the sibling of the child that it comes from."""
    if len(paths) == 1:
        return list(paths)
    halves = {path[-32:]: {n: p[:-32] for n, p in paths.items() if p[-32:] == path[-32:]} for path in paths.values()}
    return [name for half in halves.values() for name in _ordered(half)]


def _participants(kind: int, aggregate: KeyAgg | None) -> dict[bytes, bytes]:
    """None where all cosigners are plain."""
    return {} if aggregate is None else record(kind, b"".join(aggregate.public_keys), aggregate.plain_key)


def _derivation(kind: int, x_only: bytes, full: bytes, leaves: Sequence[bytes]) -> dict[bytes, bytes]:
    """A key that was not derived: its own fingerprint (BIP 32), no path."""
    value = compact_size(len(leaves)) + b"".join(leaves) + hash160(full)[:4]
    return record(kind, value, x_only)


def _full_key(graph: Graph, party: str, key: XOnlyKey) -> bytes:
    """The compressed key; a plain signer's is x-only, so even (BIP 340)."""
    contract = graph.contract
    if party != N_OF_N:
        return contract.parties.party(party).public_key
    return b"\x02" + key if key in contract.cosigners.plain.values() else contract.aggregate.plain_key


# ---- nonces and parts ------------------------------------------------------------------------------------------------


def _add(psbt: Psbt, kind: int, graph: Graph, name: str, index: int, values: Mapping[str, bytes]) -> Psbt:
    _check_tx(psbt, graph, name)
    for party, value in values.items():
        suffix = graph.contract.aggregate.plain_key + _spent_leaf(psbt, graph, name, index)
        psbt = psbt.with_input(index, record(kind, value, graph.contract.parties.party(party).public_key + suffix))
    return psbt


def _put(psbt: Psbt, graph: Graph, name: str, index: int, key: XOnlyKey, signature: bytes, slot: Slot) -> Psbt:
    """A finished signature of one key."""
    _check_tx(psbt, graph, name)
    keydata = key + _spent_leaf(psbt, graph, name, index)
    return psbt.with_input(index, record(f.IN_TAP_SCRIPT_SIG, append_hash_type(signature, slot.sighash), keydata))


def _read(psbt: Psbt, kind: int, graph: Graph, name: str, index: int) -> dict[str, bytes]:
    _check_tx(psbt, graph, name)
    aggregate = graph.contract.cosigners.musig2
    if aggregate is None:
        return {}
    suffix = aggregate.plain_key + _spent_leaf(psbt, graph, name, index)
    found = {k[:33]: v for k, v in psbt.all_of(index, kind).items() if k[33:] == suffix}
    return {aggregate.party_of(key): value for key, value in found.items()}


def _read_plain(psbt: Psbt, graph: Graph, name: str, index: int) -> dict[str, bytes]:
    """Signatures of plain signers without the byte that names a hash type other than the default."""
    leaf_hash, sighash = _spent_leaf(psbt, graph, name, index), _presigned(graph, name, index).sighash
    found: dict[str, bytes] = {}
    for party, key in graph.contract.cosigners.plain.items():
        given = psbt.find(index, f.IN_TAP_SCRIPT_SIG, key + leaf_hash)
        if given is None:
            continue
        if given != append_hash_type(given[:SIGNATURE_BYTES], sighash):
            raise Misbehaviour(party, f"signs input {index} of {name} with another hash type than {sighash.name}")
        found[party] = given[:SIGNATURE_BYTES]
    return found


def _nonces(psbt: Psbt, graph: Graph, name: str, index: int) -> dict[str, bytes]:
    """Nonces of all MuSig2 signers."""
    nonces = read_nonces(psbt, graph, name, index)
    _complete(graph.contract.cosigners.aggregated, nonces, "nonce")
    return nonces


def _joined(graph: Graph, nonces: Mapping[str, bytes]) -> bytes:
    return graph.contract.cosigners.join_nonces(nonces) if nonces else b""


def _message(psbt: Psbt, graph: Graph, name: str, index: int) -> bytes:
    """What the n-of-n signs."""
    planned, slot = graph.planned(name), _presigned(graph, name, index)
    leaf_hash = _spent_leaf(psbt, graph, name, index)
    return SighashCache(planned.tx, planned.prevouts).script_path(index, leaf_hash, slot.sighash)


def _presigned(graph: Graph, name: str, index: int) -> Slot:
    """The slot of the n-of-n. Raises InvalidInput where all together do not sign."""
    slot = next((s for s in graph.planned(name).inputs[index].slots if s.presigned), None)
    if slot is None:
        raise InvalidInput(f"input {index} of {name} is not signed by all together")
    return slot


def _complete(parties: Sequence[str], given: Mapping[str, bytes], what: str) -> None:
    missing = [party for party in parties if party not in given]
    if missing:
        raise InvalidInput(f"the PSBT lacks a {what} of {', '.join(missing)}")


def _spent_leaf(psbt: Psbt, graph: Graph, name: str, index: int) -> bytes:
    """Hash of the leaf that the input spends; where any disproof may be spent, the PSBT says which."""
    spend = graph.planned(name).inputs[index]
    output = graph.outputs[spend.output]
    if spend.leaf is not None:
        return output.paths[spend.leaf].leaf.hash
    shown = {value[:-1] for value in psbt.all_of(index, f.IN_TAP_LEAF_SCRIPT).values()}
    fits = [path.leaf.hash for path in output.paths.values() if path.leaf.code in shown]
    if len(fits) != 1:
        raise InvalidInput(f"the PSBT names {len(fits)} leaves of {spend.output}; one is needed")
    return fits[0]


def _leaf_named(graph: Graph, spend: Spend, leaf_hash: bytes) -> str:
    return next(n for n, path in graph.outputs[spend.output].paths.items() if path.leaf.hash == leaf_hash)


def _check_tx(psbt: Psbt, graph: Graph, name: str) -> None:
    planned = graph.planned(name)
    fixed = int(planned.free)  # output 0 of a free transaction is the player's
    if (psbt.tx.inputs, psbt.tx.outputs[fixed:]) != (planned.tx.inputs, planned.tx.outputs[fixed:]) or (
        psbt.tx.version, psbt.tx.locktime
    ) != (planned.tx.version, planned.tx.locktime):  # fmt: skip
        raise InvalidInput(f"this PSBT is not of {name} of the graph")
