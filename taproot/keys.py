"""Keys and Schnorr signatures of BIP340, and the tweak that makes a Taproot output key (BIP341).

An `XOnlyKey` *is* its 32 bytes, so it goes into scripts and hashes as it stands; making one proves that a point
with this x coordinate exists. A `SecretKey` never shows itself in `repr`.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any

from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.secp256k1 import (
    GROUP_ORDER,
    context,
    ffi,
    lib,
    parse_point,
    parse_xonly,
    serialize_point,
    serialize_xonly,
)


class XOnlyKey(bytes):
    """The x coordinate (32 bytes) of a public key whose y is taken as even (BIP340)."""

    __slots__ = ()

    def __new__(cls, data: bytes) -> XOnlyKey:
        """Raises InvalidInput if no point of the curve has this x coordinate."""
        parse_xonly(data)
        return super().__new__(cls, data)

    def __repr__(self) -> str:
        return f"XOnlyKey({self.hex()})"

    def __str__(self) -> str:
        return self.hex()

    def tweak_add(self, tweak: bytes) -> tuple[XOnlyKey, int]:
        """The x-only key of `P + tweak*G` and the parity (0 even, 1 odd) of its y.

        Raises InvalidInput if the tweak is not below the group order or the sum is the point at infinity.
        """
        full, x_only, parity = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_xonly_pubkey *"), ffi.new("int *")
        _check_tweak(tweak)
        if not lib.secp256k1_xonly_pubkey_tweak_add(context(), full, parse_xonly(self), tweak):
            raise InvalidInput("the tweak cancels the key or is not below the group order")
        lib.secp256k1_xonly_pubkey_from_pubkey(context(), x_only, parity, full)
        return _known_xonly(serialize_xonly(x_only)), int(parity[0])

    def taproot_output_key(self, merkle_root: bytes = b"") -> tuple[XOnlyKey, int]:
        """Output key and its parity for this internal key; an empty root means no script path (BIP341)."""
        return self.tweak_add(taproot_tweak(self, merkle_root))


class SecretKey:
    """A scalar between 1 and the group order, with its public key."""

    __slots__ = ("_pair", "_public", "_x_only")

    def __init__(self, secret: bytes) -> None:
        """Raises InvalidInput for anything but 32 bytes that stand for a scalar in range."""
        pair = ffi.new("secp256k1_keypair *")
        if len(secret) != 32 or not lib.secp256k1_keypair_create(context(), pair, secret):
            raise InvalidInput("a secret key is 32 bytes, not zero and below the group order")
        self._adopt(pair)

    @classmethod
    def generate(cls) -> SecretKey:
        """A fresh key from the system's randomness."""
        return cls((secrets.randbelow(GROUP_ORDER - 1) + 1).to_bytes(32, "big"))

    def __repr__(self) -> str:
        return f"SecretKey(of {self._x_only.hex()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKey) and secrets.compare_digest(self.to_bytes(), other.to_bytes())

    def __hash__(self) -> int:
        return hash(self._public)

    @property
    def public_key(self) -> bytes:
        """Compressed public key, 33 bytes, as MuSig2 wants it."""
        return self._public

    @property
    def x_only(self) -> XOnlyKey:
        """Public key as BIP340 wants it."""
        return self._x_only

    @property
    def keypair(self) -> Any:
        """The library's `secp256k1_keypair *`, for `taproot.musig2`."""
        return self._pair

    def to_bytes(self) -> bytes:
        """The secret scalar, 32 bytes, big endian."""
        out = ffi.new("unsigned char [32]")
        lib.secp256k1_keypair_sec(context(), out, self._pair)
        return bytes(ffi.buffer(out))

    def tweak_add(self, tweak: bytes) -> SecretKey:
        """The secret key of `self.x_only.tweak_add(tweak)`. Raises InvalidInput as that does."""
        _check_tweak(tweak)
        pair = ffi.new("secp256k1_keypair *", self._pair[0])
        if not lib.secp256k1_keypair_xonly_tweak_add(context(), pair, tweak):
            raise InvalidInput("the tweak cancels the key or is not below the group order")
        tweaked = SecretKey.__new__(SecretKey)
        tweaked._adopt(pair)
        return tweaked

    def taproot_tweaked(self, merkle_root: bytes = b"") -> SecretKey:
        """The key that signs the key path of an output with this internal key (BIP341)."""
        return self.tweak_add(taproot_tweak(self._x_only, merkle_root))

    def _adopt(self, pair: Any) -> None:
        point, x_only = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_xonly_pubkey *")
        lib.secp256k1_keypair_pub(context(), point, pair)
        lib.secp256k1_keypair_xonly_pub(context(), x_only, ffi.NULL, pair)
        self._pair = pair
        self._public = serialize_point(point)
        self._x_only = _known_xonly(serialize_xonly(x_only))


