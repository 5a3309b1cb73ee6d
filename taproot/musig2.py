"""MuSig2 (BIP327) by libsecp256k1's own module: one Schnorr signature for n keys, in two rounds.

    keyagg = KeyAgg(public_keys)                                   everyone, the same keys in the same order
    nonce = SecretNonce.generate(secret, message, keyagg)          each signer; sends nonce.public
    session = Session(keyagg, aggregate_nonces(publics), message)  everyone
    partial = session.partial_sign(nonce, secret)                  each signer; sends it
    session.verify_partial(partial, public_nonce, public_key)      names the signer whose part is wrong
    signature = session.aggregate(partials)                        checks against keyagg.output_key

Two signatures with one secret nonce give the secret key away. So a nonce belongs to one message and one key
aggregation, leaves its object only once, and cannot be copied or stored: a signer that restarts makes a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cache
from typing import Any

from taproot.errors import InvalidInput, Misbehaviour, Refused, Unavailable
from taproot.keys import SecretKey, XOnlyKey, taproot_tweak, x_only_of
from taproot.secp256k1 import context, ffi, lib, parse_point, serialize_point, take_complaint

PUBLIC_NONCE_BYTES = 66  # two compressed points
PARTIAL_SIGNATURE_BYTES = 32


class KeyAgg:
    """Aggregation of public keys (33 bytes each), in the order given; `parties` are the names used in complaints."""

    __slots__ = ("_cache", "_points", "output_key", "parties", "plain_key", "public_keys")

    def __init__(self, public_keys: Sequence[bytes], parties: Sequence[str] | None = None) -> None:
        """Raises Misbehaviour naming the first party whose key is no point, InvalidInput for no keys."""
        self.public_keys = tuple(bytes(key) for key in public_keys)
        self.parties = _party_names(len(self.public_keys), parties)
        points = [_parse_key(key, party) for key, party in zip(self.public_keys, self.parties, strict=True)]
        self._points = dict(zip(self.public_keys, points, strict=True))
        self._cache = ffi.new("secp256k1_musig_keyagg_cache *")
        _require(
            _library().secp256k1_musig_pubkey_agg(
                context(), ffi.NULL, self._cache, _pointers("secp256k1_pubkey", points), len(points)
            )
        )
        self._read_keys()

    def tweaked(self, tweak: bytes, x_only: bool = True) -> KeyAgg:
        """This aggregation with a tweak (32 bytes) added to its key: to the x-only key (Taproot) or the plain one.

        Raises InvalidInput if the tweak is not below the group order or cancels the key.
        """
        if len(tweak) != 32:
            raise InvalidInput(f"a tweak has 32 bytes, not {len(tweak)}")
        after: KeyAgg = KeyAgg.__new__(KeyAgg)
        after.public_keys, after.parties, after._points = self.public_keys, self.parties, self._points
        after._cache = ffi.new("secp256k1_musig_keyagg_cache *", self._cache[0])
        musig = _library()
        add = musig.secp256k1_musig_pubkey_xonly_tweak_add if x_only else musig.secp256k1_musig_pubkey_ec_tweak_add
        _require(add(context(), ffi.NULL, after._cache, tweak))
        after._read_keys()
        return after

    def taproot_tweaked(self, merkle_root: bytes = b"") -> KeyAgg:
        """The aggregation that signs the key path of an output whose internal key is `output_key` (BIP341)."""
        return self.tweaked(taproot_tweak(self.output_key, merkle_root))

    def party_of(self, public_key: bytes) -> str:
        """Name of the party that brought this key. Raises InvalidInput if none did."""
        if public_key not in self._points:
            raise InvalidInput(f"public key {public_key.hex()} is not one of the aggregated keys")
        return self.parties[self.public_keys.index(public_key)]

    def _read_keys(self) -> None:
        point = ffi.new("secp256k1_pubkey *")
        _require(_library().secp256k1_musig_pubkey_get(context(), point, self._cache))
        self.plain_key = serialize_point(point)
        self.output_key: XOnlyKey = x_only_of(self.plain_key)


class SecretNonce:
    """A signer's secret nonce for one message under one aggregation; gives itself away once."""

    __slots__ = ("_cell", "message", "output_key", "public")

    def __init__(self, opaque: Any, public: bytes, message: bytes, output_key: XOnlyKey) -> None:
        """Use `generate`."""
        self._cell = [opaque]
        self.public = public
        self.message = message
        self.output_key = output_key

    @classmethod
    def generate(cls, secret: SecretKey, message: bytes, keyagg: KeyAgg, extra: bytes = b"") -> SecretNonce:
        """Fresh nonce for a message of 32 bytes. `extra` (32 bytes or none) is hashed in besides the randomness."""
        return generate_nonce(secrets.token_bytes(32), secret, message, keyagg, extra)

    def __repr__(self) -> str:
        return f"SecretNonce(of {self.public.hex()})"

    def take(self, session: Session) -> Any:
        """The library's `secp256k1_musig_secnonce *`, for `session` only and only once. Raises Refused otherwise."""
        if (self.message, self.output_key) != (session.message, session.keyagg.output_key):
            raise Refused("secret nonce made for another message or key; generate one for this session")
        try:
            return self._cell.pop()
        except IndexError:
            raise Refused("secret nonce already used; signing with it again would reveal the key") from None


