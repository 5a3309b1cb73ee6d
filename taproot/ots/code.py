"""What a one-time code is: digits signed once, checked and opened by Script.

A public key is a row of HASH160 values; a signature is a row of witness items. Whoever signs two different values with
one key gives third parties the means to forge a third, so a key signs once: the caller keeps a journal.

Script numbers in a witness need not be minimal by consensus (only relay policy asks for it), and a miner may change
their encoding. So the scripts here take a digit as a number, `open` leaves it minimal, and `read` accepts what Script
accepts. Who copies a signature into another witness reads it and writes it again (`minimal`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from taproot.errors import InvalidInput, VerificationFailed
from taproot.kdf import hkdf_extract
from taproot.script import Op, Script, encode_number, script
from taproot.script.script import Effect

SEED_BYTES = 32
HASH_BYTES = 20  # HASH160, and the length of every secret
_MAX_NUMBER_BYTES = 4


class OneTimeCode(Protocol):
    """A way to sign `digits` digits once; items and digits are counted from 0, items from the bottom of the stack."""

    @property
    def digits(self) -> int:
        """How many digits one signature carries."""

    @property
    def items(self) -> int:
        """How many witness items one signature takes in `check`."""

    @property
    def open_items(self) -> int:
        """How many witness items one signature takes in `open`."""

    def public(self, seed: bytes) -> bytes:
        """The public key of a 32-byte seed: 20-byte hashes, concatenated."""

    def sign(self, seed: bytes, digits: Sequence[int]) -> tuple[bytes, ...]:
        """The witness items (bottom first) that show `digits`. Raises InvalidInput for digits out of range."""

    def check(self, public: bytes) -> Script:
        """Verify a signature.

        stack:  items…  →  (nothing)
        """

    def open(self, public: bytes) -> Script:
        """Verify a signature and keep its digits, each a minimal number.

        stack:  items of `to_open`…  →  (nothing)        alt:  →  digit n−1 … digit 0 (on top)
        """

    def to_open(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """A signature that `check` accepts, in the layout that `open` takes. Raises VerificationFailed."""

    def read(self, public: bytes, items: Sequence[bytes]) -> tuple[int, ...]:
        """The digits that `items` show, by exactly the script's rules. Raises VerificationFailed."""

    def minimal(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same signature with its numbers written minimally, as relay policy wants them."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A script that takes `items` witness items and leaves digits on the alt stack, digit 0 on top."""

    script: Script
    items: int


def open_signed(code: OneTimeCode, public: bytes) -> Opening:
    """Open a signed value."""
    return Opening(code.open(public), code.open_items)


def open_constant(digits: Sequence[int]) -> Opening:
    """Open a value that everybody knows: it costs two bytes a digit and no witness."""
    pushes = (part for d in reversed(digits) for part in (d, Op.TOALTSTACK))
    return Opening(script(*pushes), 0)


@dataclass(frozen=True, slots=True)
class Template:
    """A script with holes for hashes, so that a key costs one join of byte strings and no stack analysis.

    `pieces` is the code around the holes (one more than there are holes), `order` says which hash of the public key
    goes into each hole.
    """

    pieces: tuple[bytes, ...]
    order: tuple[int, ...]
    effect: Effect

    def fill(self, public: bytes) -> Script:
        """The script for one public key."""
        hashes = [public[HASH_BYTES * i : HASH_BYTES * (i + 1)] for i in self.order]
        code = [part for pair in zip(self.pieces, hashes, strict=False) for part in pair]
        return Script(b"".join(code) + self.pieces[-1], self.effect)


def make_template(parts: Sequence[Script | int]) -> Template:
    """A template from scripts and, for each hole, the number of the hash that is pushed there."""
    push_hash = Effect(delta=1, peak=1)
    pieces, order, effect = [b""], [], Effect()
    for part in parts:
        if isinstance(part, Script):
            pieces[-1] += part.code
            effect = effect.then(part.effect)
        else:
            pieces[-1] += bytes([HASH_BYTES])
            pieces.append(b"")
            order.append(part)
            effect = effect.then(push_hash)
    return Template(tuple(pieces), tuple(order), effect)


def secrets_from(seed: bytes, purpose: str, count: int) -> list[bytes]:
    """`count` secrets of 20 bytes; `purpose` names the code, so that one seed serves each code with other secrets.

    HKDF (RFC 5869) with one block per secret. Raises InvalidInput for a seed that is not 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise InvalidInput(f"seed of {len(seed)} bytes for a one-time key; give {SEED_BYTES}")
    key = hkdf_extract(b"btc-l2/ots/" + purpose.encode(), seed)
    return [hmac.digest(key, i.to_bytes(4, "big"), hashlib.sha256)[:HASH_BYTES] for i in range(count)]


def split_public(public: bytes, hashes: int) -> list[bytes]:
    """The hashes of a public key. Raises InvalidInput for the wrong length."""
    check_public(public, hashes)
    return [public[i : i + HASH_BYTES] for i in range(0, len(public), HASH_BYTES)]


def check_public(public: bytes, hashes: int) -> None:
    """Raises InvalidInput unless `public` is that many hashes long."""
    if len(public) != HASH_BYTES * hashes:
        raise InvalidInput(f"one-time public key of {len(public)} bytes; this code has {hashes} × {HASH_BYTES}")


def check_digits(digits: Sequence[int], count: int, base: int) -> None:
    """Raises InvalidInput unless `digits` are `count` numbers in 0…base−1."""
    if len(digits) != count or not all(0 <= d < base for d in digits):
        raise InvalidInput(f"cannot sign {len(digits)} digits; this code signs {count} digits of 0…{base - 1}")


def check_items(items: Sequence[bytes], count: int) -> None:
    """Raises VerificationFailed unless there are `count` items."""
    if len(items) != count:
        raise VerificationFailed(f"one-time signature of {len(items)} witness items; this code has {count}")


def number_as_script_reads_it(item: bytes) -> int:
    """A script number as consensus reads it (CScriptNum): up to four bytes, minimal or not. Else VerificationFailed."""
    if len(item) > _MAX_NUMBER_BYTES:
        raise VerificationFailed(f"a digit of {len(item)} bytes is no script number")
    if not item:
        return 0
    magnitude = int.from_bytes(item[:-1] + bytes([item[-1] & 0x7F]), "little")
    return -magnitude if item[-1] & 0x80 else magnitude


def number_items(digits: Sequence[int]) -> tuple[bytes, ...]:
    """Digits as witness items, minimal."""
    return tuple(encode_number(d) for d in digits)
