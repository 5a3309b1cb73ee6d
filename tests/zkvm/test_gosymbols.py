"""Names of stripped Go programs: real tables, tables of each layout since Go 1.2, damaged ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import find_guest
from btc_l2.zkvm import gosymbols
from btc_l2.zkvm.elf import Segment
from btc_l2.zkvm.gosymbols import MOST_CANDIDATES, find_go_symbols
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.symbols import SymbolTable, symbols_of

TEXT, TABLE = 0x11000, 0x80000
FUNCTIONS = {"main.main": TEXT, "main.add": TEXT + 0x40, "runtime.(*mheap).grow": TEXT + 0x100}
MAGICS = (0xFFFF_FFFB, 0xFFFF_FFFA, 0xFFFF_FFF0, 0xFFFF_FFF1)


def table(magic: int, endian: Endian, text_in_header: bool = True) -> bytes:
    """A table as the Go linker lays it out: header, names, rows, records (golang.org/s/go12symtab and later)."""
    order = ">" if endian == "big" else "<"
    relative = magic in MAGICS[2:]
    header = {MAGICS[0]: 12, MAGICS[1]: 36}.get(magic, 40)
    names, offsets = b"", []
    for name in FUNCTIONS:
        offsets.append(len(names))
        names += name.encode() + b"\0"
    names += bytes(-len(names) % 4)
    rows_size = 8 * len(FUNCTIONS)
    if magic == MAGICS[0]:  # everything counts from the start of the table, the rows come first
        names_at, rows_at, base = header + rows_size, header, 0
        records_at = names_at + len(names)
    else:
        names_at, rows_at = header, header + len(names)
        base, records_at = rows_at, rows_at + rows_size
    rows, records = b"", b""
    for name_offset, address in zip(offsets, FUNCTIONS.values(), strict=True):
        entry = address - (TEXT if relative else 0)
        rows += struct.pack(order + "2I", entry, records_at - base + len(records))
        records += struct.pack(order + "2I", entry, name_offset + (names_at if magic == MAGICS[0] else 0))
    start = struct.pack(order + "I4B", magic, 0, 0, 4, 4)
    if magic == MAGICS[0]:
        return start + struct.pack(order + "I", len(FUNCTIONS)) + rows + names + records
    text = (TEXT if text_in_header else 0,) if relative else ()
    counts = struct.pack(order + f"{7 + len(text)}I", len(FUNCTIONS), 1, *text, names_at, 0, 0, 0, rows_at)
    return start + counts + names + rows + records


def module_data(endian: Endian, names_at: int = 40) -> bytes:
    words = [TABLE, TABLE + names_at] + [0] * 20 + [TEXT, TEXT + 0x1000]
    return struct.pack((">" if endian == "big" else "<") + f"{len(words)}I", *words)


def segment(address: int, data: bytes) -> Segment:
    return Segment(address, data, len(data))


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("magic", MAGICS, ids=hex)
def test_functions_of_every_layout_are_found(magic: int, endian: Endian) -> None:
    blocks = [segment(TEXT, bytes(64)), segment(TABLE - 8, bytes(8) + table(magic, endian))]
    assert find_go_symbols(blocks, endian) == FUNCTIONS
    assert find_go_symbols(blocks, "little" if endian == "big" else "big") == {}


@pytest.mark.parametrize("endian", ["big", "little"])
def test_since_go_1_26_the_start_of_the_text_comes_from_moduledata(endian: Endian) -> None:
    stripped = segment(TABLE, table(MAGICS[3], endian, text_in_header=False))
    assert find_go_symbols([stripped, segment(0x90000, bytes(12) + module_data(endian))], endian) == FUNCTIONS
    assert find_go_symbols([stripped], endian) == {}


def test_a_stripped_go_guest_names_its_functions() -> None:
    image = find_guest("go-sha256").load_image()
    symbols = symbols_of(image)
    assert {"main.main", "runtime.mallocgc", "crypto/sha256.Sum256"} <= symbols.addresses.keys()
    assert symbols.label(symbols.addresses["main.main"] + 8) == "main.main+0x8"
    assert symbols.label(0x8000_0000).startswith("kernel.")


def test_programs_that_are_not_from_go_have_the_symbols_of_their_file() -> None:
    image = find_guest("hashchain").load_image()
    assert symbols_of(image).addresses == image.symbols


def test_an_address_before_the_first_symbol_has_no_label() -> None:
    names = SymbolTable.of({"b": 0x20, "a": 0x10})
    assert [names.label(at) for at in (0, 0x0F, 0x10, 0x1C, 0x20)] == ["", "", "a", "a+0xc", "b"]


def test_names_are_shown_without_what_a_terminal_would_obey() -> None:
    assert SymbolTable.of({"a\x1b[2J\tb\n·": 4}).label(8) == "a?[2J?b?·+0x4"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MAGICS), st.integers(8, 150), st.binary(min_size=1, max_size=8))
def test_a_damaged_table_gives_some_names_and_no_error(magic: int, at: int, damage: bytes) -> None:
    data = bytearray(table(magic, "big"))
    data[at : at + len(damage)] = damage
    found = find_go_symbols([segment(TABLE, bytes(data)), segment(0x90000, module_data("big"))], "big")
    assert len(found) <= len(data) // 8 and all(0 <= address <= 0xFFFF_FFFF for address in found.values())


def test_a_program_full_of_magic_numbers_is_given_up_soon() -> None:
    start = struct.pack(">I4B", MAGICS[3], 0, 0, 4, 4)
    assert find_go_symbols([segment(TABLE, start * 100_000 + table(MAGICS[3], "big"))], "big") == {}
    few = start * (MOST_CANDIDATES - 1) + table(MAGICS[3], "big")
    assert find_go_symbols([segment(TABLE, few)], "big") == FUNCTIONS


def test_names_that_share_their_bytes_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gosymbols, "MOST_NAMES_BYTES", len("main.main") + len("main.add"))
    assert set(find_go_symbols([segment(TABLE, table(MAGICS[3], "big"))], "big")) == {"main.main", "main.add"}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MAGICS), st.integers(0, 150))
def test_a_table_that_is_cut_off_gives_the_names_before(magic: int, length: int) -> None:
    found = find_go_symbols([segment(TABLE, table(magic, "big")[:length])], "big")
    assert found.items() <= FUNCTIONS.items()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_noise_behind_a_magic_number_gives_no_error(magic: int, noise: bytes) -> None:
    data = struct.pack(">I4B", magic, 0, 0, 4, 4) + noise
    assert len(find_go_symbols([segment(TABLE, data)], "big")) <= len(noise)
