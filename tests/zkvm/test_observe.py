"""Counting and watching on the fast machine against the readable step, one step after the other."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import find_guest
from btc_l2.zkvm.layout import RESERVED_PAGE
from btc_l2.zkvm.observe import MOST_WATCHED_WORDS, Watched, count_steps, run_to_change
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import InvalidInput
from tests.zkvm.programs import CODE, DATA, encode, machine_with, random_machine

SEEDS = st.integers(0, 1 << 32)
ENDIANS = st.sampled_from(["big", "little"])
MASK = 0xFFFF_FFFF


def walk_to_change(machine: Machine, watched: Watched, limit: int) -> tuple[int, bool]:
    """The readable step until a value differs."""
    start = watched.read(machine)
    for made in range(limit):
        if machine.exited:
            return made, False
        step(machine)
        if watched.read(machine) != start:
            return made + 1, True
    return limit, False


@settings(max_examples=40, deadline=None)
@given(SEEDS, ENDIANS, st.integers(0, 300))
def test_counts_are_those_of_the_readable_machine(seed: int, endian: Endian, limit: int) -> None:
    machine = random_machine(random.Random(seed), 40, endian)
    slow, expected = machine.copy(), Counter[int]()
    while sum(expected.values()) < limit and not slow.exited:
        expected[slow.control.pc] += 1
        step(slow)
    profile = count_steps(machine, limit)
    assert profile.counts == expected and profile.steps == sum(expected.values())
    assert machine.root() == slow.root()


def test_counts_of_a_guest_add_up_to_its_steps_the_halt_included() -> None:
    guest = find_guest("fibonacci")
    machine = guest.load_image().machine()
    profile = count_steps(machine, guest.steps + 100)
    assert profile.steps == sum(profile.counts.values()) == guest.steps
    assert machine.exited and profile.counts[machine.control.pc] == 1


def test_the_caller_is_told_how_far_it_is() -> None:
    told: list[int] = []
    guest = find_guest("fibonacci")
    count_steps(guest.load_image().machine(), guest.steps, told.append)
    assert told == sorted(told) and 0 < told[-1] <= guest.steps


def test_a_trap_is_counted_where_it_happens() -> None:
    assert count_steps(machine_with([encode("SYNC"), encode("BREAK")]), 9).counts == {CODE: 1, CODE + 4: 1}
    assert count_steps(machine_with([], pc=6, npc=8), 9).counts == {4: 1}  # a fetch that is not allowed


@settings(max_examples=60, deadline=None)
@given(SEEDS, ENDIANS, st.integers(1, 31), st.integers(0, 31), st.sampled_from([MASK, 0xFF, 0xFF00_0000]))
def test_a_watch_stops_at_the_first_change_that_the_readable_machine_sees(
    seed: int, endian: Endian, register: int, word: int, mask: int
) -> None:
    machine = random_machine(random.Random(seed), 40, endian)
    for watched in (
        Watched(registers=[register]),
        Watched(control=[2, 3]),
        Watched(words={DATA + 4096 - 64 + 4 * word: mask}),
        Watched([register], [2], {DATA + 4096 + 4 * k: mask for k in range(4)}),
    ):
        fast, slow = machine.copy(), machine.copy()
        stop = run_to_change(fast, watched, 400)
        assert (stop.steps, stop.changed) == walk_to_change(slow, watched, 400)
        assert fast.root() == slow.root()


def test_a_change_that_is_undone_at_once_is_seen_and_its_instruction_named() -> None:
    words = [encode("SYNC"), encode("ADDIU", rt=5, low=7), encode("ADDIU", rt=5), encode("SYSCALL_HALT")]
    machine = machine_with(words)
    stop = run_to_change(machine, Watched([5]), 100)
    assert (stop.steps, stop.pc, stop.changed, machine.register(5)) == (2, CODE + 4, True, 7)
    stop = run_to_change(machine, Watched([5]), 100)
    assert (stop.steps, stop.pc, stop.changed) == (1, CODE + 8, True)
    assert run_to_change(machine, Watched([5]), 100).changed is False and machine.exited


def test_a_store_of_the_same_value_and_of_a_byte_beside_is_no_change() -> None:
    words = [encode("SW", rs=4, rt=5), encode("SB", rs=4, rt=6, low=1), encode("SB", rs=4, rt=6), encode("BREAK")]
    machine = machine_with(words, {4: DATA, 6: 9})
    stop = run_to_change(machine, Watched(words={DATA: 0xFF00_0000}), 100)
    assert (stop.steps, stop.pc) == (3, CODE + 8)


@pytest.mark.parametrize("words", [dict.fromkeys(range(MOST_WATCHED_WORDS + 1), MASK), {RESERVED_PAGE: MASK}])
def test_what_cannot_be_watched_is_refused(words: dict[int, int]) -> None:
    with pytest.raises(InvalidInput):
        run_to_change(machine_with([]), Watched(words=words), 1)
