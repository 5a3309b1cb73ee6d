"""The fast machine: hundreds of millions of steps per second, with the meaning of `step`.

An arena is 4 GiB of reserved address space of which only touched pages exist. A machine's pages are brought in, the
compiled loop runs, the pages that it wrote go back. Where the loop stops before its limit, `step` makes the next step:
traps, exits and MAP have one implementation. Arenas are kept and re-used: bringing in a machine that shares most
pages with the last one costs little.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.layout import PAGE_WORDS, PROGRAM_END, REGION_BYTES, REGION_PAGES
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable

_ADDRESS_SPACE = 1 << 32
_PAGES = _ADDRESS_SPACE // (4 * PAGE_WORDS)
_REGIONS = _ADDRESS_SPACE // REGION_BYTES
MAP_NORESERVE = 0x4000 if sys.platform == "linux" else 0  # Python names it from 3.13 on
_AT_ONCE = 1 << 28  # steps between two looks at Ctrl-C: about a second
_PROGRAM_REGIONS = PROGRAM_END // REGION_BYTES
_KEPT_ARENAS = 2

Loop = Callable[..., Any]  # as `kernel.loop.run_steps`: memory, registers, control, dirty, missing, flip, limit


def run(machine: Machine, limit: int) -> int:
    """Run up to `limit` steps in place; the number made. It is less only if the machine has exited.

    Unavailable if the guest reads a mapped blob that is not here: the machine then stands before that step.
    """
    done = 0
    with borrow_arena() as arena:
        while done < limit and not machine.exited:
            if machine.register(0) == 0:  # else a state that no honest run reaches: the loop relies on $0
                done += arena.run(machine, min(limit - done, _AT_ONCE))
            if done < limit and not machine.exited:
                step(machine)
                done += 1
    return done


class Arena:
    """Flat memory for the compiled loop, and what is in it now."""

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        try:
            self._buffer = mmap.mmap(-1, _ADDRESS_SPACE, flags=flags)
        except OSError as error:
            raise Unavailable(
                f"no 4 GiB of addresses for the machine; {error.strerror}; allow overcommit or free memory"
            ) from error
        self._words = np.frombuffer(self._buffer, dtype=np.uint32)
        self._pages = self._words.reshape(_PAGES, PAGE_WORDS)
        self._dirty = np.zeros(_PAGES, dtype=np.uint8)
        self._missing = np.zeros(_REGIONS, dtype=np.uint8)
        self._loaded: dict[int, dict[int, Page]] = {}  # by region: the pages whose content stands in the buffer
        self._sources: dict[int, object] = {}  # by region: the table that it was loaded from

    def run(self, machine: Machine, limit: int, loop: Loop | None = None) -> int:
        """Run up to `limit` steps of the ordinary course; the number made. `loop` is taken in place of `run_steps`."""
        from btc_l2.zkvm.kernel.loop import run_steps

        self._bring_in(machine)
        if self._missing[:_PROGRAM_REGIONS].any():
            return 0  # a state that no honest run reaches: the loop takes program memory for granted
        registers = np.array(machine.registers, dtype=np.uint32)
        control = np.array(machine.control, dtype=np.uint32)
        flip = np.uint32(3 if machine.endian == "big" else 0)
        steps = (loop or run_steps)(self._words, registers, control, self._dirty, self._missing, flip, np.int64(limit))
        self._take_back(machine)
        machine.registers = registers.tolist()
        machine.control = control.tolist()
        return int(steps)

    def _bring_in(self, machine: Machine) -> None:
        """Make the buffer hold the machine's memory (but for the reserved page, which no guest can read)."""
        memory = machine.memory
        memory.share()
        self._missing[:] = 0
        for region in {*memory.regions, *memory.nodes, *self._loaded}:
            source: object = memory.nodes.get(region) or memory.regions.get(region)
            if region in self._sources and self._sources[region] is source:
                continue
            try:
                wanted = memory.region_pages(region)
            except Unavailable:
                self._missing[region] = 1
                self._sources.pop(region, None)
                continue
            self._replace(region, dict(wanted))
            self._sources[region] = source

    def _replace(self, region: int, wanted: dict[int, Page]) -> None:
        first = region * REGION_PAGES
        present = self._loaded.get(region, {})
        for number in present.keys() - wanted.keys():
            self._pages[first + number] = 0
        for number, page in wanted.items():
            if present.get(number) is not page:
                self._pages[first + number] = page.words
        self._loaded[region] = wanted

    def _take_back(self, machine: Machine) -> None:
        """Give the pages that were written to the machine, and know them as loaded."""
        numbers = self._written_pages()
        self._dirty[numbers] = 0
        pages = [Page(self._pages[number].copy()) for number in numbers]
        written: list[int] = numbers.tolist()
        machine.put_pages(written, pages)
        machine.memory.share()
        for number, page in zip(written, pages, strict=True):
            self._loaded.setdefault(number // REGION_PAGES, {})[number % REGION_PAGES] = page
        for region in {number // REGION_PAGES for number in written}:
            self._sources[region] = machine.memory.regions[region]

    def _written_pages(self) -> NDArray[np.int64]:
        """Numbers of the pages marked dirty; looked for eight at a time, because most runs write few."""
        eights = np.flatnonzero(self._dirty.view(np.uint64))
        candidates = (eights[:, np.newaxis] * 8 + np.arange(8)).ravel()
        return np.asarray(candidates[self._dirty[candidates] != 0], dtype=np.int64)


_free: list[Arena] = []


@contextmanager
def borrow_arena() -> Iterator[Arena]:
    """An arena for the time of one run; concurrent runs get one each."""
    arena = _free.pop() if _free else Arena()
    yield arena
    if len(_free) < _KEPT_ARENAS:  # after an exception it is not used again: what is in it may be half of something
        _free.append(arena)
