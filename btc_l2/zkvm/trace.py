"""A run and every root of it: snapshots on the way, exact states between them by running again.

Position i is the state after i steps: root_at(0) is the start, root_at(steps) the end. An exited machine steps to
itself, so every later position has the root of the end and costs nothing.

A snapshot shares with its neighbours all pages that no step between them wrote. When there are too many of them, or
their pages take too much memory, every second one goes and the distance doubles: a long run keeps a bounded number.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.layout import PAGE_BYTES, PAGE_WORDS
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.state import Machine
from taproot.errors import InvalidInput, Unavailable

SNAPSHOT_EVERY = 1 << 24  # steps, at first: some 40 ms of running
MAX_SNAPSHOTS = 128
MEMORY_LIMIT = 1 << 30  # bytes of pages that the snapshots may keep in memory
_RECENT = 8  # machines asked for lately: the next question is often just behind them

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state that is kept, and how many pages it does not share with the snapshot before it."""

    position: int
    machine: Machine
    new_pages: int = 0


class Trace:
    """The run of a machine. The machine given is copied; it may be any state, also one that no honest run reaches."""

    def __init__(
        self,
        machine: Machine,
        snapshot_every: int = SNAPSHOT_EVERY,
        memory_limit: int = MEMORY_LIMIT,
        directory: Path | None = None,
    ) -> None:
        """`snapshot_every` in steps, `memory_limit` in bytes; `directory`: where pages go instead of memory."""
        if snapshot_every < 1:
            raise InvalidInput(f"snapshots every {snapshot_every} steps are impossible; give at least 1")
        self._every = snapshot_every
        self._memory_limit = memory_limit
        self._directory = directory
        self._snapshots = [Snapshot(0, machine.copy())]
        self._end = self._snapshots[0]
        self._recent: dict[int, Snapshot] = {}
        self._roots: dict[int, bytes] = {}

    @property
    def steps(self) -> int:
        """Steps made so far; after the exit: the length of the run."""
        return self._end.position

    @property
    def final(self) -> Machine:
        """A copy of the state after `steps` steps."""
        return self._end.machine.copy()

    def run(self, max_steps: int | None = None, progress: Progress | None = None) -> int:
        """Run on until the exit, or until `max_steps` steps in all are made; the number of steps made in all.

        `progress` is called with that number at every snapshot.
        """
        done, machine = self._end.position, self._end.machine.copy()
        while not machine.exited and (max_steps is None or done < max_steps):
            to_snapshot = self._every - done % self._every
            made = run(machine, to_snapshot if max_steps is None else min(to_snapshot, max_steps - done))
            done += made
            self._end = Snapshot(done, machine.copy())
            if made == to_snapshot:
                self._keep(done, machine)
            if progress is not None:
                progress(done)
        return done

    def root_at(self, position: int) -> bytes:
        """Root of the state after `position` steps; InvalidInput if the run has not come so far."""
        return self.roots_at([position])[0]

    def roots_at(self, positions: Iterable[int]) -> list[bytes]:
        """Roots at several positions, in the order given; one pass over the run."""
        wanted = [self._clip(position) for position in positions]
        for position in sorted(set(wanted) - self._roots.keys()):
            self._roots[position] = self._state(position).root()
        return [self._roots[position] for position in wanted]

    def machine_at(self, position: int) -> Machine:
        """A machine in the state after `position` steps."""
        return self._state(self._clip(position)).copy()

    def _clip(self, position: int) -> int:
        """The position, or the end for one behind the exit."""
        if 0 <= position <= self.steps:
            return position
        if position > self.steps and self._end.machine.exited:
            return self.steps
        raise InvalidInput(f"position {position} is not in the run; it has {self.steps} steps; run it further")

    def _state(self, position: int) -> Machine:
        start = self._nearest(position)
        if start.position == position:
            return start.machine
        machine = start.machine.copy()
        run(machine, position - start.position)
        self._recent[position] = Snapshot(position, machine)
        if len(self._recent) > _RECENT:
            self._recent.pop(next(iter(self._recent)))
        return machine

    def _nearest(self, position: int) -> Snapshot:
        """The kept state closest before the position."""
        found = bisect_right(self._snapshots, position, key=lambda kept: kept.position) - 1
        candidates = (self._snapshots[found], self._end, *self._recent.values())
        return max((kept for kept in candidates if kept.position <= position), key=lambda kept: kept.position)

    def _keep(self, done: int, machine: Machine) -> None:
        pages = _new_pages(machine, self._snapshots[-1].machine)
        if self._directory is not None:
            _move_to_disk(pages, self._directory)
        self._snapshots.append(Snapshot(done, machine.copy(), len(pages)))
        while len(self._snapshots) > 2 and self._too_much():
            self._every *= 2
            self._snapshots = _recount([kept for kept in self._snapshots if kept.position % self._every == 0])

    def _too_much(self) -> bool:
        held = 0 if self._directory is not None else sum(kept.new_pages for kept in self._snapshots) * PAGE_BYTES
        return len(self._snapshots) > MAX_SNAPSHOTS or held > self._memory_limit


def _recount(snapshots: list[Snapshot]) -> list[Snapshot]:
    """The same snapshots with new pages counted against their neighbours of now."""
    later = (
        Snapshot(kept.position, kept.machine, len(_new_pages(kept.machine, before.machine)))
        for before, kept in pairwise(snapshots)
    )
    return [snapshots[0], *later]


def _new_pages(machine: Machine, before: Machine) -> list[Page]:
    """Pages of a machine that an earlier one does not share."""
    pages: list[Page] = []
    for region, content in machine.memory.regions.items():
        old = before.memory.regions.get(region)
        if old is not content:
            known = old.pages if old is not None else {}
            pages += [page for number, page in content.pages.items() if known.get(number) is not page]
    return pages


def _move_to_disk(pages: Sequence[Page], directory: Path) -> None:
    """Keep the words of the pages in a file that has no name and goes with the last of them."""
    if not pages:
        return
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            for page in pages:
                file.write(page.words.tobytes())
            file.flush()
            stored = np.memmap(file, dtype=np.uint32, mode="r", shape=(len(pages), PAGE_WORDS))
    except OSError as error:
        raise Unavailable(
            f"cannot keep snapshots in {directory}; {error.strerror}; give a folder with space"
        ) from error
    for page, words in zip(pages, stored, strict=True):
        page.words = words
