"""The PSBT format: what is read is written again, what the BIPs forbid is refused, in both versions."""

from __future__ import annotations

import base64

import pytest
from btclib_wallet.psbt import Psbt as OtherPsbt
from hypothesis import given, settings
from hypothesis import strategies as st

from taproot import psbt_fields as f
from taproot.errors import InvalidInput
from taproot.keys import SecretKey
from taproot.psbt import MAGIC, Psbt, combine, record
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, compact_size, p2tr_script
from taproot.units import Sats

KEY = SecretKey(bytes(31) + b"\x03")
POINT, X = KEY.public_key, bytes(KEY.x_only)
SPENT = Transaction(2, (TxIn(OutPoint(bytes(32), 1)),), (TxOut(Sats(5000), p2tr_script(X)),))
TX = Transaction(
    3, (TxIn(SPENT.outpoint(0), 144), TxIn(OutPoint(b"\x01" * 32, 7))), (TxOut(Sats(4000), p2tr_script(X)),), 5
)
LEAF = b"\x51"
CONTROL = b"\xc0" + X


def filled(version: int = 0) -> Psbt:
    """A record of most types."""
    psbt = Psbt.of(TX, version)
    for records in (
        record(f.IN_WITNESS_UTXO, SPENT.outputs[0].serialize()),
        record(f.IN_NON_WITNESS_UTXO, SPENT.serialize()),
        record(f.IN_SIGHASH_TYPE, (1).to_bytes(4, "little")),
        record(f.IN_TAP_KEY_SIG, bytes(64)),
        record(f.IN_TAP_SCRIPT_SIG, bytes(64) + b"\x83", X + bytes(32)),
        record(f.IN_TAP_LEAF_SCRIPT, LEAF + b"\xc0", CONTROL),
        record(f.IN_TAP_BIP32, b"\x01" + bytes(32) + bytes(4) + bytes(8), X),
        record(f.IN_TAP_INTERNAL_KEY, X),
        record(f.IN_TAP_MERKLE_ROOT, bytes(32)),
        record(f.IN_MUSIG2_PARTICIPANTS, POINT * 2, POINT),
        record(f.IN_MUSIG2_PUB_NONCE, POINT * 2, POINT * 2 + bytes(32)),
        record(f.IN_MUSIG2_PARTIAL_SIG, bytes(32), POINT * 2),
        record(0x77, b"unknown", b"key"),
        record(f.PROPRIETARY, b"value", b"\x04abcd\x01"),
    ):
        psbt = psbt.with_input(0, records)
    psbt = psbt.with_output(0, record(f.OUT_TAP_INTERNAL_KEY, X))
    psbt = psbt.with_output(0, record(f.OUT_TAP_TREE, b"\x01\xc0\x01\x51\x02\xc0\x01\x52\x02\xc0\x01\x53"))
    return psbt.with_output(0, record(f.OUT_MUSIG2_PARTICIPANTS, POINT, POINT))


@pytest.mark.parametrize("version", [0, 2])
def test_what_is_written_is_read_again(version: int) -> None:
    psbt = filled(version)
    assert Psbt.from_bytes(psbt.to_bytes()) == psbt
    assert Psbt.from_base64(psbt.to_base64() + "\n") == psbt
    assert psbt.tx == TX and psbt.spent(0) == SPENT.outputs[0]


def test_a_version_becomes_the_other_and_back() -> None:
    old, new = filled(0), filled(2)
    assert old.to_version(2) == new and new.to_version(0) == old and old.to_version(0) is old


@pytest.mark.parametrize("version", [0, 2])
def test_unknown_and_proprietary_records_stay(version: int) -> None:
    read = Psbt.from_bytes(filled(version).to_bytes())
    assert read.find(0, 0x77, b"key") == b"unknown" and read.all_of(0, f.PROPRIETARY) == {b"\x04abcd\x01": b"value"}


@pytest.mark.parametrize("version", [0, 2])
def test_btclib_writes_what_we_read(version: int) -> None:
    theirs = OtherPsbt.parse(filled(version).without(0, f.IN_SIGHASH_TYPE).to_bytes(), check_validity=False)
    again = Psbt.from_bytes(theirs.serialize(check_validity=False))
    assert again == filled(version).without(0, f.IN_SIGHASH_TYPE)


