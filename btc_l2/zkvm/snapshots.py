"""Snapshots of one run: what each changed against the one before, pages in a file, the latest state by folding.

A snapshot names the pages that were written since the one before it and the slots where they stand now. Folding all
snapshots up to one gives the slot of every page of that state; what none of them names is as at the start. Leaving a
snapshot out moves to the next one what that does not replace itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.layout import G0, PAGE_BYTES, PAGE_LEVEL, REGION_LEVEL, REGION_PAGES, RESERVED_PAGE
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.pagefile import PageFile, Slots
from btc_l2.zkvm.state import Machine

Numbers: TypeAlias = NDArray[np.int32]
Table: TypeAlias = NDArray[np.int32]  # slot of each of the 2^20 pages, AT_START where it is as at the start

AT_START = -1
_PAGES = 1 << 20
_RESERVED = RESERVED_PAGE // PAGE_BYTES
_IN_REGION = REGION_PAGES - 1
_REGION_SHIFT = REGION_LEVEL - PAGE_LEVEL


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A state by what it changed; `nodes` are all mapped nodes by region, and the pages there count for nothing."""

    position: int
    root: bytes
    nodes: Mapping[int, bytes]
    numbers: Numbers  # pages, ascending
    slots: Slots
    pinned: bool = False  # never left out


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where every page of a state stands."""

    table: Table
    nodes: Mapping[int, bytes]


class Snapshots:
    """Snapshots by position over one start. The start itself is position 0 and needs no file."""

    def __init__(self, start: Machine, file: PageFile) -> None:
        self.file = file
        start.leaf(G0)  # writes registers and control into their page
        self._start = start
        self._kept: list[Snapshot] = []

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def kept(self) -> list[Snapshot]:
        """All snapshots by ascending position."""
        return list(self._kept)

    def before(self, position: int) -> Snapshot | None:
        """The last snapshot that is not behind the position; None is the start."""
        found = bisect_right(self._kept, position, key=lambda kept: kept.position)
        return self._kept[found - 1] if found else None

    def take(self, position: int, machine: Machine, pinned: bool) -> tuple[Snapshot, list[Page]]:
        """Write what a tracked machine has changed; nothing is different until `add`."""
        machine.leaf(G0)  # writes registers and control into their page
        memory = machine.memory
        tables = {region: content.pages for region, content in memory.regions.items() if region not in memory.nodes}
        numbers = sorted(n for n in memory.changed or () if n >> _REGION_SHIFT in tables)
        pages = [tables[n >> _REGION_SHIFT][n & _IN_REGION] for n in numbers]
        slots = self.file.put(pages)
        known = np.array(numbers, dtype=np.int32)
        return Snapshot(position, machine.root(), dict(memory.nodes), known, slots, pinned), pages

    def add(self, snapshot: Snapshot) -> None:
        """Append a snapshot, behind all others."""
        self._kept.append(snapshot)

    def thinned(self, every: int) -> tuple[list[Snapshot], list[Slots]]:
        """The snapshots at multiples of `every`, the pinned ones and the last, with the pages of those that go.

        Also the slots that nobody needs then. Nothing is different until `replace`.
        """
        kept: list[Snapshot] = []
        freed: list[Slots] = []
        left_out: Snapshot | None = None
        for snapshot in self._kept:
            merged = snapshot
            if left_out is not None:
                merged, unused = _merged(left_out, snapshot)
                freed.append(unused)
            stays = snapshot.pinned or snapshot is self._kept[-1] or snapshot.position % every == 0
            left_out = None if stays else merged
            if stays:
                kept.append(merged)
        return kept, freed

    def with_last_pinned(self) -> list[Snapshot]:
        """All snapshots, the last as one that is never left out. Nothing is different until `replace`."""
        return [*self._kept[:-1], replace(self._kept[-1], pinned=True)]

    def replace(self, kept: list[Snapshot], freed: list[Slots]) -> None:
        """Make the outcome of `thinned` or `with_last_pinned` true."""
        self._kept = kept
        for slots in freed:
            self.file.free(slots)

    def clear(self) -> None:
        """Give up all snapshots and their slots."""
        self.replace([], [snapshot.slots for snapshot in self._kept])

    def layout(self, last: Snapshot | None) -> Layout:
        """Where the pages of a snapshot's state stand."""
        table = np.full(_PAGES, AT_START, dtype=np.int32)
        if last is None:
            return Layout(table, self._start.memory.nodes)
        for snapshot in self._kept[: bisect_right(self._kept, last.position, key=lambda kept: kept.position)]:
            for region in snapshot.nodes:
                table[region << _REGION_SHIFT : region + 1 << _REGION_SHIFT] = AT_START
            table[snapshot.numbers] = snapshot.slots
        return Layout(table, last.nodes)

    def restore(self, wanted: Layout, like: Machine, known: Layout) -> Machine:
        """The state with a layout, as a tracked machine; `like` is one that has changed from the layout `known`."""
        if not wanted.nodes == known.nodes == like.memory.nodes:
            like, known = self._start, self.layout(None)
        machine = like.copy()
        for region, root in wanted.nodes.items():
            if machine.memory.nodes.get(region) != root:
                machine.memory.map_node(region, root)
        different = wanted.table != known.table
        different[list(like.memory.changed or ())] = True
        for region in wanted.nodes:
            different[region << _REGION_SHIFT : region + 1 << _REGION_SHIFT] = False
        different[_RESERVED] = True  # registers and control of `like` may be ahead of its page
        numbers = np.flatnonzero(different)
        machine.restore(numbers.tolist(), [self._page(n, slot) for n, slot in _pairs(numbers, wanted.table)])
        machine.memory.track()
        return machine

    def _page(self, number: int, slot: int) -> Page:
        return self._start.memory.page(number) if slot == AT_START else self.file.page(slot)


def _pairs(numbers: NDArray[np.int64], table: Table) -> zip[tuple[int, int]]:
    return zip(numbers.tolist(), table[numbers].tolist(), strict=True)


def _merged(first: Snapshot, second: Snapshot) -> tuple[Snapshot, Slots]:
    """The second with what it does not replace of the first, and the slots of the first that it does replace."""
    hidden = np.isin(first.numbers >> _REGION_SHIFT, list(second.nodes))
    replaced = hidden | np.isin(first.numbers, second.numbers)
    numbers = np.concatenate([first.numbers[~replaced], second.numbers])
    slots = np.concatenate([first.slots[~replaced], second.slots])
    order = np.argsort(numbers)
    return replace(second, numbers=numbers[order], slots=slots[order]), first.slots[replaced]
