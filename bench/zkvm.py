"""How fast the machine is: steps per second, roots, the rounds of a search."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from bench.figure import Figure, at_least, at_most, plain, timed
from btc_l2.guests import find_guest
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.observe import Watched, count_steps, run_to_change
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.warm import warm
from btc_l2.zkvm.witness import step_witness

POSITIONS = 1 << 32  # of the search: 16 rounds at arity 4
DEMO_GUEST = "hashchain"
SEED_BYTES = {"hashchain": 32, "sortproof": 16}
# Statements by guest: bytes kept of the default one, then a number.
NUMBERS = 400_000  # of Fibonacci, some 200 million steps
ROUNDS = 1_092_100  # of the hash chain: 2^32 steps and few more
RECORDS = 1 << 22  # of the sort: 256 MiB of records, some 3,900 million steps
TRIES, REFERENCE_STEPS, WITNESSES, PATHS = 3, 50_000, 500, 4


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    warm()
    yield from _steps_per_second()
    yield from _observed()
    yield from _roots()
    yield from _search(f"2^32 steps of {DEMO_GUEST}", example("hashchain", ROUNDS))
    yield from _search("sort of 256 MiB", example("sortproof", RECORDS))


def _steps_per_second() -> Iterator[Figure]:
    """Kernel on the compute-bound examples, reference on one of them."""
    speeds = {}
    for name, number in (("hashchain", None), ("sortproof", None), ("fibonacci", NUMBERS)):
        tries = [timed(partial(run, example(name, number), POSITIONS)) for _ in range(TRIES)]
        steps, speeds[name] = tries[0][0], max(made / seconds for made, seconds in tries)
        yield at_least(f"kernel, {name}, {steps:,} steps, best of {TRIES}", speeds[name] / 1e6, "M steps/s", 250)
    machine = example(DEMO_GUEST)
    _, seconds = timed(lambda: [step(machine) for _ in range(REFERENCE_STEPS)])
    yield plain(f"readable step, {DEMO_GUEST}", REFERENCE_STEPS / seconds / 1e3, "k steps/s")
    yield at_least("kernel over readable step", speeds[DEMO_GUEST] / (REFERENCE_STEPS / seconds), "times", 100)
    _, seconds = timed(lambda: [step_witness(machine) for _ in range(WITNESSES)])
    yield plain("step with its claim and four roots", seconds / WITNESSES * 1e6, "µs")


def _observed() -> Iterator[Figure]:
    """What `vm profile` and `vm watch` do, on the example that runs longest; a first short run compiles."""
    watched = Watched(registers=[0], words=dict.fromkeys(range(0x2000_0000, 0x2000_0100, 4), 0xFFFF_FFFF))
    count_steps(example(DEMO_GUEST), 10)
    counted, seconds = timed(lambda: count_steps(example(DEMO_GUEST), POSITIONS))
    yield at_least(f"every step counted, {DEMO_GUEST}", counted.steps / seconds / 1e6, "M steps/s", 20)
    run_to_change(example(DEMO_GUEST), watched, 10)
    stop, seconds = timed(lambda: run_to_change(example(DEMO_GUEST), watched, POSITIONS))
    yield at_least(f"every step watched, {DEMO_GUEST}", stop.steps / seconds / 1e6, "M steps/s", 10)


def _roots() -> Iterator[Figure]:
    """Root after all pages of 64 MiB were touched, and again after one more word."""
    machine = Machine("big")
    rng = random.Random(1)
    for page in range(1 << 14):
        machine.store_word(0x0400_0000 + 4096 * page, rng.getrandbits(32))
    _, first = timed(machine.root)
    machine.store_word(0x0400_0000, 1)
    _, again = timed(machine.root)
    yield at_most("root after touching 64 MiB", first, "s", 0.5)
    yield plain("again after one word", again * 1e3, "ms")


def _search(what: str, machine: Machine) -> Iterator[Figure]:
    """A run with snapshots, then the slowest round of searches on random paths; each asks for three roots a round."""
    trace = Trace(machine)
    steps, seconds = timed(trace.run)
    rng = random.Random(2)
    yield plain(f"{what}: run with snapshots, {steps:,} steps", steps / seconds / 1e6, "M steps/s")
    rounds = [taken for _ in range(PATHS) for taken in _one_search(trace, rng.randrange(steps))]
    yield at_most(f"{what}: slowest round of three roots", max(rounds), "s", 2)


def _one_search(trace: Trace, first_false: int) -> Iterator[float]:
    """Seconds of every round of the search for a position."""
    low, width = 0, POSITIONS
    while width > 1:
        width //= 4
        _, taken = timed(partial(trace.roots_at, [low + k * width for k in (1, 2, 3)]))
        yield taken
        low += (first_false - low) // width * width


def example(name: str, number: int | None = None) -> Machine:
    """The machine of an example; `number` replaces the count in its default statement."""
    guest = find_guest(name)
    statement = guest.statement
    if number is not None:
        statement = statement[: SEED_BYTES.get(name, 0)] + number.to_bytes(4, guest.endian)
    return Image.from_elf(guest.read_elf(), statement).machine(blobs=guest.blobs())
