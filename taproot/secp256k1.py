"""Door to libsecp256k1, the library that coincurve carries; nothing else imports coincurve.

Only the raw functions, one context and the parsing of points pass through here: `taproot.keys` and `taproot.musig2`
make types of them. The context has its own callback for illegal arguments, because the library's own one ends the
process (for example when a secret nonce of MuSig2 is used twice).
"""

from __future__ import annotations

import secrets
import threading
from functools import cache
from typing import Any

from taproot.errors import InvalidInput, Unavailable

try:
    from coincurve._libsecp256k1 import ffi as _ffi
    from coincurve._libsecp256k1 import lib as _lib
except ImportError as _error:
    raise Unavailable(f"coincurve without its libsecp256k1 ({_error}); install coincurve 21") from _error

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # n of SEC 2, 2.4.1

ffi: Any = _ffi
lib: Any = _lib

_complaint = threading.local()


@cache
def context() -> Any:
    """The context of all calls: blinded with fresh randomness, complaints recorded instead of fatal."""
    ctx = ffi.gc(lib.secp256k1_context_create(lib.SECP256K1_CONTEXT_NONE), lib.secp256k1_context_destroy)
    lib.secp256k1_context_set_illegal_callback(ctx, _illegal_argument_callback(), ffi.NULL)
    if not lib.secp256k1_context_randomize(ctx, secrets.token_bytes(32)):
        raise Unavailable("libsecp256k1 did not accept randomness for its context")
    return ctx


def take_complaint() -> str:
    """What the library said about the last illegal argument in this thread, once; "" if it said nothing."""
    text: str = getattr(_complaint, "text", "")
    _complaint.text = ""
    return text


def parse_point(data: bytes) -> Any:
    """`secp256k1_pubkey *` of a compressed point (33 bytes). Raises InvalidInput if it is not on the curve."""
    point = ffi.new("secp256k1_pubkey *")
    if len(data) != 33 or not lib.secp256k1_ec_pubkey_parse(context(), point, data, 33):
        raise InvalidInput(f"not a compressed public key: {data.hex()}")
    return point


def serialize_point(point: Any) -> bytes:
    """33 bytes of a `secp256k1_pubkey *`."""
    out, size = ffi.new("unsigned char [33]"), ffi.new("size_t *", 33)
    lib.secp256k1_ec_pubkey_serialize(context(), out, size, point, lib.SECP256K1_EC_COMPRESSED)
    return bytes(ffi.buffer(out))


def parse_xonly(data: bytes) -> Any:
    """`secp256k1_xonly_pubkey *` of an x coordinate (32 bytes). Raises InvalidInput if no point has it."""
    point = ffi.new("secp256k1_xonly_pubkey *")
    if len(data) != 32 or not lib.secp256k1_xonly_pubkey_parse(context(), point, data):
        raise InvalidInput(f"not an x-only public key: {data.hex()}")
    return point


def serialize_xonly(point: Any) -> bytes:
    """32 bytes of a `secp256k1_xonly_pubkey *`."""
    out = ffi.new("unsigned char [32]")
    lib.secp256k1_xonly_pubkey_serialize(context(), out, point)
    return bytes(ffi.buffer(out))


@cache
def _illegal_argument_callback() -> Any:
    def remember(message: Any, _data: Any) -> None:
        _complaint.text = ffi.string(message).decode()

    return ffi.callback("void(char *, void *)", remember)
