"""How fast the machine is: steps per second, roots, the rounds of a search. Run by `make bench`, printed as a table.

Each figure stands beside what the design asks for. Figures are those of one core of the machine it runs on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from btc_l2.guests import find_guest
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.warm import warm
from btc_l2.zkvm.witness import step_witness

T = TypeVar("T")

POSITIONS = 1 << 32  # of the search: 16 rounds at arity 4
NUMBERS = 400_000  # of Fibonacci, some 200 million steps
RECORDS = 1 << 20  # of the sort: 64 MiB of records, some 900 million steps


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    value: str
    asked: str = ""


def measure() -> list[Figure]:
    """All figures; takes about half a minute."""
    warm()
    return [*steps_per_second(), *roots(), *search()]


def steps_per_second() -> list[Figure]:
    """Kernel on the compute-bound examples, reference on one of them."""
    figures = []
    for name, statement in (("hashchain", None), ("sortproof", None), ("fibonacci", NUMBERS.to_bytes(4, "big"))):
        machine = example(name, statement)
        steps, seconds = timed(partial(run, machine, POSITIONS))
        figures.append(Figure(f"kernel, {name}", f"{steps / seconds / 1e6:.0f} M steps/s", "≥ 250 M steps/s"))
    machine = example("hashchain")
    _, seconds = timed(lambda: [step(machine) for _ in range(50_000)])
    _, per_witness = timed(lambda: [step_witness(machine) for _ in range(500)])
    figures.append(Figure("readable step", f"{50_000 / seconds / 1e3:.0f} k steps/s"))
    figures.append(Figure("step with its four roots", f"{per_witness / 500 * 1e6:.0f} µs"))
    return figures


def roots() -> list[Figure]:
    """Root after every page of 64 MiB was touched, and again after one more word."""
    machine = Machine("big")
    rnd = random.Random(1)
    for region_page in range(1 << 14):
        machine.store_word(0x0400_0000 + 4096 * region_page, rnd.getrandbits(32))
    _, first = timed(machine.root)
    machine.store_word(0x0400_0000, 1)
    _, again = timed(machine.root)
    return [
        Figure("root after touching 64 MiB", f"{first:.2f} s", "≤ 0.5 s"),
        Figure("again after one word", f"{again * 1e3:.1f} ms"),
    ]


def search() -> list[Figure]:
    """Worst round of a search over 2^32 positions of a run that sorts 64 MiB."""
    guest = find_guest("sortproof")
    statement = guest.statement[:16] + RECORDS.to_bytes(4, "little")
    trace = Trace(Image.from_elf(guest.read_elf(), statement).machine())
    steps, seconds = timed(trace.run)
    low, width, worst, rnd = 0, POSITIONS, 0.0, random.Random(2)
    while width > 1:
        width //= 4
        _, taken = timed(partial(trace.roots_at, [low + k * width for k in (1, 2, 3)]))
        worst = max(worst, taken)
        low += width * rnd.randrange(max(1, min(4, (steps - low) // width)))
    return [
        Figure("trace with snapshots, sort of 64 MiB", f"{steps / seconds / 1e6:.0f} M steps/s"),
        Figure("slowest round of three roots", f"{worst:.2f} s", "≤ 2 s"),
    ]


def example(name: str, statement: bytes | None = None) -> Machine:
    """The machine of an example, with its default statement unless another is given."""
    guest = find_guest(name)
    blobs = {blob_root(guest.blob, guest.endian): guest.blob}
    return Image.from_elf(guest.read_elf(), statement or guest.statement).machine(blobs=blobs)


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """Result and seconds."""
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def main() -> None:
    """Print the table."""
    figures = measure()
    width = max(len(figure.what) for figure in figures)
    for figure in figures:
        print(f"{figure.what:{width}}  {figure.value:>14}  {figure.asked}")


if __name__ == "__main__":
    main()
