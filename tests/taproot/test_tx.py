"""Transactions: serialisation, strict parsing, sizes; python-bitcoinlib as second opinion."""

from __future__ import annotations

import pytest
from bitcoin.core import CTransaction
from hypothesis import given
from hypothesis import strategies as st

from taproot.bitcoinlib import BlockHeader, check_transaction
from taproot.errors import InvalidInput, VerificationFailed
from taproot.tx import (
    P2A_SCRIPT,
    OutPoint,
    Transaction,
    TxIn,
    TxOut,
    compact_size,
    op_return_script,
    p2tr_script,
    read_transaction,
    serialize_witness,
    witness_size,
)
from taproot.units import DUST_P2A, DUST_P2TR, MAX_MONEY, Sats, dust_limit, vbytes_of_weight

# Genesis block of the main network: header and its only transaction
GENESIS_HEADER = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
)

u32 = st.integers(0, 0xFFFF_FFFF)
outpoints = st.builds(OutPoint, st.binary(min_size=32, max_size=32), u32)
witnesses = st.lists(st.binary(max_size=300), max_size=4).map(tuple)
tx_inputs = st.builds(TxIn, outpoints, u32, st.binary(max_size=30), witnesses)
tx_outputs = st.builds(TxOut, st.integers(0, MAX_MONEY).map(Sats), st.binary(max_size=300))
transactions = st.builds(
    Transaction,
    u32,
    st.lists(tx_inputs, min_size=1, max_size=4).map(tuple),
    st.lists(tx_outputs, min_size=1, max_size=4).map(tuple),
    u32,
)


def simple(witness: tuple[bytes, ...] = ()) -> Transaction:
    outputs = (TxOut(Sats(50_000), p2tr_script(b"\x02" * 32)), TxOut(Sats(0), P2A_SCRIPT))
    return Transaction(3, (TxIn(OutPoint(b"\x01" * 32, 7), 5, b"", witness),), outputs)


@given(transactions)
def test_parsing_returns_what_was_serialised(tx: Transaction) -> None:
    assert Transaction.from_bytes(tx.serialize()) == tx


@given(transactions)
def test_bitcoinlib_sees_the_same_transaction(tx: Transaction) -> None:
    theirs = CTransaction.deserialize(tx.serialize())
    assert theirs.serialize() == tx.serialize()
    assert theirs.GetTxid() == tx.txid
    assert theirs.GetHash() == tx.wtxid
    assert theirs.calc_weight() == tx.weight
    assert [o.nValue for o in theirs.vout] == [o.value for o in tx.outputs]
    assert [tuple(w.scriptWitness.stack) for w in theirs.wit.vtxinwit] == (
        [i.witness for i in tx.inputs] if tx.has_witness else []
    )


@given(transactions, st.data())
def test_every_truncation_is_refused(tx: Transaction, data: st.DataObject) -> None:
    raw = tx.serialize()
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(InvalidInput):
        Transaction.from_bytes(raw[:cut])


@given(transactions, st.binary(min_size=1, max_size=5))
def test_bytes_after_a_transaction_are_refused_but_a_block_reader_goes_on(tx: Transaction, rest: bytes) -> None:
    raw = tx.serialize()
    with pytest.raises(InvalidInput, match="too many"):
        Transaction.from_bytes(raw + rest)
    assert read_transaction(rest + raw + rest, len(rest)) == (tx, len(rest + raw))


@given(st.binary(max_size=120))
def test_arbitrary_bytes_parse_canonically_or_are_refused(raw: bytes) -> None:
    try:
        tx = Transaction.from_bytes(raw)
    except InvalidInput:
        return
    assert tx.serialize() == raw


def test_superfluous_segwit_marker_is_refused() -> None:
    base = simple().serialize()
    raw = base[:4] + b"\x00\x01" + base[4:-4] + b"\x00" + base[-4:]
    with pytest.raises(InvalidInput, match="without any witness"):
        Transaction.from_bytes(raw)


@pytest.mark.parametrize("count", [b"\xfd\x01\x00", b"\xfe\x01\x00\x00\x00", b"\xff\x01" + bytes(7)])
def test_lengths_must_be_in_their_shortest_form(count: bytes) -> None:
    base = simple().serialize()
    with pytest.raises(InvalidInput, match="shortest"):
        Transaction.from_bytes(base[:4] + count + base[5:])


def test_announced_number_of_inputs_must_fit_the_bytes() -> None:
    base = simple().serialize()
    with pytest.raises(InvalidInput, match="more than its bytes can hold"):
        Transaction.from_bytes(base[:4] + b"\xff" + b"\xff" * 8 + base[5:])


def test_transaction_without_inputs_or_outputs_is_refused() -> None:
    tx = simple()
    with pytest.raises(InvalidInput):
        Transaction(2, (), tx.outputs)
    with pytest.raises(InvalidInput):
        Transaction(2, tx.inputs, ())


