"""The instruction table: disjoint, complete, decoded rightly, each row with its function."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.zkvm.decode import decode, operand_registers
from btc_l2.zkvm.instructions import SEMANTICS, find_semantics
from btc_l2.zkvm.isa import BY_NAME, INSTRUCTIONS, REMAINDERS, RESERVED, SYSCALL_OTHER, SYSCALL_WORDS, Instruction
from tests.zkvm.programs import random_word


def overlap(left: Instruction, right: Instruction) -> bool:
    """Whether some word belongs to both: no bit that both fix is fixed differently."""
    return (left.match ^ right.match) & left.mask & right.mask == 0


def test_no_word_belongs_to_two_rows() -> None:
    assert [(a.name, b.name) for a, b in combinations(INSTRUCTIONS, 2) if overlap(a, b)] == []


def test_overlap_finds_a_word_that_belongs_to_two_rows() -> None:
    assert overlap(BY_NAME["SYSCALL_HALT"], SYSCALL_OTHER)
    assert overlap(BY_NAME["ADDU"], RESERVED)


def test_names_are_unique_and_matches_lie_within_masks() -> None:
    rows = (*INSTRUCTIONS, *REMAINDERS)
    assert len({row.name for row in rows}) == len(rows) == len(BY_NAME)
    assert all(row.match & ~row.mask == 0 for row in rows)


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.name)
def test_decode_finds_the_row_of_each_of_its_words(row: Instruction) -> None:
    rnd = random.Random(row.name)
    assert all(decode(random_word(rnd, row)) is row for _ in range(50))


@given(st.integers(0, 0xFFFF_FFFF))
def test_decode_gives_each_word_exactly_one_row(word: int) -> None:
    rows = [row for row in INSTRUCTIONS if word & row.mask == row.match]
    expected = rows or [row for row in REMAINDERS if word & row.mask == row.match][:1]
    assert [decode(word)] == expected


@pytest.mark.parametrize("word", [0x10C, 0x3FF_FFCC, 0x0400_000C & 0x03FF_FFFF | 0x0200_0000])
def test_syscall_with_another_code_is_syscall_other(word: int) -> None:
    assert decode(word) is SYSCALL_OTHER


# Fields that must be zero and are not; opcodes that the machine does not know
STRANGE = {
    "SLL with rs": 0x0020_0000,
    "ADDU with sa": 0x0000_0061,
    "MULT with rd": 0x0000_0818,
    "JR with rd": 0x0000_0808,
    "LUI with rs": 0x3C20_0000,
    "BLEZ with rt": 0x1801_0000,
    "BEQL": 0x5000_0000,
    "LWC1": 0xC400_0000,
    "MFC0": 0x4000_2002,
    "MTC0 of another register": 0x4080_6000,
    "RDHWR of the cycle counter": 0x7C00_103B,
    "MOVF": 0x0000_0001,
    "SDBBP": 0x7000_003F,
    "CACHE": 0xBC00_0000,
    "BSHFL with another sa": 0x7C00_0060,
    "SRL with another rs": 0x0040_0002,
}


@pytest.mark.parametrize("word", STRANGE.values(), ids=STRANGE.keys())
def test_decode_reserves_what_is_no_instruction(word: int) -> None:
    assert decode(word) is RESERVED


@pytest.mark.parametrize(
    ("word", "name"), [(0x03E0_0408, "JR"), (0x0080_FC09, "JALR"), (0x0000_07CF, "SYNC"), (0xCC1F_0000, "PREF")]
)
def test_decode_ignores_hints(word: int, name: str) -> None:
    assert decode(word).name == name


@pytest.mark.parametrize("row", (*INSTRUCTIONS, *REMAINDERS), ids=lambda row: row.name)
def test_every_row_has_a_function_that_is_told_in_its_file(row: Instruction) -> None:
    function = find_semantics(row)
    assert function.__module__ == f"btc_l2.zkvm.instructions.{row.group}"
    assert function.__doc__
    assert SEMANTICS[row.name] is function


def test_every_function_of_a_group_belongs_to_a_row() -> None:
    """Nothing in instructions/ that no word reaches."""
    import inspect
    import sys

    known = {function.__name__ for function in SEMANTICS.values()} | {"effective_address"}
    for module in {sys.modules[function.__module__] for function in SEMANTICS.values()}:
        own = {n for n, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__}
        assert {name for name in own if not name.startswith("_")} <= known


def test_operands_are_rs_and_rt_but_register_four_for_the_machine_calls() -> None:
    assert operand_registers(0x0062_2021) == (3, 2)
    assert [operand_registers(word) for word in SYSCALL_WORDS] == [(4, 0)] * 4
    assert operand_registers(0x0064_000C) == (3, 4)  # SYSCALL with another code
