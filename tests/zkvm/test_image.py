"""Images: statement, claim and root; raw programs; the way back to an ELF file."""

from __future__ import annotations

import pytest

from btc_l2.guests import list_guests
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import CLAIM, STATEMENT
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.tree import root_from_path
from taproot.errors import InvalidInput
from tests.zkvm.programs import CODE, encode


def raw(*words: int, endian: Endian = "big") -> Image:
    return Image.from_raw(b"".join(word.to_bytes(4, endian) for word in words), CODE, endian)


@pytest.mark.parametrize("endian", ["big", "little"])
def test_statement_and_claim_are_read_by_the_guest_as_bytes(endian: Endian) -> None:
    image = raw(
        encode("LUI", rt=4, low=0xFFFF), encode("ORI", rs=4, rt=4, low=0xD000), encode("LBU", rs=4, rt=2, low=1),
        encode("LBU", rs=4, rt=3, low=0x1002), encode("LW", rs=4, rt=5), endian=endian,
    ).with_statement(b"\x01\x02\x03\x04\x05")  # fmt: skip
    machine = image.machine(b"\x0a\x0b\x0c")
    run(machine, 5)
    assert machine.registers[2:4] == (2, 0x0C)
    assert machine.register(5) == int.from_bytes(b"\x01\x02\x03\x04", endian)


def test_an_image_starts_with_everything_zero_but_the_program_counter() -> None:
    machine = raw(encode("SYNC")).machine()
    assert machine.control == (CODE, CODE + 4, 0, 0, 0, 0, 0, 0)
    assert not any(machine.registers)


def test_the_image_root_is_the_root_with_a_zero_claim() -> None:
    image = raw(encode("SYNC")).with_statement(b"what")
    assert image.root() == image.machine().root() == image.machine(bytes(128)).root()
    assert image.root() != image.machine(b"\1").root()
    assert image.root() != raw(encode("SYNC")).root()


def test_four_leaf_writes_lead_from_the_image_root_to_the_first_root() -> None:
    image, claim = raw(encode("SYNC")), bytes(range(128))
    machine, target = image.machine(), image.machine(claim)
    for k in range(4):
        index = CLAIM // 32 + k
        leaf = target.leaf(index)
        after = root_from_path(leaf, index, machine.siblings(index))
        machine.write_leaf(index, leaf)
        assert machine.root() == after
    assert machine.root() == target.root()


def test_machines_of_an_image_do_not_see_each_other() -> None:
    image = raw(encode("SYNC"))
    before = image.root()
    machine = image.machine()
    machine.store_word(CODE, 5)
    assert image.root() == before == image.machine().root()


@pytest.mark.parametrize(("statement", "claim"), [(bytes(4097), b""), (b"", bytes(129))])
def test_what_does_not_fit_is_refused(statement: bytes, claim: bytes) -> None:
    with pytest.raises(InvalidInput):
        raw(0).with_statement(statement).machine(claim)


def test_what_just_fits_is_accepted() -> None:
    machine = raw(0).with_statement(bytes(4095) + b"\1").machine(bytes(127) + b"\2")
    assert machine.read_bytes(STATEMENT + 4095, 1) + machine.read_bytes(CLAIM + 127, 1) == b"\1\2"


@pytest.mark.parametrize(
    ("address", "length", "entry"),
    [(0x8000, 4, None), (0xBFFF_FFFC, 8, None), (CODE, 0, None), (CODE, 8, CODE + 8), (CODE, 8, CODE + 2)],
)
def test_a_raw_program_that_cannot_stand_there_is_refused(address: int, length: int, entry: int | None) -> None:
    with pytest.raises(InvalidInput):
        Image.from_raw(bytes(length), address, "big", entry)


def test_a_raw_program_may_begin_within() -> None:
    assert Image.from_raw(bytes(8), CODE, "little", CODE + 4).machine().control.pc == CODE + 4


@pytest.mark.parametrize("guest", list_guests(), ids=lambda guest: guest.name)
def test_an_image_survives_the_way_to_an_elf_file_and_back(guest: object) -> None:
    from btc_l2.guests import Guest

    assert isinstance(guest, Guest)
    image = guest.load_image()
    again = Image.from_elf(image.to_elf(), guest.statement)
    assert image.root() == again.root() == guest.root
    assert (again.symbols, again.endian) == (image.symbols, guest.endian)


def test_a_machine_that_stands_clean_becomes_an_image() -> None:
    image = raw(encode("J", index=CODE // 4 + 3), encode("SYSCALL_NOP"), 0, encode("SYNC"))
    machine = image.machine()
    machine.store_word(0x50_0000, 77)
    run(machine, 2)
    captured = Image.from_machine(machine)
    assert captured.entry == CODE + 12
    assert captured.machine().root() == machine.root()


@pytest.mark.parametrize("spoil", ["register", "control", "delay slot", "slot"])
def test_a_machine_with_more_than_memory_cannot_become_an_image(spoil: str) -> None:
    machine = raw(encode("BEQ", low=5), 0).machine()
    if spoil == "register":
        machine.set_register(9, 1)
    elif spoil == "control":
        machine.control = machine.control._replace(hi=1)
    elif spoil == "delay slot":
        run(machine, 1)
    else:
        machine.write_node(21, 48, blob_root(b"x", "big"))
    with pytest.raises(InvalidInput):
        Image.from_machine(machine)
