"""One SQLite file that outlives a crash: the only place that opens SQLite.

Write-ahead log and `synchronous=FULL` (sqlite.org/pragma.html): what was written is on the disk when the call returns.
Whoever keeps a record says what it belongs to; the file of somebody else, a damaged one and a full disk are told apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taproot.errors import Unavailable, VerificationFailed

IN_MEMORY = ":memory:"
Value = bytes | int | str | None
_META = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Words:
    """What errors say: what the file is, what did not happen and what helps, what to do with a damaged one."""

    name: str
    refused: str
    damaged: str


class Database:
    """An open file. Single statements are transactions of their own; several are one inside `writing`."""

    def __init__(
        self, path: Path | str, tables: str, words: Words, belongs_to: Mapping[str, str], threads: bool = False
    ) -> None:
        """Open or create, mode 0600; `:memory:` keeps nothing. `threads`: several use it, one after the other.

        Raises Unavailable where the file cannot be used, VerificationFailed where it is damaged or another's.
        """
        self.path = str(path)
        self._words = words
        with self._explained():
            if self.path != IN_MEMORY:
                Path(path).touch(mode=0o600)
            self._db = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=not threads
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_META)
        for name, value in belongs_to.items():
            self._claim(name, value)
        with self._explained():
            self._db.executescript(tables)

    def close(self) -> None:
        """Close the file; everything written is in it."""
        self._db.close()

    def execute(self, statement: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        """One statement. Raises Unavailable, VerificationFailed."""
        with self._explained():
            return self._db.execute(statement, values)

    def execute_for_each(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """One statement for each row. Raises Unavailable, VerificationFailed."""
        with self._explained():
            self._db.executemany(statement, rows)

    def rows(self, query: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises Unavailable, VerificationFailed."""
        with self._explained():
            return self._db.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Value] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, None if there is none. Raises Unavailable, VerificationFailed."""
        with self._explained():
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All statements of the block or none. A full disk may end the transaction by itself, or at its COMMIT."""
        with self._explained():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _claim(self, name: str, value: str) -> None:
        """Write what the file belongs to, or check it."""
        with self.writing():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            (have,) = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if have != value:
            kind = self._words.name
            raise VerificationFailed(
                f"{kind} {self.path} belongs to {name} {have[:16]}, not {value[:16]}; use the {kind} of this {name}"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        words = self._words
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(f"{words.name} {self.path}: {error}; {words.refused}") from error
        except sqlite3.DatabaseError as error:
            raise VerificationFailed(f"{words.name} {self.path} is damaged: {error}; {words.damaged}") from error
