"""Keys and one-time secrets from one seed: HKDF with SHA256 (RFC 5869).

`derive(seed, "lamport", round, bit)` names what the secret is for. Each part of the name is hashed with its length,
so ("ab", "c") and ("a", "bc") are different names; text stands for its UTF-8 bytes.
"""

from __future__ import annotations

import hashlib
import hmac

from taproot.errors import InvalidInput

_HASH_BYTES = 32
_SALT = b"btc-l2/kdf/1"  # RFC 5869, 3.1: need not be secret; sets these secrets apart from other uses of the seed
_MIN_SEED = 16


def derive(seed: bytes, *domain: str | bytes, length: int = 32) -> bytes:
    """`length` bytes for the thing that `domain` names. Raises InvalidInput for a seed under 16 bytes or no name."""
    if len(seed) < _MIN_SEED:
        raise InvalidInput(f"a seed of {len(seed)} bytes can be guessed; use at least {_MIN_SEED}")
    if not domain:
        raise InvalidInput("a derived secret needs a name")
    return hkdf_expand(hkdf_extract(_SALT, seed), _encode_domain(domain), length)


def hkdf_extract(salt: bytes, key: bytes) -> bytes:
    """Pseudorandom key (32 bytes), RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(_HASH_BYTES), key, hashlib.sha256)


def hkdf_expand(pseudorandom_key: bytes, info: bytes, length: int) -> bytes:
    """`length` bytes, at most 8,160, RFC 5869 section 2.3."""
    if not 0 < length <= 255 * _HASH_BYTES:
        raise InvalidInput(f"HKDF gives 1 to {255 * _HASH_BYTES} bytes, not {length}")
    output = block = b""
    counter = 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(pseudorandom_key, block + info + bytes([counter]), hashlib.sha256)
        output += block
    return output[:length]


def _encode_domain(parts: tuple[str | bytes, ...]) -> bytes:
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