@pytest.mark.parametrize(
    ("kind", "keydata", "value"),
    [
        (f.IN_WITNESS_UTXO, b"", SPENT.outputs[0].serialize() + b"\x00"),
        (f.IN_WITNESS_UTXO, b"\x00", SPENT.outputs[0].serialize()),
        (f.IN_NON_WITNESS_UTXO, b"", SPENT.serialize()[:-1]),
        (f.IN_SIGHASH_TYPE, b"", bytes(3)),
        (f.IN_TAP_KEY_SIG, b"", bytes(63)),
        (f.IN_TAP_KEY_SIG, b"", bytes(65)),
        (f.IN_TAP_KEY_SIG, b"", bytes(66)),
        (f.IN_TAP_SCRIPT_SIG, POINT + bytes(32), bytes(64)),
        (f.IN_TAP_SCRIPT_SIG, X + bytes(32), bytes(63)),
        (f.IN_TAP_LEAF_SCRIPT, CONTROL + b"\x00", LEAF + b"\xc0"),
        (f.IN_TAP_LEAF_SCRIPT, CONTROL, b""),
        (f.IN_TAP_LEAF_SCRIPT, CONTROL + bytes(32 * 129), LEAF + b"\xc0"),
        (f.IN_TAP_BIP32, X, b"\x02" + bytes(40)),
        (f.IN_TAP_BIP32, POINT, b"\x00" + bytes(4)),
        (f.IN_TAP_INTERNAL_KEY, b"", POINT),
        (f.IN_TAP_INTERNAL_KEY, b"", bytes(32)),
        (f.IN_TAP_MERKLE_ROOT, b"", bytes(31)),
        (f.IN_MUSIG2_PARTICIPANTS, X, POINT),
        (f.IN_MUSIG2_PARTICIPANTS, POINT, POINT + b"\x02"),
        (f.IN_MUSIG2_PARTICIPANTS, POINT, b""),
        (f.IN_MUSIG2_PUB_NONCE, POINT * 2 + bytes(31), bytes(66)),
        (f.IN_MUSIG2_PUB_NONCE, POINT * 2, bytes(65)),
        (f.IN_MUSIG2_PARTIAL_SIG, POINT * 2, bytes(33)),
        (f.IN_FINAL_WITNESS, b"", b"\x02\x00"),
    ],
)
def test_a_record_that_breaks_its_rule_is_named(kind: int, keydata: bytes, value: bytes) -> None:
    with pytest.raises(InvalidInput, match="PSBT_IN_"):
        Psbt.of(TX).with_input(0, record(kind, value, keydata))


@pytest.mark.parametrize("tree", ["01c00151", "00c0015100c00151", "01c0015102c00152", "80c00151", "0051c00151", "01c0"])
def test_leaves_that_are_no_tree_are_refused(tree: str) -> None:
    with pytest.raises(InvalidInput, match="PSBT_OUT_TAP_TREE"):
        Psbt.of(TX).with_output(0, record(f.OUT_TAP_TREE, bytes.fromhex(tree)))


def raw(head: bytes, *maps: bytes) -> bytes:
    return MAGIC + b"".join(m + b"\x00" for m in (head, *maps))


def rec(key: bytes, value: bytes) -> bytes:
    return compact_size(len(key)) + key + compact_size(len(value)) + value


Locks = dict[int, int]
UNSIGNED = rec(b"\x00", TX.serialize())
PREVIOUS = rec(b"\x0e", bytes(32)) + rec(b"\x0f", bytes(4))
TO = rec(b"\x03", bytes(8)) + rec(b"\x04", b"")
HEAD_2 = rec(b"\x02", (2).to_bytes(4, "little")) + rec(b"\x04", b"\x01") + rec(b"\x05", b"\x01")
VERSION_2 = rec(b"\xfb", (2).to_bytes(4, "little"))


def test_the_smallest_psbts_are_read() -> None:
    assert Psbt.from_bytes(raw(UNSIGNED, b"", b"", b"")) == Psbt.of(TX)
    small = Psbt.from_bytes(raw(HEAD_2 + VERSION_2, PREVIOUS, TO))
    assert (small.version, small.tx.inputs[0].sequence, small.tx.locktime) == (2, 0xFFFFFFFF, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no PSBT"),
        (b"psbt\xfe", "no PSBT"),
        (raw(b""), "UNSIGNED_TX is missing"),
        (raw(UNSIGNED + UNSIGNED, b"", b"", b""), "stands twice"),
        (raw(UNSIGNED, b"", b""), "ends early|announces"),
        (raw(UNSIGNED, b"", b"", b"", b""), "1 bytes too many"),
        (raw(UNSIGNED + VERSION_2, b"", b"", b""), "does not belong into a PSBT of version 2"),
        (raw(UNSIGNED + rec(b"\xfb", b"\x01\0\0\0"), b"", b"", b""), "version 1; 0 and 2 exist"),
        (raw(UNSIGNED + rec(b"\x02", bytes(4)), b"", b"", b""), "PSBT_GLOBAL_TX_VERSION does not belong"),
        (raw(UNSIGNED, PREVIOUS, b"", b""), "PSBT_IN_PREVIOUS_TXID does not belong"),
        (raw(UNSIGNED, b"", b"", TO), "PSBT_OUT_AMOUNT does not belong"),
        (raw(rec(b"\x00", TX.with_witness(0, [b"x"]).serialize()), b"", b"", b""), "without signatures"),
        (raw(HEAD_2, PREVIOUS, TO), "does not belong into a PSBT of version 0"),
        (raw(VERSION_2, PREVIOUS, TO), "PSBT_GLOBAL_TX_VERSION is missing"),
        (raw(HEAD_2 + VERSION_2, b"", TO), "PSBT_IN_PREVIOUS_TXID is missing"),
        (raw(HEAD_2 + VERSION_2, PREVIOUS, rec(b"\x04", b"")), "PSBT_OUT_AMOUNT is missing"),
        (raw(HEAD_2 + VERSION_2, PREVIOUS + rec(b"\x11", bytes(4)), TO), "a height where a time"),
        (raw(HEAD_2 + VERSION_2, PREVIOUS + rec(b"\x12", bytes(4)), TO), "a time where a height"),
        (MAGIC + b"\xfd\x01\x00\x00", "shortest form"),
        (MAGIC + b"\xff" * 9, "ends early"),
        (raw(rec(b"\x02", bytes(4)) + rec(b"\x04", b"\xfe\xff\xff\xff\xff") + rec(b"\x05", b"\x01") + VERSION_2),
         "more than its bytes can hold"),
    ],
)  # fmt: skip
def test_what_the_bips_forbid_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Psbt.from_bytes(data)


