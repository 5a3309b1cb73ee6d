"""BIP341's wallet test vectors: output keys, roots, control blocks, signature hashes, key-path spends."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from taproot.keys import SecretKey, XOnlyKey, sign_schnorr, taproot_tweak
from taproot.sighash import SighashCache, SighashType, append_hash_type
from taproot.tree import Leaf, Shape, TapTree, compute_leaf_hash, compute_merkle_root
from taproot.tx import Transaction, TxOut, p2tr_script
from taproot.units import Sats

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bip341_wallet.json").read_text())
OUTPUTS = VECTORS["scriptPubKey"]
SPENDS = VECTORS["keyPathSpending"][0]


def read_tree(node: Any, leaves: dict[str, Leaf]) -> Shape:
    if isinstance(node, list):
        return read_tree(node[0], leaves), read_tree(node[1], leaves)
    name = str(node["id"])
    leaves[name] = Leaf(bytes.fromhex(node["script"]), node["leafVersion"])
    return name


@cache
def spends() -> SighashCache:
    given = SPENDS["given"]
    tx = Transaction.from_bytes(bytes.fromhex(given["rawUnsignedTx"]))
    spent = [TxOut(Sats(u["amountSats"]), bytes.fromhex(u["scriptPubKey"])) for u in given["utxosSpent"]]
    return SighashCache(tx, spent)


@pytest.mark.parametrize("case", OUTPUTS, ids=[str(n) for n in range(len(OUTPUTS))])
def test_output_key_and_tweak_of_every_vector(case: Any) -> None:
    key = XOnlyKey(bytes.fromhex(case["given"]["internalPubkey"]))
    root = bytes.fromhex(case["intermediary"]["merkleRoot"] or "")
    assert taproot_tweak(key, root).hex() == case["intermediary"]["tweak"]
    output_key, _parity = key.taproot_output_key(root)
    assert output_key.hex() == case["intermediary"]["tweakedPubkey"]
    assert p2tr_script(output_key).hex() == case["expected"]["scriptPubKey"]


@pytest.mark.parametrize("case", [c for c in OUTPUTS if c["given"]["scriptTree"]])
def test_tree_of_every_vector_has_its_hashes_root_and_control_blocks(case: Any) -> None:
    leaves: dict[str, Leaf] = {}
    shape = read_tree(case["given"]["scriptTree"], leaves)
    tree = TapTree.from_shape(bytes.fromhex(case["given"]["internalPubkey"]), leaves, shape)
    assert [tree.leaf_hash(name).hex() for name in leaves] == case["intermediary"]["leafHashes"]
    assert tree.merkle_root.hex() == case["intermediary"]["merkleRoot"]
    assert tree.script_pubkey.hex() == case["expected"]["scriptPubKey"]
    blocks = [tree.control_block(name) for name in leaves]
    assert [block.hex() for block in blocks] == case["expected"]["scriptPathControlBlocks"]
    for leaf, block in zip(leaves.values(), blocks, strict=True):
        assert compute_merkle_root(compute_leaf_hash(leaf, leaf.version), block) == tree.merkle_root


def test_parts_of_the_signature_message_are_those_of_the_vector() -> None:
    parts = SPENDS["intermediary"]
    names = ("hashPrevouts", "hashAmounts", "hashScriptPubkeys", "hashSequences")
    assert spends()._all_inputs().hex() == "".join(parts[name] for name in names)


@pytest.mark.parametrize("case", SPENDS["inputSpending"], ids=lambda case: f"{case['given']['hashType']:#x}")
def test_signature_hash_and_witness_of_every_vector(case: Any) -> None:
    given, intermediary = case["given"], case["intermediary"]
    key = SecretKey(bytes.fromhex(given["internalPrivkey"]))
    assert key.x_only.hex() == intermediary["internalPubkey"]
    message = bytes.fromhex(intermediary["sigMsg"])
    tag = hashlib.sha256(b"TapSighash").digest()
    sighash = spends().key_path(given["txinIndex"], given["hashType"])
    assert sighash.hex() == intermediary["sigHash"] == hashlib.sha256(tag + tag + message).hexdigest()
    tweaked = key.taproot_tweaked(bytes.fromhex(given["merkleRoot"] or ""))
    assert tweaked.to_bytes().hex() == intermediary["tweakedPrivkey"]
    signature = append_hash_type(sign_schnorr(tweaked, sighash, bytes(32)), given["hashType"])
    assert [signature.hex()] == case["expected"]["witness"]


def test_vectors_cover_all_seven_hash_types() -> None:
    assert {case["given"]["hashType"] for case in SPENDS["inputSpending"]} == set(SighashType)


def test_signed_transaction_of_the_vector_survives_parsing() -> None:
    raw = bytes.fromhex(SPENDS["auxiliary"]["fullySignedTx"])
    signed = Transaction.from_bytes(raw)
    assert signed.serialize() == raw
    taproot_inputs = {c["given"]["txinIndex"]: c["expected"]["witness"] for c in SPENDS["inputSpending"]}
    for index, witness in taproot_inputs.items():
        assert [item.hex() for item in signed.inputs[index].witness] == witness
