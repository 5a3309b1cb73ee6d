"""An arena: flat memory for the compiled machines, what is in it now, and the tier that fits to it.

4 GiB of reserved address space of which only touched pages exist, and before them a byte for each page
(`marks`). Bringing in a machine copies the pages that are not there yet; taking back copies those that were written.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.layout import PAGE_WORDS, PROGRAM_END, REGION_BYTES, REGION_PAGES
from btc_l2.zkvm.marks import CLEAN, CODE, TOUCHED, WRITTEN
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.state import REGISTERS, Machine
from btc_l2.zkvm.tiers import Tier, installed
from taproot.errors import Unavailable

_ADDRESS_SPACE = 1 << 32
_PAGES = _ADDRESS_SPACE // (4 * PAGE_WORDS)  # bytes of marks, too
_REGIONS = _ADDRESS_SPACE // REGION_BYTES
MAP_NORESERVE = 0x4000 if sys.platform == "linux" else 0  # Python names it from 3.13 on
_PROGRAM_REGIONS = PROGRAM_END // REGION_BYTES
_CONTROL = slice(REGISTERS, REGISTERS + 8)
_GROUP = 512  # pages whose marks are looked at together
_STATE_WORDS = REGISTERS + 8 + 2  # the last two: address of the tier's table

Loop = Callable[..., Any]  # as `kernel.loop.run_steps`: memory, registers, control, dirty, missing, flip, limit


class Arena:
    """Flat memory for the compiled loop, and what is in it now."""

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        try:
            self._buffer = mmap.mmap(-1, _PAGES + _ADDRESS_SPACE, flags=flags)
        except OSError as error:
            raise Unavailable(
                f"no 4 GiB of addresses for the machine; {error.strerror}; allow overcommit or free memory"
            ) from error
        self._marks = np.frombuffer(self._buffer, dtype=np.uint8, count=_PAGES)
        self._words = np.frombuffer(self._buffer, dtype=np.uint32, offset=_PAGES)
        self._pages = self._words.reshape(_PAGES, PAGE_WORDS)
        self._missing = np.zeros(_REGIONS, dtype=np.uint8)
        self._state = np.zeros(_STATE_WORDS, dtype=np.uint32)  # registers, then control
        self._table = self._state[-2:].view(np.uint64)
        self._host = np.array([self._state.ctypes.data, self._words.ctypes.data], dtype=np.uint64)
        self._loaded: dict[int, dict[int, Page]] = {}  # by region: the pages whose content stands in the buffer
        self._sources: dict[int, object] = {}  # by region: the table that it was loaded from
        self._tiers = TierChoice(self._words, self._marks)

    def begin(self) -> None:
        """A new run: a tier that the last one has rejected may be taken again."""
        self._tiers.begin()

    def run(
        self, machine: Machine, limit: int, loop: Loop | None = None, translated: bool = True, new_pages: int = _PAGES
    ) -> int:
        """Run up to `limit` steps of the ordinary course; the number made. `loop` is taken in place of `run_steps`.

        `translated`: an installed tier may be used (never with another loop). It stops before a step that would write
        one more page than `new_pages`.
        """
        from btc_l2.zkvm.kernel.loop import run_steps, run_translated

        self._bring_in(machine)
        if self._missing[:_PROGRAM_REGIONS].any():
            return 0  # a state that no honest run reaches: the loop takes program memory for granted
        self._words[0] = new_pages  # for `kernel.memory.mark_page`
        registers, control = self._state[:REGISTERS], self._state[_CONTROL]
        registers[:], control[:] = machine.registers, machine.control
        flip = np.uint32(3 if machine.endian == "big" else 0)
        table = self._tiers.choose(machine, translated and loop is None)
        given = (self._words, registers, control, self._marks, self._missing, flip)
        if loop is not None or table is None:
            steps = int((loop or run_steps)(*given, np.int64(limit)))
        else:
            self._table[0] = table.ctypes.data
            steps = int(run_translated(*given, np.int64(limit), table, self._host))
            if self._tiers.give_up_before_store():
                steps += int(run_steps(*given, np.int64(limit - steps)))
        self._take_back(machine)
        machine.registers = registers.tolist()
        machine.control = control.tolist()
        return steps

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
        gone = present.keys() - wanted.keys()
        changed = [number for number, page in wanted.items() if present.get(number) is not page]
        for number in gone:
            self._pages[first + number] = 0
        for number in changed:
            self._pages[first + number] = wanted[number].words
        self._tiers.notice(first, [*gone, *changed])
        self._loaded[region] = wanted

    def _take_back(self, machine: Machine) -> None:
        """Give the pages that were written to the machine, and know them as loaded."""
        numbers = self._written_pages()
        self._marks[numbers] = CLEAN
        pages = [Page(self._pages[number].copy()) for number in numbers]
        written: list[int] = numbers.tolist()
        machine.put_pages(written, pages)
        machine.memory.share()
        for number, page in zip(written, pages, strict=True):
            self._loaded.setdefault(number // REGION_PAGES, {})[number % REGION_PAGES] = page
        for region in {number // REGION_PAGES for number in written}:
            self._sources[region] = machine.memory.regions[region]

    def _written_pages(self) -> NDArray[np.int64]:
        """Numbers of the pages marked as written; looked for in groups, because most runs write few."""
        groups = np.bitwise_or.reduce(self._marks.view(np.uint64).reshape(-1, _GROUP // 8), axis=1)
        candidates = (np.flatnonzero(groups)[:, np.newaxis] * _GROUP + np.arange(_GROUP)).ravel()
        return np.asarray(candidates[self._marks[candidates] == WRITTEN], dtype=np.int64)


class TierChoice:
    """The tier whose code is in an arena's memory, found again whenever pages of it have changed."""

    def __init__(self, words: NDArray[np.uint32], marks: NDArray[np.uint8]) -> None:
        self._words = words
        self._marks = marks
        self._tier: Tier | None = None
        self._asked: tuple[Tier, ...] = ()  # that were compared with the memory as it is
        self._changed: set[int] = set()  # pages that are other ones since then

    def begin(self) -> None:
        """A new run: what the last one has rejected is looked at again."""
        self._asked = ()

    def notice(self, first: int, numbers: list[int]) -> None:
        """Pages (counted from page `first`) have another content now."""
        self._changed.update(first + number for number in numbers)

    def choose(self, machine: Machine, allowed: bool) -> NDArray[np.uint64] | None:
        """The table of the tier that fits, None if there is none or none is allowed; marks its pages."""
        tiers = installed() if allowed else ()
        if self._tier is not None and (self._tier not in tiers or not self._still_fits(self._tier, machine)):
            self._put_away()
        if self._tier is None:
            fitting = (tier for tier in tiers if tier not in self._asked and tier.matches(self._words, machine.endian))
            self._take_up(next(fitting, None))
        self._asked = tiers
        self._changed.clear()
        return None if self._tier is None else self._tier.table

    def give_up_before_store(self) -> bool:
        """Whether the next step wants to write a page with translated code: then the run goes on without the tier."""
        if self._tier is None or not (self._marks[self._tier.page_numbers] == TOUCHED).any():
            return False
        self._put_away()
        return True

    def _still_fits(self, tier: Tier, machine: Machine) -> bool:
        if machine.endian != tier.endian:
            return False
        return not tier.stands_in(self._changed) or tier.matches(self._words, machine.endian)

    def _take_up(self, tier: Tier | None) -> None:
        self._tier = tier
        if tier is not None:
            self._marks[tier.page_numbers] = CODE

    def _put_away(self) -> None:
        if self._tier is not None:
            self._marks[self._tier.page_numbers] = CLEAN
            self._tier = None
