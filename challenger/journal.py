"""What a party must never forget: one-time keys used, moves made, witnesses seen. One SQLite file per party and
deposit.

A one-time key's value is durable here (fsync) before its signature leaves the process; a second value is refused
after a crash, a restart, a restore. Rows are written by single conditional statements, never by a read and a write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed

VERSION = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed (message TEXT PRIMARY KEY, digits BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (name TEXT PRIMARY KEY, raw BLOB NOT NULL, height INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, raw BLOB NOT NULL, height INTEGER NOT NULL) WITHOUT ROWID;
"""


class Journal:
    """The durable memory of `party` about `deposit` (an id that names the whole presigned graph)."""

    def __init__(self, path: Path | str, deposit: str, party: str) -> None:
        """Open or create.

        Raises Unavailable where the file cannot be used, VerificationFailed where it belongs to another deposit or
        party.
        """
        self.path = str(path)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_TABLES)
            if path != ":memory:":
                Path(path).chmod(0o600)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"journal {path}: {error}; free space or check the folder, then start again") from error
        except sqlite3.DatabaseError as error:
            raise VerificationFailed(f"journal {path} is not readable: {error}; restore it from a backup") from error
        for name, value in (("version", VERSION), ("deposit", deposit), ("party", party)):
            self._claim(name, value)

    def _claim(self, name: str, value: str) -> None:
        with self._write():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        (have,) = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if have != value:
            raise VerificationFailed(
                f"journal {self.path} belongs to {name} {have[:16]}, not {value[:16]}; use the journal of this {name}"
            )

    @contextmanager
    def _write(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"journal {self.path}: {error}; nothing was signed or sent; free space") from error

    def commit_value(self, message: str, digits: tuple[int, ...]) -> None:
        """Record the one value that the key of `message` signs; on return it is on disk.

        Raises Refused if another value stands there already.
        """
        blob = bytes(digits)
        with self._write():
            self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?)", (message, blob))
            (have,) = self._db.execute("SELECT digits FROM signed WHERE message = ?", (message,)).fetchone()
        if have != blob:
            raise Refused(f"one-time key {message} already signed another value; that one stands, nothing was signed")

    def commit_values(self, values: dict[str, tuple[int, ...]]) -> None:
        """`commit_value` for many messages at once, all or none."""
        with self._write():
            for message, digits in values.items():
                self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?)", (message, bytes(digits)))
                (have,) = self._db.execute("SELECT digits FROM signed WHERE message = ?", (message,)).fetchone()
                if have != bytes(digits):
                    raise Refused(f"one-time key {message} already signed another value; nothing was signed")

    def value(self, message: str) -> tuple[int, ...] | None:
        """The value that a key signed, if it did."""
        row = self._db.execute("SELECT digits FROM signed WHERE message = ?", (message,)).fetchone()
        return None if row is None else tuple(row[0])

    def record_move(self, name: str, raw: bytes, height: int) -> None:
        """Keep the exact bytes of a move."""
        with self._write():
            self._db.execute("INSERT OR REPLACE INTO moves VALUES (?, ?, ?)", (name, raw, height))

    def move(self, name: str) -> bytes | None:
        """The bytes of a move made before."""
        row = self._db.execute("SELECT raw FROM moves WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def archive(self, name: str, raw: bytes, height: int) -> None:
        """Keep a transaction seen on chain with its witness (pruned nodes forget it); the last one seen stands."""
        with self._write():
            self._db.execute(
                "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT(name) DO UPDATE SET raw = excluded.raw, "
                "height = excluded.height WHERE raw != excluded.raw OR height != excluded.height",
                (name, raw, height),
            )

    def moves(self) -> list[str]:
        """Names of all moves made."""
        return [name for (name,) in self._db.execute("SELECT name FROM moves ORDER BY height, name")]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def check_folder(path: Path) -> None:
    """Raises InvalidInput if a journal cannot live at `path`."""
    if not path.parent.is_dir():
        raise InvalidInput(f"journal folder {path.parent} does not exist; create it or name another with --out")
