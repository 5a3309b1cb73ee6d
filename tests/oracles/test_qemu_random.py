"""Random programs with branches, delay slots and traps on QEMU's cores, every register at every instruction.

Left out is what docs/spec/oracles.md names: branches in delay slots, and SC behind other stores.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.isa import INSTRUCTIONS
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.differential.programs import random_machine
from tests.oracles.qemu import trace
from tests.oracles.states import assert_equal, reference_states
from tests.zkvm.programs import CODE, DATA, encode

ENDIANS: tuple[Endian, ...] = ("big", "little")
LENGTH = 600
ORDINARY = {row.name for row in INSTRUCTIONS if row.group not in ("system", "trap")} - {"SC", "ADD", "SUB"}


def tamed(machine: Machine) -> Machine:
    """The machine with a NOP in place of each SC and of each branch that stands in a delay slot."""
    was_branch = False
    for address in range(CODE, CODE + 4 * LENGTH, 4):
        row = decode(machine.load_word(address))
        if row.name == "SC" or (row.group == "branch" and was_branch):
            machine.store_word(address, 0)
        was_branch = row.group == "branch" and not was_branch
    machine.store_word(CODE + 4 * LENGTH, encode("BREAK"))
    return machine


def compare(endian: Endian, seed: int, instructions: int) -> Counter[str]:
    """Programs until so many instructions are compared; how often each row was among them."""
    rnd, seen, kinds = random.Random(f"{endian} {seed}"), Counter[str](), ("jumping", "calm")
    while seen.total() < instructions:
        machine = tamed(random_machine(kinds[rnd.randrange(2)], rnd, endian, LENGTH))
        theirs = trace(machine, 5_000)
        seen.update(decode(machine.load_word(int(pc))).name for pc in theirs.states[:, 0])
        assert_equal(reference_states(machine, 5_000), theirs.states)
        assert theirs.cause == machine.trap
    return seen


@pytest.mark.parametrize("endian", ENDIANS)
def test_random_programs_go_through_the_states_of_qemus_core(endian: Endian) -> None:
    assert set(compare(endian, 0, 40_000)) >= ORDINARY


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("endian", ENDIANS)
def test_many_random_programs_go_through_the_states_of_qemus_core(endian: Endian) -> None:
    compare(endian, 1, 1_000_000)


@pytest.mark.parametrize("endian", ENDIANS)
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_a_program_that_rewrites_its_next_instructions_does_so_on_qemu_too(endian: Endian, distance: int) -> None:
    """The store stands before a branch: the new word comes next, in the delay slot, or behind it."""
    new = encode("ADDIU", rs=0, rt=7, low=42)
    words = [encode("SW", rs=4, rt=5, low=4 * distance), 0, encode("BEQ", low=1), 0, encode("BREAK")]
    words[distance] = encode("ADDIU", rs=0, rt=7, low=1) if distance != 2 else words[2]
    machine = Machine(endian)
    for k, word in enumerate(words):
        machine.store_word(CODE + 4 * k, word)
    machine.store_word(DATA, new)
    machine.set_register(4, CODE)
    machine.set_register(5, new)
    machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
    theirs = trace(machine, 20)
    assert_equal(reference_states(machine.copy(), 20), theirs.states)
    for _ in range(20):
        step(machine)
    assert machine.register(7) == 42
    assert machine.trap == theirs.cause
