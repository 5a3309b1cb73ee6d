"""ELF files: the good ones load, everything else is InvalidInput with one line that says why."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.elf import Elf, Segment, find_symbol, parse_elf, write_elf
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput

TEXT = Segment(0x40_0000, b"\x24\x02\x00\x05" * 3, 12)
DATA = Segment(0x41_0FFA, b"crosses a page", 9000)
SYMBOLS = {"main": 0x40_0004, "table": 0x41_0FFC}


def elf(endian: Endian = "big") -> Elf:
    return Elf(endian, 0x40_0000, (TEXT, DATA), SYMBOLS)


def patched(offset: int, value: int, layout: str = ">H") -> bytes:
    data = bytearray(write_elf(elf()))
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


@pytest.mark.parametrize("endian", ["big", "little"])
def test_a_written_file_is_read_as_it_was_meant(endian: Endian) -> None:
    read = parse_elf(write_elf(elf(endian)))
    assert (read.endian, read.entry, dict(read.symbols)) == (endian, 0x40_0000, SYMBOLS)
    assert read.segments == (TEXT, DATA)


@pytest.mark.parametrize("endian", ["big", "little"])
def test_segments_stand_in_memory_with_zeros_behind_them(endian: Endian) -> None:
    machine = Image.from_elf(write_elf(elf(endian))).machine()
    assert machine.read_bytes(0x40_0000, 16) == TEXT.data + bytes(4)
    assert machine.read_bytes(0x41_0FF8, 20) == bytes(2) + DATA.data + bytes(4)
    assert machine.control[:2] == (0x40_0000, 0x40_0004)


def test_two_segments_may_share_a_page() -> None:
    parts = (Segment(0x40_0000, b"abcd", 4), Segment(0x40_0004, b"efgh", 4))
    machine = Image.from_elf(write_elf(Elf("big", 0x40_0000, parts, {}))).machine()
    assert machine.read_bytes(0x40_0000, 8) == b"abcdefgh"


def test_a_symbol_is_found_by_name() -> None:
    assert find_symbol(write_elf(elf()), "table") == 0x41_0FFC
    with pytest.raises(InvalidInput, match="missing"):
        find_symbol(write_elf(elf()), "missing")


PROGRAM = 52  # offset of the first program header
BROKEN: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not an ELF file": lambda: b"#!/bin/sh\n" * 20,
    "cut in the header": lambda: write_elf(elf())[:40],
    "cut in the program headers": lambda: write_elf(elf())[:80],
    "cut in a segment": lambda: write_elf(elf())[:130],
    "cut in the sections": lambda: write_elf(elf())[:-30],
    "64 bits": lambda: patched(4, 2, "B"),
    "no byte order": lambda: patched(5, 3, "B"),
    "relocatable": lambda: patched(16, 1),
    "position independent": lambda: patched(16, 3),
    "another machine": lambda: patched(18, 62),
    "MIPS32 release 6": lambda: patched(36, 0x9000_0000, ">I"),
    "MIPS16": lambda: patched(36, 0x7400_0000, ">I"),
    "strange program header size": lambda: patched(42, 56),
    "no program headers": lambda: patched(44, 0),
    "needs an interpreter": lambda: patched(PROGRAM, 3, ">I"),
    "is dynamic": lambda: patched(PROGRAM, 2, ">I"),
    "nothing to load": lambda: write_elf(Elf("big", 0x40_0000, (), {})),
    "in the null guard": lambda: patched(PROGRAM + 8, 0x8000, ">I"),
    "in the map slots": lambda: patched(PROGRAM + 8, 0xC000_0000, ">I"),
    "beyond program memory": lambda: patched(PROGRAM + 20, 0xC000_0000, ">I"),
    "more bytes than memory": lambda: patched(PROGRAM + 20, 4, ">I"),
    "overlapping": lambda: patched(PROGRAM + 20, 0x2_0000, ">I"),
    "entry outside": lambda: patched(24, 0x50_0000, ">I"),
    "entry unaligned": lambda: patched(24, 0x40_0002, ">I"),
    "huge": lambda: write_elf(elf()) + bytes(1 << 28),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_invalid_input_with_one_line(make: Callable[[], bytes]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_elf(make())
    message = str(caught.value)
    assert "\n" not in message
    assert message.count(";") >= 2  # what, why, what to do


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
@example(PROGRAM + 20, b"\xff\xff\xff\xff")
def test_a_damaged_file_loads_or_is_invalid_input(offset: int, damage: bytes) -> None:
    data = bytearray(write_elf(elf()))
    data[offset : offset + len(damage)] = damage
    try:
        Image.from_elf(bytes(data)).root()
    except InvalidInput as error:
        assert str(error)


@given(st.binary(max_size=200))
def test_noise_behind_an_elf_magic_is_invalid_input(noise: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_elf(b"\x7fELF\x01\x02\x01" + noise[:100])
