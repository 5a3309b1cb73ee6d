"""A party's seed at rest, encrypted with a passphrase; the door to the library `cryptography`.

    file         JSON: format, kdf, log2_n, r, p, salt, cipher, nonce, label, ciphertext (bytes as hex)
    key          scrypt (RFC 7914) of the passphrase, 32 bytes
    ciphertext   ChaCha20-Poly1305 (RFC 8439); everything else in the file is its associated data

All keys of a party follow from one seed of 32 bytes (`taproot.kdf`): the key of the n-of-n, the one that signs in its
place without MuSig2, the key that signs ceremony files, the seed of the one-time keys, a secret that MuSig2 nonces are
made with besides fresh randomness. So a backup of the seed is a backup of all coins.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from btc_l2.durable import write_once
from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.kdf import derive
from taproot.keys import SecretKey

FORMAT = "btc-l2 sealed 1"
SEED_BYTES = 32
SCRYPT_LOG2_N = 17  # 128 MiB, some 0.4 s
LEAST_LOG2_N, MOST_LOG2_N = 14, 20  # a file from elsewhere must not cost gigabytes
_R, _P = 8, 1
_SALT_BYTES, _NONCE_BYTES = 16, 12
_MOST_FILE_BYTES = 256 << 20
_FIELDS = {"format", "kdf", "log2_n", "r", "p", "salt", "cipher", "nonce", "label", "ciphertext"}


@dataclass(frozen=True, slots=True, repr=False)
class KeySet:
    """Everything secret of a party; `repr` shows none of it."""

    key: SecretKey  # of the n-of-n, of payouts, of live signatures
    plain: SecretKey  # of the n-of-n where he is a plain signer (`taproot.cosigners`), of nothing else
    identity: SecretKey  # signs ceremony files, nothing else
    one_time: bytes  # seed of the one-time keys
    nonce: bytes  # goes into MuSig2 nonces, besides fresh randomness

    def __repr__(self) -> str:
        return f"KeySet(of {self.key.x_only})"

    @classmethod
    def from_seed(cls, seed: bytes) -> KeySet:
        """Raises InvalidInput unless the seed has 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise InvalidInput(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        key, plain, identity = (SecretKey(derive(seed, "signer", what)) for what in ("key", "plain", "identity"))
        return cls(key, plain, identity, derive(seed, "signer", "one-time"), derive(seed, "signer", "nonce"))


def create_keystore(path: Path, passphrase: bytes, label: str, log2_n: int = SCRYPT_LOG2_N) -> KeySet:
    """A new seed, on the disk when this returns. Raises Refused if the file is there, as `seal` else."""
    if path.exists():
        raise Refused(f"{path} is there already; a seed is never overwritten; choose another home")
    seed = secrets.token_bytes(SEED_BYTES)
    write_once(path, seal(seed, passphrase, label, log2_n))
    return KeySet.from_seed(seed)


def open_keystore(path: Path, passphrase: bytes) -> tuple[str, KeySet]:
    """Label and keys. Raises Refused for a file that others can read, VerificationFailed as `unseal` does."""
    label, seed = unseal(read_private(path), passphrase)
    return label, KeySet.from_seed(seed)


def read_private(path: Path) -> bytes:
    """A file that only its owner may read. Raises Refused if others may, Unavailable if it cannot be read."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise Refused(f"{path} can be read by others (mode {mode & 0o777:o}); run `chmod 600` on it")
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; check name and permission") from error


def seal(plain: bytes, passphrase: bytes, label: str, log2_n: int = SCRYPT_LOG2_N) -> bytes:
    """The file's content. Raises InvalidInput for an empty passphrase or a cost out of range."""
    if not passphrase:
        raise InvalidInput("an empty passphrase protects nothing; give one")
    head = {
        "format": FORMAT, "kdf": "scrypt", "log2_n": log2_n, "r": _R, "p": _P,
        "salt": secrets.token_bytes(_SALT_BYTES).hex(), "cipher": "chacha20-poly1305",
        "nonce": secrets.token_bytes(_NONCE_BYTES).hex(), "label": label,
    }  # fmt: skip
    cipher = ChaCha20Poly1305(_stretch(head, passphrase))
    ciphertext = cipher.encrypt(bytes.fromhex(head["nonce"]), plain, _canonical(head))  # type: ignore[arg-type]
    return json.dumps({**head, "ciphertext": ciphertext.hex()}, indent=1).encode() + b"\n"


def unseal(content: bytes, passphrase: bytes) -> tuple[str, bytes]:
    """Label and plain text. Raises VerificationFailed for a wrong passphrase or a changed file (nobody can tell)."""
    document = _parse(content)
    head = {name: value for name, value in document.items() if name != "ciphertext"}
    try:
        cipher = ChaCha20Poly1305(_stretch(head, passphrase))
        plain = cipher.decrypt(bytes.fromhex(head["nonce"]), bytes.fromhex(document["ciphertext"]), _canonical(head))
    except InvalidTag:
        raise VerificationFailed("wrong passphrase, or the file was changed; try again, or restore a backup") from None
    except (ValueError, TypeError) as error:
        raise VerificationFailed(f"the sealed file is damaged ({error}); restore a backup") from error
    return str(document["label"]), plain


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content) if len(content) <= _MOST_FILE_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or set(document) != _FIELDS or document["format"] != FORMAT:
        raise VerificationFailed(f"not a file of format {FORMAT!r}; name the right file, or restore a backup")
    return document


def _stretch(head: dict[str, Any], passphrase: bytes) -> bytes:
    log2_n = head["log2_n"]
    if type(log2_n) is not int or not LEAST_LOG2_N <= log2_n <= MOST_LOG2_N or (head["r"], head["p"]) != (_R, _P):
        raise InvalidInput(f"scrypt with 2^{log2_n} is out of range; 2^{LEAST_LOG2_N} to 2^{MOST_LOG2_N} are allowed")
    salt = bytes.fromhex(head["salt"])
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=_R, p=_P).derive(passphrase)


def _canonical(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
