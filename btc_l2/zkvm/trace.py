"""A run and every root of it: snapshots on the way, exact states between them by running again.

Position i is the state after i steps: root_at(0) is the start, root_at(steps) the end. An exited machine steps to
itself, so every later position has the root of the end and costs nothing.

Snapshots keep what was written since the one before them, in a file without a name or, given a folder, in files that
survive the process: the same machine and folder later give the same trace, run as far as its last snapshot. When
there are too many, or their pages take too much of the disk, every second one goes and the distance doubles. Where the
distance has become long, a question keeps finer snapshots of the interval that it walked through: so a search that
narrows pays for one interval once, and a sixty-fourth of it from then on (`docs/traces.md`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from btc_l2.zkvm.fast import ALL_PAGES, run
from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.pagefile import SLOT_COST, PageFile
from btc_l2.zkvm.snapshot_index import SnapshotFolder
from btc_l2.zkvm.snapshots import Snapshot, Snapshots
from btc_l2.zkvm.state import Machine
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

SNAPSHOT_EVERY = 1 << 24  # steps, at first: some 40 ms of running
MAX_SNAPSHOTS = 1024
LEAST_SNAPSHOTS = 8  # so many are kept even where their pages exceed the limit
DISK_LIMIT = 4 << 30  # bytes of pages that the snapshots may keep
FINE_FROM = 1 << 25  # steps between snapshots from which on a question keeps finer ones
_FINER = 64  # times
_INTERVALS = 3  # with finer snapshots: as many as positions in one round of a search
_RECENT_BYTES = 32 << 20  # of pages in memory that states asked for lately may hold
_RECENT = 8

Progress = Callable[[int], None]
Taken: TypeAlias = tuple[Snapshot, list[Page]]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A tracked machine at a position, and the snapshot (None: the start) that it has changed from."""

    position: int
    machine: Machine
    origin: Snapshot | None

    @property
    def held(self) -> int:
        """Bytes of pages that it alone holds in memory."""
        return len(self.machine.memory.changed or ()) * PAGE_BYTES


