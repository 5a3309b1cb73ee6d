"""Every written deviation is still there, and the machine's side of it is as written."""

from __future__ import annotations

import random

import pytest

from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.outcome import RESERVED_INSTRUCTION, Endian
from btc_l2.zkvm.state import Machine
from tests.oracles.deviations import Family, Program, families, programs
from tests.oracles.qemu import trace
from tests.oracles.unicorn_core import Core
from tests.zkvm.programs import DATA, encode, machine_with

ENDIANS: tuple[Endian, ...] = ("big", "little")
TRIES, STEPS = 200, 30


@pytest.mark.parametrize("family", families(), ids=lambda family: f"{family.mask:08x}-{family.match:08x}")
@pytest.mark.parametrize("endian", ENDIANS)
def test_unicorn_runs_words_that_are_none_of_the_machine(family: Family, endian: Endian) -> None:
    core, rnd = Core(endian), random.Random(family.match)
    for _ in range(TRIES):
        word = rnd.getrandbits(32) & ~family.mask | family.match
        machine = machine_with([word], endian=endian)
        if decode(word).name == "RESERVED" and core.run(machine, [word]) is not None:
            assert run(machine, 1) == 1
            assert machine.trap == RESERVED_INSTRUCTION
            return
    pytest.fail(f"Unicorn no longer runs such words: {family.why}")


def end_of(machine: Machine) -> tuple[int | None, int]:
    run(machine, STEPS)
    return machine.trap, machine.register(2)


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.why.split(":")[0])
@pytest.mark.parametrize("endian", ENDIANS)
def test_a_program_ends_otherwise_on_qemu(program: Program, endian: Endian) -> None:
    words = [*program.words, encode("BREAK")]
    machine = machine_with(words, {4: DATA, **program.registers}, endian)
    theirs = trace(machine, STEPS)
    assert (theirs.cause, int(theirs.states[-1, 5])) == program.qemu
    assert end_of(machine) == program.machine
    assert program.machine != program.qemu


TRAPS = [
    (encode("LW", rs=4, rt=2, low=1), 4),
    (encode("LH", rs=4, rt=2, low=1), 4),
    (encode("SW", rs=4, rt=2, low=2), 5),
    (encode("SH", rs=4, rt=2, low=3), 5),
    (0x10C, 8),
    (encode("SYSCALL_HALT"), 8),
    (encode("BREAK"), 9),
    (0xFFFF_FFFF, 10),
    (0x7000_003E, 10),
    (encode("EXT", rs=4, rt=2, sa=20, rd=20), 10),
    (encode("INS", rs=4, rt=2, sa=20, rd=10), 10),
    (encode("ADD", rs=5, rt=5, rd=2), 12),
    (encode("SUB", rs=6, rt=5, rd=2), 12),
    (encode("ADDI", rs=5, rt=2, low=0x7FFF), 12),
    (encode("TEQ"), 13),
    (encode("TNEI", rs=4, low=1), 13),
]


@pytest.mark.parametrize(("word", "cause"), TRAPS)
@pytest.mark.parametrize("endian", ENDIANS)
def test_qemu_stops_with_the_machines_cause(word: int, cause: int, endian: Endian) -> None:
    machine = machine_with([0, word], {4: DATA, 5: 0x7FFF_FFFF, 6: 0x8000_0000}, endian)
    theirs = trace(machine, STEPS)
    run(machine, STEPS)
    assert theirs.cause == cause == (8 if machine.exit_code is not None else machine.trap)
    assert len(theirs.states) == 2
    assert tuple(theirs.states[-1, 3:].tolist()) == machine.registers
