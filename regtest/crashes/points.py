"""Where a process can die, and what becomes of it: the points are found by running, not listed by hand.

A `Watch` is told of every point by those who stand at the seams that the parts have anyway: files and databases
(`regtest.crashes.disk`), sendings to the chain (`regtest.crashes.stage`), calls to signers with nonces in memory
(`regtest.crashes.signing`), what goes from hand to hand (`regtest.crashes.by_files`). Whoever acts is a party with
files of its own. A run without deaths records the points; in another one the party dies at its k-th point: its files
are kept as the disk has them at that moment, everything else is dropped, and it starts again from these files
(docs/spec/crashes.md).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Kept = dict[Path, bytes | None]  # content by path, None for a folder
Lose = Callable[[Kept], None]  # takes away what no fsync had confirmed

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
    _open: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    @property
    def actor(self) -> str:
        """Who acts now; empty while the story only prepares."""
        return self._actors[-1] if self._actors else ""

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

    def opened(self, close: Callable[[], object]) -> None:
        """The acting party has something open; his death closes it."""
        if self._actors:
            self._open.append((self.actor, close))

    def bury(self, party: str) -> None:
        """Close what the dead has open, and put on the disk what was there when he died."""
        for owner, close in self._open:
            if owner == party:
                close()
        self._open = [(owner, close) for owner, close in self._open if owner != party]
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