class Session:
    """One message to be signed by all keys of an aggregation, with the nonces of all signers joined."""

    __slots__ = ("_session", "keyagg", "message")

    def __init__(self, keyagg: KeyAgg, aggregate_nonce: bytes, message: bytes) -> None:
        """Raises InvalidInput for a nonce that `aggregate_nonces` cannot have made or a message not of 32 bytes."""
        nonce = ffi.new("secp256k1_musig_aggnonce *")
        if len(aggregate_nonce) != PUBLIC_NONCE_BYTES or not _library().secp256k1_musig_aggnonce_parse(
            context(), nonce, aggregate_nonce
        ):
            raise InvalidInput("not an aggregated nonce; aggregate the signers' public nonces again")
        self.keyagg = keyagg
        self.message = _checked_message(message)
        self._session = ffi.new("secp256k1_musig_session *")
        _require(_library().secp256k1_musig_nonce_process(context(), self._session, nonce, message, keyagg._cache))

    def partial_sign(self, nonce: SecretNonce, secret: SecretKey) -> bytes:
        """This signer's part, 32 bytes. The nonce is used up whatever happens after the checks.

        Raises Refused for a used nonce or one of another session, InvalidInput for a key that is not aggregated or
        not the one the nonce was made for.
        """
        self.keyagg.party_of(secret.public_key)
        partial, opaque = ffi.new("secp256k1_musig_partial_sig *"), nonce.take(self)
        _require(
            _library().secp256k1_musig_partial_sign(
                context(), partial, opaque, secret.keypair, self.keyagg._cache, self._session
            )
        )
        out = ffi.new("unsigned char [32]")
        _library().secp256k1_musig_partial_sig_serialize(context(), out, partial)
        return bytes(ffi.buffer(out))

    def verify_partial(self, partial: bytes, public_nonce: bytes, public_key: bytes) -> None:
        """Check one signer's part. Raises Misbehaviour naming the party, InvalidInput for a key not aggregated.

        The nonce must be the one that went into the aggregated nonce.
        """
        party = self.keyagg.party_of(public_key)
        nonce = _parse_public_nonce(public_nonce, party)
        if not _library().secp256k1_musig_partial_sig_verify(
            context(),
            _parse_partial(partial, party),
            nonce,
            self.keyagg._points[public_key],
            self.keyagg._cache,
            self._session,
        ):
            raise Misbehaviour(party, f"partial signature {partial.hex()} does not check")

    def aggregate(self, partials: Sequence[bytes]) -> bytes:
        """The signature (64 bytes) from all parts, in the order of the keys; it is not checked here.

        Raises Misbehaviour naming the party whose part is no scalar, InvalidInput unless there is one part per key.
        """
        parties = self.keyagg.parties
        if len(partials) != len(parties):
            raise InvalidInput(f"{len(partials)} partial signatures for {len(parties)} keys")
        parsed = [_parse_partial(partial, party) for partial, party in zip(partials, parties, strict=True)]
        signature = ffi.new("unsigned char [64]")
        pointers = _pointers("secp256k1_musig_partial_sig", parsed)
        _require(_library().secp256k1_musig_partial_sig_agg(context(), signature, self._session, pointers, len(parsed)))
        return bytes(ffi.buffer(signature))


