"""Programs that go wrong end in a defined trap or a clear error, in the compiled machine as in the readable step."""

from __future__ import annotations

import struct

import pytest

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import LEEWAY, run
from btc_l2.zkvm.layout import CLAIM, REGION_LEVEL, STATEMENT, slot_region
from btc_l2.zkvm.linux import HEAP, linux_image
from btc_l2.zkvm.outcome import ADDRESS_LOAD, ADDRESS_STORE, Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable
from tests.zkvm.linux_calls import ENOMEM, ERROR, MAP_PRIVATE_ANONYMOUS, MMAP, V0, ask, elf_of, kernel
from tests.zkvm.programs import CODE, DATA, encode, machine_with

TWO_ORDERS = pytest.mark.parametrize("endian", ["big", "little"])
MARKER = encode("ADDIU", rs=0, rt=7, low=42)
OTHER = encode("ADDIU", rs=0, rt=7, low=1)
STEPS = 12
PAGES_OF_A_MIB = 256


def both(machine: Machine, steps: int = STEPS) -> Machine:
    """The state after so many steps, the same by kernel and readable step."""
    slow = machine.copy()
    run(machine, steps)
    for _ in range(steps):
        step(slow)
    assert machine.root() == slow.root()
    return machine


REWRITTEN = {
    "the next instruction": [encode("SW", rs=4, rt=5, low=4), OTHER, encode("BREAK")],
    "its own delay slot from before": [encode("SW", rs=4, rt=5, low=8), encode("BEQ", low=1), OTHER, encode("BREAK")],
    "the target, from a delay slot": [
        encode("BEQ", low=2), encode("SW", rs=4, rt=5, low=12), encode("BREAK"), OTHER, encode("BREAK"),
    ],
    "itself": [encode("SW", rs=4, rt=5, low=0), encode("ADDIU", rs=6, rt=6, low=1), encode("BEQ", rs=6, rt=8, low=-3),
               0, encode("BREAK")],
}  # fmt: skip


@TWO_ORDERS
@pytest.mark.parametrize("words", REWRITTEN.values(), ids=REWRITTEN.keys())
def test_a_store_to_code_is_what_is_executed_next(words: list[int], endian: Endian) -> None:
    machine = both(machine_with(words, {4: CODE, 5: MARKER, 8: 1}, endian))
    assert machine.register(7) == 42
    assert machine.trap == 9


@TWO_ORDERS
def test_a_byte_of_an_instruction_can_be_rewritten(endian: Endian) -> None:
    low_byte = 7 if endian == "big" else 4
    words = [encode("SB", rs=4, rt=5, low=low_byte), OTHER, encode("BREAK")]
    assert both(machine_with(words, {4: CODE, 5: 42}, endian)).register(7) == 42


BLOB = b"".join(struct.pack(">I", word) for word in (MARKER, encode("BREAK")))
JUMPS = [
    (0x0000_0000, ADDRESS_LOAD, 0), (0x0000_FFFC, ADDRESS_LOAD, 0), (0x0001_0000, None, 0), (0x9000_0000, None, 0),
    (0xC000_0000, 9, 42), (0xC400_0000, None, 0), (0xFBFF_FF00, None, 0), (0xFC00_0000, None, 0), (STATEMENT, 9, 42),
    (CLAIM, 9, 42), (0xFFFF_EFFC, ADDRESS_LOAD, 0), (0xFFFF_F000, ADDRESS_LOAD, 0), (0xFFFF_FFFC, ADDRESS_LOAD, 0),
    (CODE + 1, ADDRESS_LOAD, 0), (CODE + 2, ADDRESS_LOAD, 0), (0xFFFF_FFFF, ADDRESS_LOAD, 0),
]  # fmt: skip


@pytest.mark.parametrize(("target", "cause", "marked"), JUMPS, ids=lambda value: str(value and hex(value)))
@pytest.mark.parametrize("name", ["JR", "JALR"])
def test_a_jump_to_any_region_executes_what_is_there_or_traps(
    name: str, target: int, cause: int | None, marked: int
) -> None:
    root = blob_root(BLOB, "big")
    machine = Machine("big", {root: BLOB})
    machine.write_node(REGION_LEVEL, slot_region(0), root)
    for address in (STATEMENT, CLAIM):
        machine.write_bytes(address, BLOB)
    machine.store_word(CODE, encode(name, rs=4))
    machine.set_register(4, target)
    machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
    both(machine)
    assert (machine.trap, machine.register(7)) == (cause, marked)


