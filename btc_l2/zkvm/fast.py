"""The fast machine: hundreds of millions of steps per second, with the meaning of `step`.

A machine's pages are brought into an arena, the compiled loop runs, the pages that it wrote go back (`arena`). Where
the loop stops before its limit, `step` makes the next step: traps, exits and MAP have one implementation. Arenas are
kept and re-used: bringing in a machine that shares most pages with the last one costs little. A guest whose translated
tier is installed (`tiers.py`) runs some ten times faster, with the same states.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from btc_l2.zkvm.arena import Arena
from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable

_AT_ONCE = 1 << 28  # steps between two looks at Ctrl-C: less than a second
_KEPT_ARENAS = 2
ALL_PAGES = 1 << 20
LEEWAY = 1024  # pages: a guest at its limit is not asked after every one


def run(machine: Machine, limit: int, translated: bool = True, max_pages: int = ALL_PAGES) -> int:
    """Run up to `limit` steps in place; the number made. It is less only if the machine has exited.

    Unavailable if the guest reads a mapped blob that is not here: the machine then stands before that step.
    `translated`: whether an installed tier may be used; the states are the same. Unavailable also where the machine
    holds more than `max_pages` pages of 4 KiB, noticed at most LEEWAY pages later; the host needs twice as much.
    """
    done = 0
    with borrow_arena() as arena:
        while done < limit and not machine.exited:
            if machine.register(0) == 0:  # else a state that no honest run reaches: the loop relies on $0
                done += arena.run(machine, min(limit - done, _AT_ONCE), None, translated, room_for(machine, max_pages))
            if done < limit and not machine.exited:
                step(machine)
                done += 1
    return done


def room_for(machine: Machine, max_pages: int) -> int:
    """Pages that the machine may write before it is asked again; Unavailable if it holds too many."""
    held = sum(len(region.pages) for region in machine.memory.regions.values())
    if held > max_pages:
        raise Unavailable(
            f"the guest wants more than {max_pages * PAGE_BYTES >> 20} MiB of memory; that is the limit of this run; "
            "allow more (vm run --max-memory) or give it less to do"
        )
    return max(max_pages - held, LEEWAY)


_free: list[Arena] = []


@contextmanager
def borrow_arena() -> Iterator[Arena]:
    """An arena for the time of one run; concurrent runs get one each."""
    arena = _free.pop() if _free else Arena()
    arena.begin()
    yield arena
    if len(_free) < _KEPT_ARENAS:  # after an exception it is not used again: what is in it may be half of something
        _free.append(arena)
