"""The coordinator's memory: envelopes in the order of their arrival, in SQLite, never changed, never removed.

What was confirmed is on the disk: an envelope and the sender's counter are written in one transaction with
`synchronous=FULL`. Limits stand in `Limits`; what goes beyond is refused and nothing is kept of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from btc_l2.database import Database, Words
from challenger.presign.coordinator.wire import ENVELOPE_BYTES, Envelope, Head, Page
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.keys import SecretKey

VERSION = "1"
_WORDS = Words("mailbox", "nothing was confirmed; free space or check the folder", "restore a backup")
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
  ceremony BLOB NOT NULL, number INTEGER NOT NULL, sender BLOB NOT NULL, sequence INTEGER NOT NULL,
  hash BLOB NOT NULL, envelope BLOB NOT NULL,
  PRIMARY KEY (ceremony, number), UNIQUE (ceremony, sender, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (key BLOB PRIMARY KEY, counter INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_removal BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mailbox takes at most."""

    envelope_bytes: int = 16 << 20
    ceremony_entries: int = 4096
    ceremony_bytes: int = 256 << 20
    sender_entries: int = 1024  # of one ceremony: nobody fills a log alone
    ceremonies: int = 10_000
    page_bytes: int = 4 << 20  # of an answer, one entry at least

    def __post_init__(self) -> None:
        """Raises InvalidInput for a limit under which nothing works."""
        if min(self.envelope_bytes - ENVELOPE_BYTES, self.ceremony_entries, self.ceremony_bytes, self.ceremonies) < 1:
            raise InvalidInput("limits of the coordinator must leave room for one envelope")


class Mailbox:
    """The logs of all ceremonies; safe for threads."""

    def __init__(self, path: Path, key: SecretKey, limits: Limits) -> None:
        """Open or create. Raises Unavailable where the file cannot be used, VerificationFailed where it is damaged."""
        self._lock, self._key, self._limits, self._path = threading.Lock(), key, limits, path
        self._db = Database(path, _TABLES, _WORDS, {"version": VERSION}, threads=True)
        self._counters = {bytes(k): int(c) for k, c in self._db.rows("SELECT key, counter FROM counters")}

    def close(self) -> None:
        """Close the file; everything confirmed is in it."""
        with self._lock:
            self._db.close()

    def count(self, key: bytes, counter: int) -> int | None:
        """Take a request's counter. The last one, where it is not above that: the request is a repetition."""
        with self._lock:
            last = self._counters.get(key, 0)
            if counter <= last:
                return last
            self._counters[key] = counter
            return None

    def post(self, data: bytes) -> Head:
        """Append an envelope; the signed head of its log when it is on the disk. The same one again changes nothing.

        Raises Refused beyond a limit or for another envelope in the place of one, InvalidInput for one that is not
        signed, is out of sequence or answers what is not in the log.
        """
        envelope = Envelope.from_bytes(data)
        if len(data) > self._limits.envelope_bytes:
            raise Refused(f"an envelope of {len(data)} bytes; {self._limits.envelope_bytes} at most")
        if not envelope.is_signed:
            raise InvalidInput("the envelope is not signed by its sender")
        with self._lock:
            head, total = self._head(envelope.ceremony)
            last = self._last_of(envelope)
            if envelope.sequence <= last:
                return self._posted_before(envelope, data, head)
            self._check(envelope, data, head, total, last)
            after = head.after(data)
            self._append(envelope, data, after)
            return after.signed(envelope.ceremony, self._key)

    def page(self, ceremony: bytes, after: int) -> Page | None:
        """Entries after the first `after`, as many as fit a page; None if there are not so many."""
        with self._lock:
            if after > self._one("SELECT COUNT(*) FROM entries WHERE ceremony = ?", ceremony):
                return None
            start = self._head_at(ceremony, after)
            entries: list[bytes] = []
            size = 0
            rows = self._db.execute(
                "SELECT number, hash, envelope FROM entries WHERE ceremony = ? AND number > ? ORDER BY number",
                (ceremony, after),
            )
            for entry_number, entry_hash, envelope in rows:
                size += len(envelope)
                if entries and size > self._limits.page_bytes:
                    break
                entries.append(bytes(envelope))
                start = Head(int(entry_number), bytes(entry_hash))
            rows.close()
        return Page(start.signed(ceremony, self._key), tuple(entries))

    def _append(self, envelope: Envelope, data: bytes, after: Head) -> None:
        with self._db.writing():
            row = (envelope.ceremony, after.number, envelope.sender, envelope.sequence, after.hash, data)
            self._db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
            counter = self._counters.get(envelope.sender, 0)
            self._db.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (envelope.sender, counter))

    def _check(self, envelope: Envelope, data: bytes, head: Head, total: int, last: int) -> None:
        limits = self._limits
        if envelope.sequence != last + 1:
            raise InvalidInput(f"envelope {envelope.sequence} after {last}; one is missing between them")
        if last >= limits.sender_entries:
            raise Refused(f"this sender has {last} entries in this ceremony; no more fit")
        if head.number >= limits.ceremony_entries or total + len(data) > limits.ceremony_bytes:
            raise Refused(f"this ceremony has {head.number} entries of {total} bytes; no more fit")
        if head.number == 0 and self._one("SELECT COUNT(DISTINCT ceremony) FROM entries") >= limits.ceremonies:
            raise Refused(f"there are {limits.ceremonies} ceremonies; no more fit")
        seen = envelope.seen
        known = seen.number <= head.number and self._head_at(envelope.ceremony, seen.number).is_same(seen)
        if not (known and seen.is_from(envelope.ceremony, self._key.x_only)):
            raise InvalidInput("the envelope answers a log that is not this one")

    def _posted_before(self, envelope: Envelope, data: bytes, head: Head) -> Head:
        where = (envelope.ceremony, envelope.sender, envelope.sequence)
        sql = "SELECT envelope FROM entries WHERE ceremony = ? AND sender = ? AND sequence = ?"
        found = self._db.row(sql, where)
        if found is None or bytes(found[0]) != data:
            raise Refused(f"envelope {envelope.sequence} of this sender is there already with another content")
        return head.signed(envelope.ceremony, self._key)

    def _head(self, ceremony: bytes) -> tuple[Head, int]:
        sql = "SELECT COUNT(*), COALESCE(SUM(LENGTH(envelope)), 0) FROM entries WHERE ceremony = ?"
        number, total = self._db.rows(sql, (ceremony,))[0]
        return self._head_at(ceremony, int(number)), int(total)

    def _head_at(self, ceremony: bytes, number: int) -> Head:
        if number == 0:
            return Head.of_nothing(ceremony)
        sql = "SELECT hash FROM entries WHERE ceremony = ? AND number = ?"
        found = self._db.row(sql, (ceremony, number))
        if found is None:
            raise VerificationFailed(f"{self._path} lacks entry {number} of a ceremony; restore a backup")
        return Head(number, bytes(found[0]))

    def _last_of(self, envelope: Envelope) -> int:
        sql = "SELECT COALESCE(MAX(sequence), 0) FROM entries WHERE ceremony = ? AND sender = ?"
        return self._one(sql, envelope.ceremony, envelope.sender)

    def _one(self, sql: str, *values: bytes) -> int:
        return int(self._db.rows(sql, values)[0][0])
