"""BIP327's test vectors, through `taproot.musig2` (libsecp256k1) and through the reference beside this file.

The library signs messages of 32 bytes and hides secret nonces. To load those of the vectors a test overwrites the
two scalars inside an opaque nonce that the library made for the same key (layout: magic 4, k1 32, k2 32, key 64).
Only the reference sees the messages of 0 and 38 bytes and deterministic signing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taproot.errors import InvalidInput, Misbehaviour
from taproot.keys import SecretKey
from taproot.musig2 import (
    KeyAgg,
    SecretNonce,
    Session,
    aggregate_nonces,
    generate_nonce,
    sort_keys,
)
from taproot.secp256k1 import ffi
from tests.taproot import bip327_reference as reference

FOLDER = Path(__file__).parents[1] / "vectors" / "bip327"
Case = dict[str, Any]


def load(name: str) -> Case:
    vectors: Case = json.loads((FOLDER / f"{name}_vectors.json").read_text())
    return vectors


def pick(pool: list[str], indices: list[int]) -> list[bytes]:
    return [bytes.fromhex(pool[index]) for index in indices]


def hex_or_none(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def aggregate_keys(keys: list[bytes], tweaks: list[bytes], modes: list[bool]) -> KeyAgg:
    keyagg = KeyAgg(keys)
    for tweak, x_only in zip(tweaks, modes, strict=True):
        keyagg = keyagg.tweaked(tweak, x_only)
    return keyagg


def load_secret_nonce(secnonce: bytes, secret: SecretKey, message: bytes, keyagg: KeyAgg) -> SecretNonce:
    nonce = generate_nonce(b"\x01" * 32, secret, message, keyagg)
    opaque = nonce._cell[0]
    ffi.buffer(opaque)[4:68] = secnonce[:64]
    return SecretNonce(opaque, nonce.public, message, keyagg.output_key)


def assert_fails_as_told(error: Case, call: Callable[[], object]) -> None:
    """Both ways must blame the signer of the vector; errors without a signer are InvalidInput in our module."""
    if error["type"] == "invalid_contribution" and error["signer"] is not None:
        with pytest.raises(Misbehaviour) as blamed:
            call()
        assert blamed.value.party == f"signer {error['signer']}"
    else:
        with pytest.raises(InvalidInput):
            call()


def assert_reference_fails_as_told(error: Case, call: Callable[[], object]) -> None:
    if error["type"] == "invalid_contribution":
        with pytest.raises(reference.InvalidContribution) as blamed:
            call()
        assert (blamed.value.signer, blamed.value.contrib) == (error["signer"], error["contrib"])
    else:
        with pytest.raises(ValueError):
            call()


KEY_SORT = load("key_sort")
KEY_AGG = load("key_agg")
NONCE_GEN = load("nonce_gen")["test_cases"]
NONCE_AGG = load("nonce_agg")
SIGN = load("sign_verify")
TWEAK = load("tweak")
SIG_AGG = load("sig_agg")
DET_SIGN = load("det_sign")


def test_keys_are_sorted() -> None:
    keys = [bytes.fromhex(key) for key in KEY_SORT["pubkeys"]]
    assert [key.hex().upper() for key in sort_keys(keys)] == KEY_SORT["sorted_pubkeys"]


@pytest.mark.parametrize("case", KEY_AGG["valid_test_cases"])
def test_keys_are_aggregated(case: Case) -> None:
    keys = pick(KEY_AGG["pubkeys"], case["key_indices"])
    assert KeyAgg(keys).output_key.hex().upper() == case["expected"]
    assert reference.xbytes(reference.key_agg(keys).Q).hex().upper() == case["expected"]


@pytest.mark.parametrize("case", KEY_AGG["error_test_cases"], ids=lambda case: case["comment"])
def test_bad_keys_and_tweaks_are_refused(case: Case) -> None:
    keys = pick(KEY_AGG["pubkeys"], case["key_indices"])
    tweaks = pick(KEY_AGG["tweaks"], case["tweak_indices"])
    assert_fails_as_told(case["error"], lambda: aggregate_keys(keys, tweaks, case["is_xonly"]))
    assert_reference_fails_as_told(case["error"], lambda: reference.key_agg_and_tweak(keys, tweaks, case["is_xonly"]))


@pytest.mark.parametrize("case", NONCE_GEN)
def test_reference_makes_the_nonces(case: Case) -> None:
    names = ("sk", "pk", "aggpk", "msg", "extra_in")
    sk, pk, aggpk, msg, extra = (hex_or_none(case[name]) for name in names)
    assert pk is not None
    secret, public = reference.nonce_gen(bytes.fromhex(case["rand_"]), sk, pk, aggpk, msg, extra)
    assert secret.hex().upper() == case["expected_secnonce"]
    assert public.hex().upper() == case["expected_pubnonce"]


def test_library_makes_the_nonce_of_the_vector_with_a_32_byte_message() -> None:
    case = NONCE_GEN[0]
    secret = SecretKey(bytes.fromhex(case["sk"]))
    assert secret.public_key.hex().upper() == case["pk"]
    keyagg = KeyAgg([secret.public_key])
    # x of the aggregate inside the opaque cache; all its bytes are 07, so their order does not matter
    ffi.buffer(keyagg._cache)[4:36] = bytes.fromhex(case["aggpk"])
    nonce = generate_nonce(
        bytes.fromhex(case["rand_"]), secret, bytes.fromhex(case["msg"]), keyagg, bytes.fromhex(case["extra_in"])
    )
    assert nonce.public.hex().upper() == case["expected_pubnonce"]
    assert bytes(ffi.buffer(nonce._cell[0]))[4:68].hex().upper() == case["expected_secnonce"][:128]


@pytest.mark.parametrize("case", NONCE_AGG["valid_test_cases"])
def test_nonces_are_aggregated(case: Case) -> None:
    nonces = pick(NONCE_AGG["pnonces"], case["pnonce_indices"])
    assert aggregate_nonces(nonces).hex().upper() == case["expected"]
    assert reference.nonce_agg(nonces).hex().upper() == case["expected"]


@pytest.mark.parametrize("case", NONCE_AGG["error_test_cases"], ids=lambda case: case["comment"])
def test_bad_nonces_are_refused(case: Case) -> None:
    nonces = pick(NONCE_AGG["pnonces"], case["pnonce_indices"])
    assert_fails_as_told(case["error"], lambda: aggregate_nonces(nonces))
    assert_reference_fails_as_told(case["error"], lambda: reference.nonce_agg(nonces))


def signing_parts(case: Case) -> tuple[list[bytes], bytes, bytes]:
    keys = pick(SIGN["pubkeys"], case["key_indices"])
    aggnonce = bytes.fromhex(SIGN["aggnonces"][case["aggnonce_index"]])
    return keys, aggnonce, bytes.fromhex(SIGN["msgs"][case["msg_index"]])


@pytest.mark.parametrize("case", SIGN["valid_test_cases"])
def test_reference_signs_and_verifies(case: Case) -> None:
    keys, aggnonce, message = signing_parts(case)
    nonces = pick(SIGN["pnonces"], case["nonce_indices"])
    session = reference.SessionContext(aggnonce, keys, [], [], message)
    assert reference.nonce_agg(nonces) == aggnonce
    partial = reference.sign(bytes.fromhex(SIGN["secnonces"][0]), bytes.fromhex(SIGN["sk"]), session)
    assert partial.hex().upper() == case["expected"]
    assert reference.partial_sig_verify(partial, nonces, session, case["signer_index"])


@pytest.mark.parametrize("case", [case for case in SIGN["valid_test_cases"] if case["msg_index"] == 0])
def test_library_signs_and_verifies(case: Case) -> None:
    keys, aggnonce, message = signing_parts(case)
    nonces = pick(SIGN["pnonces"], case["nonce_indices"])
    secret, keyagg = SecretKey(bytes.fromhex(SIGN["sk"])), KeyAgg(keys)
    session = Session(keyagg, aggnonce, message)
    nonce = load_secret_nonce(bytes.fromhex(SIGN["secnonces"][0]), secret, message, keyagg)
    partial = session.partial_sign(nonce, secret)
    assert partial.hex().upper() == case["expected"]
    signer = case["signer_index"]
    session.verify_partial(partial, nonces[signer], keys[signer])


@pytest.mark.parametrize("case", SIGN["sign_error_test_cases"], ids=lambda case: case["comment"])
def test_signing_refuses_bad_input(case: Case) -> None:
    keys, aggnonce, message = signing_parts(case)
    secnonce = bytes.fromhex(SIGN["secnonces"][case["secnonce_index"]])
    secret = SecretKey(bytes.fromhex(SIGN["sk"]))

    def sign() -> bytes:
        keyagg = KeyAgg(keys)
        session = Session(keyagg, aggnonce, message)
        return session.partial_sign(load_secret_nonce(secnonce, secret, message, keyagg), secret)

    assert_fails_as_told(case["error"], sign)
    session = reference.SessionContext(aggnonce, keys, [], [], message)
    assert_reference_fails_as_told(case["error"], lambda: reference.sign(secnonce, secret.to_bytes(), session))


def verify_partial(case: Case) -> None:
    keys, nonces = pick(SIGN["pubkeys"], case["key_indices"]), pick(SIGN["pnonces"], case["nonce_indices"])
    session = Session(KeyAgg(keys), aggregate_nonces(nonces), bytes.fromhex(SIGN["msgs"][case["msg_index"]]))
    signer = case["signer_index"]
    session.verify_partial(bytes.fromhex(case["sig"]), nonces[signer], keys[signer])


@pytest.mark.parametrize("case", SIGN["verify_fail_test_cases"], ids=lambda case: case["comment"])
def test_wrong_partial_signature_names_its_signer(case: Case) -> None:
    assert_fails_as_told({"type": "invalid_contribution", "signer": case["signer_index"]}, lambda: verify_partial(case))
    keys, nonces = pick(SIGN["pubkeys"], case["key_indices"]), pick(SIGN["pnonces"], case["nonce_indices"])
    message = bytes.fromhex(SIGN["msgs"][case["msg_index"]])
    session = reference.SessionContext(reference.nonce_agg(nonces), keys, [], [], message)
    sig = bytes.fromhex(case["sig"])
    assert not reference.partial_sig_verify(sig, nonces, session, case["signer_index"])


@pytest.mark.parametrize("case", SIGN["verify_error_test_cases"], ids=lambda case: case["comment"])
def test_partial_verification_refuses_bad_keys_and_nonces(case: Case) -> None:
    assert_fails_as_told(case["error"], lambda: verify_partial(case))


def tweak_parts(case: Case) -> tuple[list[bytes], list[bytes], list[bytes]]:
    keys = pick(TWEAK["pubkeys"], case["key_indices"])
    return keys, pick(TWEAK["pnonces"], case["nonce_indices"]), pick(TWEAK["tweaks"], case["tweak_indices"])


@pytest.mark.parametrize("case", TWEAK["valid_test_cases"], ids=lambda case: case["comment"])
def test_signing_with_tweaks(case: Case) -> None:
    keys, nonces, tweaks = tweak_parts(case)
    message, aggnonce = bytes.fromhex(TWEAK["msg"]), bytes.fromhex(TWEAK["aggnonce"])
    secret = SecretKey(bytes.fromhex(TWEAK["sk"]))
    keyagg = aggregate_keys(keys, tweaks, case["is_xonly"])
    session = Session(keyagg, aggnonce, message)
    secnonce = bytes.fromhex(TWEAK["secnonce"])
    partial = session.partial_sign(load_secret_nonce(secnonce, secret, message, keyagg), secret)
    assert partial.hex().upper() == case["expected"]
    signer = case["signer_index"]
    session.verify_partial(partial, nonces[signer], keys[signer])
    same = reference.SessionContext(aggnonce, keys, tweaks, case["is_xonly"], message)
    assert reference.sign(secnonce, secret.to_bytes(), same) == partial
    assert reference.partial_sig_verify(partial, nonces, same, signer)


@pytest.mark.parametrize("case", TWEAK["error_test_cases"], ids=lambda case: case["comment"])
def test_bad_tweak_is_refused(case: Case) -> None:
    keys, _nonces, tweaks = tweak_parts(case)
    assert_fails_as_told(case["error"], lambda: aggregate_keys(keys, tweaks, case["is_xonly"]))
    assert_reference_fails_as_told(case["error"], lambda: reference.key_agg_and_tweak(keys, tweaks, case["is_xonly"]))


def aggregation_parts(case: Case) -> tuple[list[bytes], list[bytes], list[bytes]]:
    keys = pick(SIG_AGG["pubkeys"], case["key_indices"])
    return keys, pick(SIG_AGG["tweaks"], case["tweak_indices"]), pick(SIG_AGG["psigs"], case["psig_indices"])


@pytest.mark.parametrize("case", SIG_AGG["valid_test_cases"])
def test_partial_signatures_are_aggregated(case: Case) -> None:
    keys, tweaks, partials = aggregation_parts(case)
    message, aggnonce = bytes.fromhex(SIG_AGG["msg"]), bytes.fromhex(case["aggnonce"])
    assert aggregate_nonces(pick(SIG_AGG["pnonces"], case["nonce_indices"])) == aggnonce
    session = Session(aggregate_keys(keys, tweaks, case["is_xonly"]), aggnonce, message)
    assert session.aggregate(partials).hex().upper() == case["expected"]
    same = reference.SessionContext(aggnonce, keys, tweaks, case["is_xonly"], message)
    assert reference.partial_sig_agg(partials, same).hex().upper() == case["expected"]


@pytest.mark.parametrize("case", SIG_AGG["error_test_cases"], ids=lambda case: case["comment"])
def test_aggregation_names_the_signer_of_a_part_out_of_range(case: Case) -> None:
    keys, tweaks, partials = aggregation_parts(case)
    message, aggnonce = bytes.fromhex(SIG_AGG["msg"]), bytes.fromhex(case["aggnonce"])
    session = Session(aggregate_keys(keys, tweaks, case["is_xonly"]), aggnonce, message)
    assert_fails_as_told(case["error"], lambda: session.aggregate(partials))
    same = reference.SessionContext(aggnonce, keys, tweaks, case["is_xonly"], message)
    assert_reference_fails_as_told(case["error"], lambda: reference.partial_sig_agg(partials, same))


def sign_deterministically(case: Case) -> tuple[bytes, bytes]:
    return reference.deterministic_sign(
        bytes.fromhex(DET_SIGN["sk"]),
        bytes.fromhex(case["aggothernonce"]),
        pick(DET_SIGN["pubkeys"], case["key_indices"]),
        [bytes.fromhex(tweak) for tweak in case["tweaks"]],
        case["is_xonly"],
        bytes.fromhex(DET_SIGN["msgs"][case["msg_index"]]),
        hex_or_none(case["rand"]),
    )


@pytest.mark.parametrize("case", DET_SIGN["valid_test_cases"])
def test_reference_signs_deterministically(case: Case) -> None:
    assert [part.hex().upper() for part in sign_deterministically(case)] == case["expected"]


@pytest.mark.parametrize("case", DET_SIGN["error_test_cases"], ids=lambda case: case["comment"])
def test_deterministic_signing_refuses_bad_input(case: Case) -> None:
    assert_reference_fails_as_told(case["error"], lambda: sign_deterministically(case))
