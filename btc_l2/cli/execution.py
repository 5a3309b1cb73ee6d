"""Running a machine for a person: limits, a stop address, progress, and how long it took.

The stop address works as in a debugger: the word there is BREAK while the compiled machine runs and is put back
afterwards (where nothing can be fetched, the trap serves as well). A guest that *reads* its own code at this address
would see the BREAK; the readable step (`reference`) has no such blind spot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from btc_l2.cli.progress import Progress, get_ready
from btc_l2.zkvm.fast import ALL_PAGES, room_for, run
from btc_l2.zkvm.layout import PROGRAM_END
from btc_l2.zkvm.outcome import ADDRESS_LOAD, BREAKPOINT, RUNNING, may_load
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step

BREAK = 0x0000_000D  # MIPS32 Vol. II-A, BREAK with code 0
COMPILED_CHUNK, READABLE_CHUNK = 1 << 26, 1 << 14  # steps between two looks at the clock

Advance = Callable[[Machine, int], int]  # make up to so many steps; the number made


@dataclass(frozen=True, slots=True)
class Run:
    """A machine after its run."""

    machine: Machine
    steps: int
    seconds: float
    made: int | None = None  # steps in these seconds, if an earlier process made some

    @property
    def steps_per_second(self) -> int:
        """Speed; 0 for a run too short to have one."""
        made = self.steps if self.made is None else self.made
        return round(made / self.seconds) if self.seconds else 0


def execute(
    machine: Machine,
    limit: int,
    stop: int | None = None,
    reference: bool = False,
    max_pages: int = ALL_PAGES,
    progress: Progress | None = None,
) -> Run:
    """Run in place until the exit, `limit` steps or the first state with PC = `stop` (which may be the first).

    Unavailable where the guest takes more than `max_pages` pages of memory.
    """
    if not reference:
        get_ready()  # the seconds of the compiler are not those of the machine
    tell = progress or Progress()
    tell.begin(0)
    start = time.perf_counter()
    if reference or (stop is not None and may_load(stop) and stop >= PROGRAM_END):
        steps = _in_chunks(
            machine, limit, READABLE_CHUNK, lambda state, count: _walk(state, count, stop, max_pages), tell
        )
    elif stop is None:
        steps = _in_chunks(machine, limit, COMPILED_CHUNK, partial(run, max_pages=max_pages), tell)
    else:
        steps = _run_to(machine, limit, stop, max_pages, tell)
    return Run(machine, steps, time.perf_counter() - start)


def _in_chunks(machine: Machine, limit: int, chunk: int, advance: Advance, tell: Progress) -> int:
    """Run to the end in pieces and say now and then how far it is."""
    done = 0
    while done < limit and not machine.exited:
        wanted = min(chunk, limit - done)
        made = advance(machine, wanted)
        done += made
        if made < wanted:
            break
        tell.now_and_then(done, machine)
    return done


def _walk(machine: Machine, limit: int, stop: int | None, max_pages: int) -> int:
    """The readable step, again and again; fewer than `limit` steps only after the exit or at the stop address."""
    room_for(machine, max_pages)
    for made in range(limit):
        if machine.exited or machine.control.pc == stop:
            return made
        step(machine)
    return limit


def _run_to(machine: Machine, limit: int, stop: int, max_pages: int, tell: Progress) -> int:
    """Run the compiled machine against a trap at `stop`; the trapping step is undone and not counted."""
    if machine.control.pc == stop:
        return 0
    fetched = may_load(stop) and stop % 4 == 0
    covered = machine.load_word(stop) if fetched else 0
    if fetched:
        machine.store_word(stop, BREAK)
    steps = _in_chunks(machine, limit, COMPILED_CHUNK, partial(run, max_pages=max_pages), tell)
    if fetched and machine.load_word(stop) == BREAK:  # else the guest has written there itself
        machine.store_word(stop, covered)
    if machine.control.pc == stop and machine.trap == (BREAKPOINT if fetched else ADDRESS_LOAD):
        machine.control = machine.control._replace(status=RUNNING)
        steps -= 1
    return steps
