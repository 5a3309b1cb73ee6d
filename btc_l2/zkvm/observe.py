"""The fast machine under observation: every step counted by its address, or watched for a change of named words.

The loops make one step of `kernel.loop.run_steps` after the other and look at the state between them, so they know
nothing of instructions. Exact, and still some hundred million steps per second for counting.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm.arena import MAP_NORESERVE, Loop
from btc_l2.zkvm.fast import borrow_arena
from btc_l2.zkvm.jit import compiled
from btc_l2.zkvm.kernel.fields import N0, N2, N12, N26, U8, U32
from btc_l2.zkvm.kernel.loop import run_steps
from btc_l2.zkvm.layout import RESERVED_PAGE
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import InvalidInput, Unavailable

MOST_WATCHED_WORDS = 1 << 14
_AT_ONCE = 1 << 26  # steps between two looks at Ctrl-C
_WORDS = 1 << 30
_PAGES = 1 << 20
_FIRST_STORE = np.uint32(0x28)  # opcodes of stores are not below it
_ONE = np.int64(1)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Profile:
    """How often the instruction at each address was executed."""

    steps: int
    counts: Mapping[int, int]  # by address, ascending


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched: registers by number, words of leaf C by index, bits of memory words by aligned address."""

    registers: Sequence[int] = ()
    control: Sequence[int] = ()
    words: Mapping[int, int] = field(default_factory=dict)

    def read(self, machine: Machine) -> tuple[int, ...]:
        """All values, in this order; of a memory word only the bits that are watched."""
        registers = [machine.register(k) for k in self.registers]
        control = [machine.control[k] for k in self.control]
        return (*registers, *control, *(machine.load_word(at) & mask for at, mask in self.words.items()))


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a watched run stands: steps made, address of the last instruction, and whether a value has changed."""

    steps: int
    pc: int
    changed: bool


def count_steps(machine: Machine, limit: int, progress: Progress | None = None) -> Profile:
    """Run in place up to the exit or `limit` steps and count each step at the address of its instruction.

    A step that traps or exits counts too. `progress` is called now and then with the number of steps made. Unavailable
    if there is no room for the counters (8 GiB of addresses, of which only touched pages exist) or a mapped blob is
    missing.
    """
    counts = _counters()
    seen = np.zeros(_PAGES, dtype=np.uint8)

    def stepped(pc: int) -> None:
        counts[pc >> 2] += np.uint64(1)
        seen[pc >> 12] = 1

    steps = _drive(machine, limit, _loop(_count, counts, seen), stepped, lambda: False, progress)
    found: dict[int, int] = {}
    for page in np.flatnonzero(seen).tolist():
        row = counts[page << 10 : page + 1 << 10]
        found |= {page << 12 | int(k) << 2: int(row[k]) for k in np.flatnonzero(row)}
    return Profile(steps, found)


def run_to_change(machine: Machine, watched: Watched, limit: int, progress: Progress | None = None) -> Stop:
    """Run in place until a watched value is another than at the start, the exit or `limit` steps.

    A step that writes the value that is there already is no change. InvalidInput if too many words are watched, or
    words of the reserved page.
    """
    _check(watched)
    start = watched.read(machine)
    places = [np.array(list(kind), dtype=np.int64) for kind in (watched.registers, watched.control, watched.words)]
    masks = np.array(list(watched.words.values()), dtype=np.uint32)
    last = np.array([machine.control.pc], dtype=np.uint32)

    def stepped(pc: int) -> None:
        last[0] = pc

    def changed() -> bool:
        return watched.read(machine) != start

    loop = _loop(_watch, places[0], places[1], places[2] >> 2, masks, np.array(start, dtype=np.uint32), last)
    steps = _drive(machine, limit, loop, stepped, changed, progress)
    return Stop(steps, int(last[0]), changed())


def _check(watched: Watched) -> None:
    if len(watched.words) > MOST_WATCHED_WORDS:
        raise InvalidInput(
            f"{4 * len(watched.words)} bytes are too many to watch; {4 * MOST_WATCHED_WORDS} are the most; watch fewer"
        )
    if any(address >= RESERVED_PAGE for address in watched.words):
        raise InvalidInput(
            f"memory from {RESERVED_PAGE:#x} on is registers and control; no load sees it; watch them by their names"
        )


def _loop(entry: Callable[..., Any], *more: object) -> Loop:
    """A compiled function as a loop of the arena, given what it takes before the state."""
    return lambda *state: entry(*more, *state)


def _drive(
    machine: Machine,
    limit: int,
    loop: Loop,
    stepped: Callable[[int], None],
    stop: Callable[[], bool],
    progress: Progress | None,
) -> int:
    """As `fast.run`, with another loop, a word about each step that the loop leaves to `step`, and a reason to stop."""
    done = 0
    with borrow_arena() as arena:
        while done < limit and not machine.exited:
            if machine.register(0) == 0:  # else a state that no honest run reaches: the loop relies on $0
                done += arena.run(machine, min(limit - done, _AT_ONCE), loop)
            if progress is not None:
                progress(done)
            if stop():
                break
            if done < limit and not machine.exited:
                pc = machine.control.pc
                step(machine)
                stepped(pc)
                done += 1
            if stop():
                break
    return done


def _counters() -> NDArray[np.uint64]:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    try:
        return np.frombuffer(mmap.mmap(-1, 8 * _WORDS, flags=flags), dtype=np.uint64)
    except OSError as error:
        raise Unavailable(
            f"no 8 GiB of addresses for the counters; {error.strerror}; allow overcommit or free memory"
        ) from error


@compiled
def _count(
    counts: NDArray[np.uint64], seen: U8,
    mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64,
) -> np.int64:  # fmt: skip
    """As `run_steps`; counts[2^30] by word address, seen[2^20] marks the pages with counts."""
    n = np.int64(0)
    while n < limit:
        pc = c[N0]
        if run_steps(mem, r, c, dirty, missing, flip, _ONE) == 0:
            break
        counts[pc >> N2] += np.uint64(1)
        seen[pc >> N12] = np.uint8(1)
        n += 1
    return n


@compiled
def _watch(
    registers: NDArray[np.int64], control: NDArray[np.int64], words: NDArray[np.int64], masks: U32, values: U32,
    last: U32,
    mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64,
) -> np.int64:  # fmt: skip
    """As `run_steps`; stops also when a register, control word or memory word is not its value in `values`.

    last[1]: address of the last instruction that was executed.
    """
    n = np.int64(0)
    while n < limit:
        pc = c[N0]
        stores = np.uint32(mem[pc >> N2] >> N26) >= _FIRST_STORE
        if run_steps(mem, r, c, dirty, missing, flip, _ONE) == 0:
            break
        n += 1
        last[0] = pc
        changed = False
        for k in range(registers.shape[0]):
            changed |= r[registers[k]] != values[k]
        for k in range(control.shape[0]):
            changed |= c[control[k]] != values[registers.shape[0] + k]
        if stores:
            for k in range(words.shape[0]):
                changed |= mem[words[k]] & masks[k] != values[registers.shape[0] + control.shape[0] + k]
        if changed:
            break
    return n
