"""The fast machine and the readable step are the same machine: every row, both byte orders, traps, borders."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.zkvm import fast
from btc_l2.zkvm.decode import signed_immediate
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.isa import INSTRUCTIONS, Instruction
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.zkvm.programs import CODE, DATA, EDGE_VALUES, encode, machine_with, random_value, random_word

ENDIANS: tuple[Endian, ...] = ("big", "little")
WORDS = st.one_of(st.sampled_from(EDGE_VALUES), st.integers(0, 0xFFFF_FFFF))
LEFT_TO_THE_STEP = {"SYSCALL_HALT", "SYSCALL_MAP", "BREAK"}  # they end the run or change a node
# Around every border of the address map, and in the middle of data
ADDRESSES = st.one_of(
    st.integers(DATA - 8, DATA + 8),
    st.builds(
        lambda border, distance: border + distance & 0xFFFF_FFFF,
        st.sampled_from((0, 0x1_0000, 0x8000_0000, 0xC000_0000, 0xFC00_0000, 0xFFFF_D000, 0xFFFF_E000, 0xFFFF_F000)),
        st.integers(-5, 5),
    ),
)


def agree(machine: Machine, steps: int) -> Machine:
    """Run both; assert that they end in the same state with the same root; return it."""
    fast, slow = machine.copy(), machine.copy()
    made = run(fast, steps)
    count = 0
    while count < steps and not slow.exited:
        step(slow)
        count += 1
    assert made == count
    assert (fast.control, fast.registers) == (slow.control, slow.registers)
    assert fast.root() == slow.root()
    return fast


@pytest.mark.parametrize("endian", ENDIANS)
@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.name)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_kernel_and_reference_agree_on_every_row(endian: Endian, row: Instruction, data: st.DataObject) -> None:
    word = data.draw(st.integers(0, 0xFFFF_FFFF)) & ~row.mask | row.match
    rs, rt, rd = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31
    registers = {rd: data.draw(WORDS), rt: data.draw(WORDS), rs: data.draw(WORDS), 31: data.draw(WORDS)}
    if row.access != "none":
        address = data.draw(ADDRESSES)
        registers[rs] = address - ((word & 0xFFFF ^ 0x8000) - 0x8000)
    registers[0] = 0
    link = data.draw(st.sampled_from((0, registers[rs] + 1, (DATA | 1))))
    machine = machine_with(
        [word, encode("ADDIU", rs=1, rt=1, low=1)], registers, endian, hi=data.draw(WORDS), lo=data.draw(WORDS),
        ll=link & 0xFFFF_FFFF, tls=data.draw(WORDS),
    )  # fmt: skip
    for k in range(-2, 3):
        machine.store_word(DATA + 4 * k, data.draw(WORDS))
    agree(machine, 3)


@pytest.mark.parametrize(
    "row", [row for row in INSTRUCTIONS if row.name not in LEFT_TO_THE_STEP], ids=lambda row: row.name
)
def test_the_kernel_itself_makes_every_step_of_the_ordinary_course(
    row: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "step", None)  # nobody to ask
    rnd = random.Random(row.name)
    made = 0
    for _ in range(30):
        word = random_word(rnd, row)
        if row.access != "none":
            word &= ~0xFFFF
        values = (
            (DATA,) if row.access != "none" else tuple(signed_immediate(word) + k & 0xFFFF_FFFF for k in (-4, 0, 4))
        )
        registers = {k: rnd.choice(values) for k in range(1, 32)}
        machine = machine_with([word], registers)
        reference = machine.copy()
        step(reference)
        if not reference.exited:
            made += run(machine, 1)
            assert machine.root() == reference.root()
    assert made > 0


@settings(max_examples=400, deadline=None)
@given(row=st.sampled_from(INSTRUCTIONS), seed=st.integers(0, 1 << 32), flips=st.integers(0, 0xFFFF_FFFF))
def test_kernel_and_reference_agree_on_words_beside_the_table(row: Instruction, seed: int, flips: int) -> None:
    rnd = random.Random(seed)
    word = random_word(rnd, row) ^ flips & rnd.getrandbits(32) & rnd.getrandbits(32) & rnd.getrandbits(32)
    machine = machine_with([word], {k: random_value(rnd) for k in range(1, 32)}, rnd.choice(ENDIANS))
    agree(machine, 1)


def test_kernel_and_reference_agree_on_every_opcode_and_function() -> None:
    """All 64 opcodes, and all functions, rt and sa fields of the opcodes that have tables of their own."""
    words = [op << 26 for op in range(64)]
    words += [op << 26 | fn for op in (0x00, 0x1C, 0x1F) for fn in range(64)]
    words += [0x01 << 26 | rt << 16 for rt in range(32)] + [0x1F << 26 | sa << 6 | 0x20 for sa in range(32)]
    words += [0x10 << 26 | rs << 21 | 4 << 11 | sel for rs in range(32) for sel in range(8)]
    for word in words:
        for filler in (0, 1 << 21, 1 << 16, 1 << 11, 1 << 6, 0x0325_4680):
            agree(machine_with([word | filler], {25: DATA, 5: 0x8765_4321, 1: DATA}), 1)


@pytest.mark.parametrize("name", ["EXT", "INS"])
def test_kernel_and_reference_agree_on_every_field_of_a_word(name: str) -> None:
    for sa in range(32):
        for rd in range(32):
            agree(machine_with([encode(name, rs=4, rt=2, sa=sa, rd=rd)], {4: 0xA5C3_F00F, 2: 0x1234_5678}), 1)


TRAPS = [
    ("AdEL load", encode("LW", rs=4, rt=2, low=1), {4: DATA}, 4),
    ("AdEL null", encode("LB", rs=0, rt=2, low=0), {}, 4),
    ("AdEL reserved page", encode("LW", rs=4, rt=2), {4: 0xFFFF_F000}, 4),
    ("AdEL fetch", encode("JR", rs=4), {4: CODE + 2}, 4),
    ("AdEL fetch null", encode("JR", rs=4), {4: 0x8000}, 4),
    ("AdEL fetch reserved page", encode("JR", rs=4), {4: 0xFFFF_F000}, 4),
    ("AdES store", encode("SH", rs=4, rt=2, low=1), {4: DATA}, 5),
    ("AdES slot", encode("SW", rs=4, rt=2), {4: 0xC000_0000}, 5),
    ("AdES statement", encode("SB", rs=4, rt=2), {4: 0xFFFF_D000}, 5),
    ("Sys", 0x10C, {}, 8),
    ("Sys slot", encode("SYSCALL_MAP"), {4: 15}, 8),
    ("Bp", encode("BREAK"), {}, 9),
    ("RI", 0xFFFF_FFFF, {}, 10),
    ("Ov", encode("ADD", rs=4, rt=4, rd=2), {4: 0x4000_0000}, 12),
    ("Tr", encode("TEQ"), {}, 13),
]


@pytest.mark.parametrize(("word", "registers", "cause"), [trap[1:] for trap in TRAPS], ids=[trap[0] for trap in TRAPS])
@pytest.mark.parametrize("endian", ENDIANS)
@pytest.mark.parametrize("in_delay_slot", (False, True))
def test_kernel_and_reference_stop_at_every_trap(
    word: int, registers: dict[int, int], cause: int, endian: Endian, in_delay_slot: bool
) -> None:
    words = [encode("BEQ", low=3), word] if in_delay_slot else [word]
    assert agree(machine_with(words, registers, endian), 5).trap == cause


@pytest.mark.parametrize("slot", ["BEQ", "J", "JAL", "BGEZAL", "JR", "JALR", "SYSCALL_ENTER", "LW", "ADDU"])
@pytest.mark.parametrize("first", ["BEQ", "BNE", "J", "JR", "JALR", "BLTZAL"])
def test_kernel_and_reference_agree_on_what_stands_in_a_delay_slot(first: str, slot: str) -> None:
    there = {"low": 7} if first in ("BEQ", "BNE", "BLTZAL") else {"index": CODE // 4 + 9} if first == "J" else {"rs": 4}
    then = {"index": CODE // 4 + 4} if slot in ("J", "JAL") else {"low": 4} if slot in ("BEQ", "BGEZAL") else {"rs": 5}
    if slot in ("SYSCALL_ENTER", "ADDU"):
        then = {}
    words = [encode(first, **there), encode(slot, **then)] + [encode("ADDIU", rs=6, rt=6, low=k) for k in range(12)]
    agree(machine_with(words, {4: CODE + 32, 5: CODE + 16}), 9)


@pytest.mark.parametrize("name", ["J", "JAL"])
@pytest.mark.parametrize("pc", [0x0FFF_FFFC, 0x1FFF_FFF8, 0x7FFF_FFFC, 0x9000_0000, 0xAFFF_FFFC, 0xBFFF_FFF8])
def test_kernel_and_reference_jump_within_the_256_mib_of_the_delay_slot(name: str, pc: int) -> None:
    machine = machine_with([], pc=pc, npc=pc + 4)
    machine.store_word(pc, encode(name, index=0x155_5555))
    assert agree(machine, 2).control.pc == pc + 4 & 0xF000_0000 | 0x155_5555 << 2


@pytest.mark.parametrize("pc", [0x1_0000, 0xBFFF_FFFC, 0xFFFF_EFFC, 0xFFFF_EFF8])
def test_kernel_and_reference_agree_at_the_borders_of_the_address_map(pc: int) -> None:
    for word in (encode("BEQ", low=-3), encode("BEQ", low=0x7FFF), encode("JAL", index=1), encode("SYSCALL_NOP"), 0):
        machine = machine_with([], pc=pc, npc=pc + 4)
        machine.store_word(pc, word)
        agree(machine, 4)
