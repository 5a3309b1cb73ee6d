"""Random programs of every kind through kernel and readable step, and the proof that they reach what they should."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.isa import BY_NAME
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable
from tests.differential.programs import KINDS, Reached, random_machine, resume

ENDIANS: tuple[Endian, ...] = ("big", "little")
ENOUGH = {"scattered": 50, "wild": 50}  # steps of one machine at a time, else:
ENOUGH_ELSE, PATIENCE = 400, 12  # how often it is resumed after a trap
ROOT_EVERY = 20  # machines; the pages themselves are compared always

Run = Callable[[Machine, int], int]


def walk(machine: Machine, steps: int, reached: Reached) -> int:
    """As `fast.run` by the readable step."""
    for done in range(steps):
        if machine.exited:
            return done
        reached.note(step(machine))
    return steps


def advance(machine: Machine, steps: int, by: Run) -> int | None:
    """Steps made; None where a blob is missing."""
    try:
        return by(machine, steps)
    except Unavailable:
        return None


def assert_same(one: Machine, other: Machine) -> None:
    """Registers, control words, mapped nodes and every word of memory."""
    assert (one.control, one.registers) == (other.control, other.registers)
    assert one.memory.nodes == other.memory.nodes
    for number in {*one.memory.page_numbers(), *other.memory.page_numbers()}:
        a, b = one.memory.page(number), other.memory.page(number)
        assert a is b or number == 0xFFFFF or (a.words == b.words).all(), hex(number)


def compare(kind: str, seed: int, instructions: int, reached: Reached, fast: Run = run) -> None:
    """Machine after machine until so many instructions are made; after a trap each goes on behind it."""
    rnd = random.Random(f"{kind} {seed}")
    enough = ENOUGH.get(kind, ENOUGH_ELSE)
    done = machines = 0
    while done < instructions:
        one = random_machine(kind, rnd, ENDIANS[machines % 2])
        other = one.copy()
        reached.start()
        for _ in range(PATIENCE):
            made = advance(one, enough, fast)
            assert made == advance(other, enough, lambda machine, steps: walk(machine, steps, reached))
            assert_same(one, other)
            done += made or 0
            if made in (None, enough):
                break
            resume(one)
            resume(other)
        if machines % ROOT_EVERY == 0:
            assert one.root() == other.root()
        machines += 1


def assert_reached(reached: Reached) -> None:
    """All rows and remainders, each in delay slots too; all causes; every region; code that the program wrote."""
    assert set(reached.rows) == set(BY_NAME)
    assert set(reached.in_delay_slots) == set(BY_NAME)
    assert set(reached.causes) == {4, 5, 8, 9, 10, 12, 13}
    assert set(reached.fetched) == {"null", "program", "slot", "zero", "statement", "claim", "reserved"}
    for region in ("program", "slot", "zero", "statement", "claim"):
        for row in ("LW", "LB", "LBU", "LH", "LHU", "LWL", "LWR", "LL"):
            assert reached.accessed[f"{row} {region}"], f"{row} {region}"
    for row in ("SW", "SB", "SH", "SWL", "SWR", "SC"):
        assert reached.accessed[f"{row} program"], row
    assert reached.rewritten > 200


def test_kernel_and_reference_agree_on_random_programs_that_reach_everything() -> None:
    reached = Reached()
    for kind in KINDS:
        compare(kind, 0, 40_000 if kind in ENOUGH else 20_000, reached)
    assert_reached(reached)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("kind", KINDS)
def test_kernel_and_reference_agree_on_many_random_programs(kind: str, seed: int) -> None:
    compare(kind, seed, 200_000, Reached())
