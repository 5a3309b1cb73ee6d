"""What a party must never forget: one-time keys used, moves made, witnesses seen. One SQLite file per party and
deposit.

A move is written before it leaves the process, in one transaction with the values that it signs and fsynced: after a
crash at any point either nothing is known of it and nothing was shown, or the very same bytes are sent again. A key
that has a value takes no other. (Of a restored older copy this holds for what it knows; what confirmed since then is
read from the chain and not made again.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from taproot.errors import Refused, Unavailable, VerificationFailed

VERSION = "2"
IN_MEMORY = ":memory:"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed (message TEXT PRIMARY KEY, digits BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (name TEXT PRIMARY KEY, raw BLOB NOT NULL, height INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, raw BLOB NOT NULL, height INTEGER NOT NULL) WITHOUT ROWID;
"""


class Journal:
    """The durable memory of `party` about `deposit` (an id that names the whole presigned graph)."""

    def __init__(self, path: Path | str, deposit: str, party: str) -> None:
        """Open or create; `:memory:` keeps nothing.

        Raises Unavailable where the file cannot be used, VerificationFailed where it is damaged or belongs to another
        deposit or party.
        """
        self.path = str(path)
        with self._explained():
            if self.path != IN_MEMORY:
                Path(path).touch(mode=0o600)
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_TABLES)
        for name, value in (("version", VERSION), ("deposit", deposit), ("party", party)):
            self._claim(name, value)

    def commit_move(self, name: str, values: Mapping[str, Sequence[int]], raw: bytes, height: int) -> None:
        """Record a move, the digits that it signs by message, and its bytes; on return all of it is on disk.

        Raises Refused if one of the keys signed another value before, Unavailable if the disk does not take it; nothing
        is recorded then, and the move must not be sent.
        """
        with self._write():
            for message, digits in values.items():
                self._commit_value(message, bytes(digits))
            self._db.execute("INSERT OR REPLACE INTO moves VALUES (?, ?, ?)", (name, raw, height))

    def _commit_value(self, message: str, digits: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?)", (message, digits))
        (have,) = self._db.execute("SELECT digits FROM signed WHERE message = ?", (message,)).fetchone()
        if have != digits:
            raise Refused(f"one-time key {message} already signed another value; that one stands; nothing was signed")

    def value(self, message: str) -> tuple[int, ...] | None:
        """The digits that a key signed, if it did."""
        found = self._find("SELECT digits FROM signed WHERE message = ?", message)
        return None if found is None else tuple(found)

    def move(self, name: str) -> bytes | None:
        """The bytes of a move made before."""
        return self._find("SELECT raw FROM moves WHERE name = ?", name)

    def archive(self, seen: Sequence[tuple[str, bytes, int]]) -> None:
        """Keep transactions seen on chain (name, bytes with witness, height): pruned nodes forget them.

        Of two with one name, after a reorganisation, the later stands. All or none are kept.
        """
        if seen:
            with self._write():
                self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", seen)

    def seen(self, name: str) -> bytes | None:
        """The bytes of a transaction that was archived."""
        return self._find("SELECT raw FROM seen WHERE name = ?", name)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _find(self, query: str, name: str) -> bytes | None:
        with self._explained():
            row = self._db.execute(query, (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def _claim(self, name: str, value: str) -> None:
        """Write what the journal belongs to, or check it."""
        with self._write():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            (have,) = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if have != value:
            raise VerificationFailed(
                f"journal {self.path} belongs to {name} {have[:16]}, not {value[:16]}; use the journal of this {name}"
            )

    @contextmanager
    def _write(self) -> Iterator[None]:
        """All of the block or nothing. A full disk may end the transaction by itself, or at its COMMIT."""
        with self._explained():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(
                f"journal {self.path}: {error}; nothing was signed or sent; free space or check the folder, start again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise VerificationFailed(f"journal {self.path} is damaged: {error}; restore it from a backup") from error
