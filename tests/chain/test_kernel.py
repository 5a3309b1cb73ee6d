"""The door to libbitcoinkernel: single spends and tapscripts judged by Bitcoin Core's interpreter."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain.block import Block, assemble
from btc_l2.chain.kernel import Chainstate, accepts, find_bad_input, single_leaf_output, verify_spend
from taproot.errors import InvalidInput, Unavailable
from taproot.nums import H
from taproot.tx import OutPoint, Transaction, TxIn, TxOut
from taproot.units import Sats

EQUAL = b"\x87"
TRUE = b"\x51"
CSV_5 = b"\x55\xb2"
CLTV_100 = b"\x01\x64\xb1"


@given(st.binary(max_size=520), st.binary(max_size=520))
def test_equal_accepts_equal_items_and_no_others(left: bytes, right: bytes) -> None:
    assert accepts(EQUAL, [left, right]) == (left == right)
    assert accepts(EQUAL, [left, left])


def test_a_hash_lock_accepts_its_preimage_only() -> None:
    script = b"\xa8\x20" + hashlib.sha256(b"preimage").digest() + b"\x87"
    assert accepts(script, [b"preimage"])
    assert not accepts(script, [b"other"])


def test_relative_locks_look_at_sequence_and_version() -> None:
    assert accepts(CSV_5, [], sequence=5)
    assert not accepts(CSV_5, [], sequence=4)
    assert not accepts(CSV_5, [], sequence=5, version=1)
    assert not accepts(CSV_5, [], sequence=5 | 1 << 22)


def test_absolute_locks_look_at_the_locktime() -> None:
    assert accepts(CLTV_100, [], locktime=100, sequence=0)
    assert not accepts(CLTV_100, [], locktime=99, sequence=0)
    assert not accepts(CLTV_100, [], locktime=100)


def test_consensus_limits_hold() -> None:
    assert accepts(b"\x75" * 999 + TRUE, [b""] * 999)
    assert not accepts(b"\x75" * 1000 + TRUE, [b""] * 1001)
    assert not accepts(b"\x00" * 1001 + b"\x75" * 1001 + TRUE, [])
    assert accepts(b"\x75" + TRUE, [bytes(520)])
    assert not accepts(b"\x75" + TRUE, [bytes(521)])
    assert not accepts(TRUE + TRUE, [])  # two items left


def two_inputs(script: bytes, *witness: bytes) -> tuple[Transaction, list[tuple[int, bytes]]]:
    script_pubkey, control = single_leaf_output(script)
    true_pubkey, true_control = single_leaf_output(TRUE)
    inputs = (
        TxIn(OutPoint(b"\x01" * 32, 0), witness=(TRUE, true_control)),
        TxIn(OutPoint(b"\x02" * 32, 7), witness=(*witness, script, control)),
    )
    tx = Transaction(2, inputs, (TxOut(Sats(1_000), true_pubkey),))
    return tx, [(2_000, true_pubkey), (3_000, script_pubkey)]


def test_each_input_is_judged_by_itself() -> None:
    tx, prevouts = two_inputs(EQUAL, b"a", b"b")
    assert verify_spend(tx.serialize(), 0, prevouts)
    assert not verify_spend(tx.serialize(), 1, prevouts)
    assert find_bad_input(tx.serialize(), prevouts) == 1
    good, prevouts = two_inputs(EQUAL, b"a", b"a")
    assert find_bad_input(good.serialize(), prevouts) is None


def test_the_wrong_prevout_does_not_pass() -> None:
    tx, prevouts = two_inputs(TRUE)
    assert find_bad_input(tx.serialize(), [prevouts[0], (3_000, b"\x51\x20" + H)]) == 1


def test_bad_arguments_are_invalid_input() -> None:
    tx, prevouts = two_inputs(TRUE)
    with pytest.raises(InvalidInput, match="2 inputs but 1 prevouts"):
        verify_spend(tx.serialize(), 0, prevouts[:1])
    with pytest.raises(InvalidInput, match="does not exist"):
        verify_spend(tx.serialize(), 2, prevouts)
    for broken in (b"", b"\x00", tx.serialize()[:-1]):
        with pytest.raises(InvalidInput, match="no transaction"):
            verify_spend(broken, 0, prevouts)


def test_a_script_of_390_kilobytes_is_judged() -> None:
    assert accepts(b"\x61" * 390_000 + TRUE, [])
    assert not accepts(b"\x61" * 390_000 + b"\x00", [])


def mine_on(previous: Block, **changes: int) -> bytes:
    args = {"time": previous.time + 1, "fees": 0, **changes}
    return assemble(previous.hash, previous.height + 1, args["time"], (), args["fees"], TRUE)


def test_the_chain_state_tells_why_a_block_fails(tmp_path: Path) -> None:
    state = Chainstate(tmp_path)
    genesis = Block.from_bytes(state.genesis(), 0)
    good = mine_on(genesis)
    assert state.process(mine_on(genesis, fees=1)).error == (
        "bad-cb-amount, coinbase pays too much (actual=5000000001 vs limit=5000000000)"
    )
    assert (state.process(mine_on(genesis, time=5)).error or "").startswith("time-too-old")
    assert (state.process(good[:79] + b"\x00\x00" + good[81:]).error) is not None
    assert state.process(b"").error == "block-decode-failed"
    assert state.height == 0
    outcome = state.process(good)
    assert outcome.error is None
    assert outcome.events == [(True, Block.from_bytes(good, 1).hash)]
    assert state.height == 1
    state.close()


def test_a_chain_state_needs_a_folder_it_can_write(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(Unavailable, match="cannot open a chain"):
        Chainstate(blocker / "below")
