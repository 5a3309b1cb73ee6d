"""Static ELF32 executables for MIPS, either byte order: read and checked, and written.

System V ABI, "Object Files", and its MIPS supplement. Only what a loader needs is read: the file header, PT_LOAD
segments and, for people, the symbol table. Everything wrong with a file is InvalidInput.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from btc_l2.zkvm.layout import PROGRAM_END, PROGRAM_START
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput

MAX_FILE_BYTES = 1 << 28
MAX_SYMBOLS = 1 << 20
MAX_NAME_BYTES = 1 << 12
MAX_NAMES_BYTES = 1 << 26  # of all names: symbols may share the bytes of theirs

_IDENT = b"\x7fELF"
_HEADER_BYTES, _PROGRAM_BYTES, _SECTION_BYTES, _SYMBOL_BYTES = 52, 32, 40, 16
_HEADER, _PROGRAM, _SECTION, _SYMBOL = "HHIIIIIHHHHHH", "8I", "10I", "IIIBBH"
_ET_EXEC, _ET_DYN, _EM_MIPS = 2, 3, 8
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_SHT_SYMTAB, _SHT_STRTAB = 2, 3
_NAMED_TYPES = (0, 1, 2)  # STT_NOTYPE, STT_OBJECT, STT_FUNC
_STB_GLOBAL = 1
_EF_ABI_O32, _EF_ARCH_32R2 = 0x1000, 0x7000_0000
_EF_ASE = 0x0E00_0000  # MIPS16, microMIPS, MDMX
_EF_ARCHES = (0x0000_0000, 0x1000_0000, 0x5000_0000, 0x7000_0000)  # MIPS I, II, 32, 32r2
_ALLOC_ALL = 7  # PF_R | PF_W | PF_X


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at an address; memory behind them up to `size` is zero."""

    address: int
    data: bytes
    size: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Elf:
    """What a loader has to know."""

    endian: Endian
    entry: int
    segments: tuple[Segment, ...]  # by address, disjoint
    symbols: Mapping[str, int]


def parse_elf(data: bytes) -> Elf:
    """Read and check an executable; InvalidInput says what is wrong with it."""
    endian = _check_ident(data)
    header = _unpack(endian, _HEADER, data, 16, "header")
    _check_header(header)
    entry, program_offset, section_offset = header[3:6]
    program_size, programs, section_size, sections = header[8:12]
    if program_size != _PROGRAM_BYTES or not programs:
        raise _invalid("no program headers of the usual size", "nothing says what to load", "link it again")
    segments = _read_segments(data, endian, program_offset, programs)
    _check_entry(entry, segments)
    symbols = _read_symbols(data, endian, section_offset, sections) if section_size == _SECTION_BYTES else {}
    return Elf(endian, entry, segments, symbols)


def find_symbol(data: bytes, name: str) -> int:
    """Address of a symbol of an ELF file; InvalidInput if it has none of this name."""
    symbols = parse_elf(data).symbols
    if name not in symbols:
        raise InvalidInput(
            f"the ELF file has no symbol {name!r}; it was stripped or never had it; link it with symbols"
        )
    return symbols[name]


def write_elf(elf: Elf) -> bytes:
    """An ELF file that `parse_elf` reads as `elf`."""
    order = ">" if elf.endian == "big" else "<"
    loads = list(elf.segments)
    data_start = _HEADER_BYTES + _PROGRAM_BYTES * len(loads)
    offsets = [data_start]
    for segment in loads:
        offsets.append(offsets[-1] + len(segment.data))
    tables, sections = _symbol_sections(elf, order, offsets[-1])
    section_offset = offsets[-1] + len(tables)
    ident = _IDENT + bytes([1, 1 if elf.endian == "little" else 2, 1]) + bytes(9)
    header = struct.pack(
        order + _HEADER, _ET_EXEC, _EM_MIPS, 1, elf.entry, _HEADER_BYTES, section_offset, _EF_ABI_O32 | _EF_ARCH_32R2,
        _HEADER_BYTES, _PROGRAM_BYTES, len(loads), _SECTION_BYTES, len(sections), len(sections) - 1,
    )  # fmt: skip
    programs = b"".join(
        struct.pack(order + _PROGRAM, _PT_LOAD, at, s.address, s.address, len(s.data), s.size, _ALLOC_ALL, 1)
        for at, s in zip(offsets, loads, strict=False)
    )
    return ident + header + programs + b"".join(s.data for s in loads) + tables + b"".join(sections)


