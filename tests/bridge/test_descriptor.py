"""Descriptors: the checksum of BIP 380, the output of the graph, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.bridge.descriptor import DepositDescriptor, SwapDescriptor, add_checksum, compute_checksum
from btc_l2.bridge.refund_kit import kit_of, make_kit
from regtest.node.bitcoind import Bitcoind
from taproot.address import encode_address
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.errors import InvalidInput
from taproot.hashes import sha256
from taproot.keys import SecretKey
from tests.bridge.conftest import CONTRACT
from tests.chain.conftest import skip_without_bitcoind
from tests.taproot.toy import NAMES, TERMS, make_parties

DEPOSIT = kit_of(CONTRACT).descriptor
PLAIN = [make_kit(TERMS, make_parties(plain=who)).descriptor for who in (("bob",), NAMES[:3], (*NAMES[:3], "operator"))]
KEYS = [SecretKey(sha256(bytes([k]))).x_only for k in range(3)]
SWAP = SwapDescriptor(KEYS[0], KEYS[1], sha256(b"secret"), KEYS[2], 30)


def test_checksum_is_that_of_bip_380() -> None:
    assert add_checksum("raw(deadbeef)") == "raw(deadbeef)#89f8spxm"


@pytest.mark.parametrize("body", ["raw(déad)", "raw(\x00)"])
def test_checksum_refuses_characters_outside_of_descriptors(body: str) -> None:
    with pytest.raises(InvalidInput):
        compute_checksum(body)


def test_descriptor_has_the_output_of_the_graph() -> None:
    assert DEPOSIT.tree().script_pubkey == make_deposit(CONTRACT).tree.script_pubkey


@pytest.mark.parametrize("who", [("bob",), (*NAMES[:3], "operator")])
def test_descriptor_with_plain_signers_has_the_output_of_their_graph(who: tuple[str, ...]) -> None:
    contract = Contract.make(TERMS, make_parties(plain=who))
    assert kit_of(contract).descriptor.tree().script_pubkey == make_deposit(contract).tree.script_pubkey
    assert kit_of(contract).descriptor.all_keys == contract.cosigners.keys


def test_descriptor_whose_brackets_do_not_close_is_refused() -> None:
    body = str(PLAIN[0]).partition("#")[0]
    ends = [body.replace(")),and_v", f"{end},and_v") for end in (")", ")))")]
    for wrong in (*ends, body.replace("and_v(", "", 1)):
        with pytest.raises(InvalidInput):
            DepositDescriptor.from_str(add_checksum(wrong))


@pytest.mark.parametrize("count", [0, 49])
def test_an_n_of_n_of_no_key_or_too_many_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"an n-of-n of {count} keys"):
        DepositDescriptor(KEYS[0], (KEYS[1],) * count, KEYS[2], 7)


@pytest.mark.parametrize("descriptor", [DEPOSIT, SWAP, *PLAIN])
def test_descriptor_reads_what_it_writes(descriptor: DepositDescriptor | SwapDescriptor) -> None:
    assert type(descriptor).from_str(str(descriptor)) == descriptor


def test_descriptor_of_the_other_kind_or_without_checksum_is_refused() -> None:
    for text in (str(SWAP), str(DEPOSIT).partition("#")[0], ""):
        with pytest.raises(InvalidInput):
            DepositDescriptor.from_str(text)
    with pytest.raises(InvalidInput):
        SwapDescriptor.from_str(str(DEPOSIT))


@pytest.mark.parametrize("delay", [0, 1 << 16])
def test_delay_that_blocks_cannot_count_is_refused(delay: int) -> None:
    with pytest.raises(InvalidInput):
        DepositDescriptor(KEYS[0], (KEYS[1],), KEYS[2], delay)


def test_key_that_is_no_point_is_refused() -> None:
    body = str(DEPOSIT).partition("#")[0].replace(str(DEPOSIT.depositor), "f" * 64)
    with pytest.raises(InvalidInput):
        DepositDescriptor.from_str(add_checksum(body))


@given(st.text(max_size=500))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        DepositDescriptor.from_str(text)


@settings(max_examples=200)
@given(st.data())
def test_one_changed_character_is_always_found(data: st.DataObject) -> None:
    text = str(DEPOSIT)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef{}(),#:_ztr").filter(lambda c: c != text[at]))
    with pytest.raises(InvalidInput):
        DepositDescriptor.from_str(text[:at] + other + text[at + 1 :])


@given(st.integers(1, (1 << 16) - 1), st.integers(1, 1 << 32))
def test_round_trip_for_all_delays_and_keys(delay: int, seed: int) -> None:
    key = SecretKey(sha256(seed.to_bytes(8, "big"))).x_only
    made = DepositDescriptor(KEYS[0], (key,), KEYS[1], delay)
    assert DepositDescriptor.from_str(str(made)) == made


@pytest.mark.bitcoind
def test_a_node_derives_the_same_addresses_and_checksums() -> None:
    skip_without_bitcoind()
    with Bitcoind() as node:
        rpc = node.chain()._rpc
        for descriptor in (DEPOSIT, *PLAIN, SWAP, DepositDescriptor(KEYS[0], (KEYS[1],), KEYS[2], 7)):
            info = rpc.call("getdescriptorinfo", str(descriptor))
            assert info["issolvable"] and info["checksum"] == str(descriptor).partition("#")[2]
            (address,) = rpc.call("deriveaddresses", str(descriptor))
            assert address == encode_address(descriptor.tree().script_pubkey, "regtest")
