"""MuSig2 through the library: whole sessions, agreement with the BIP's reference, blame, nonces used once."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taproot import musig2
from taproot.errors import InvalidInput, Misbehaviour, Refused, Unavailable
from taproot.keys import SecretKey, verify_schnorr
from taproot.musig2 import KeyAgg, SecretNonce, Session, aggregate_nonces, generate_nonce, sort_keys
from taproot.secp256k1 import GROUP_ORDER, context, ffi, lib, take_complaint
from tests.taproot import bip327_reference as reference

MESSAGE = b"\x33" * 32
SECRETS = [SecretKey(bytes([n]) * 32) for n in (1, 2, 3)]
KEYS = [secret.public_key for secret in SECRETS]
NAMES = ["Alice", "Bob", "Carol"]

bytes32 = st.binary(min_size=32, max_size=32)
secret_keys = st.integers(1, GROUP_ORDER - 1).map(lambda n: SecretKey(n.to_bytes(32, "big")))
tweak_lists = st.lists(st.tuples(st.integers(0, GROUP_ORDER - 1).map(lambda n: n.to_bytes(32, "big")), st.booleans()))


class Round:
    """A session with all nonces and partial signatures made."""

    def __init__(self, keyagg: KeyAgg, secrets: list[SecretKey] = SECRETS, message: bytes = MESSAGE) -> None:
        self.nonces = [SecretNonce.generate(secret, message, keyagg) for secret in secrets]
        self.public = [nonce.public for nonce in self.nonces]
        self.session = Session(keyagg, aggregate_nonces(self.public), message)
        pairs = zip(self.nonces, secrets, strict=True)
        self.partials = [self.session.partial_sign(nonce, secret) for nonce, secret in pairs]


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_signature_of_all_keys_checks_against_the_aggregate(count: int) -> None:
    secrets = [SecretKey(bytes([n + 1]) * 32) for n in range(count)]
    keyagg = KeyAgg([secret.public_key for secret in secrets])
    made = Round(keyagg, secrets)
    for partial, nonce, key in zip(made.partials, made.public, keyagg.public_keys, strict=True):
        made.session.verify_partial(partial, nonce, key)
    verify_schnorr(keyagg.output_key, MESSAGE, made.session.aggregate(made.partials))


@settings(max_examples=15, deadline=None)
@given(st.lists(secret_keys, min_size=1, max_size=4), bytes32, tweak_lists.filter(lambda t: len(t) <= 3), st.data())
def test_library_and_reference_agree(
    secrets: list[SecretKey], message: bytes, tweaks: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    keys = [secret.public_key for secret in secrets]
    keyagg = KeyAgg(keys)
    for tweak, x_only in tweaks:
        keyagg = keyagg.tweaked(tweak, x_only)
    randomness = [data.draw(bytes32.filter(any)) for _ in secrets]
    nonces = [generate_nonce(r, s, message, keyagg) for r, s in zip(randomness, secrets, strict=True)]
    theirs = [
        reference.nonce_gen(r, s.to_bytes(), s.public_key, keyagg.output_key, message, None)
        for r, s in zip(randomness, secrets, strict=True)
    ]
    assert [nonce.public for nonce in nonces] == [public for _secret, public in theirs]
    aggnonce = aggregate_nonces([nonce.public for nonce in nonces])
    same = reference.SessionContext(aggnonce, keys, [t for t, _ in tweaks], [x for _, x in tweaks], message)
    session = Session(keyagg, aggnonce, message)
    partials = [session.partial_sign(nonce, secret) for nonce, secret in zip(nonces, secrets, strict=True)]
    assert partials == [
        reference.sign(secnonce, s.to_bytes(), same) for (secnonce, _), s in zip(theirs, secrets, strict=True)
    ]
    signature = session.aggregate(partials)
    assert signature == reference.partial_sig_agg(partials, same)
    verify_schnorr(keyagg.output_key, message, signature)


@given(bytes32)
def test_taproot_tweak_gives_the_key_of_the_output(root: bytes) -> None:
    keyagg = KeyAgg(KEYS)
    tweaked = keyagg.taproot_tweaked(root)
    assert tweaked.output_key == keyagg.output_key.taproot_output_key(root)[0]
    made = Round(tweaked)
    verify_schnorr(tweaked.output_key, MESSAGE, made.session.aggregate(made.partials))
    assert KeyAgg(KEYS).output_key == keyagg.output_key


def test_order_of_keys_matters_unless_they_are_sorted() -> None:
    assert KeyAgg(KEYS).output_key != KeyAgg(KEYS[::-1]).output_key
    assert KeyAgg(sort_keys(KEYS)).output_key == KeyAgg(sort_keys(KEYS[::-1])).output_key
    assert all(a < b for a, b in pairwise(sort_keys(KEYS)))


def test_second_use_of_a_nonce_is_refused() -> None:
    made = Round(KeyAgg(KEYS))
    with pytest.raises(Refused, match="already used"):
        made.session.partial_sign(made.nonces[0], SECRETS[0])


def test_copy_of_a_nonce_is_used_up_with_it_and_none_can_be_stored() -> None:
    keyagg = KeyAgg(KEYS)
    nonce = SecretNonce.generate(SECRETS[0], MESSAGE, keyagg)
    twin = copy.copy(nonce)
    session = Session(keyagg, aggregate_nonces([nonce.public] * 3), MESSAGE)
    for store in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            store(nonce)
    session.partial_sign(nonce, SECRETS[0])
    with pytest.raises(Refused):
        session.partial_sign(twin, SECRETS[0])


def test_library_itself_refuses_a_used_nonce_without_ending_the_process() -> None:
    made = Round(KeyAgg(KEYS))
    nonce = SecretNonce.generate(SECRETS[0], MESSAGE, made.session.keyagg)
    opaque = nonce.take(made.session)
    again = [SecretNonce(opaque, nonce.public, MESSAGE, nonce.output_key) for _ in range(2)]
    made.session.partial_sign(again[0], SECRETS[0])
    with pytest.raises(InvalidInput, match="secnonce"):
        made.session.partial_sign(again[1], SECRETS[0])


def test_nonce_signs_only_its_own_message_and_aggregate() -> None:
    keyagg = KeyAgg(KEYS)
    nonce = SecretNonce.generate(SECRETS[0], MESSAGE, keyagg)
    joined = aggregate_nonces([nonce.public] * 3)
    with pytest.raises(Refused, match="another message"):
        Session(keyagg, joined, flip(MESSAGE)).partial_sign(nonce, SECRETS[0])
    with pytest.raises(Refused, match="another message"):
        Session(keyagg.taproot_tweaked(), joined, MESSAGE).partial_sign(nonce, SECRETS[0])
    assert len(Session(keyagg, joined, MESSAGE).partial_sign(nonce, SECRETS[0])) == 32


def test_nonce_of_another_signer_is_refused_by_the_library() -> None:
    keyagg = KeyAgg(KEYS)
    nonce = SecretNonce.generate(SECRETS[0], MESSAGE, keyagg)
    session = Session(keyagg, aggregate_nonces([nonce.public] * 3), MESSAGE)
    with pytest.raises(InvalidInput, match="libsecp256k1 refused"):
        session.partial_sign(nonce, SECRETS[1])


def test_stranger_can_neither_make_a_nonce_nor_sign_nor_be_verified() -> None:
    made, stranger = Round(KeyAgg(KEYS)), SecretKey(b"\x09" * 32)
    with pytest.raises(InvalidInput, match="not one of"):
        SecretNonce.generate(stranger, MESSAGE, made.session.keyagg)
    with pytest.raises(InvalidInput, match="not one of"):
        made.session.partial_sign(made.nonces[0], stranger)
    with pytest.raises(InvalidInput, match="not one of"):
        made.session.verify_partial(made.partials[0], made.public[0], stranger.public_key)


def test_fresh_nonces_never_repeat() -> None:
    keyagg = KeyAgg(KEYS)
    made = {SecretNonce.generate(SECRETS[0], MESSAGE, keyagg, extra=b"\x01" * 32).public for _ in range(20)}
    assert len(made) == 20


def test_extra_input_changes_a_nonce() -> None:
    keyagg, randomness = KeyAgg(KEYS), b"\x05" * 32
    plain = generate_nonce(randomness, SECRETS[0], MESSAGE, keyagg).public
    assert plain != generate_nonce(randomness, SECRETS[0], MESSAGE, keyagg, b"\x01" * 32).public
    assert plain != generate_nonce(randomness, SECRETS[0], flip(MESSAGE), keyagg).public


@pytest.mark.parametrize("signer", [0, 1, 2])
def test_wrong_partial_signature_names_its_party(signer: int) -> None:
    made = Round(KeyAgg(KEYS, NAMES))
    with pytest.raises(Misbehaviour) as blamed:
        made.session.verify_partial(flip(made.partials[signer]), made.public[signer], KEYS[signer])
    assert blamed.value.party == NAMES[signer]
    made.session.verify_partial(made.partials[signer], made.public[signer], KEYS[signer])


def test_partial_signature_of_another_signer_or_session_does_not_check() -> None:
    made, other = Round(KeyAgg(KEYS)), Round(KeyAgg(KEYS))
    for partial, nonce in ((made.partials[1], made.public[0]), (other.partials[0], other.public[0])):
        with pytest.raises(Misbehaviour):
            made.session.verify_partial(partial, nonce, KEYS[0])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_partial_signature_of_wrong_size_names_its_party(size: int) -> None:
    made = Round(KeyAgg(KEYS, NAMES))
    with pytest.raises(Misbehaviour, match="Bob"):
        made.session.aggregate([made.partials[0], bytes(size), made.partials[2]])
    with pytest.raises(Misbehaviour, match="Bob"):
        made.session.verify_partial(bytes(size), made.public[1], KEYS[1])


def test_aggregate_needs_one_part_per_key() -> None:
    made = Round(KeyAgg(KEYS))
    with pytest.raises(InvalidInput):
        made.session.aggregate(made.partials[:2])


@pytest.mark.parametrize("bad", [b"", b"\x02" * 65, b"\x02" + b"\xff" * 65, bytes(66)])
def test_bad_public_nonce_names_its_party(bad: bytes) -> None:
    made = Round(KeyAgg(KEYS, NAMES))
    with pytest.raises(Misbehaviour, match="Carol"):
        aggregate_nonces([made.public[0], made.public[1], bad], NAMES)
    with pytest.raises(Misbehaviour, match="Carol"):
        made.session.verify_partial(made.partials[2], bad, KEYS[2])


def test_bad_public_key_names_its_party() -> None:
    with pytest.raises(Misbehaviour, match="Bob"):
        KeyAgg([KEYS[0], b"\x05" + KEYS[1][1:], KEYS[2]], NAMES)
    with pytest.raises(Misbehaviour, match="signer 2"):
        KeyAgg([KEYS[0], KEYS[1], KEYS[2][1:]])


def test_empty_and_mismatched_lists_are_refused() -> None:
    for call in (lambda: KeyAgg([]), lambda: KeyAgg(KEYS, NAMES[:2]), lambda: aggregate_nonces([])):
        with pytest.raises(InvalidInput):
            call()


def test_messages_and_extra_input_have_32_bytes() -> None:
    keyagg = KeyAgg(KEYS)
    joined = Round(keyagg).public[0]
    with pytest.raises(InvalidInput):
        SecretNonce.generate(SECRETS[0], MESSAGE + b"\x00", keyagg)
    with pytest.raises(InvalidInput):
        SecretNonce.generate(SECRETS[0], MESSAGE, keyagg, b"short")
    with pytest.raises(InvalidInput):
        Session(keyagg, joined, b"")
    with pytest.raises(InvalidInput):
        Session(keyagg, joined[:-1], MESSAGE)


def test_tweaks_out_of_range_are_refused() -> None:
    for tweak in (GROUP_ORDER.to_bytes(32, "big"), bytes(31)):
        with pytest.raises(InvalidInput):
            KeyAgg(KEYS).tweaked(tweak)


def test_one_key_twice_is_allowed_and_signs_twice() -> None:
    keyagg = KeyAgg([KEYS[0], KEYS[0]])
    made = Round(keyagg, [SECRETS[0], SECRETS[0]])
    verify_schnorr(keyagg.output_key, MESSAGE, made.session.aggregate(made.partials))


def test_complaint_of_the_library_is_told_once() -> None:
    assert not lib.secp256k1_musig_nonce_agg(context(), ffi.new("secp256k1_musig_aggnonce *"), ffi.NULL, 0)
    assert take_complaint() == "pubnonces != NULL"
    assert take_complaint() == ""


def test_library_without_musig2_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    musig2._library.cache_clear()
    monkeypatch.setattr(musig2, "lib", object())
    with pytest.raises(Unavailable, match="install coincurve 21"):
        KeyAgg(KEYS)
