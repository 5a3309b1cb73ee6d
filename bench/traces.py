"""What a trace costs: snapshots, roots, long runs, memory, and how soon the machine starts."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import Figure, absent, at_most, plain, timed
from bench.zkvm import example
from btc_l2.guests import find_guest
from btc_l2.translation import use_tier
from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.warm import warm

STEPS_OF_A_ROUND = 3933  # of the hash chain
GO_GUESTS = ("go-sha256", "go-stress")
NEVER = 1 << 62
TRIES, QUESTIONS, CHANGED = 5, 20, 3000
TOUCHED = 256 << 20  # by the sort
SPARE_MIB = 200
LONG = 36
RUN_AND_WEIGH = """
import resource
from bench.traces import sort
from btc_l2.zkvm.trace import Trace
trace = Trace(sort())
trace.run()
trace.roots_at(k * trace.steps // 7 for k in range(8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, len(trace.positions))
"""


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    warm()
    yield from _snapshots()
    yield from _root()
    yield from _long_run()
    yield from _very_long_run()
    yield from _memory()
    yield from _start()


def sort() -> Machine:
    """The sort of 256 MiB."""
    return example("sortproof", 1 << 22)


def chain(steps: int) -> Machine:
    """The hash chain, at least so many steps of it."""
    return example("hashchain", steps // STEPS_OF_A_ROUND + 1)


def _snapshots() -> Iterator[Figure]:
    """Time of a run with and without snapshots, each the best of some tries in turn; another core takes them."""
    for name in GO_GUESTS:
        machine = find_guest(name).load_image().machine()
        without, kept = [], []
        for _ in range(TRIES):
            without.append(_seconds(machine, NEVER)[1])
            trace, seconds = _seconds(machine, 1 << 24)
            kept.append(seconds)
        share = (min(kept) / min(without) - 1) * 100
        each = trace._kept.file.used / len(trace.positions)
        yield at_most(f"snapshots each 2^24 steps of {name}, {each:,.0f} pages each", max(share, 0.0), "%", 5)


def _seconds(machine: Machine, every: int) -> tuple[Trace, float]:
    trace = Trace(machine, snapshot_every=every)
    _, seconds = timed(trace.run)
    return trace, seconds


def _root() -> Iterator[Figure]:
    machine = Machine("big")
    rng = random.Random(1)
    for page in range(2 * CHANGED):
        machine.store_word(0x0400_0000 + PAGE_BYTES * page, rng.getrandbits(32))
    machine.root()
    tries = []
    for _ in range(TRIES):
        for page in rng.sample(range(2 * CHANGED), CHANGED):
            machine.store_word(0x0400_0000 + PAGE_BYTES * page + 4, rng.getrandbits(32))
        tries.append(timed(machine.root)[1])
    yield at_most(f"root of {CHANGED:,} changed pages", min(tries) * 1e3, "ms", 50)


def _long_run() -> Iterator[Figure]:
    trace = Trace(chain(5 * 10**9))
    steps, seconds = timed(trace.run)
    yield plain(f"{steps:,} steps with snapshots", steps / seconds / 1e6, "M steps/s")
    rng = random.Random(3)
    taken = [timed(partial(trace.root_at, rng.randrange(steps)))[1] for _ in range(QUESTIONS)]
    yield at_most(f"root_at of a random step of it, the slowest of {QUESTIONS}", max(taken), "s", 0.3)


def _very_long_run() -> Iterator[Figure]:
    """With the translated tier; how long the run itself takes is in `bench/translated.py`."""
    if not use_tier(find_guest("hashchain"), True):
        yield absent(f"search over 2^{LONG} steps", "no translated tier on this processor")
        return
    trace = Trace(chain(1 << LONG))
    steps, seconds = timed(partial(trace.run, 1 << LONG))
    yield plain(f"2^{LONG} steps with snapshots", steps / seconds / 1e6, "M steps/s")
    yield at_most(f"slowest round of a search over 2^{LONG} steps", max(_rounds(trace)), "s", 2)


def _rounds(trace: Trace) -> Iterator[float]:
    """Seconds of each round of a search for a position: three roots."""
    low, width = 0, 1 << LONG
    wanted = random.Random(4).randrange(width)
    while width > 1:
        width //= 4
        yield timed(partial(trace.roots_at, [low + k * width for k in (1, 2, 3)]))[1]
        low += (wanted - low) // width * width


def _memory() -> Iterator[Figure]:
    done = subprocess.run([sys.executable, "-c", RUN_AND_WEIGH], capture_output=True, text=True, check=True)
    mib, snapshots = (int(number) for number in done.stdout.split())
    bound = 3 * (TOUCHED >> 20) + SPARE_MIB
    yield at_most(f"memory of the process, sort of 256 MiB, {snapshots} snapshots", mib, "MiB", bound)


def _start() -> Iterator[Figure]:
    """Import, first run after the installation, later runs: each in fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        fresh |= {"NUMBA_CACHE_DIR": folder, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        command = [str(Path(sys.executable).with_name("btc-l2")), "vm", "run", "fibonacci"]
        yield at_most("first run after the installation", _best(command, fresh, 1), "s", 60)
        yield at_most("later runs, the guest's 516,186 steps included", _best(command, fresh, TRIES), "s", 0.5)
        load = [sys.executable, "-c", "import btc_l2, btc_l2.zkvm.trace"]
        nothing = _best([sys.executable, "-c", ""], fresh, TRIES)
        yield at_most("import of btc_l2 and its machine", _best(load, fresh, TRIES) - nothing, "s", 0.3)


def _best(command: list[str], environment: dict[str, str], tries: int) -> float:
    once = partial(subprocess.run, command, env=environment, check=True, capture_output=True)
    return min(timed(once)[1] for _ in range(tries))
