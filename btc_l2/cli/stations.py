"""A run with stations: at the steps that patterns name, say where it stands, keep it, explain the next step, stop.

What is done at a station comes in the order of Optimism's cannon: say, stop, keep, explain; and as there, a machine
that has exited has no stations any more. Between stations the machine runs at full speed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from btc_l2.cli.execution import COMPILED_CHUNK, Run
from btc_l2.cli.output import note
from btc_l2.cli.patterns import NEVER, Pattern
from btc_l2.cli.progress import Progress, get_ready
from btc_l2.zkvm.fast import ALL_PAGES, run
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.witness import step_witness
from taproot.errors import InvalidInput, Unavailable

MOST_EVERY = 1 << 63  # steps between snapshots: never
PROOF_FORMAT = "proof-%d.json"


@dataclass(frozen=True, slots=True)
class Stations:
    """Steps at which something is done; `limit`: the number of steps after which the run stops anyway."""

    info: Pattern = NEVER
    snapshot: Pattern = NEVER
    stop: Pattern = NEVER
    proof: Pattern = NEVER
    limit: int = MOST_EVERY
    proof_format: str = PROOF_FORMAT

    def __post_init__(self) -> None:
        if self.proof_format.count("%") != 1 or "%d" not in self.proof_format:
            raise InvalidInput(
                f"{self.proof_format!r} does not name a file for each step; it needs one %d and no other %; "
                f"give for example {PROOF_FORMAT}"
            )

    def next_from(self, step: int) -> int:
        """The next station, or the limit; a step from `step` on."""
        return self._first_of(step, (self.info, self.snapshot, self.stop, self.proof))

    def first_asked(self) -> int:
        """The first step that somebody wants to see, whether it was executed before or not; or the limit."""
        return self._first_of(0, (self.stop, self.proof))

    def _first_of(self, step: int, patterns: tuple[Pattern, ...]) -> int:
        found = (pattern.next_from(step) for pattern in patterns)
        return min([self.limit, *(at for at in found if at is not None)])


class Course(Protocol):
    """Something that goes through a run and can be looked at."""

    @property
    def steps(self) -> int:
        """Steps made before the state that `look` shows."""
        ...

    @property
    def made(self) -> int:
        """Steps that were executed, now or by an earlier process."""
        ...

    def look(self) -> Machine:
        """The machine now; only to look at."""
        ...

    def advance(self, until: int, progress: Progress) -> None:
        """Go on to so many steps in all, or to the exit."""
        ...

    def keep(self) -> None:
        """Keep the state."""
        ...

    def finish(self) -> None:
        """The run ends here."""
        ...


class MachineCourse:
    """A machine alone; it keeps nothing."""

    def __init__(self, machine: Machine, max_pages: int = ALL_PAGES) -> None:
        self._machine = machine
        self._max_pages = max_pages
        self.steps = 0

    @property
    def made(self) -> int:
        """All steps."""
        return self.steps

    def look(self) -> Machine:
        """The machine itself."""
        return self._machine

    def advance(self, until: int, progress: Progress) -> None:
        """Run in place."""
        while self.steps < until and not self._machine.exited:
            self.steps += run(self._machine, min(until - self.steps, COMPILED_CHUNK), max_pages=self._max_pages)
            progress.now_and_then(self.steps, self._machine)

    def keep(self) -> None:
        """Nothing: `vm run` asks for a folder first."""

    def finish(self) -> None:
        """Nothing."""


class TraceCourse:
    """A trace in a folder, from a step on; what was executed before is only looked at."""

    def __init__(self, trace: Trace, first: int) -> None:
        self._trace = trace
        self.steps = min(first, trace.steps)

    @property
    def made(self) -> int:
        """Steps of the trace."""
        return self._trace.steps

    def look(self) -> Machine:
        """A copy of the state."""
        return self._trace.machine_at(self.steps)

    def advance(self, until: int, progress: Progress) -> None:
        """Go on in the trace, and run it further where it ends; snapshots at its distance."""
        trace = self._trace
        while trace.steps < until and not trace.final.exited:
            trace.run(min(until, trace.steps + COMPILED_CHUNK), keep_end=False)
            progress.now_and_then(trace.steps, trace.final)
        self.steps = min(until, trace.steps)

    def keep(self) -> None:
        """A snapshot that stays; where the trace had been before, it keeps what it has."""
        if self.steps == self._trace.steps:
            self._trace.keep()

    def finish(self) -> None:
        """Keep the end, whether it is a good place for a snapshot or not."""
        self._trace.run(self._trace.steps)


def open_trace(machine: Machine, folder: Path, at: Pattern | None, max_pages: int = ALL_PAGES) -> tuple[Trace, Pattern]:
    """The trace in a folder with snapshots by a pattern (None: as it sees fit), and the stations that are left."""
    if at is None:
        return Trace(machine, directory=folder, max_pages=max_pages), NEVER
    every = at.every if at.every else MOST_EVERY
    return Trace(machine, every, directory=folder, max_pages=max_pages), NEVER if at.every else at


def run_stations(course: Course, stations: Stations, progress: Progress) -> Run:
    """Go on to the exit, the limit or a step to stop at."""
    get_ready()
    began, before = time.perf_counter(), course.made
    progress.begin(before)
    while not (machine := course.look()).exited and course.steps < stations.limit:
        step = course.steps
        if stations.info.matches(step):
            progress.say(step, machine, instruction=True)
        if stations.stop.matches(step):
            break
        if stations.snapshot.matches(step):
            course.keep()
        if stations.proof.matches(step):
            write_proof(Path(stations.proof_format.replace("%d", str(step))), step, machine)
        course.advance(stations.next_from(step + 1), progress)
    course.finish()
    seconds = time.perf_counter() - began
    return Run(course.look(), course.steps, seconds, course.made - before)


def write_proof(path: Path, step: int, machine: Machine) -> None:
    """The next step of the machine as `btc-l2 vm step --json` shows it."""
    from btc_l2.cli.vm_debug import describe_step

    try:
        path.write_text(json.dumps({"index": step, **describe_step(machine, step_witness(machine))}) + "\n")
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; give --proof-fmt a place with space") from error
    note(f"step {step} is in {path}")