@pytest.mark.parametrize("value", [-1, MAX_MONEY + 1])
def test_impossible_values_are_refused(value: int) -> None:
    assert TxOut(MAX_MONEY, b"").value == MAX_MONEY
    with pytest.raises(InvalidInput):
        TxOut(Sats(value), b"")


def test_witness_changes_wtxid_and_weight_but_not_the_txid() -> None:
    bare = simple()
    signed = bare.with_witness(0, [b"x" * 64, b""])
    assert bare.txid == signed.txid
    assert bare.wtxid == bare.txid != signed.wtxid
    assert signed.weight == bare.weight + 2 + 1 + 65 + 1
    assert signed.serialize(witness=False) == bare.serialize()
    assert signed.inputs[0].witness == (b"x" * 64, b"")


def test_witness_for_a_missing_input_is_refused() -> None:
    with pytest.raises(InvalidInput):
        simple().with_witness(1, [b""])


@given(transactions)
def test_weight_follows_from_both_serialisations(tx: Transaction) -> None:
    assert tx.weight == 3 * len(tx.serialize(witness=False)) + len(tx.serialize())
    assert tx.vbytes == vbytes_of_weight(tx.weight) == -(-tx.weight // 4)


@pytest.mark.parametrize("size", [0, 0xFC, 0xFD, 0xFFFF, 0x1_0000])
def test_large_witness_items_survive_and_are_counted(size: int) -> None:
    signed = simple((bytes(size), b"\x01"))
    assert Transaction.from_bytes(signed.serialize()) == signed
    assert witness_size(signed.inputs[0].witness) == len(serialize_witness(signed.inputs[0].witness))


@pytest.mark.parametrize(
    ("n", "encoded"),
    [
        (0, "00"),
        (0xFC, "fc"),
        (0xFD, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x1_0000, "fe00000100"),
        (2**32, "ff" + "00000000" + "01000000"),
    ],
)
def test_compact_sizes(n: int, encoded: str) -> None:
    assert compact_size(n).hex() == encoded


def test_outpoint_is_written_in_display_order_and_read_back() -> None:
    point = OutPoint(bytes(range(32)), 3)
    assert str(point) == bytes(range(32))[::-1].hex() + ":3"
    assert OutPoint.from_str(str(point)) == point
    assert simple().outpoint(1) == OutPoint(simple().txid, 1)


@pytest.mark.parametrize("text", ["", "00:1", "zz" * 32 + ":0", "00" * 32, "00" * 32 + ":-1"])
def test_what_is_no_outpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        OutPoint.from_str(text)


def test_outpoint_of_a_missing_output_is_refused() -> None:
    with pytest.raises(InvalidInput):
        simple().outpoint(2)


@pytest.mark.parametrize(
    ("size", "head"), [(0, "6a00"), (75, "6a4b"), (76, "6a4c4c"), (255, "6a4cff"), (256, "6a4d0001")]
)
def test_op_return_pushes_its_data(size: int, head: str) -> None:
    assert op_return_script(b"\x07" * size) == bytes.fromhex(head) + b"\x07" * size


def test_too_much_op_return_data_and_odd_output_keys_are_refused() -> None:
    with pytest.raises(InvalidInput):
        op_return_script(bytes(65_536))
    with pytest.raises(InvalidInput):
        p2tr_script(bytes(33))


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        (p2tr_script(bytes(32)), DUST_P2TR),
        (P2A_SCRIPT, DUST_P2A),
        (b"\x00\x14" + bytes(20), 294),
        (b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", 546),
        (b"\xa9\x14" + bytes(20) + b"\x87", 540),
        (op_return_script(b"x"), 0),
    ],
)
def test_dust_limits_are_those_of_core(script: bytes, limit: int) -> None:
    assert dust_limit(script) == limit


def test_bitcoinlib_accepts_a_sound_transaction() -> None:
    check_transaction(simple((b"x",)))


def test_bitcoinlib_refuses_an_input_twice_and_too_large_a_sum() -> None:
    tx = simple()
    with pytest.raises(InvalidInput, match="duplicate inputs"):
        check_transaction(Transaction(2, tx.inputs * 2, tx.outputs))
    with pytest.raises(InvalidInput, match="total out of range"):
        check_transaction(Transaction(2, tx.inputs, (TxOut(MAX_MONEY, b""), TxOut(Sats(1), b""))))


def test_block_header_is_read_hashed_and_its_work_checked() -> None:
    header = BlockHeader.from_bytes(GENESIS_HEADER)
    assert header.serialize() == GENESIS_HEADER
    assert header.hash[::-1].hex() == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert header.time == 1231006505
    header.verify_work()


def test_block_header_without_work_or_of_wrong_size_is_refused() -> None:
    with pytest.raises(VerificationFailed):
        BlockHeader.from_bytes(GENESIS_HEADER[:-1] + b"\x00").verify_work()
    with pytest.raises(InvalidInput):
        BlockHeader.from_bytes(GENESIS_HEADER + b"\x00")
