"""Where a process can die, and what its disk has then: the points are found by running, not listed by hand.

A `Watch` stands at the seams that the parts have anyway: what `btc_l2.durable` tells of every file on its way to
the disk, every statement of an SQLite connection that changes something, every sending to the chain, every call to a
signer that keeps its nonces in memory. Whoever acts is a party with files of its own. A run without deaths records the
points; in another one the party dies at its k-th point: its files are kept as the disk has them at that moment,
everything else is dropped, and it starts again from these files (docs/spec/crashes.md).
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from btc_l2 import durable

T = TypeVar("T")
Kept = dict[Path, bytes | None]  # content by path, None for a folder
Lose = Callable[[Kept], None]  # takes away what no fsync had confirmed

_ID = re.compile(r"\b[0-9a-f]{8,}\b\.?")  # in a file name: another one in each run
POWER = ", power lost"  # ends the kind of a point at which unsynced writes are lost, too
MOST_LIVES = 12


class Died(BaseException):
    """The party's process ends here. No error of the program: nothing but the party's boundary may catch it."""

    def __init__(self, party: str) -> None:
        super().__init__(party)
        self.party = party


@dataclass(frozen=True, slots=True)
class Point:
    """A moment at which a party can die: what kind it is, what it is about (a file, a table, a transaction)."""

    party: str
    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class Death:
    """Whose process dies, at which of its points (from 0, counted through all its lives)."""

    party: str
    at: int


@dataclass(slots=True)
class Watch:
    """All points of a run, in order, and the deaths that were asked for.

    `homes`: the places that survive a party's death, each a folder or the beginning of file names; `mourners`: what
    drops the memory of the dead.
    """

    deaths: Sequence[Death] = ()
    points: list[Point] = field(default_factory=list)
    died: list[Point] = field(default_factory=list)
    homes: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    mourners: dict[str, Callable[[], object]] = field(default_factory=dict)
    _actors: list[str] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _dead: str = ""
    _kept: Kept = field(default_factory=dict)
    _open: list[tuple[str, weakref.ref[sqlite3.Connection]]] = field(default_factory=list)

    @property
    def actor(self) -> str:
        """Who acts now; empty while the story only prepares."""
        return self._actors[-1] if self._actors else ""

    def points_of(self, party: str) -> list[Point]:
        """The points of one party, as `Death.at` counts them."""
        return [point for point in self.points if point.party == party]

    @contextmanager
    def acting(self, party: str) -> Iterator[None]:
        """What happens inside is done by the party's process."""
        self._actors.append(party)
        try:
            yield
        finally:
            self._actors.pop()

    def live(self, party: str, act: Callable[[], T], revive: Callable[[], object] = lambda: None) -> T:
        """Let the party act; if it dies it is revived from its files and acts again, until it gets through."""
        alive = True
        for _ in range(MOST_LIVES):
            try:
                with self.acting(party):
                    if not alive:
                        revive()
                        alive = True
                    return act()
            except Died as died:
                if died.party != party:
                    raise
                self.bury(party)
                alive = False
        raise AssertionError(f"{party} died {MOST_LIVES} times in one act")

    def reach(self, kind: str, about: str, lose: Lose | None = None) -> None:
        """The acting party comes to a point, which may be its last."""
        if not self._actors or self._dead:
            return
        party = self.actor
        at, point = self._counts.get(party, 0), Point(party, kind, about)
        self._counts[party] = at + 1
        self.points.append(point)
        if Death(party, at) in self.deaths:
            self.died.append(point)
            self._dead, self._kept = party, self._read(party)
            if lose is not None:
                lose(self._kept)
            raise Died(party)

    def opened(self, connection: sqlite3.Connection) -> None:
        """A database is open; its owner's death closes it."""
        if self._actors:
            self._open.append((self.actor, weakref.ref(connection)))

    def bury(self, party: str) -> None:
        """Close what the dead has open, and put on the disk what was there when he died."""
        for owner, reference in self._open:
            connection = reference()
            if owner == party and connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._open = [(owner, reference) for owner, reference in self._open if owner != party]
        for place in self.homes.get(party, ()):
            _clear(place)
        for path, content in sorted(self._kept.items()):
            _put(path, content)
        self.mourners.get(party, lambda: None)()
        self._dead, self._kept = "", {}

    def _read(self, party: str) -> Kept:
        kept: Kept = {}
        for place in self.homes.get(party, ()):
            for path in _paths(place):
                kept[path] = None if path.is_dir() else path.read_bytes()
        return kept


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Stand at the seams of files and databases while the block runs."""
    files, connect = _FileSteps(watch), sqlite3.connect

    class Watched(WatchedConnection):
        """Knows whom to tell."""

        watch_ = watch

    def opening(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **{"factory": Watched, **named})
        watch.opened(connection)
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


# ---- places ----------------------------------------------------------------------------------------------------------


def _paths(place: Path) -> list[Path]:
    """A folder with all that is in it, or all files whose names begin so."""
    if place.is_dir():
        return [place, *sorted(place.rglob("*"))]
    return sorted(place.parent.glob(f"{place.name}*")) if place.parent.is_dir() else []


def _clear(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        for path in _paths(place):
            path.unlink()


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    path.write_bytes(content)
    path.chmod(0o600)


def count_kinds(points: Sequence[Point]) -> Mapping[str, int]:
    """How many points there are of each kind."""
    kinds: dict[str, int] = {}
    for point in points:
        kinds[point.kind] = kinds.get(point.kind, 0) + 1
    return kinds
