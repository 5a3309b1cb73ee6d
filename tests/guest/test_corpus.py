"""The corpus in C: published examples of each algorithm, other libraries' answers, and both byte orders."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import claim_of_result, find_guest
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.state import Machine
from guest.builder.recipes import P256_KEY, P256_SIGNATURE

MOST_STEPS = 1 << 28
MESSAGES = st.binary(max_size=300)
BOTH_ORDERS = pytest.mark.parametrize("name", ["sha256", "sha256-little"])
P256 = ["p256", "p256-little"]
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798
SECP256K1_Y = 0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8
AES_BLOCK = bytes.fromhex("00112233445566778899aabbccddeeff")


def finish(name: str, statement: bytes, claim: bytes = bytes(128), blobs: dict[bytes, bytes] | None = None) -> Machine:
    machine = find_guest(name).load_image(statement).machine(claim, blobs or {})
    run(machine, MOST_STEPS)
    assert machine.trap is None
    return machine


def result(name: str, statement: bytes, blobs: dict[bytes, bytes] | None = None) -> bytes:
    return find_guest(name).honest_claim(statement, blobs)[:32]


def counted(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


@BOTH_ORDERS
@given(message=MESSAGES)
@settings(max_examples=15, deadline=None)
def test_sha256_computes_what_hashlib_computes(name: str, message: bytes) -> None:
    claim = claim_of_result(hashlib.sha256(message).digest())
    assert finish(name, counted(message), claim).exit_code == 0


@pytest.mark.parametrize("length", [0, 55, 56, 63, 64, 135, 136, 137, 272, 4092])
def test_hashes_are_right_at_the_ends_of_their_blocks(length: int) -> None:
    message = bytes(k * 7 & 0xFF for k in range(length))
    assert result("sha256", counted(message)) == hashlib.sha256(message).digest()
    assert result("sha3", counted(message)) == hashlib.sha3_256(message).digest()


@given(message=MESSAGES)
@settings(max_examples=15, deadline=None)
def test_sha3_computes_what_hashlib_computes(message: bytes) -> None:
    claim = claim_of_result(hashlib.sha3_256(message).digest())
    assert finish("sha3", counted(message), claim).exit_code == 0
    assert finish("sha3", counted(message), claim[:-1] + b"\1").exit_code == 1


@pytest.mark.parametrize("name", ["sha256", "sha256-little", "sha3"])
def test_message_that_the_statement_cannot_hold_is_refused(name: str) -> None:
    assert finish(name, (4093).to_bytes(4, "big")).exit_code == 2


def aes_statement(key: bytes, times: int) -> bytes:
    return (8 * len(key)).to_bytes(4, "big") + key.ljust(32, b"\0") + AES_BLOCK + times.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("bits", "cipher"),
    [(128, "69c4e0d86a7b0430d8cdb78070b4c55a"), (256, "8ea2b7ca516745bfeafc49904b496089")],
)
def test_aes_enciphers_the_examples_of_fips_197_and_comes_back(bits: int, cipher: str) -> None:
    statement = aes_statement(bytes(range(bits // 8)), 1)
    assert result("aes", statement) == bytes.fromhex(cipher) + AES_BLOCK


@given(key=st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32), times=st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_aes_comes_back_from_as_many_times_as_it_went(key: bytes, times: int) -> None:
    out, back = divmod(int.from_bytes(result("aes", aes_statement(key, times)), "big"), 1 << 128)
    assert back.to_bytes(16, "big") == AES_BLOCK and (out == back) == (times == 0)


def test_aes_refuses_keys_of_another_length() -> None:
    assert finish("aes", aes_statement(bytes(24), 1)).exit_code == 2


@given(blob=st.binary(max_size=400), slot=st.integers(0, 14))
@settings(max_examples=15, deadline=None)
def test_crc32_of_a_blob_is_that_of_zlib(blob: bytes, slot: int) -> None:
    root = blob_root(blob, "little")
    statement = root + slot.to_bytes(4, "big") + len(blob).to_bytes(4, "big")
    assert result("crc32", statement, {root: blob}) == zlib.crc32(blob).to_bytes(4, "big").ljust(32, b"\0")


def is_valid(name: str, key: bytes, signature: bytes, message: bytes) -> bool:
    found = result(name, key + signature + counted(message))
    assert found in (bytes(32), b"\1".ljust(32, b"\0"))
    return found[0] == 1


@pytest.mark.parametrize("name", P256)
def test_p256_accepts_the_example_of_rfc_6979(name: str) -> None:
    assert is_valid(name, P256_KEY, P256_SIGNATURE, b"sample")


def test_p256_accepts_the_mirrored_signature_too() -> None:
    s = int.from_bytes(P256_SIGNATURE[32:], "big")
    assert is_valid("p256", P256_KEY, P256_SIGNATURE[:32] + (ORDER - s).to_bytes(32, "big"), b"sample")


@pytest.mark.parametrize("name", P256)
def test_p256_rejects_another_message(name: str) -> None:
    assert not is_valid(name, P256_KEY, P256_SIGNATURE, b"samplf")


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_p256_rejects_another_key_or_signature(place: int) -> None:
    changed = bytearray(P256_SIGNATURE)
    changed[place] ^= 1
    assert not is_valid("p256", P256_KEY, bytes(changed), b"sample")
    key = bytearray(P256_KEY)
    key[place] ^= 1
    assert not is_valid("p256", bytes(key), P256_SIGNATURE, b"sample"), "no point of the curve"


@pytest.mark.parametrize("number", [0, ORDER])
def test_p256_rejects_numbers_out_of_range(number: int) -> None:
    bad = number.to_bytes(32, "big")
    assert not is_valid("p256", P256_KEY, bad + P256_SIGNATURE[32:], b"sample")
    assert not is_valid("p256", P256_KEY, P256_SIGNATURE[:32] + bad, b"sample")


def test_p256_rejects_a_point_of_another_curve() -> None:
    generator = SECP256K1_X.to_bytes(32, "big") + SECP256K1_Y.to_bytes(32, "big")
    assert not is_valid("p256", generator, P256_SIGNATURE, b"sample")
