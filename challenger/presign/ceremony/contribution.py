"""One file of the ceremony: what one member says in one round, signed with his identity key.

    file        JSON: format, ceremony, round, attempt, sender, policy, body, signature
    digest      tagged hash "btc-l2/ceremony" of everything but the signature, as JSON with sorted keys and no blanks
    signature   BIP 340 over the digest, by the sender's identity key, without auxiliary randomness: the same
                contribution is the same file, whoever writes it again after a crash

So a file fits one ceremony, one round, one attempt and one sender, and nobody can have sent it in another's name.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from taproot.errors import InvalidInput, Misbehaviour, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import SecretKey, XOnlyKey, is_valid_schnorr, sign_schnorr
from taproot.parties import is_name

FORMAT = "btc-l2 ceremony 1"
MOST_FILE_BYTES = 64 << 20
MOST_ATTEMPTS = 64
_FIELDS = {"format", "ceremony", "round", "attempt", "sender", "policy", "body", "signature"}


class Round(Enum):
    """What a file contributes; the order is that of the ceremony."""

    PROPOSE = "propose"
    SETTLE = "settle"  # proposes a settlement
    KEYS = "keys"
    NONCES = "nonces"
    PARTIALS = "partials"
    CONFIRM_NONCES = "confirm-nonces"
    CONFIRM_PARTIALS = "confirm-partials"


PROPOSALS = (Round.PROPOSE, Round.SETTLE)  # each begins a ceremony and names it


@dataclass(frozen=True, slots=True)
class Contribution:
    """A file's content; `digest` is computed from all but the signature."""

    ceremony: bytes
    round: Round
    attempt: int  # of nonces and parts of signatures, from 1; 0 elsewhere
    sender: str
    policy: bytes
    body: Mapping[str, Any]
    digest: bytes
    signature: bytes

    @classmethod
    def make(
        cls, identity: SecretKey, sender: str, round_: Round, attempt: int, policy: bytes, body: Mapping[str, Any],
        ceremony: bytes = b"",
    ) -> Contribution:  # fmt: skip
        """Sign; a proposal names its own ceremony."""
        ceremony = ceremony or ceremony_id(body)
        digest = _digest(_head(ceremony, round_, attempt, sender, policy, body))
        return cls(ceremony, round_, attempt, sender, policy, body, digest, sign_schnorr(identity, digest, bytes(32)))

    @property
    def file_name(self) -> str:
        """`ROUND.ATTEMPT.SENDER.json`."""
        return f"{self.round.value}.{self.attempt}.{self.sender}.json"

    def to_json(self) -> dict[str, Any]:
        """The file's document."""
        head = _head(self.ceremony, self.round, self.attempt, self.sender, self.policy, self.body)
        return {**head, "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """The file's content."""
        return canonical(self.to_json()) + b"\n"

    @classmethod
    def from_json(cls, document: object) -> Contribution:
        """Read; the signature is not checked here. Raises InvalidInput for anything but what `to_json` gives."""
        if not isinstance(document, dict) or set(document) != _FIELDS or document["format"] != FORMAT:
            raise InvalidInput(f"not a file of format {FORMAT!r}")
        attempt, body, sender = document["attempt"], document["body"], document["sender"]
        if type(attempt) is not int or not 0 <= attempt <= MOST_ATTEMPTS or not isinstance(body, dict):
            raise InvalidInput(f"attempt {attempt!r} is not 0 to {MOST_ATTEMPTS}, or there is no body")
        if not is_name(sender):
            raise InvalidInput(f"{sender!r} cannot be the name of its sender")
        try:
            round_ = Round(document["round"])
            ceremony, policy, signature = (bytes.fromhex(document[n]) for n in ("ceremony", "policy", "signature"))
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"the head of the file is not understood: {error}") from error
        digest = _digest(_head(ceremony, round_, attempt, sender, policy, body))
        return cls(ceremony, round_, attempt, sender, policy, body, digest, signature)

    @classmethod
    def from_bytes(cls, content: bytes) -> Contribution:
        """Raises InvalidInput for too many bytes, what is no JSON, or as `from_json` does."""
        if len(content) > MOST_FILE_BYTES:
            raise InvalidInput(f"{len(content)} bytes; a ceremony file has {MOST_FILE_BYTES} at most")
        try:
            document = json.loads(
                content, object_pairs_hook=_no_name_twice, parse_float=_no_float, parse_constant=_no_float
            )
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"no JSON of whole numbers and distinct names: {error}") from error
        return cls.from_json(document)

    def verify(self, identity: XOnlyKey) -> None:
        """Raises VerificationFailed unless the sender's identity key signed this, InvalidInput for another ceremony."""
        if not is_valid_schnorr(identity, self.digest, self.signature):
            raise VerificationFailed(
                f"{self.file_name} is not signed by {self.sender}'s identity key; changed on its way, or not from him"
            )
        if self.round in PROPOSALS and self.ceremony != ceremony_id(self.body):
            raise InvalidInput(f"{self.file_name} does not belong to the ceremony that it names")
        if (self.attempt == 0) != (self.round in (*PROPOSALS, Round.KEYS)):
            raise InvalidInput(f"{self.file_name}: attempt {self.attempt} does not exist in this round")


def ceremony_id(proposal: Mapping[str, Any]) -> bytes:
    """32 bytes that name the ceremony which a proposal's body begins."""
    return tagged_hash("btc-l2/ceremony/id", canonical(proposal))


def canonical(document: Mapping[str, Any]) -> bytes:
    """JSON with sorted names and no blanks, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest_of(parts: Sequence[bytes]) -> bytes:
    """32 bytes that stand for a list of messages."""
    return tagged_hash("btc-l2/ceremony/messages", b"".join(parts))


def pack(parts: Sequence[bytes]) -> str:
    """Parts of one size as base64."""
    return base64.b64encode(b"".join(parts)).decode()


def unpack(text: object, size: int, count: int, sender: str) -> list[bytes]:
    """Inverse of `pack`. Raises Misbehaviour unless there are `count` parts of `size` bytes."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != size * count:
        raise Misbehaviour(sender, f"{len(data)} bytes of {'nonces' if size == 66 else 'parts'} for {count} signatures")
    return [data[i : i + size] for i in range(0, len(data), size)]


def _head(
    ceremony: bytes, round_: Round, attempt: int, sender: str, policy: bytes, body: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "format": FORMAT, "ceremony": ceremony.hex(), "round": round_.value, "attempt": attempt, "sender": sender,
        "policy": policy.hex(), "body": body,
    }  # fmt: skip


def _digest(head: Mapping[str, Any]) -> bytes:
    return tagged_hash("btc-l2/ceremony", canonical(head))


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_float(text: str) -> Any:
    raise ValueError(f"{text} is no whole number")
