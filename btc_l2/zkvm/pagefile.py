"""Pages in a file: slots of 4 KiB that are written once, read when needed, and used again when nobody needs them.

What the file holds takes no memory but 33 bytes a slot. A page that an earlier process wrote is compared with its
node (level 7 of the state tree) before it is used for the first time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeAlias
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.page import AT_ONCE, Page, gather, nodes_of, roots_of, set_roots
from taproot.errors import Unavailable, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.zkvm.page import Words

Slots: TypeAlias = NDArray[np.int32]

NODE_BYTES = 32
_PRUNE_FROM = 1 << 16
SLOT_COST = PAGE_BYTES + 40  # bytes on disk for each slot in use, its line in an index included


class PageFile:
    """Pages by slot in an open file (unbuffered). `name` is what messages call it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file  # held: a page outlives whoever opened its file
        self._descriptor = file.fileno()
        self._name = name
        self._free: list[int] = []
        self._end = 0
        self._nodes = np.zeros((0, NODE_BYTES), dtype=np.uint8)
        self._checked = np.zeros(0, dtype=np.bool_)
        self._pages: dict[int, ref[Page]] = {}  # those that somebody holds, and some that nobody does any more
        self._prune_at = _PRUNE_FROM

    @property
    def used(self) -> int:
        """Slots in use."""
        return self._end - len(self._free)

    def put(self, pages: Sequence[Page]) -> Slots:
        """Write pages into free slots; the pages themselves stay as they are. Unavailable if the disk is full."""
        slots = self._allocate(len(pages))
        try:
            for start in range(0, len(pages), AT_ONCE):
                some = pages[start : start + AT_ONCE]
                words = gather(some)
                set_roots(some, words)
                self._write(words, slots[start : start + AT_ONCE])
        except OSError as error:
            self._free += slots.tolist()
            raise Unavailable(
                f"cannot keep snapshots in {self._name}; {error.strerror}; give a folder with space"
            ) from error
        self._nodes[slots] = np.frombuffer(nodes_of(pages), np.uint8).reshape(-1, 32)
        self._checked[slots] = True
        return slots

    def hand_over(self, pages: Sequence[Page], slots: Slots) -> None:
        """From now on these pages live in their slots only."""
        for page, slot in zip(pages, slots.tolist(), strict=True):
            page.move_to(self, slot)
            self._pages[slot] = ref(page)
        if len(self._pages) > self._prune_at:
            self._pages = {slot: found for slot, found in self._pages.items() if found() is not None}
            self._prune_at = max(_PRUNE_FROM, 2 * len(self._pages))

    def page(self, slot: int) -> Page:
        """The page in a slot; the same object as long as somebody holds it."""
        found = self._pages.get(slot)
        page = found() if found is not None else None
        if page is None:
            page = Page(None, self._nodes[slot].tobytes())
            page.move_to(self, slot)
            self._pages[slot] = ref(page)
        return page

    def nodes(self, slots: Slots) -> NDArray[np.uint8]:
        """Nodes of pages by their slots, [n, 32]."""
        return self._nodes[slots]

    def read(self, slot: int) -> Words:
        """Words of a slot."""
        data = os.pread(self._descriptor, PAGE_BYTES, slot * PAGE_BYTES)
        if len(data) != PAGE_BYTES:
            raise VerificationFailed(f"{self._name} was cut; page {slot} is missing; remove the folder and run again")
        words = np.frombuffer(data, dtype=np.uint32)
        if not self._checked[slot]:
            if roots_of(words.reshape(1, -1))[0] != self._nodes[slot].tobytes():
                raise VerificationFailed(
                    f"{self._name} was altered; page {slot} is another; remove the folder and run again"
                )
            self._checked[slot] = True
        return words

    def free(self, slots: Slots) -> None:
        """Give up slots. Pages that somebody still holds come back into memory."""
        for slot in slots.tolist():
            found = self._pages.pop(slot, None)
            page = found() if found is not None else None
            if page is not None:
                page.move_back()
        self._free += slots.tolist()

    def adopt(self, slots: Slots, nodes: NDArray[np.uint8]) -> None:
        """Take over slots that an earlier process wrote; their pages are checked when they are read."""
        self._grow(int(slots.max(initial=-1)) + 1)
        self._nodes[slots] = nodes

    def reclaim(self, used: Slots) -> None:
        """After `adopt`: every slot that is not in use is free."""
        unused = np.ones(self._end, dtype=np.bool_)
        unused[used] = False
        self._free = np.flatnonzero(unused).tolist()

    def _allocate(self, count: int) -> Slots:
        old = sorted(self._free[max(0, len(self._free) - count) :])
        del self._free[max(0, len(self._free) - count) :]
        first = self._end
        self._grow(first + count - len(old))
        return np.array([*old, *range(first, self._end)], dtype=np.int32)

    def _grow(self, end: int) -> None:
        if end > len(self._checked):
            room = max(end, 2 * len(self._checked), AT_ONCE)
            self._nodes = np.concatenate([self._nodes, np.zeros((room - len(self._nodes), NODE_BYTES), np.uint8)])
            self._checked = np.concatenate([self._checked, np.zeros(room - len(self._checked), np.bool_)])
        self._end = max(self._end, end)

    def _write(self, words: Words, slots: Slots) -> None:
        """One call for each run of neighbouring slots."""
        ends = np.flatnonzero(np.diff(slots) != 1) + 1
        for part, where in zip(np.split(words, ends), np.split(slots, ends), strict=True):
            data, at = part.data.cast("B"), int(where[0]) * PAGE_BYTES
            while data:
                made = os.pwrite(self._descriptor, data, at)
                data, at = data[made:], at + made
