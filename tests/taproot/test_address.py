"""Addresses: BIP350's vectors, anchor outputs, networks; the main network is refused."""

from __future__ import annotations

import pytest
from bitcoinutils.keys import P2trAddress
from bitcoinutils.setup import setup
from hypothesis import given
from hypothesis import strategies as st

from taproot.address import NETWORKS, checked_network, decode_address, encode_address
from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey
from taproot.tx import P2A_SCRIPT, op_return_script, p2tr_script

OUTPUT_SCRIPT = p2tr_script(SecretKey(b"\x01" * 32).x_only)
# BIP350, test vectors of test networks
BIP350 = {
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx": "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7": (
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262"
    ),
    "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy": (
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"
    ),
    "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c": (
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"
    ),
}
# BIP350: bech32 instead of bech32m, bech32m instead of bech32, mixed case, more than 4 bits of padding
BAD = [
    "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqfevxhk"[:-1],
    "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
    "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
]
MAIN = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"


@pytest.mark.parametrize("address", BIP350)
def test_vectors_are_read_and_written(address: str) -> None:
    script = bytes.fromhex(BIP350[address])
    assert decode_address(address, "signet") == decode_address(address.upper(), "testnet") == script
    assert encode_address(script, "testnet") == address


@pytest.mark.parametrize("address", [*BAD, "", "tb1", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "é"])
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        decode_address(address, "testnet")


@pytest.mark.parametrize("network", NETWORKS)
@given(version=st.integers(1, 16), program=st.binary(min_size=2, max_size=40))
def test_every_segwit_output_has_an_address_that_leads_back(network: str, version: int, program: bytes) -> None:
    script = bytes([0x50 + version, len(program)]) + program
    assert decode_address(encode_address(script, network), network) == script


@pytest.mark.parametrize("network", NETWORKS)
def test_address_classes_of_bitcoin_utils_agree(network: str) -> None:
    setup(network)
    theirs = P2trAddress(witness_program=OUTPUT_SCRIPT[2:].hex())
    assert theirs.to_string() == encode_address(OUTPUT_SCRIPT, network)


def test_anchor_output_has_an_address() -> None:
    assert encode_address(P2A_SCRIPT, "regtest") == "bcrt1pfeesnyr2tx"


@given(st.integers(0, 61), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    address = encode_address(OUTPUT_SCRIPT, "regtest")
    wrong = address[:position] + character + address[position + 1 :]
    if wrong == address:
        assert decode_address(wrong, "regtest") == OUTPUT_SCRIPT
    else:
        with pytest.raises(InvalidInput):
            decode_address(wrong, "regtest")


def test_address_of_another_network_is_refused() -> None:
    address = encode_address(OUTPUT_SCRIPT, "regtest")
    with pytest.raises(InvalidInput):
        decode_address(address, "signet")


@pytest.mark.parametrize("name", ["mainnet", "main", "bitcoin"])
def test_main_network_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        checked_network(name)
    with pytest.raises(Refused):
        encode_address(OUTPUT_SCRIPT, name)
    with pytest.raises(Refused):
        decode_address(MAIN, name)


@pytest.mark.parametrize("address", [MAIN, MAIN.upper()])
def test_addresses_of_the_main_network_are_refused(address: str) -> None:
    with pytest.raises(Refused):
        decode_address(address, "regtest")


def test_unknown_network_is_refused_and_known_ones_are_not() -> None:
    assert [checked_network(name) for name in NETWORKS] == ["regtest", "signet", "testnet"]
    with pytest.raises(InvalidInput):
        checked_network("regtes")


@pytest.mark.parametrize(
    "script", [b"", b"\x51", op_return_script(b"data"), b"\x00\x15" + bytes(21), b"\x76\x02\x01\x02"]
)
def test_scripts_without_an_address_are_refused(script: bytes) -> None:
    with pytest.raises(InvalidInput):
        encode_address(script, "regtest")
