"""Single instructions as QEMU's MIPS core executes them (`tests/vectors/mips32r2/qemu.csv`)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast

import pytest

from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.isa import INSTRUCTIONS
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.zkvm.programs import machine_with

VECTORS = Path(__file__).parent.parent / "vectors" / "mips32r2" / "qemu.csv"
ROWS = list(csv.DictReader(VECTORS.read_text().splitlines()))
# What QEMU has no like of: our calls, UserLocal, a store that needs a load before it, cache synchronization
WITHOUT_VECTOR = {
    "SYSCALL_ENTER", "SYSCALL_HALT", "SYSCALL_MAP", "SYSCALL_NOP", "RDHWR", "MTC0_USERLOCAL", "SC", "SYNCI",
}  # fmt: skip


def pairs(text: str) -> dict[int, int]:
    """`4=ff 5=1` with decimal register numbers, hexadecimal values."""
    return {int(number): int(value, 16) for number, value in (pair.split("=") for pair in text.split())}


def start(row: dict[str, str]) -> Machine:
    machine = machine_with(
        [int(row["word"], 16)], pairs(row["registers"]), cast(Endian, row["endian"]), hi=int(row["hi"], 16),
        lo=int(row["lo"], 16),
    )  # fmt: skip
    if row["memory"]:
        address, word = row["memory"].split("=")
        machine.store_word(int(address, 16), int(word, 16))
    return machine


def expected_registers(row: dict[str, str]) -> tuple[int, ...]:
    values = pairs(row["registers"])
    if row["register"]:
        values[int(row["register"])] = int(row["value"], 16)
    return tuple(values.get(number, 0) for number in range(32))


@pytest.mark.parametrize("name", sorted({row["instruction"] for row in ROWS}))
def test_instruction_does_what_qemu_does(name: str) -> None:
    for row in (row for row in ROWS if row["instruction"] == name):
        machine = start(row)
        before = machine.copy()
        for _ in range(2 if decode(int(row["word"], 16)).group == "branch" else 1):
            step(machine)
        if row["pc_after"] == "trap":
            assert machine.trap is not None
            machine.control = machine.control._replace(status=0)
            assert machine.root() == before.root()
            continue
        control = machine.control
        assert machine.registers == expected_registers(row)
        assert (control.pc, control.hi, control.lo) == (
            int(row["pc_after"], 16), int(row["hi_after"], 16), int(row["lo_after"], 16),
        )  # fmt: skip
        if row["memory"]:
            assert machine.load_word(int(row["memory"].split("=")[0], 16)) == int(row["memory_after"], 16)


def test_every_row_of_the_table_has_a_vector_or_a_reason() -> None:
    assert {row["instruction"] for row in ROWS} | WITHOUT_VECTOR == {row.name for row in INSTRUCTIONS}
    assert not {row["instruction"] for row in ROWS} & WITHOUT_VECTOR
