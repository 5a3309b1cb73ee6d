"""Disassembly against GNU objdump's text of the same words."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from btc_l2.zkvm.disasm import disassemble, name_addresses
from btc_l2.zkvm.isa import INSTRUCTIONS, Instruction

VECTORS = Path(__file__).parent.parent / "vectors" / "mips32r2" / "objdump.csv"
ROWS = list(csv.DictReader(VECTORS.read_text().splitlines()))


def like_ours(text: str) -> str:
    """GNU's ror is the manual's ROTR; GNU shows an unused $0 in DIV and splits the code of BREAK."""
    text = re.sub(r"^ror(v?) ", r"rotr\1 ", text)
    text = re.sub(r"^div(u?) \$0,", r"div\1 ", text)
    return re.sub(r"^break 0x(\w+),0x(\w+)$", lambda m: f"break {int(m[1], 16) << 10 | int(m[2], 16):#x}", text)


def test_disassembly_reads_as_objdump() -> None:
    ours = [disassemble(int(row["word"], 16), int(row["address"], 16)).replace("\t", " ") for row in ROWS]
    assert ours == [like_ours(row["text"]) for row in ROWS]
    assert len(ours) > 500


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.name)
def test_every_row_has_a_text_with_its_mnemonic(row: Instruction) -> None:
    assert disassemble(row.match).split("\t")[0] == row.mnemonic


def test_a_word_that_is_no_instruction_is_shown_as_a_word() -> None:
    assert disassemble(0xFFFF_FFFF) == ".word\t0xffffffff"


def test_targets_carry_the_name_of_the_symbol_that_stands_there() -> None:
    symbols = name_addresses({"main": 0x40_0010, "also": 0x40_0010, "other": 0x40_0020})
    assert disassemble(0x1000_0003, 0x40_0000, symbols) == "beq\t$0,$0,0x400010 <also>"
    assert disassemble(0x0C10_0008, 0x40_0000, symbols) == "jal\t0x400020 <other>"
    assert disassemble(0x0C10_0009, 0x40_0000, symbols) == "jal\t0x400024"
