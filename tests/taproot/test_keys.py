"""Keys: ranges, tweaks and their parity, signatures; the plain integer arithmetic as second opinion."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from taproot.errors import InvalidInput, VerificationFailed
from taproot.keys import (
    SecretKey,
    XOnlyKey,
    is_valid_schnorr,
    sign_schnorr,
    taproot_tweak,
    verify_schnorr,
    x_only_of,
)
from taproot.secp256k1 import GROUP_ORDER
from tests.taproot import bip327_reference as reference

scalars = st.integers(1, GROUP_ORDER - 1)
secret_keys = scalars.map(lambda n: SecretKey(n.to_bytes(32, "big")))
SECRET = SecretKey(b"\x11" * 32)
MESSAGE = b"\x22" * 32


@settings(max_examples=20)
@given(scalars, scalars)
def test_tweaking_adds_in_the_group_and_tells_the_parity(n: int, tweak: int) -> None:
    secret = SecretKey(n.to_bytes(32, "big"))
    point = reference.multiply(reference.G, n)
    assert secret.public_key == reference.cbytes(point)
    expected = reference.add(
        reference.lift_x(int.from_bytes(secret.x_only, "big")), reference.multiply(reference.G, tweak)
    )
    assume(expected is not None)
    key, parity = secret.x_only.tweak_add(tweak.to_bytes(32, "big"))
    assert key == reference.xbytes(expected)
    assert parity == (0 if reference.has_even_y(expected) else 1)


@given(secret_keys, st.binary(min_size=32, max_size=32))
def test_tweaked_secret_signs_for_the_tweaked_key(secret: SecretKey, root: bytes) -> None:
    output_key, parity = secret.x_only.taproot_output_key(root)
    tweaked = secret.taproot_tweaked(root)
    assert tweaked.x_only == output_key
    assert tweaked.public_key[0] == 2 + parity
    verify_schnorr(output_key, MESSAGE, sign_schnorr(tweaked, MESSAGE))


def test_tweak_out_of_range_or_of_wrong_size_is_refused() -> None:
    for tweak in (GROUP_ORDER.to_bytes(32, "big"), b"", bytes(31)):
        with pytest.raises(InvalidInput):
            SECRET.x_only.tweak_add(tweak)
        with pytest.raises(InvalidInput):
            SECRET.tweak_add(tweak)


def test_tweak_that_cancels_the_key_is_refused() -> None:
    even = SECRET if SECRET.public_key[0] == 2 else SecretKey(_negated(SECRET))
    with pytest.raises(InvalidInput):
        even.x_only.tweak_add(_negated(even))
    with pytest.raises(InvalidInput):
        even.tweak_add(_negated(even))


def _negated(secret: SecretKey) -> bytes:
    return (GROUP_ORDER - int.from_bytes(secret.to_bytes(), "big")).to_bytes(32, "big")


def test_merkle_root_of_wrong_size_is_refused() -> None:
    assert taproot_tweak(SECRET.x_only) != taproot_tweak(SECRET.x_only, bytes(32))
    with pytest.raises(InvalidInput):
        taproot_tweak(SECRET.x_only, bytes(31))


@pytest.mark.parametrize("secret", [bytes(32), GROUP_ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31, b""])
def test_secrets_out_of_range_are_refused(secret: bytes) -> None:
    with pytest.raises(InvalidInput):
        SecretKey(secret)


def test_secrets_at_the_ends_of_the_range_are_keys() -> None:
    for n in (1, GROUP_ORDER - 1):
        assert SecretKey(n.to_bytes(32, "big")).x_only == reference.xbytes(reference.G)


@pytest.mark.parametrize("data", [b"", bytes(32), b"\xff" * 32, b"\x02" + SECRET.x_only])
def test_what_is_no_x_coordinate_is_no_key(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        XOnlyKey(data)


def test_x_only_key_is_its_bytes_and_shows_itself_in_hex() -> None:
    key = XOnlyKey(bytes(SECRET.x_only))
    assert key == SECRET.x_only == x_only_of(SECRET.public_key)
    assert len(key) == 32
    assert str(key) == key.hex()
    with pytest.raises(InvalidInput):
        x_only_of(b"\x04" + key)


def test_secret_key_does_not_show_its_secret() -> None:
    assert SECRET.to_bytes() == b"\x11" * 32
    assert "11" * 16 not in repr(SECRET) + str(SECRET)


def test_generated_keys_differ_and_equal_secrets_are_equal() -> None:
    assert SecretKey.generate() != SecretKey.generate()
    assert SecretKey(b"\x11" * 32) == SECRET
    assert hash(SecretKey(b"\x11" * 32)) == hash(SECRET)


@given(secret_keys, st.binary(max_size=80))
def test_signature_checks_for_its_message_only(secret: SecretKey, message: bytes) -> None:
    signature = sign_schnorr(secret, message)
    assert is_valid_schnorr(secret.x_only, message, signature)
    assert not is_valid_schnorr(secret.x_only, message + b"\x00", signature)


@given(st.integers(0, 511))
def test_one_flipped_bit_breaks_a_signature(bit: int) -> None:
    signature = bytearray(sign_schnorr(SECRET, MESSAGE, bytes(32)))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationFailed):
        verify_schnorr(SECRET.x_only, MESSAGE, bytes(signature))


def test_signing_is_randomised_unless_told_otherwise() -> None:
    assert sign_schnorr(SECRET, MESSAGE) != sign_schnorr(SECRET, MESSAGE)
    assert sign_schnorr(SECRET, MESSAGE, bytes(32)) == sign_schnorr(SECRET, MESSAGE, bytes(32))
    with pytest.raises(InvalidInput):
        sign_schnorr(SECRET, MESSAGE, b"short")


def test_signature_of_wrong_length_or_under_no_key_is_not_valid() -> None:
    signature = sign_schnorr(SECRET, MESSAGE)
    assert is_valid_schnorr(SECRET.x_only, MESSAGE, signature)
    assert not is_valid_schnorr(SECRET.x_only, MESSAGE, signature + b"\x01")
    assert not is_valid_schnorr(b"\xff" * 32, MESSAGE, signature)