def x_only_of(public_key: bytes) -> XOnlyKey:
    """The x-only form of a compressed public key (33 bytes). Raises InvalidInput if it is none."""
    parse_point(public_key)
    return _known_xonly(public_key[1:])


def taproot_tweak(internal_key: bytes, merkle_root: bytes = b"") -> bytes:
    """The scalar (32 bytes) that an internal key is tweaked with; the root is empty or 32 bytes (BIP341)."""
    if len(merkle_root) not in (0, 32):
        raise InvalidInput(f"a Merkle root has 32 bytes, not {len(merkle_root)}")
    return tagged_hash("TapTweak", internal_key + merkle_root)


def sign_schnorr(secret: SecretKey, message: bytes, aux: bytes | None = None) -> bytes:
    """Signature (64 bytes) over a message of any length; a sighash has 32 (BIP340 "Default Signing").

    `aux` are 32 bytes of auxiliary randomness, fresh ones by default. Raises InvalidInput if they are not 32.
    """
    aux = secrets.token_bytes(32) if aux is None else aux
    if len(aux) != 32:
        raise InvalidInput(f"auxiliary randomness has 32 bytes, not {len(aux)}")
    signature = ffi.new("unsigned char [64]")
    if len(message) == 32:
        done = lib.secp256k1_schnorrsig_sign32(context(), signature, message, secret.keypair, aux)
    else:
        done = _sign_any_length(signature, message, secret, aux)
    assert done, "signing cannot fail with a valid key"
    return bytes(ffi.buffer(signature))


def is_valid_schnorr(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature (64 bytes) over the message checks against the x-only key (BIP340 "Verification")."""
    if len(signature) != 64:
        return False
    try:
        point = _parsed(bytes(public_key))
    except InvalidInput:
        return False
    return bool(lib.secp256k1_schnorrsig_verify(context(), signature, message, len(message), point))


def verify_schnorr(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raises VerificationFailed unless the signature checks (see `is_valid_schnorr`)."""
    if not is_valid_schnorr(public_key, message, signature):
        raise VerificationFailed(f"Schnorr signature does not check against key {public_key.hex()}")


_parsed = lru_cache(maxsize=64)(parse_xonly)  # a graph has thousands of signatures of one key


def _check_tweak(tweak: bytes) -> None:
    if len(tweak) != 32:
        raise InvalidInput(f"a tweak has 32 bytes, not {len(tweak)}")


def _known_xonly(data: bytes) -> XOnlyKey:
    """An x coordinate that the library has just computed: it needs no check."""
    return bytes.__new__(XOnlyKey, data)


def _sign_any_length(signature: Any, message: bytes, secret: SecretKey, aux: bytes) -> int:
    random = ffi.new("unsigned char [32]", aux)
    params = ffi.new("secp256k1_schnorrsig_extraparams *")
    params.magic = b"\xda\x6f\xb3\x8c"  # SECP256K1_SCHNORRSIG_EXTRAPARAMS_MAGIC
    params.ndata = random
    done: int = lib.secp256k1_schnorrsig_sign_custom(
        context(), signature, message, len(message), secret.keypair, params
    )
    return done