@pytest.mark.parametrize(
    ("first", "second", "locktime"),
    [({}, {}, 9), ({0x12: 10}, {}, 10), ({0x12: 10}, {0x12: 12}, 12), ({0x11: 500_000_001}, {}, 500_000_001),
     ({0x11: 500_000_001, 0x12: 10}, {0x12: 12}, 12), ({0x11: 500_000_001, 0x12: 10}, {0x11: 500_000_002}, 500_000_002),
     ({0x11: 500_000_001, 0x12: 10}, {0x11: 500_000_002, 0x12: 4}, 10)],
)  # fmt: skip
def test_the_lock_time_is_what_all_inputs_can_take(first: Locks, second: Locks, locktime: int) -> None:
    maps = [PREVIOUS + b"".join(rec(bytes([k]), v.to_bytes(4, "little")) for k, v in m.items())
            for m in (first, second)]  # fmt: skip
    head = HEAD_2.replace(rec(b"\x04", b"\x01"), rec(b"\x04", b"\x02")) + rec(b"\x03", b"\x09\0\0\0") + VERSION_2
    data = raw(head, *maps, TO)
    assert Psbt.from_bytes(data).tx.locktime == locktime == OtherPsbt.parse(data, check_validity=False).lock_time
    assert Psbt.from_bytes(Psbt.from_bytes(data).to_bytes()) == Psbt.from_bytes(data)


def test_lock_times_that_do_not_fit_are_refused() -> None:
    head = HEAD_2.replace(rec(b"\x04", b"\x01"), rec(b"\x04", b"\x02")) + VERSION_2
    time, height = rec(b"\x11", (500_000_001).to_bytes(4, "little")), rec(b"\x12", b"\x01\0\0\0")
    with pytest.raises(InvalidInput, match="no lock time fits both"):
        Psbt.from_bytes(raw(head, PREVIOUS + time, PREVIOUS + height, TO))


def test_another_previous_transaction_is_refused() -> None:
    data = Psbt.of(TX).with_input(1, record(f.IN_NON_WITNESS_UTXO, SPENT.serialize())).to_bytes()
    with pytest.raises(InvalidInput, match="is not the transaction of"):
        Psbt.from_bytes(data)


def test_records_are_combined_and_contradictions_refused() -> None:
    one = Psbt.of(TX).with_input(0, record(f.IN_TAP_KEY_SIG, bytes(64)))
    other = Psbt.of(TX).with_input(1, record(f.IN_TAP_KEY_SIG, b"\x01" * 64))
    both = combine([one, other])
    assert both.find(0, f.IN_TAP_KEY_SIG) == bytes(64) and both.find(1, f.IN_TAP_KEY_SIG) == b"\x01" * 64
    with pytest.raises(InvalidInput, match="two values"):
        combine([one, Psbt.of(TX).with_input(0, record(f.IN_TAP_KEY_SIG, b"\x01" * 64))])
    with pytest.raises(InvalidInput, match="not of one transaction"):
        combine([one, Psbt.of(SPENT)])


def test_the_transaction_is_not_changed_by_a_record() -> None:
    with pytest.raises(InvalidInput, match="is not changed"):
        Psbt.of(TX, 2).with_input(0, record(f.IN_SEQUENCE, bytes(4)))
    with pytest.raises(InvalidInput, match="no input or output 2"):
        Psbt.of(TX, 2).with_input(2, record(f.IN_TAP_KEY_SIG, bytes(64)))


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(InvalidInput, match="base64"):
        Psbt.from_base64("cHNidP8!" + base64.b64encode(filled().to_bytes()).decode())
    with pytest.raises(InvalidInput):
        Psbt.from_base64("é")


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_changed_psbt_is_refused_or_keeps_its_meaning(data: st.DataObject) -> None:
    content = bytearray(filled(data.draw(st.sampled_from([0, 2]))).to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = Psbt.from_bytes(bytes(content))
    except InvalidInput:
        return
    assert Psbt.from_bytes(read.to_bytes()) == read


@given(st.integers(0, 2000))
@settings(max_examples=50, deadline=None)
def test_a_cut_psbt_is_refused(length: int) -> None:
    content = filled(2).to_bytes()
    with pytest.raises(InvalidInput):
        Psbt.from_bytes(content[: min(length, len(content) - 1)])
