"""What goes over the wire between a member and the coordinator: envelopes, the log's head, signed requests and answers.

The coordinator is a mailbox: one append-only log per ceremony. It is trusted with nothing, so every byte is signed:

    envelope    ceremony 32 · sender 32 · sequence 4 · head seen 100 · content · signature 64
                by the sender's identity key; `sequence` counts his envelopes in this ceremony from 1
    head        number 4 · hash 32 · signature 64, by the coordinator's key: "so many entries, this is their hash chain"
    page        head 100, then per entry: length 4 · envelope
    request     signed by the member: method, path, digest of the body, a counter that only grows
    answer      signed by the coordinator: digest of the request, status, digest of the body

An envelope carries the head that its sender has seen. So members whose logs differ find it out with the first envelope
that passes between them, and hold two heads of one number, both signed: evidence. Integers are big endian.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from taproot.errors import InvalidInput
from taproot.hashes import sha256, tagged_hash
from taproot.keys import SecretKey, is_valid_schnorr, sign_schnorr

ID_BYTES, KEY_BYTES, SIGNATURE_BYTES = 32, 32, 64
HEAD_BYTES = 4 + 32 + SIGNATURE_BYTES
ENVELOPE_BYTES = ID_BYTES + KEY_BYTES + 4 + HEAD_BYTES + SIGNATURE_BYTES  # without content
MOST_NUMBER = 0xFFFF_FFFF
MOST_COUNTER = 1 << 62
_AUTHORIZATION = re.compile(r"btc-l2 ([0-9a-f]{64}) ([0-9]{1,19}) ([0-9a-f]{128})")


@dataclass(frozen=True, slots=True)
class Head:
    """What the coordinator says of a log: number of entries and their hash; unsigned only where nothing was seen."""

    number: int
    hash: bytes
    signature: bytes = bytes(SIGNATURE_BYTES)

    @classmethod
    def of_nothing(cls, ceremony: bytes) -> Head:
        """The head of an empty log, which needs no signature."""
        return cls(0, tagged_hash("btc-l2/coordinator/log", ceremony))

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """Raises InvalidInput for another size."""
        if len(data) != HEAD_BYTES:
            raise InvalidInput(f"a head has {HEAD_BYTES} bytes, not {len(data)}")
        return cls(int.from_bytes(data[:4]), data[4:36], data[36:])

    def to_bytes(self) -> bytes:
        """100 bytes."""
        return self.number.to_bytes(4) + self.hash + self.signature

    def signed(self, ceremony: bytes, key: SecretKey) -> Head:
        """With the coordinator's signature."""
        return Head(self.number, self.hash, sign_schnorr(key, self._message(ceremony), bytes(32)))

    def is_from(self, ceremony: bytes, coordinator: bytes) -> bool:
        """Whether the coordinator has signed it; the empty log's head is everybody's."""
        if (self.number, self.hash) == (0, Head.of_nothing(ceremony).hash):
            return True
        return is_valid_schnorr(coordinator, self._message(ceremony), self.signature)

    def after(self, envelope: bytes) -> Head:
        """The unsigned head of the log with one entry more."""
        number = self.number + 1
        entry = tagged_hash("btc-l2/coordinator/entry", self.hash + number.to_bytes(4) + sha256(envelope))
        return Head(number, entry)

    def is_same(self, other: Head) -> bool:
        """Same number, same entries; signatures may differ."""
        return (self.number, self.hash) == (other.number, other.hash)

    def _message(self, ceremony: bytes) -> bytes:
        return tagged_hash("btc-l2/coordinator/head", ceremony + self.number.to_bytes(4) + self.hash)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One signed message of a member; the content means nothing to the coordinator."""

    ceremony: bytes
    sender: bytes  # x-only identity key
    sequence: int
    seen: Head
    content: bytes
    signature: bytes

    @classmethod
    def make(cls, identity: SecretKey, ceremony: bytes, sequence: int, seen: Head, content: bytes) -> Envelope:
        """Sign; without auxiliary randomness, so that the same message is the same envelope."""
        draft = cls(ceremony, bytes(identity.x_only), sequence, seen, content, b"")
        return cls(ceremony, draft.sender, sequence, seen, content, sign_schnorr(identity, draft._digest(), bytes(32)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Raises InvalidInput for too few bytes; signatures are not checked here."""
        if len(data) < ENVELOPE_BYTES:
            raise InvalidInput(f"an envelope has {ENVELOPE_BYTES} bytes at least, not {len(data)}")
        seen = Head.from_bytes(data[68 : 68 + HEAD_BYTES])
        content = data[68 + HEAD_BYTES : -SIGNATURE_BYTES]
        return cls(data[:32], data[32:64], int.from_bytes(data[64:68]), seen, content, data[-SIGNATURE_BYTES:])

    def to_bytes(self) -> bytes:
        """The envelope's bytes."""
        return self._body() + self.signature

    @property
    def is_signed(self) -> bool:
        """Whether the sender has signed it."""
        return is_valid_schnorr(self.sender, self._digest(), self.signature)

    def _digest(self) -> bytes:
        return tagged_hash("btc-l2/coordinator/envelope", self._body())

    def _body(self) -> bytes:
        head = self.ceremony + self.sender + self.sequence.to_bytes(4) + self.seen.to_bytes()
        return head + self.content


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a log in their order, with the log's head after the last of them."""

    head: Head
    entries: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The body of an answer."""
        return self.head.to_bytes() + b"".join(len(e).to_bytes(4) + e for e in self.entries)

    @classmethod
    def from_bytes(cls, data: bytes) -> Page:
        """Raises InvalidInput for cut entries."""
        head, at, entries = Head.from_bytes(data[:HEAD_BYTES]), HEAD_BYTES, []
        while at < len(data):
            size = int.from_bytes(data[at : at + 4])
            if len(data) - at - 4 < size or size < ENVELOPE_BYTES:
                raise InvalidInput("the page ends within an entry")
            entries.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        return cls(head, tuple(entries))


@dataclass(frozen=True, slots=True)
class Request:
    """What a member asks; `counter` grows from one of his requests to the next."""

    key: bytes
    counter: int
    method: str
    path: str
    body: bytes

    def digest(self) -> bytes:
        """32 bytes that the member signs."""
        text = f"{self.method} {self.path} {self.counter}".encode()
        return tagged_hash("btc-l2/coordinator/request", self.key + sha256(text) + sha256(self.body))

    def authorize(self, identity: SecretKey) -> str:
        """Value of the header Authorization."""
        return f"btc-l2 {self.key.hex()} {self.counter} {sign_schnorr(identity, self.digest(), bytes(32)).hex()}"

    @classmethod
    def from_header(cls, header: str, method: str, path: str, body: bytes) -> Request:
        """The request that the header authorizes. Raises InvalidInput unless its key has signed it."""
        found = _AUTHORIZATION.fullmatch(header)
        if found is None or int(found[2]) > MOST_COUNTER:
            raise InvalidInput("no header Authorization: btc-l2 KEY COUNTER SIGNATURE")
        request = cls(bytes.fromhex(found[1]), int(found[2]), method, path, body)
        if not is_valid_schnorr(request.key, request.digest(), bytes.fromhex(found[3])):
            raise InvalidInput("the request is not signed by its key")
        return request


@dataclass(frozen=True, slots=True)
class Answer:
    """What the coordinator said to one request."""

    status: int
    body: bytes
    signature: bytes = b""

    def signed(self, request: bytes, key: SecretKey) -> Answer:
        """With the coordinator's signature for the request of this digest."""
        return Answer(self.status, self.body, sign_schnorr(key, self._message(request), bytes(32)))

    def is_from(self, request: bytes, coordinator: bytes) -> bool:
        """Whether the coordinator has signed it as the answer to this request."""
        return is_valid_schnorr(coordinator, self._message(request), self.signature)

    def _message(self, request: bytes) -> bytes:
        return tagged_hash("btc-l2/coordinator/answer", request + self.status.to_bytes(2) + sha256(self.body))


def log_path(ceremony: bytes) -> str:
    """Where envelopes of a ceremony are posted."""
    return f"/v1/{ceremony.hex()}"


def page_path(ceremony: bytes, after: int) -> str:
    """Where the entries after the first `after` are."""
    return f"{log_path(ceremony)}/{after}"


def fold(start: Head, entries: Sequence[bytes]) -> list[Head]:
    """The unsigned head after each entry."""
    heads = []
    for entry in entries:
        start = start.after(entry)
        heads.append(start)
    return heads