def _invalid(what: str, why: str, advice: str) -> InvalidInput:
    return InvalidInput(f"the ELF file cannot be loaded: {what}; {why}; {advice}")


def _check_ident(data: bytes) -> Endian:
    if len(data) > MAX_FILE_BYTES:
        raise _invalid(f"{len(data)} bytes", f"the limit is {MAX_FILE_BYTES}", "strip it")
    if data[:4] != _IDENT:
        raise _invalid("it does not begin as one", "the first bytes are not 7F 45 4C 46", "give an ELF executable")
    if len(data) < _HEADER_BYTES:
        raise _invalid("it ends within its header", "the file was cut off", "build or copy it again")
    if data[4] != 1:
        raise _invalid("it is not a 32-bit file", "the machine is MIPS32", "compile for MIPS32")
    if data[5] not in (1, 2):
        raise _invalid("its byte order is unknown", "byte 5 is neither 1 nor 2", "build it again")
    return "little" if data[5] == 1 else "big"


def _check_header(header: Sequence[int]) -> None:
    kind, machine, _, _, _, _, flags = header[:7]
    if machine != _EM_MIPS:
        raise _invalid(f"it is for machine {machine}", "MIPS is number 8", "compile for MIPS32")
    if kind == _ET_DYN:
        raise _invalid(
            "it is dynamic or position-independent", "nothing here relocates it", "link with -static -no-pie"
        )
    if kind != _ET_EXEC:
        raise _invalid(f"its type is {kind}", "only executables (2) can be run", "link it")
    if flags & 0xF000_0000 not in _EF_ARCHES or flags & _EF_ASE:
        raise _invalid(f"it is for another MIPS (flags {flags:#x})", "known are MIPS I, II, 32 and 32r2",
                       "compile with -march=mips32r2")  # fmt: skip


def _unpack(endian: Endian, layout: str, data: bytes, offset: int, what: str) -> tuple[int, ...]:
    layout = (">" if endian == "big" else "<") + layout
    if offset + struct.calcsize(layout) > len(data):
        raise _invalid(f"a {what} lies outside of it", "the file was cut off or is corrupt", "build or copy it again")
    return struct.unpack_from(layout, data, offset)


def _read_segments(data: bytes, endian: Endian, offset: int, count: int) -> tuple[Segment, ...]:
    rows = [_unpack(endian, _PROGRAM, data, offset + k * _PROGRAM_BYTES, "program header") for k in range(count)]
    if any(row[0] in (_PT_DYNAMIC, _PT_INTERP) for row in rows):
        raise _invalid("it needs a dynamic linker", "the machine has none", "link with -static")
    loads = sorted((row for row in rows if row[0] == _PT_LOAD and row[5]), key=_address)
    if not loads:
        raise _invalid("no segment is loaded", "there is no program", "link it again")
    for row in loads:
        _check_segment(len(data), row)
    for left, right in pairwise(loads):
        if _address(left) + left[5] > _address(right):
            raise _invalid(
                f"segments overlap at {_address(right):#x}", "only one can stand there", "mend the linker script"
            )
    if sum(row[4] for row in loads) > MAX_FILE_BYTES:  # they may name the same bytes of the file again and again
        raise _invalid("its segments have more bytes than a file", f"the limit is {MAX_FILE_BYTES}", "link it again")
    return tuple(Segment(_address(row), data[row[1] : row[1] + row[4]], row[5]) for row in loads)


def _address(row: Sequence[int]) -> int:
    return row[2]


