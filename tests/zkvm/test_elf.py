"""ELF files: the good ones load, everything else is InvalidInput with one line that says why."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.elf import MAX_NAME_BYTES, Elf, Segment, find_symbol, parse_elf, write_elf
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


INTERESTING = (0, 1, 2, 3, 4, 8, 32, 40, 52, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF)
MOST_MEMORY = 1 << 22  # bytes for a file of some hundred
FIELDS = st.tuples(
    st.one_of(st.integers(0, 148), st.integers(0, 300).map(lambda back: -4 - back)),  # headers; symbols and sections
    st.one_of(st.sampled_from(INTERESTING), st.integers(0, 0xFFFF_FFFF), st.integers(0, 400)),
    st.sampled_from(["B", "H", "I"]),
)


def load_or_refuse(data: bytes) -> None:
    """Load what can be loaded; anything but InvalidInput, or memory out of proportion, is a failure."""
    tracemalloc.start()
    try:
        Image.from_elf(data)
    except InvalidInput as error:
        assert "\n" not in str(error) and str(error).count(";") >= 2
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MOST_MEMORY


def damage(endian: Endian, patches: list[tuple[int, int, str]]) -> bytes:
    """A good file with other values in some fields."""
    data = bytearray(write_elf(elf(endian)))
    for at, value, layout in patches:
        size = struct.calcsize(layout)
        place = at % (len(data) - size)
        data[place : place + size] = (value & (1 << 8 * size) - 1).to_bytes(size, endian)
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["big", "little"]), st.lists(FIELDS, min_size=1, max_size=4))
@example("big", [(PROGRAM + 20, 0xFFFF_FFFF, "I")])
def test_a_damaged_file_loads_or_is_invalid_input_in_little_memory(
    endian: Endian, patches: list[tuple[int, int, str]]
) -> None:
    load_or_refuse(damage(endian, patches))


@pytest.mark.long
@settings(max_examples=5_000, deadline=None)
@given(st.sampled_from(["big", "little"]), st.lists(FIELDS, min_size=1, max_size=8))
def test_many_damaged_files_load_or_are_invalid_input(endian: Endian, patches: list[tuple[int, int, str]]) -> None:
    load_or_refuse(damage(endian, patches))


def headers(rows: list[tuple[int, int, int, int]], size: int = 4096) -> bytes:
    """A file whose segments are (offset, address, bytes in the file, bytes in memory), filled up to a size."""
    head = bytearray(write_elf(elf())[:PROGRAM])
    struct.pack_into(">H", head, 44, len(rows))
    struct.pack_into(">I", head, 24, rows[0][1])
    struct.pack_into(">IHHH", head, 32, 0, 52, 32, len(rows))
    body = b"".join(struct.pack(">8I", 1, at, where, where, length, room, 7, 1) for at, where, length, room in rows)
    return (bytes(head[:46]) + struct.pack(">3H", 40, 0, 0) + body).ljust(size, b"\1")


EDGES = st.sampled_from([0, 4, 4096, 0x1_0000, 0x40_0000, 0x40_1000, 0xBFFF_F000, 0xC000_0000, 0xFFFF_FFFC])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), EDGES, st.integers(0, 5000), st.integers(0, 9000)), min_size=1))
def test_segments_anywhere_load_without_overlap_or_are_invalid_input(rows: list[tuple[int, int, int, int]]) -> None:
    try:
        segments = parse_elf(headers(rows)).segments
    except InvalidInput:
        return
    assert all(s.address >= 0x1_0000 and s.end <= 0xC000_0000 and len(s.data) <= s.size for s in segments)
    assert all(left.end <= right.address for left, right in pairwise(segments))


def test_segments_that_do_not_overlap_load() -> None:
    parsed = parse_elf(headers([(0, 0x40_0000, 16, 16), (16, 0x50_0000, 4000, 1 << 30)]))
    assert [segment.size for segment in parsed.segments] == [16, 1 << 30]


def test_a_small_file_does_not_name_its_bytes_until_memory_is_full() -> None:
    """60,000 segments that all consist of the same 64 KiB would be 4 GB."""
    size = 1 << 16
    rows = [(0, 0x1_0000, size, size)] * 60_000
    with pytest.raises(InvalidInput, match="overlap"):
        parse_elf(headers(rows, 4 << 20))
    apart = [(0, 0x1_0000 + k * (1 << 22), 1 << 22, 1 << 22) for k in range(700)]  # 2.8 GB out of 4 MiB
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="more bytes than a file"):
        parse_elf(headers(apart, 4 << 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def with_symbols(names: bytes, entries: list[tuple[int, int]], tables: int = 1) -> bytes:
    """A file whose symbols are (offset of the name, value); the names as given, the table `tables` times."""
    whole = write_elf(Elf("big", 0x40_0000, (TEXT,), {}))
    section_offset = struct.unpack_from(">I", whole, 32)[0]
    table = b"".join(struct.pack(">IIIBBH", name, value, 0, 1 << 4, 0, 0xFFF1) for name, value in entries)
    at = section_offset
    row = struct.pack(">10I", 0, 2, 0, 0, at, len(table), tables, 1, 4, 16)
    strings = struct.pack(">10I", 0, 3, 0, 0, at + len(table), len(names), 0, 0, 1, 0)
    data = bytearray(whole[:section_offset] + table + names + row * tables + strings)
    struct.pack_into(">I", data, 32, at + len(table) + len(names))
    struct.pack_into(">H", data, 48, tables + 1)
    return bytes(data)


def test_symbols_with_names_of_many_bytes_are_read() -> None:
    name = b"_ZN" + b"x" * (MAX_NAME_BYTES - 4)
    assert parse_elf(with_symbols(name + b"\0", [(0, 0x40_0000)])).symbols == {name.decode(): 0x40_0000}


@pytest.mark.parametrize(
    ("names", "entries", "tables"),
    [
        (b"x" * 100, [(0, 1)], 1),  # no zero byte
        (b"x" * (MAX_NAME_BYTES + 1) + b"\0", [(0, 1)], 1),
        ((b"x" * 1023 + b"\0") * 4, [(k % 3000, k) for k in range(150_000)], 1),  # names out of the same bytes
        (b"x\0", [(0, 1)], 2),
    ],
    ids=["without end", "too long", "too many bytes of names", "two tables"],
)
def test_symbols_that_are_none_or_too_many_are_invalid_input(
    names: bytes, entries: list[tuple[int, int]], tables: int
) -> None:
    with pytest.raises(InvalidInput):
        parse_elf(with_symbols(names, entries, tables))


@given(st.binary(max_size=200))
def test_noise_behind_an_elf_magic_is_invalid_input(noise: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_elf(b"\x7fELF\x01\x02\x01" + noise[:100])
