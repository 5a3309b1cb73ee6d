"""The seams of files and databases: every step on the way to the disk is a point at which a party can die.

What `btc_l2.durable` tells of its steps, and every statement that changes something on the connections that
`btc_l2.database` opens. Where a loss of power takes a step back that is a point of its own.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from btc_l2 import durable
from regtest.crashes.points import Kept, Lose, Watch

T = TypeVar("T")
POWER = ", power lost"  # ends the kind of a point at which unsynced writes are lost, too
_ID = re.compile(r"\b[0-9a-f]{8,}\b\.?")  # in a file name: another one in each run


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Stand at the seams of files and databases while the block runs."""
    files, connect = _FileSteps(watch), sqlite3.connect

    class Watched(WatchedConnection):
        """Knows whom to tell."""

        watch_ = watch

    def opening(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **{"factory": Watched, **named})
        watch.opened(connection.close)
        return connection

    durable.steps.append(files)
    setattr(sqlite3, "connect", opening)  # noqa: B010 (a module's function)
    try:
        yield watch
    finally:
        setattr(sqlite3, "connect", connect)  # noqa: B010
        durable.steps.remove(files)


# ---- files -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _FileSteps:
    """A point for each step of a file to the disk; a second one where the power could take the step back."""

    watch: Watch
    before: dict[Path, bytes | None] = field(default_factory=dict)  # what a name stood for before it was changed

    def __call__(self, what: str, path: Path) -> None:
        if what in ("created", "removing"):
            self.before[path] = path.read_bytes() if path.exists() else None
        name = _ID.sub("", path.name)
        self.watch.reach(f"file {what}", name)
        lose = self._loss(what, path)
        if lose is not None:
            self.watch.reach(f"file {what}{POWER}", name, lose)

    def _loss(self, what: str, path: Path) -> Lose | None:
        if what in ("created", "synced"):
            return lambda kept: _drop_temporaries(kept, path)
        if what == "written":
            return lambda kept: _empty_temporaries(kept, path)
        if what in ("linked", "replaced", "removed"):
            return lambda kept: _put_back(kept, path, self.before.get(path))
        return None


def _is_temporary(path: Path, of: Path) -> bool:
    return path.parent == of.parent and path.name.startswith(f".{of.name}.")


def _drop_temporaries(kept: Kept, path: Path) -> None:
    for found in [p for p in kept if _is_temporary(p, path)]:
        del kept[found]


def _empty_temporaries(kept: Kept, path: Path) -> None:
    """The name is there, its bytes never came to the disk."""
    for found in [p for p in kept if _is_temporary(p, path)]:
        kept[found] = b""


def _put_back(kept: Kept, path: Path, content: bytes | None) -> None:
    """The name stands for what it stood for before."""
    kept.pop(path, None)
    if content is not None:
        kept[path] = content


# ---- databases -------------------------------------------------------------------------------------------------------

_READING = ("SELECT", "EXPLAIN")


class WatchedConnection(sqlite3.Connection):
    """A connection whose changes are points: before and after each statement, and torn in the middle of a commit."""

    watch_: Watch

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        return self._watched(sql, lambda: sqlite3.Connection.execute(self, sql, *given))

    def executemany(self, sql: str, *given: Any) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executemany`."""
        return self._watched(sql, lambda: sqlite3.Connection.executemany(self, sql, *given))

    def executescript(self, sql: str) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executescript`."""
        return self._watched("CREATE " + sql, lambda: sqlite3.Connection.executescript(self, sql))

    def commit(self) -> None:
        """See `sqlite3.Connection.commit`."""
        self._watched("COMMIT", lambda: sqlite3.Connection.commit(self))

    def _watched(self, sql: str, work: Callable[[], T]) -> T:
        word = sql.split(None, 1)[0].upper()
        if word in _READING or (word == "PRAGMA" and "=" not in sql):
            return work()
        about = _table(sql)
        path = self._path()
        self.watch_.reach(f"{word.lower()} before", about)
        size = _size(path)
        done = work()
        if not self.in_transaction and word in ("COMMIT", "INSERT", "UPDATE", "DELETE", "REPLACE"):
            torn = _size(path)
            self.watch_.reach(f"commit torn{POWER}", about, lambda kept: _tear(kept, path, size, torn))
        self.watch_.reach(f"{word.lower()} after", about)
        return done

    def _path(self) -> Path:
        """The write-ahead log of the main database."""
        (_, _, name), *_ = sqlite3.Connection.execute(self, "PRAGMA database_list").fetchall()
        return Path(f"{name}-wal")


def _table(sql: str) -> str:
    """What a statement is about, in a word."""
    words = sql.replace("(", " ").split()
    if words[0].upper() in ("INSERT", "REPLACE", "DELETE"):
        return next((words[k + 1] for k, w in enumerate(words[:-1]) if w.upper() in ("INTO", "FROM")), "")
    return words[1] if len(words) > 1 and words[0].upper() in ("UPDATE", "PRAGMA") else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tear(kept: Kept, path: Path, before: int, after: int) -> None:
    """The power went while the log was being synced: half of what was new came to the disk."""
    content = kept.get(path)
    if content is not None and after > before:
        kept[path] = content[: (before + after) // 2]
