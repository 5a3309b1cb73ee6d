"""What a party must never forget: one-time keys used, moves made, witnesses seen. One SQLite file per party and
deposit.

A move is written before it leaves the process, in one transaction with the values that it signs and fsynced: after a
crash at any point either nothing is known of it and nothing was shown, or the very same bytes are sent again. A key
that has a value takes no other. (Of a restored older copy this holds for what it knows; what confirmed since then is
read from the chain and not made again.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from btc_l2.database import Database, Words
from taproot.errors import Refused

VERSION = "2"
_WORDS = Words(
    "journal", "nothing was signed or sent; free space or check the folder, start again", "restore it from a backup"
)
_TABLES = """
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
        self._db = Database(path, _TABLES, _WORDS, {"version": VERSION, "deposit": deposit, "party": party})

    def commit_move(self, name: str, values: Mapping[str, Sequence[int]], raw: bytes, height: int) -> None:
        """Record a move, the digits that it signs by message, and its bytes; on return all of it is on disk.

        Raises Refused if one of the keys signed another value before, Unavailable if the disk does not take it; nothing
        is recorded then, and the move must not be sent.
        """
        with self._db.writing():
            for message, digits in values.items():
                self._commit_value(message, bytes(digits))
            self._db.execute("INSERT OR REPLACE INTO moves VALUES (?, ?, ?)", (name, raw, height))

    def _commit_value(self, message: str, digits: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?)", (message, digits))
        if self._db.row("SELECT digits FROM signed WHERE message = ?", (message,)) != (digits,):
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
            with self._db.writing():
                self._db.execute_for_each("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", seen)

    def seen(self, name: str) -> bytes | None:
        """The bytes of a transaction that was archived."""
        return self._find("SELECT raw FROM seen WHERE name = ?", name)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _find(self, query: str, name: str) -> bytes | None:
        row = self._db.row(query, (name,))
        return None if row is None else bytes(row[0])