def sort_keys(public_keys: Sequence[bytes]) -> list[bytes]:
    """The keys in the order that makes the aggregate independent of who lists them (BIP327 "KeySort")."""
    return sorted(public_keys)


def aggregate_nonces(public_nonces: Sequence[bytes], parties: Sequence[str] | None = None) -> bytes:
    """Join public nonces (66 bytes each) to one (BIP327 "NonceAgg").

    Raises Misbehaviour naming the first party whose nonce is not two points, InvalidInput for no nonces.
    """
    names = _party_names(len(public_nonces), parties)
    parsed = [_parse_public_nonce(nonce, party) for nonce, party in zip(public_nonces, names, strict=True)]
    joined, out = ffi.new("secp256k1_musig_aggnonce *"), ffi.new("unsigned char [66]")
    pointers = _pointers("secp256k1_musig_pubnonce", parsed)
    _require(_library().secp256k1_musig_nonce_agg(context(), joined, pointers, len(parsed)))
    _library().secp256k1_musig_aggnonce_serialize(context(), out, joined)
    return bytes(ffi.buffer(out))


def generate_nonce(
    randomness: bytes, secret: SecretKey, message: bytes, keyagg: KeyAgg, extra: bytes = b""
) -> SecretNonce:
    """As `SecretNonce.generate` with the randomness (32 bytes) given: never use the same bytes twice."""
    if len(randomness) != 32 or len(extra) not in (0, 32):
        raise InvalidInput("randomness has 32 bytes, extra input 32 or none")
    keyagg.party_of(secret.public_key)
    opaque, public = ffi.new("secp256k1_musig_secnonce *"), ffi.new("secp256k1_musig_pubnonce *")
    _require(
        _library().secp256k1_musig_nonce_gen(
            context(),
            opaque,
            public,
            ffi.new("unsigned char [32]", randomness),
            secret.to_bytes(),
            keyagg._points[secret.public_key],
            _checked_message(message),
            keyagg._cache,
            extra or ffi.NULL,
        )
    )
    out = ffi.new("unsigned char [66]")
    _library().secp256k1_musig_pubnonce_serialize(context(), out, public)
    return SecretNonce(opaque, bytes(ffi.buffer(out)), message, keyagg.output_key)


@cache
def _library() -> Any:
    if not hasattr(lib, "secp256k1_musig_partial_sign"):
        raise Unavailable("this coincurve has no MuSig2; install coincurve 21 from its wheel")
    return lib


def _require(done: int) -> None:
    """Raises InvalidInput with the library's complaint if a call failed."""
    if not done:
        raise InvalidInput(f"libsecp256k1 refused: {take_complaint() or 'value out of range'}")


def _party_names(count: int, parties: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(parties) if parties is not None else tuple(f"signer {index}" for index in range(count))
    if not count or len(names) != count:
        raise InvalidInput(f"{count} contributions from {len(names)} parties; MuSig2 needs one of each, at least one")
    return names


def _checked_message(message: bytes) -> bytes:
    if len(message) != 32:
        raise InvalidInput(f"libsecp256k1 signs messages of 32 bytes here, not {len(message)}")
    return message


def _parse_key(data: bytes, party: str) -> Any:
    try:
        return parse_point(data)
    except InvalidInput as error:
        raise Misbehaviour(party, str(error)) from error


def _parse_public_nonce(data: bytes, party: str) -> Any:
    nonce = ffi.new("secp256k1_musig_pubnonce *")
    if len(data) != PUBLIC_NONCE_BYTES or not _library().secp256k1_musig_pubnonce_parse(context(), nonce, data):
        raise Misbehaviour(party, f"public nonce {data.hex()} is not two points")
    return nonce


def _parse_partial(data: bytes, party: str) -> Any:
    partial = ffi.new("secp256k1_musig_partial_sig *")
    if len(data) != PARTIAL_SIGNATURE_BYTES or not _library().secp256k1_musig_partial_sig_parse(
        context(), partial, data
    ):
        raise Misbehaviour(party, f"partial signature {data.hex()} is not a scalar below the group order")
    return partial


def _pointers(ctype: str, items: Sequence[Any]) -> Any:
    return ffi.new(f"{ctype} *[]", list(items))