class Trace:
    """The run of a machine. The machine given is copied; it may be any state, also one that no honest run reaches."""

    def __init__(
        self,
        machine: Machine,
        snapshot_every: int = SNAPSHOT_EVERY,
        disk_limit: int = DISK_LIMIT,
        directory: Path | None = None,
        max_pages: int = ALL_PAGES,
    ) -> None:
        """`snapshot_every` in steps, `disk_limit` in bytes; `directory`: where the trace lives on, and is continued.

        `max_pages`: of memory that the guest may take, as for `fast.run`. InvalidInput if the folder is another
        machine's, VerificationFailed if it is damaged, Unavailable if it cannot be used.
        """
        if snapshot_every < 1:
            raise InvalidInput(f"snapshots every {snapshot_every} steps are impossible; give at least 1")
        self._every = snapshot_every
        self._disk_limit = disk_limit
        self._max_pages = max_pages
        self._start = machine.copy()
        self._folder: SnapshotFolder | None = None
        self._snapshots: Snapshots | None = None
        self._recent: dict[int, _State] = {}
        self._finer: dict[int, Trace] = {}
        self._roots: dict[int, bytes] = {}
        self._end: _State | None = None
        if directory is not None:
            self._open(directory)

    @property
    def steps(self) -> int:
        """Steps made so far; after the exit: the length of the run."""
        return self._end.position if self._end is not None else 0

    @property
    def final(self) -> Machine:
        """A copy of the state after `steps` steps."""
        return self._last.machine.copy()

    @property
    def positions(self) -> list[int]:
        """Where snapshots are, ascending; the start is none."""
        return [snapshot.position for snapshot in self._snapshots.kept] if self._snapshots is not None else []

    def run(self, max_steps: int | None = None, progress: Progress | None = None, keep_end: bool = True) -> int:
        """Run on until the exit, or until `max_steps` steps in all are made; the number of steps made in all.

        `progress` is called with that number before every snapshot, when the one before it is there. In a folder the
        end is kept too (with `keep_end` false only the exit). Unavailable if the snapshots find no room; the trace is
        then as long as at the last one.
        """
        with _Shadow(self) as shadow:
            while not self._last.machine.exited and (max_steps is None or self.steps < max_steps):
                end = self._last
                to_snapshot = self._every - end.position % self._every
                wanted = to_snapshot if max_steps is None else min(to_snapshot, max_steps - end.position)
                ahead = _ahead(end, wanted, self._max_pages)
                shadow.settle(ahead)
                if progress is not None:
                    progress(ahead.position)
                if ahead.position - end.position == to_snapshot:
                    shadow.begin()
        end = self._last
        kept = end.position == (end.origin.position if end.origin else 0)
        if self._folder is not None and not kept and (keep_end or end.machine.exited):
            self._end = end = self._keep(end)
        return end.position

    def keep(self) -> None:
        """A snapshot of the state after `steps` steps that stays, however many there are."""
        last = self._last
        if last.position == 0:
            return  # the start is always there
        if last.origin is None or last.origin.position != last.position:
            self._end = self._keep(last, pinned=True)
        elif not last.origin.pinned:
            kept = self._kept.with_last_pinned()
            if self._folder is not None:
                self._folder.rewrite(kept)
            self._kept.replace(kept, [])
            self._end = _State(last.position, last.machine, kept[-1])

    def root_at(self, position: int) -> bytes:
        """Root of the state after `position` steps; InvalidInput if the run has not come so far."""
        return self.roots_at([position])[0]

    def roots_at(self, positions: Iterable[int]) -> list[bytes]:
        """Roots at several positions, in the order given; one pass over the run."""
        wanted = [self._clip(position) for position in positions]
        for position in sorted(set(wanted) - self._roots.keys()):
            self._roots[position] = self._root(position)
        return [self._roots[position] for position in wanted]

    def machine_at(self, position: int) -> Machine:
        """A machine in the state after `position` steps."""
        return self._machine(self._clip(position)).copy()

    def close(self) -> None:
        """Give the folder to others. Nothing can be run or asked any more."""
        self._recent.clear()
        self._finer.clear()
        if self._folder is not None:
            self._folder.close()

    @property
    def _last(self) -> _State:
        if self._end is None:
            self._end = self._state_of(None)
        return self._end

    @property
    def _kept(self) -> Snapshots:
        """The snapshots; their file is made when the first is taken or asked for."""
        if self._snapshots is None:
            self._snapshots = Snapshots(self._start, PageFile(_scratch(), tempfile.gettempdir()))
        return self._snapshots

    def _open(self, directory: Path) -> None:
        """Take over what the folder holds; the last state is checked against its root."""
        self._folder = SnapshotFolder(directory, self._start.endian, self._start.root())
        self._snapshots = Snapshots(self._start, self._folder.file)
        for snapshot in self._folder.load(self._disk_limit // PAGE_BYTES):
            self._snapshots.add(snapshot)
        last = self._snapshots.before(1 << 64)
        self._end = self._state_of(last)
        if last is not None and self._end.machine.root() != last.root:
            raise VerificationFailed(
                f"{directory} does not give the state at step {last.position}; its root is another; remove the "
                "folder and run again"
            )

    def _clip(self, position: int) -> int:
        """The position, or the end for one behind the exit."""
        if 0 <= position <= self.steps:
            return position
        if position > self.steps and self._last.machine.exited:
            return self.steps
        raise InvalidInput(f"position {position} is not in the run; it has {self.steps} steps; run it further")

    def _root(self, position: int) -> bytes:
        snapshot = self._snapshots.before(position) if self._snapshots is not None else None
        if snapshot is not None and snapshot.position == position:
            return snapshot.root
        return self._machine(position).root()

    def _machine(self, position: int) -> Machine:
        """The state at a position; not to be changed."""
        start = self._nearest(position)
        if start is not None and position - start.position < FINE_FROM:
            return self._walk(start, position).machine
        snapshot = self._kept.before(position)
        first = snapshot.position if snapshot is not None else 0
        if position - first < FINE_FROM:
            return self._walk(self._state_of(snapshot), position).machine
        return self._finer_trace(snapshot, first, position)._machine(position - first)

    def _nearest(self, position: int) -> _State | None:
        """The state at hand that is closest before the position, unless a snapshot is closer."""
        snapshot = self._snapshots.before(position) if self._snapshots is not None else None
        states = [state for state in (self._last, *self._recent.values()) if state.position <= position]
        best = max(states, key=lambda state: state.position, default=None)
        return best if best is not None and (snapshot is None or best.position >= snapshot.position) else None

    def _walk(self, start: _State, position: int) -> _State:
        if start.position == position:
            return start
        state = _ahead(start, position - start.position, self._max_pages)
        self._recent[position] = state
        held = sum(recent.held for recent in self._recent.values())
        while len(self._recent) > 1 and (held > _RECENT_BYTES or len(self._recent) > _RECENT):
            held -= self._recent.pop(next(iter(self._recent))).held
        return state

    def _state_of(self, snapshot: Snapshot | None) -> _State:
        """The state of a snapshot or of the start, as near to a state at hand as it can be."""
        if snapshot is None:  # no tables of a million pages for that
            machine = self._start.copy()
            machine.memory.track()
            return _State(0, machine, None)
        kept = self._kept
        like = next(reversed(self._recent.values()), self._end)
        machine, origin = (like.machine, like.origin) if like is not None else (self._start, None)
        restored = kept.restore(kept.layout(snapshot), machine, kept.layout(origin))
        return _State(snapshot.position, restored, snapshot)

    def _finer_trace(self, snapshot: Snapshot | None, first: int, position: int) -> Trace:
        """The interval behind a snapshot as a trace of its own, run as far as the position."""
        finer = self._finer.pop(first, None)
        if finer is None:
            every = max(FINE_FROM // 2, 1 << ((self._next(first) - first) // _FINER).bit_length())
            finer = Trace(self._state_of(snapshot).machine, every, self._disk_limit // _INTERVALS)
            if len(self._finer) == _INTERVALS:
                self._finer.pop(next(iter(self._finer)))
        self._finer[first] = finer  # the last one asked is the last to go
        finer.run(position - first)
        return finer

    def _next(self, position: int) -> int:
        """Position of the next snapshot, or the end."""
        return next((kept.position for kept in self._kept.kept if kept.position > position), self.steps)

    def _keep(self, state: _State, pinned: bool = False) -> _State:
        """Take a snapshot of a state, as of now the end; the same state, its pages in the file."""
        taken = self._kept.take(state.position, state.machine, pinned)
        state.machine.memory.track()
        return self._add(taken, state)

    def _add(self, taken: Taken, state: _State) -> _State:
        """Append a snapshot that was taken; `state`, a later one or the same, has changed from it since then."""
        snapshots, (snapshot, pages) = self._kept, taken
        try:
            if self._folder is not None:
                self._folder.append(snapshot)
        except Unavailable:
            snapshots.file.free(snapshot.slots)
            raise
        snapshots.add(snapshot)
        snapshots.file.hand_over(pages, snapshot.slots)
        self._thin()
        return _State(state.position, state.machine, snapshot)

    def _fall_back(self) -> None:
        """Make the last snapshot, or the start, the end."""
        self._end = None
        self._recent.clear()
        self._end = self._state_of(self._kept.before(1 << 64))

    def _thin(self) -> None:
        snapshots = self._kept
        while self._too_much(snapshots):
            self._every *= 2
            self._recent.clear()  # their origin may be left out
            kept, freed = snapshots.thinned(self._every)
            if self._folder is not None:
                self._folder.rewrite(kept)
            snapshots.replace(kept, freed)

    def _too_much(self, snapshots: Snapshots) -> bool:
        most = MAX_SNAPSHOTS if snapshots.file.used * SLOT_COST <= self._disk_limit else LEAST_SNAPSHOTS
        return len(snapshots) > most and self._every < snapshots.kept[-1].position


class _Shadow:
    """Takes a snapshot of the trace's end in another thread while the run goes on: neither hashing nor writing needs
    the interpreter lock. Between `begin` and `settle` nothing but running is done with the end.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._taken: Future[Taken] | None = None

    def __enter__(self) -> _Shadow:
        return self

    def __exit__(self, *_: object) -> None:
        with self._worker:
            self.settle(self._trace._last)

    def begin(self) -> None:
        """Start to take the snapshot; the end counts its changes from there on."""
        end = self._trace._last
        frozen = end.machine.copy()
        frozen.memory.track()
        frozen.memory.changed = end.machine.memory.changed
        end.machine.memory.track()
        self._taken = self._worker.submit(self._trace._kept.take, end.position, frozen, False)

    def settle(self, end: _State) -> None:
        """`end`, which goes on from the last one, is the trace's end, once the snapshot that was begun is there.

        Unavailable if that finds no room: then the trace ends at the snapshot before it.
        """
        taken, self._taken = self._taken, None
        try:
            self._trace._end = end if taken is None else self._trace._add(taken.result(), end)
        except Unavailable:
            self._trace._fall_back()
            raise


def _ahead(state: _State, steps: int, max_pages: int) -> _State:
    """The state some steps later; the one given does not change."""
    machine = state.machine.copy()
    machine.memory.track()
    made = run(machine, steps, max_pages=max_pages)
    assert machine.memory.changed is not None
    machine.memory.changed |= state.machine.memory.changed or set()
    return _State(state.position + made, machine, state.origin)


def _scratch() -> BinaryIO:
    try:
        return cast(BinaryIO, tempfile.TemporaryFile(buffering=0))
    except OSError as error:
        raise Unavailable(
            f"cannot keep snapshots in {tempfile.gettempdir()}; {error.strerror}; set TMPDIR to a folder with space"
        ) from error
