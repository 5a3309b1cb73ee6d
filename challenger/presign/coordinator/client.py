"""A member's side of the mailbox: posts his envelopes, fetches those of the others, believes nothing.

Of every ceremony he keeps all entries with the head that the coordinator signed for them. A page that does not continue
them, a head that lies beside their way, a confirmed entry that is gone: a `CoordinatorFault` with its proof, and
nothing of it reaches the ceremony. `Log.to_bytes` is what he stores; after a restart he goes on from there.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from challenger.presign.coordinator.proof import (
    CoordinatorFault,
    Said,
    check_entries,
    prove_forgotten,
    prove_page,
    prove_two_logs,
)
from challenger.presign.coordinator.server import ANSWER_HEADER
from challenger.presign.coordinator.wire import (
    MOST_COUNTER,
    Answer,
    Envelope,
    Head,
    Page,
    Request,
    fold,
    log_path,
    page_path,
)
from taproot.errors import InvalidInput, Refused, TimedOut, Unavailable, VerificationFailed
from taproot.keys import SecretKey

MOST_ANSWER_BYTES = 64 << 20
ATTEMPTS = 7  # in 6 seconds


@dataclass(frozen=True, slots=True)
class Log:
    """What a member knows of a ceremony's log. `claims` are signed heads that he has seen elsewhere, to be compared."""

    ceremony: bytes
    entries: tuple[Envelope, ...]
    head: Head
    claims: tuple[Head, ...] = ()
    last: Said | None = None  # the answer that confirmed most

    @classmethod
    def empty(cls, ceremony: bytes) -> Log:
        """Nothing yet."""
        return cls(ceremony, (), Head.of_nothing(ceremony))

    def to_bytes(self) -> bytes:
        """Head and entries, as a page."""
        return Page(self.head, tuple(e.to_bytes() for e in self.entries)).to_bytes()

    @classmethod
    def from_bytes(cls, ceremony: bytes, data: bytes, coordinator: bytes, members: Collection[bytes]) -> Log:
        """Raises VerificationFailed if it is not what `to_bytes` gave for this coordinator."""
        page = Page.from_bytes(data)
        try:
            entries = check_entries(ceremony, Head.of_nothing(ceremony), (), page, members)
        except InvalidInput as error:
            raise VerificationFailed(f"the stored log is damaged: {error}; fetch it again") from error
        if not page.head.is_from(ceremony, coordinator):
            raise VerificationFailed("the stored log is of another coordinator; fetch it again")
        return cls(ceremony, tuple(entries), page.head)

    def sequence_of(self, sender: bytes) -> int:
        """How many envelopes of a sender there are."""
        return sum(e.sender == sender for e in self.entries)


