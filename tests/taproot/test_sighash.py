"""Signature hashes: libbitcoinkernel accepts what we sign, for all types, key path and script path."""

from __future__ import annotations

import pytest

from btc_l2.chain.kernel import verify_spend
from taproot.errors import InvalidInput
from taproot.keys import SecretKey, sign_schnorr
from taproot.sighash import SighashCache, SighashType, append_hash_type
from taproot.tree import TapTree
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import Sats

SECRET = SecretKey(b"\x21" * 32)
CHECKSIG = b"\xac"
CODESEPARATOR = b"\xab"
PUSH_KEY = b"\x20" + SECRET.x_only
TREE = TapTree.build(
    SECRET.x_only,
    {"plain": PUSH_KEY + CHECKSIG, "separated": b"\x61\x61" + CODESEPARATOR + PUSH_KEY + CHECKSIG},
)
PREVOUTS = tuple(TxOut(Sats(10_000 + n), TREE.script_pubkey) for n in range(3))
INPUTS = tuple(TxIn(OutPoint(bytes([n]) * 32, n), 0xFFFF_FFF0 + n) for n in range(3))
OUTPUTS = tuple(TxOut(Sats(900 + n), p2tr_script(bytes([n]) * 32)) for n in range(3))
TX = Transaction(3, INPUTS, OUTPUTS, 17)
CACHE = SighashCache(TX, PREVOUTS)
ALL_TYPES = list(SighashType)


def is_accepted(tx: Transaction, index: int) -> bool:
    return verify_spend(tx.serialize(), index, [(out.value, out.script_pubkey) for out in PREVOUTS])


def sign_key_path(index: int, hash_type: int) -> Transaction:
    signature = sign_schnorr(SECRET.taproot_tweaked(TREE.merkle_root), CACHE.key_path(index, hash_type))
    return TX.with_witness(index, [append_hash_type(signature, hash_type)])


def sign_leaf(index: int, hash_type: int, name: str = "plain", **position: int) -> Transaction:
    sighash = CACHE.script_path(index, TREE.leaf_hash(name), hash_type, **position)
    signature = append_hash_type(sign_schnorr(SECRET, sighash), hash_type)
    return TX.with_witness(index, TREE.witness(name, [signature]))


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("hash_type", ALL_TYPES)
def test_key_path_signature_is_accepted(hash_type: SighashType, index: int) -> None:
    assert is_accepted(sign_key_path(index, hash_type), index)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("hash_type", ALL_TYPES)
def test_script_path_signature_is_accepted(hash_type: SighashType, index: int) -> None:
    assert is_accepted(sign_leaf(index, hash_type), index)


@pytest.mark.parametrize("hash_type", ALL_TYPES)
def test_signature_of_one_path_is_rejected_on_the_other(hash_type: SighashType) -> None:
    key_signature = sign_key_path(0, hash_type).inputs[0].witness[0]
    leaf_signature = sign_leaf(0, hash_type).inputs[0].witness[0]
    assert not is_accepted(TX.with_witness(0, TREE.witness("plain", [key_signature])), 0)
    assert not is_accepted(TX.with_witness(0, [leaf_signature]), 0)


def test_code_separator_position_is_signed() -> None:
    assert is_accepted(sign_leaf(0, SighashType.ALL, "separated", codeseparator=2), 0)
    assert not is_accepted(sign_leaf(0, SighashType.ALL, "separated"), 0)
    assert not is_accepted(sign_leaf(0, SighashType.ALL, "separated", codeseparator=1), 0)


def change_output(tx: Transaction, index: int) -> Transaction:
    outputs = list(tx.outputs)
    outputs[index] = TxOut(Sats(1), b"\x51")
    return Transaction(tx.version, tx.inputs, tuple(outputs), tx.locktime)


def change_input(tx: Transaction, index: int) -> Transaction:
    inputs = list(tx.inputs)
    inputs[index] = TxIn(OutPoint(b"\xee" * 32, 9), 1)
    return Transaction(tx.version, tuple(inputs), tx.outputs, tx.locktime)


@pytest.mark.parametrize("hash_type", ALL_TYPES)
def test_each_type_covers_what_its_name_says(hash_type: SighashType) -> None:
    signed = sign_leaf(0, hash_type)
    kind, anyone = hash_type & 3, bool(hash_type & 0x80)
    assert is_accepted(change_output(signed, 0), 0) == (kind == SighashType.NONE)
    assert is_accepted(change_output(signed, 1), 0) == (kind in (SighashType.NONE, SighashType.SINGLE))
    assert is_accepted(change_input(signed, 1), 0) == anyone


def test_cache_ignores_witnesses_and_gives_the_same_hash_twice() -> None:
    again = SighashCache(TX.with_witness(1, [b"x"]), PREVOUTS)
    for hash_type in ALL_TYPES:
        assert again.key_path(0, hash_type) == CACHE.key_path(0, hash_type) == CACHE.key_path(0, hash_type)
    assert CACHE.key_path(0) != CACHE.key_path(1)


@pytest.mark.parametrize("hash_type", [0x04, 0x80, 0x84, 0xFF, -1])
def test_unknown_hash_types_are_refused(hash_type: int) -> None:
    with pytest.raises(InvalidInput):
        CACHE.key_path(0, hash_type)


@pytest.mark.parametrize("index", [-1, 3])
def test_missing_inputs_are_refused(index: int) -> None:
    with pytest.raises(InvalidInput):
        CACHE.key_path(index)


@pytest.mark.parametrize("hash_type", [SighashType.SINGLE, SighashType.SINGLE_ANYONECANPAY])
def test_single_without_an_output_of_its_index_is_refused(hash_type: SighashType) -> None:
    short = SighashCache(Transaction(2, INPUTS, OUTPUTS[:2]), PREVOUTS)
    assert short.key_path(1, hash_type)
    with pytest.raises(InvalidInput):
        short.key_path(2, hash_type)


def test_every_input_needs_its_spent_output() -> None:
    with pytest.raises(InvalidInput):
        SighashCache(TX, PREVOUTS[:2])


def test_leaf_hash_and_separator_position_have_their_sizes() -> None:
    with pytest.raises(InvalidInput):
        CACHE.script_path(0, bytes(31))
    with pytest.raises(InvalidInput):
        CACHE.script_path(0, bytes(32), codeseparator=1 << 32)


def test_only_the_default_type_adds_no_byte() -> None:
    assert append_hash_type(bytes(64)) == bytes(64)
    assert append_hash_type(bytes(64), SighashType.SINGLE_ANYONECANPAY) == bytes(64) + b"\x83"
