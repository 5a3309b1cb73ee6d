"""Every row of the table in `docs/spec/machine.md` that says what happens where the manual says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.layout import KERNEL_ENTRY
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.zkvm.programs import CODE, DATA, MASK, encode, machine_with

SPECIFICATION = Path(__file__).parents[2] / "docs" / "spec" / "machine.md"
LEAST = 0x8000_0000
RESERVED, ADDRESS = 10, 4


@dataclass(frozen=True)
class Case:
    """Words at CODE, registers and control words before; after `steps` steps these values must stand there."""

    words: Sequence[int]
    registers: Mapping[int, int]
    expected: Mapping[str, int | None]
    steps: int = 1
    control: Mapping[str, int] = field(default_factory=dict)


def value(machine: Machine, name: str) -> int | None:
    """`$5`, a control word, `trap`, or a word of memory as `[address]`."""
    if name[0] == "$":
        return machine.register(int(name[1:]))
    if name[0] == "[":
        return machine.load_word(int(name[1:-1], 16))
    return machine.trap if name == "trap" else int(getattr(machine.control, name))


MEM = f"[{DATA:x}]"
HI_LO = {"hi": 77, "lo": 88}
BRANCH, LL, SC = encode("BEQ", low=4), encode("LL", rs=8, rt=9), encode("SC", rs=8, rt=10)
LINK = {8: DATA, 10: 5}
CASES: dict[str, list[Case]] = {
    "division by zero": [
        Case([encode(name, rs=4)], {4: LEAST + 5}, {"lo": LEAST + 5, "hi": 0}) for name in ("DIV", "DIVU")
    ],
    "quotient out of range": [Case([encode("DIV", rs=4, rt=5)], {4: LEAST, 5: MASK}, {"lo": LEAST, "hi": 0})],
    "HI and LO after MUL": [
        Case([encode("MUL", rs=4, rt=5, rd=6)], {4: 6, 5: 7}, {"$6": 42, **HI_LO}, control=HI_LO)
    ],
    "MTHI, MTLO after a product": [
        Case([encode("MULTU", rs=4, rt=5), encode("MTHI", rs=6)], {4: MASK, 5: 2, 6: 9}, {"hi": 9, "lo": MASK - 1}, 2),
        Case([encode("MULTU", rs=4, rt=5), encode("MTLO", rs=6)], {4: MASK, 5: 2, 6: 9}, {"hi": 1, "lo": 9}, 2),
    ],
    "rt of CLZ and CLO": [
        Case([encode("CLZ", rs=4, rt=9, rd=6)], {4: 1, 9: 3}, {"$6": 31, "$9": 3}),
        Case([encode("CLO", rs=4, rt=9, rd=6)], {4: LEAST, 9: 3}, {"$6": 1, "$9": 3}),
    ],
    "EXT beyond bit 31": [
        Case([encode("EXT", rs=4, rt=5, rd=1, sa=31)], {4: MASK}, {"trap": RESERVED, "$5": 0}),
        Case([encode("EXT", rs=4, rt=5, rd=0, sa=31)], {4: MASK}, {"trap": None, "$5": 1}),
    ],
    "INS with msb < lsb": [
        Case([encode("INS", rs=4, rt=5, rd=3, sa=4)], {4: MASK}, {"trap": RESERVED, "$5": 0}),
        Case([encode("INS", rs=4, rt=5, rd=4, sa=4)], {4: MASK}, {"trap": None, "$5": 16}),
    ],
    "branch in a delay slot": [
        Case([BRANCH, encode("BEQ", low=8)], {}, {"pc": CODE + 4 + 16, "npc": CODE + 20 + 32}, 2),
        Case([BRANCH, encode("JAL", index=CODE // 4)], {}, {"pc": CODE + 20, "npc": CODE, "$31": CODE + 24}, 2),
    ],
    "trap in a delay slot": [Case([BRANCH, encode("BREAK")], {}, {"trap": 9, "pc": CODE + 4, "npc": CODE + 20}, 2)],
    "source is the link register": [
        Case([encode("JALR", rs=9, rd=9)], {9: DATA}, {"npc": DATA, "$9": CODE + 8}),
        Case([encode("BLTZAL", rs=31, low=4)], {31: MASK}, {"npc": CODE + 20, "$31": CODE + 8}),
        Case([encode("BGEZAL", rs=31, low=4)], {31: MASK}, {"npc": CODE + 8, "$31": CODE + 8}),
    ],
    "jump to an unaligned address": [
        Case([encode("JR", rs=9), 0], {9: DATA + k}, {"pc": DATA + k, "trap": ADDRESS}, 3) for k in (1, 2)
    ],
    "fields that must be zero": [
        Case([encode("ADDU", rs=4, rt=5, rd=6, sa=1)], {}, {"trap": RESERVED}),
        Case([encode("LUI", rs=4, rt=5)], {}, {"trap": RESERVED}),
    ],
    "hints": [
        Case([encode("JR", rs=9, sa=31)], {9: DATA}, {"npc": DATA}),
        Case([encode("JALR", rs=9, rd=2, sa=16)], {9: DATA}, {"npc": DATA, "$2": CODE + 8}),
        Case([encode("SYNC", sa=31), encode("PREF", rt=31)], {}, {"pc": CODE + 8, "trap": None}, 2),
    ],
    "codes": [
        Case([encode("BREAK") | 0x03FF_FFC0], {}, {"trap": 9}),
        Case([encode("TNE", rs=4, rt=5) | 0xFFC0], {}, {"trap": None}),
        Case([encode("TEQ", rs=4, rt=5) | 0xFFC0], {}, {"trap": 13}),
    ],
    "SC without LL": [
        Case([SC], LINK, {"$10": 0, "ll": 0, MEM: 0}),
        Case([SC], LINK, {"$10": 1, "ll": 0, MEM: 5}, control={"ll": DATA | 1}),
        Case([LL, SC], LINK, {"$10": 1, "ll": 0, MEM: 5}, 2),
    ],
    "SC at another address than LL": [Case([LL, SC | 4], LINK, {"$10": 0, "ll": 0, f"[{DATA + 4:x}]": 0}, 2)],
    "store between LL and SC": [
        Case([LL, encode("SW", rs=8, rt=11), SC], {**LINK, 11: 6}, {"$10": 1, "ll": 0, MEM: 5}, 3)
    ],
    "system call between LL and SC": [
        Case([LL, encode("SYSCALL_ENTER")], LINK, {"ll": 0, "pc": KERNEL_ENTRY}, 2),
        Case([LL, encode("SYSCALL_NOP")], LINK, {"ll": DATA | 1}, 2),
        Case([LL, encode("SYSCALL_MAP")], LINK, {"ll": DATA | 1}, 2),
    ],
    "LL with target $0": [Case([encode("LL", rs=8)], LINK, {"ll": DATA | 1, "$0": 0})],
    "code that was just written": [
        Case([encode("SW", rs=8, rt=9), 0], {8: CODE + 4, 9: encode("ORI", rt=2, low=7)}, {"$2": 7}, 2)
    ],
    "hazards": [
        Case([encode("MTC0_USERLOCAL", rt=4), encode("RDHWR", rt=5)], {4: 99}, {"$5": 99, "tls": 99}, 2),
        Case([encode("MULTU", rs=4, rt=4), encode("MFLO", rd=5)], {4: 9}, {"$5": 81}, 2),
    ],
    "address of PREF and SYNCI": [
        Case([encode("PREF", rs=4), encode("SYNCI", rs=4, low=1)], {4: MASK}, {"pc": CODE + 8, "trap": None}, 2)
    ],
    "other registers of RDHWR and MTC0": [
        Case([0x7C05_003B], {}, {"trap": RESERVED}),  # RDHWR of CPUNum
        Case([0x4084_6000], {}, {"trap": RESERVED}),  # MTC0 Status
        Case([0x4084_2000], {}, {"trap": RESERVED}),  # MTC0 Context: another select
    ],
    "sums of addresses": [
        Case([encode("LW", rs=4, rt=5, low=8)], {4: MASK - 3}, {"trap": ADDRESS}),
        Case([encode("LW", rs=4, rt=5, low=0x8000)], {4: DATA + 0x8000}, {"trap": None, "pc": CODE + 4}),
        Case([encode("SYNC")], {}, {"pc": MASK - 3, "npc": 0}, control={"npc": MASK - 3}),
        Case([encode("BEQ", low=1)], {}, {"pc": MASK - 3, "npc": 0}, control={"npc": MASK - 3}),
    ],
    "MOVZ, MOVN that do not move": [
        Case([encode("MOVZ", rs=4, rt=5, rd=6)], {4: 1, 5: 1, 6: 9}, {"$6": 9}),
        Case([encode("MOVN", rs=4, rt=5, rd=6)], {4: 1, 6: 9}, {"$6": 9}),
    ],
}  # fmt: skip


def test_every_row_of_the_table_has_a_case_and_every_case_a_row() -> None:
    section = SPECIFICATION.read_text().partition("## Where the manual says UNPREDICTABLE")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)
    assert rows == ["case", *CASES]


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
@pytest.mark.parametrize("engine", ["readable", "compiled"])
def test_the_machine_does_what_the_table_says(engine: str, name: str, case: Case) -> None:
    machine = machine_with(case.words, case.registers, **case.control)
    if engine == "compiled":
        run(machine, case.steps)
    else:
        for _ in range(case.steps):
            step(machine)
    assert {key: value(machine, key) for key in case.expected} == case.expected, name


def test_a_move_that_does_not_move_claims_no_target() -> None:
    claim = step(machine_with([encode("MOVZ", rs=4, rt=5, rd=6)], {4: 1, 5: 1}))
    assert (claim.dest, claim.result) == (0, 0)