@dataclass(slots=True)
class Mail:
    """A member's connection to one coordinator: one for all his ceremonies, safe for threads, one request at a time.

    (His counter only grows, and evidence relies on that; two connections of one member would get in each other's way.)
    """

    url: str
    coordinator: bytes  # its x-only key, registered like the members'
    identity: SecretKey
    members: Collection[bytes]  # identity keys whose envelopes count
    seconds: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    _counter: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connection: http.client.HTTPConnection | None = None

    def post(self, log: Log, content: bytes) -> Log:
        """Put a message into the log; the log as far as it is known then.

        Raises Refused where the coordinator says no, Unavailable where there is none, CoordinatorFault as `fetch`.
        """
        sequence = log.sequence_of(bytes(self.identity.x_only)) + 1
        envelope = Envelope.make(self.identity, log.ceremony, sequence, log.head, content)
        said = self._ask("POST", log_path(log.ceremony), envelope.to_bytes())
        if said.answer.status != 200:
            raise Refused(f"the coordinator at {self.url} refused a message: {_text(said.answer)}")
        receipt = Page.from_bytes(said.answer.body).head
        if not receipt.is_from(log.ceremony, self.coordinator) or receipt.number <= log.head.number:
            raise VerificationFailed(f"the coordinator at {self.url} confirmed nothing that it can be held to")
        after = self.fetch(replace(log, claims=(*log.claims, receipt), last=said))
        if after.sequence_of(envelope.sender) < sequence:
            raise VerificationFailed(f"the coordinator at {self.url} does not show what it confirmed")
        return after

    def fetch(self, log: Log) -> Log:
        """The log with everything that is new.

        Raises CoordinatorFault with proof for entries changed, left out, put in, repeated or forgotten, or a second
        log; Unavailable if it does not answer.
        """
        while True:
            said = self._ask("GET", page_path(log.ceremony, log.head.number), b"")
            if said.answer.status == 404 and log.last is not None:
                raise prove_forgotten(self.coordinator, log.ceremony, log.last, said)
            if said.answer.status != 200:
                raise Refused(f"the coordinator at {self.url} gave no messages: {_text(said.answer)}")
            before, log = log, self._continue(log, said)
            if log.head.number == before.head.number:
                return log

    def wait(self, log: Log, is_enough: Callable[[Log], bool], seconds: float) -> Log:
        """Fetch until there is enough. Raises TimedOut naming nobody: the caller knows whom he waits for."""
        pause, waited = 0.02, 0.0
        while not is_enough(log := self.fetch(log)):
            if waited >= seconds:
                raise TimedOut(f"no news from {self.url} for {seconds:g} s")
            self.sleep(pause)
            waited += pause
            pause = min(1.0, 1.5 * pause)
        return log

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    def _continue(self, log: Log, said: Said) -> Log:
        try:
            page = Page.from_bytes(said.answer.body)
            new = check_entries(log.ceremony, log.head, log.entries, page, self.members)
            if not page.head.is_from(log.ceremony, self.coordinator):
                raise InvalidInput("its head is not signed")
        except InvalidInput as error:
            raise prove_page(self.coordinator, log.ceremony, log.head, log.entries, said, str(error)) from error
        seen = tuple(e.seen for e in new if e.seen.is_from(log.ceremony, self.coordinator))
        grown = replace(log, entries=(*log.entries, *new), head=page.head, claims=(*log.claims, *seen), last=said)
        return self._compare(grown)

    def _compare(self, log: Log) -> Log:
        """Every head that the coordinator has signed must lie on the way of this log."""
        nothing = Head.of_nothing(log.ceremony)
        way = [nothing, *fold(nothing, [e.to_bytes() for e in log.entries])] if log.claims else []
        for claim in log.claims:
            if claim.number < len(way) and not way[claim.number].is_same(claim):
                raise prove_two_logs(self.coordinator, log.ceremony, log.entries, log.head, claim)
        return replace(log, claims=tuple(c for c in log.claims if c.number >= len(way)))

    def _ask(self, method: str, path: str, body: bytes) -> Said:
        """One request and its signed answer; counters and lost connections are dealt with here."""
        with self._lock:
            for attempt in range(ATTEMPTS):
                said = self._try(method, path, body)
                if said is not None and said.answer.status == 409:  # another process of this member, or a restart
                    self._counter = max(self._counter, _number(said.answer))
                    said = self._try(method, path, body)
                if said is not None and said.answer.status not in (409, 429, 503):
                    return said
                self.sleep(0.05 * 2**attempt)
        raise Unavailable(f"no coordinator answers at {self.url}; ask whoever runs it, or go on by files")

    def _try(self, method: str, path: str, body: bytes) -> Said | None:
        self._counter += 1
        request = Request(bytes(self.identity.x_only), self._counter, method, path, body)
        try:
            status, signature, answered = self._exchange(request)
        except (OSError, http.client.HTTPException):
            self._drop()
            return None
        if status == 401:
            raise Refused(f"the coordinator at {self.url} does not know this identity key: {answered[:200]!r}")
        answer = Answer(status, answered, signature)
        if not answer.is_from(request.digest(), self.coordinator):
            raise VerificationFailed(
                f"an answer from {self.url} ({status}) is not signed by the registered coordinator for this request; "
                "it is replayed, changed on its way, or from another; nothing of it was used"
            )
        return Said(request, answer)

    def _exchange(self, request: Request) -> tuple[int, bytes, bytes]:
        connection = self._connect()
        headers = {"Authorization": request.authorize(self.identity)}
        cut = threading.Timer(self.seconds, _cut, (connection.sock,))  # a socket's own limit starts anew with each byte
        cut.daemon, until = True, time.monotonic() + self.seconds
        cut.start()
        try:
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            answered = response.read(MOST_ANSWER_BYTES + 1)
        finally:
            cut.cancel()
        if len(answered) > MOST_ANSWER_BYTES or time.monotonic() >= until:
            raise http.client.HTTPException("the answer is too long, or came too slowly")
        try:
            signature = bytes.fromhex(response.headers.get(ANSWER_HEADER, ""))
        except ValueError:
            signature = b""
        return response.status, signature, answered

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = open_connection(self.url, self.seconds)
        if self._connection.sock is None:  # the first time, or the other side has closed it
            self._connection.connect()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def open_connection(url: str, seconds: float) -> http.client.HTTPConnection:
    """A connection for `http://…` or `https://…`. Raises InvalidInput for another address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise InvalidInput(f"{url!r} is no address of a coordinator; write http://HOST:PORT")
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=seconds)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _number(answer: Answer) -> int:
    text = answer.body[:20].decode("ascii", "replace")
    if not text.isdigit() or int(text) > MOST_COUNTER // 2:
        raise VerificationFailed("the coordinator names a counter that cannot be")
    return int(text)


def _text(answer: Answer) -> str:
    return " ".join(answer.body[:300].decode("utf-8", "replace").split())


__all__ = ["CoordinatorFault", "Log", "Mail", "open_connection"]
