"""MuSig2 secret nonces that have to wait between two commands, made so that no copy of a folder can use them again.

Two signatures with one secret nonce and different nonces of the others give the secret key away. The nonces of a round
follow from a seed that exists nowhere as a whole: half of it lies in the home folder, half *outside* of it (a folder in
memory, or a medium of its own), and a secret of the keystore goes in. `take` destroys the outer half before it gives
the seed away, so what comes after a crash there, from a backup or from an older copy of the home has no nonce to sign
with; it begins a new attempt with fresh ones. docs/spec/ceremony.md, "Nonces", has the whole argument.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btc_l2.durable import make_folder, remove_file, write_once
from challenger.presign.ceremony.contribution import Round
from taproot.errors import InvalidInput, Refused
from taproot.hashes import tagged_hash
from taproot.kdf import derive
from taproot.keys import SecretKey
from taproot.musig2 import KeyAgg, SecretNonce, generate_nonce

HALF_BYTES = 32
SUFFIX = ".half"


@dataclass(frozen=True, slots=True)
class Slot:
    """One use of nonces: a round and an attempt of it, for a list of messages (`digest_of`)."""

    round: Round
    attempt: int
    messages: bytes


@dataclass(frozen=True, slots=True)
class NonceHalves:
    """The seeds of one party in one ceremony."""

    inside: Path  # the ceremony's folder
    outside: Path | None  # never below the home folder; None: nothing can be signed here
    ceremony: bytes
    secret: bytes

    def open(self, slot: Slot) -> bytes:
        """A fresh seed; both halves are on the disk when this returns. Those of a try that sent nothing are dropped."""
        make_folder(self._outside())
        for path in (self._outer(slot), self._inner(slot)):
            if path.exists():
                remove_file(path)
        inner, outer = secrets.token_bytes(HALF_BYTES), secrets.token_bytes(HALF_BYTES)
        write_once(self._inner(slot), inner)
        write_once(self._outer(slot), outer)
        return self._join(slot, inner, outer)

    def is_there(self, slot: Slot) -> bool:
        """Whether both halves are."""
        return self._inner(slot).exists() and self._outer(slot).exists()

    def take(self, slot: Slot) -> bytes:
        """The seed, once: both halves are gone for good when this returns. Raises Refused if one is missing."""
        if not self.is_there(slot):
            raise Refused(f"the nonces of attempt {slot.attempt} are used or lost; sign again to begin a new attempt")
        inner, outer = self._inner(slot).read_bytes(), self._outer(slot).read_bytes()
        remove_file(self._outer(slot))
        remove_file(self._inner(slot))
        if (len(inner), len(outer)) != (HALF_BYTES, HALF_BYTES):
            raise Refused(f"the nonces of attempt {slot.attempt} are damaged; sign again to begin a new attempt")
        return self._join(slot, inner, outer)

    def _outside(self) -> Path:
        if self.outside is None:
            raise InvalidInput("no folder for halves of nonces was named; name one outside of the home")
        return self.outside

    def _inner(self, slot: Slot) -> Path:
        return self.inside / f"{slot.round.value}.{slot.attempt}{SUFFIX}"

    def _outer(self, slot: Slot) -> Path:
        party = tagged_hash("btc-l2/nonce/party", self.secret)[:4]
        return self._outside() / f"{self.ceremony[:8].hex()}.{party.hex()}.{slot.round.value}.{slot.attempt}{SUFFIX}"

    def _join(self, slot: Slot, inner: bytes, outer: bytes) -> bytes:
        domain = (self.ceremony, slot.round.value, str(slot.attempt), slot.messages)
        return derive(inner + outer + self.secret, "musig2", *domain)


def make_nonces(seed: bytes, key: SecretKey, messages: Sequence[bytes], aggregate: KeyAgg) -> list[SecretNonce]:
    """A nonce per message; each is bound to seed, message, key and aggregation. Raises InvalidInput for one twice."""
    if len(set(messages)) != len(messages):
        raise InvalidInput("a message stands twice in a round; it gets one nonce and one signature")
    return [generate_nonce(derive(seed, "message", m), key, m, aggregate) for m in messages]


def check_outside(outside: Path, home: Path) -> Path:
    """The folder for outer halves. Raises InvalidInput if a copy of `home` would contain it."""
    if outside.resolve().is_relative_to(home.resolve()):
        raise InvalidInput(f"{outside} lies in {home}; a copy of it would hold both halves of a nonce; choose another")
    return outside
