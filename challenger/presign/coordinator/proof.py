"""What proves that a coordinator broke the rules: heads and answers that it has signed itself.

    two-logs    entries with the head that it signed for them, and another signed head of the same log that does not
                lie on their way: it showed two members different logs, or changed one
    page        a page whose entries do not lead from the head before to its own: one is changed, left out, put in or
                said twice, or a sender's signature or sequence is wrong
    forgotten   it says that there are no such entries which it had confirmed to an earlier request

Silence proves nothing: who gets no answer, or no message of somebody, knows only that one of the two is at fault. He
names both, asks the other way, and goes on by files (docs/coordinator.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from challenger.presign.coordinator.wire import Answer, Envelope, Head, Page, Request, fold, log_path, page_path
from taproot.errors import InvalidInput, Misbehaviour, VerificationFailed

FORMAT = "btc-l2 coordinator evidence 1"
COORDINATOR = "coordinator"
Document = Mapping[str, Any]


class CoordinatorFault(Misbehaviour):
    """The coordinator misbehaved; `proof` is the file that shows it to anyone."""

    def __init__(self, what: str, proof: bytes) -> None:
        super().__init__(COORDINATOR, what)
        self.proof = proof


@dataclass(frozen=True, slots=True)
class Said:
    """A request with the answer to it."""

    request: Request
    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """All of it, bytes in hexadecimal."""
        r, a = self.request, self.answer
        return {
            "key": r.key.hex(), "counter": r.counter, "method": r.method, "path": r.path,
            "body": r.body.hex(), "status": a.status, "answer": a.body.hex(), "signature": a.signature.hex(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Said:
        """Inverse of `to_json`."""
        request = Request(
            bytes.fromhex(values["key"]), int(values["counter"]), str(values["method"]), str(values["path"]),
            bytes.fromhex(values["body"]),
        )  # fmt: skip
        signature = bytes.fromhex(values["signature"])
        return cls(request, Answer(int(values["status"]), bytes.fromhex(values["answer"]), signature))


def check_entries(
    ceremony: bytes, start: Head, known: Sequence[Envelope], page: Page, members: Collection[bytes]
) -> list[Envelope]:
    """The new envelopes. Raises InvalidInput naming what is wrong with the page; `known` are all entries before."""
    heads = fold(start, page.entries)
    if not (heads[-1] if heads else start).is_same(page.head):
        raise InvalidInput(f"its {len(page.entries)} entries do not lead to its head {page.head.number}")
    sequences: dict[bytes, int] = {}
    for envelope in known:
        sequences[envelope.sender] = envelope.sequence
    new = [Envelope.from_bytes(entry) for entry in page.entries]
    for envelope in new:
        if envelope.sender not in members:
            raise InvalidInput(f"an entry is of {envelope.sender.hex()[:8]}, who is no member")
        if envelope.ceremony != ceremony or not envelope.is_signed:
            raise InvalidInput(f"an entry is not signed by {envelope.sender.hex()[:8]} for this ceremony")
        if envelope.sequence != sequences.get(envelope.sender, 0) + 1:
            raise InvalidInput(f"envelope {envelope.sequence} of {envelope.sender.hex()[:8]} stands twice or too early")
        sequences[envelope.sender] = envelope.sequence
    return new


def prove_two_logs(
    coordinator: bytes, ceremony: bytes, known: Sequence[Envelope], head: Head, other: Head
) -> CoordinatorFault:
    """The fault, with its proof."""
    entries = [e.to_bytes().hex() for e in known]
    what = f"signed two different logs of ceremony {ceremony.hex()[:8]}: they part before entry {other.number + 1}"
    return _fault("two-logs", what, coordinator, ceremony, entries=entries,
                  heads=[head.to_bytes().hex(), other.to_bytes().hex()])  # fmt: skip


def prove_page(
    coordinator: bytes, ceremony: bytes, start: Head, known: Sequence[Envelope], said: Said, what: str
) -> CoordinatorFault:
    """The fault, with its proof: the page, and the entries before it with their head."""
    entries = [e.to_bytes().hex() for e in known]
    return _fault(
        "page", f"sent a false page of ceremony {ceremony.hex()[:8]}: {what}", coordinator, ceremony,
        heads=[start.to_bytes().hex()], entries=entries, said=[said.to_json()],
    )  # fmt: skip


def prove_forgotten(coordinator: bytes, ceremony: bytes, earlier: Said, later: Said) -> CoordinatorFault:
    """The fault, with its proof."""
    what = f"has forgotten entries of ceremony {ceremony.hex()[:8]} that it had confirmed"
    return _fault("forgotten", what, coordinator, ceremony, said=[earlier.to_json(), later.to_json()])


def verify_proof(content: bytes, coordinator: bytes, members: Collection[bytes]) -> Misbehaviour:
    """What the file proves against the coordinator with this key, whose mailbox is for these identity keys.

    Raises InvalidInput if it is no such file, VerificationFailed if it proves nothing.
    """
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or document.get("format") != FORMAT or str(document["kind"]) not in _CHECKS:
            raise InvalidInput(f"not a file of format {FORMAT!r}")
        ceremony = bytes.fromhex(document["ceremony"])
        is_proven = _CHECKS[document["kind"]](document, ceremony, coordinator, members)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"evidence against a coordinator is not understood: {error!r}") from error
    if not is_proven:
        raise VerificationFailed("this proves nothing against the coordinator: what it signed keeps the rules")
    return Misbehaviour(COORDINATOR, str(document.get("what")))


def _fault(kind: str, what: str, coordinator: bytes, ceremony: bytes, **parts: Any) -> CoordinatorFault:
    document = {"format": FORMAT, "kind": kind, "what": what, "coordinator": coordinator.hex(),
                "ceremony": ceremony.hex(), **parts}  # fmt: skip
    return CoordinatorFault(what, json.dumps(document, sort_keys=True).encode())


def _two_logs(document: Document, ceremony: bytes, coordinator: bytes, members: Collection[bytes]) -> bool:
    head, other = (Head.from_bytes(bytes.fromhex(text)) for text in document["heads"])
    nothing = Head.of_nothing(ceremony)
    way = [nothing, *fold(nothing, [bytes.fromhex(text) for text in document["entries"]])]
    signed = head.is_from(ceremony, coordinator) and other.is_from(ceremony, coordinator)
    return signed and way[-1].is_same(head) and other.number < len(way) and not way[other.number].is_same(other)


def _page(document: Document, ceremony: bytes, coordinator: bytes, members: Collection[bytes]) -> bool:
    (start,) = (Head.from_bytes(bytes.fromhex(text)) for text in document["heads"])
    entries = [bytes.fromhex(text) for text in document["entries"]]
    (said,) = (Said.from_json(values) for values in document["said"])
    known_are_real = [Head.of_nothing(ceremony), *fold(Head.of_nothing(ceremony), entries)][-1].is_same(start)
    asked = (said.request.method, said.request.path) == ("GET", page_path(ceremony, start.number))
    signed = said.answer.is_from(said.request.digest(), coordinator) and said.answer.status == 200
    if not (known_are_real and start.is_from(ceremony, coordinator) and asked and signed):
        return False
    try:
        page = Page.from_bytes(said.answer.body)
        check_entries(ceremony, start, [Envelope.from_bytes(e) for e in entries], page, members)
    except InvalidInput:
        return True
    return not page.head.is_from(ceremony, coordinator)


def _forgotten(document: Document, ceremony: bytes, coordinator: bytes, members: Collection[bytes]) -> bool:
    earlier, later = (Said.from_json(values) for values in document["said"])
    if earlier.request.key != later.request.key or earlier.request.counter >= later.request.counter:
        return False
    if not all(said.answer.is_from(said.request.digest(), coordinator) for said in (earlier, later)):
        return False
    if earlier.answer.status != 200 or not earlier.request.path.startswith(log_path(ceremony)):
        return False
    start, after = later.request.path.rpartition("/")[::2]
    asked = start == log_path(ceremony) and int(after) <= Page.from_bytes(earlier.answer.body).head.number
    return asked and later.answer.status == 404 and later.request.method == "GET"


_CHECKS = {"two-logs": _two_logs, "page": _page, "forgotten": _forgotten}