def _check_segment(length: int, row: Sequence[int]) -> None:
    _, offset, address, _, file_size, size, _, _ = row
    if offset + file_size > length:
        raise _invalid(f"the segment at {address:#x} ends behind the file", "it was cut off", "build or copy it again")
    if file_size > size:
        raise _invalid(f"the segment at {address:#x} has more bytes than memory", "it is corrupt", "link it again")
    if address < PROGRAM_START or address + size > PROGRAM_END:
        raise _invalid(f"a segment stands at {address:#x} … {address + size:#x}",
                       f"programs live in {PROGRAM_START:#x} … {PROGRAM_END:#x}", "mend the linker script")  # fmt: skip


def _check_entry(entry: int, segments: Sequence[Segment]) -> None:
    if entry % 4 or not any(s.address <= entry < s.end for s in segments):
        raise _invalid(f"it starts at {entry:#x}", "no instruction is loaded there", "mend the linker script's ENTRY")


def _read_symbols(data: bytes, endian: Endian, offset: int, count: int) -> dict[str, int]:
    rows = [_unpack(endian, _SECTION, data, offset + k * _SECTION_BYTES, "section header") for k in range(count)]
    tables = [row for row in rows if row[1] == _SHT_SYMTAB]
    if not tables:
        return {}
    if len(tables) > 1:
        raise _invalid("it has two symbol tables", "the format knows one", "build it again or strip it")
    if tables[0][6] >= count:
        raise _invalid("its symbol table has no names", "the file is corrupt", "build it again or strip it")
    symbols: dict[str, int] = {}
    for name, value, is_global in _read_symbol_table(data, endian, tables[0], rows[tables[0][6]]):
        if is_global or name not in symbols:
            symbols[name] = value
    return symbols


def _read_symbol_table(
    data: bytes, endian: Endian, table: Sequence[int], strings: Sequence[int]
) -> Iterator[tuple[str, int, bool]]:
    if table[5] // _SYMBOL_BYTES > MAX_SYMBOLS:
        raise _invalid(f"it has {table[5] // _SYMBOL_BYTES} symbols", f"the limit is {MAX_SYMBOLS}", "strip it")
    names, room = data[strings[4] : strings[4] + strings[5]], MAX_NAMES_BYTES
    for at in range(table[4], table[4] + table[5] - _SYMBOL_BYTES + 1, _SYMBOL_BYTES):
        name, value, _, info, _, section = _unpack(endian, _SYMBOL, data, at, "symbol")
        text = _name(names, name)
        room -= len(text)
        if room < 0:
            raise _invalid("its symbols' names are too long", f"the limit is {MAX_NAMES_BYTES} bytes", "strip it")
        if text and section and info & 15 in _NAMED_TYPES:
            yield text.decode("latin-1"), value, info >> 4 == _STB_GLOBAL


def _name(names: bytes, start: int) -> bytes:
    """The name up to its zero byte; empty where none begins."""
    end = names.find(b"\0", start, start + MAX_NAME_BYTES)
    if end < 0 and start < len(names):
        raise _invalid("a symbol's name does not end", f"the limit is {MAX_NAME_BYTES} bytes", "strip it")
    return names[start:end] if end >= 0 else b""


def _symbol_sections(elf: Elf, order: str, offset: int) -> tuple[bytes, list[bytes]]:
    """Symbol table and names that stand at `offset`, and the section headers that point there."""
    names, entries = bytearray(b"\0"), [bytes(_SYMBOL_BYTES)]
    for name, value in sorted(elf.symbols.items(), key=lambda item: (item[1], item[0])):
        entries.append(struct.pack(order + _SYMBOL, len(names), value, 0, _STB_GLOBAL << 4, 0, 0xFFF1))
        names += name.encode("latin-1") + b"\0"
    symtab = len(names) + 1
    names += b"\0.symtab\0.strtab\0"
    table = b"".join(entries)
    rows = (
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (symtab, _SHT_SYMTAB, 0, 0, offset, len(table), 2, 1, 4, _SYMBOL_BYTES),
        (symtab + 8, _SHT_STRTAB, 0, 0, offset + len(table), len(names), 0, 0, 1, 0),
    )
    return table + bytes(names), [struct.pack(order + _SECTION, *row) for row in rows]