def test_a_jump_into_a_slot_whose_blob_is_missing_is_an_error_that_names_it() -> None:
    machine = machine_with([encode("JR", rs=4)], {4: 0xC000_0000})
    machine.write_node(REGION_LEVEL, slot_region(0), b"\7" * 32)
    with pytest.raises(Unavailable, match="07" * 32):
        run(machine, STEPS)
    assert machine.control.pc == 0xC000_0000


@pytest.mark.parametrize("target", [0, 0xFFFC, 0xC000_0000, 0xFBFF_FFFC, 0xFC00_0000, STATEMENT, CLAIM, 0xFFFF_F000])
@pytest.mark.parametrize("name", ["SW", "SB", "SH", "SWL", "SWR", "SC"])
def test_a_store_to_a_region_that_cannot_be_written_traps_and_changes_nothing(name: str, target: int) -> None:
    machine = machine_with([encode(name, rs=4, rt=5)], {4: target, 5: 7}, ll=target | 1)
    before = machine.copy()
    assert both(machine).trap == ADDRESS_STORE
    machine.control = before.control
    assert machine.root() == before.root()


RECURSION = [
    encode("ADDIU", rs=29, rt=29, low=-4096), encode("SW", rs=29, rt=31), encode("JAL", index=CODE // 4),
    encode("ADDIU", rs=2, rt=2, low=1),
]  # fmt: skip


def test_a_stack_that_overflows_ends_at_the_null_guard() -> None:
    machine = machine_with(RECURSION, {29: CODE - 4096})
    assert run(machine, 1 << 20) < 1 << 14
    assert (machine.trap, machine.control.pc) == (ADDRESS_STORE, CODE + 4)
    assert machine.register(29) == 0xF000


@TWO_ORDERS
def test_a_stack_that_overflows_under_linux_is_stopped_by_the_limit_of_memory(endian: Endian) -> None:
    machine = linux_image(elf_of(RECURSION, endian=endian), kernel(endian)).machine()
    with pytest.raises(Unavailable, match="more than 16 MiB of memory"):
        run(machine, 1 << 26, max_pages=16 * PAGES_OF_A_MIB)
    assert not machine.exited


def test_memory_is_noticed_before_the_leeway_is_used_up_and_a_run_within_it_goes_on() -> None:
    words = [encode("SW", rs=4, rt=4), encode("BNE", rs=4, rt=5, low=-2), encode("ADDIU", rs=4, rt=4, low=4096)]
    touched = 3 * LEEWAY
    registers = {4: DATA, 5: DATA + 4096 * (touched - 1)}
    machine = machine_with([*words, encode("BREAK")], registers)
    small = machine.copy()
    run(machine, 1 << 20, max_pages=touched + 8)
    assert machine.trap == 9
    with pytest.raises(Unavailable, match="4 MiB of memory"):
        run(small, 1 << 20, max_pages=LEEWAY)
    held = len(small.memory.page_numbers())
    assert LEEWAY < held <= 2 * LEEWAY + 1
    run(small, 1 << 20)
    assert small.root() == machine.root()


@TWO_ORDERS
def test_a_linux_program_that_maps_until_nothing_is_left_is_told_so(endian: Endian) -> None:
    size = 1 << 20
    loop = ask(MMAP, 0, size, 3, MAP_PRIVATE_ANONYMOUS)
    words = [
        *loop, encode("BNE", rs=ERROR, rt=0, low=4), encode("ADDIU", rs=17, rt=17, low=1),
        encode("SW", rs=V0, rt=V0), encode("BEQ", low=-(len(loop) + 4)), 0, encode("BREAK"),
    ]  # fmt: skip
    machine = linux_image(elf_of(words, endian=endian), kernel(endian)).machine()
    run(machine, 1 << 22)
    assert (machine.trap, machine.register(V0)) == (9, ENOMEM)
    assert machine.register(17) == (0x4000_0000 - HEAP) // size + 1  # the last one failed
    assert len(machine.memory.page_numbers()) < 600
