"""Function names of a Go program that was stripped: the table that Go's own tracebacks use is part of its memory.

The table begins with a magic number that changes with its layout: 0xFFFFFFFB since Go 1.2, …FA since 1.16, …F0 since
1.18, …F1 since 1.20 (golang.org/s/go12symtab; `runtime/symtab.go`, `pcHeader`). Since 1.18 its addresses count from
the start of the text, which since Go 1.26 only `runtime.moduledata` names; that is found by its first word, the
address of the table. Only what lies within the blocks is read; a damaged table has no names, which is no error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from btc_l2.zkvm.elf import Segment
from btc_l2.zkvm.outcome import MASK, Endian

MOST_FUNCTIONS = 1 << 20
MOST_NAME_BYTES = 1024
MOST_NAMES_BYTES = 1 << 26  # of all names: functions may share the bytes of theirs
MOST_CANDIDATES = 16  # places that begin as a table does

_GO_1_2, _GO_1_16, _GO_1_18, _GO_1_20 = 0xFFFF_FFFB, 0xFFFF_FFFA, 0xFFFF_FFF0, 0xFFFF_FFF1
_SIGNATURE = bytes([0, 0, 4, 4])  # two bytes of padding, size of an instruction, size of a pointer
_MODULE_TEXT = 22  # word of `moduledata` with the start of the text; the first two: the table, its names


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the parts of a table lie: offsets into its block, addresses relative to `text`."""

    data: bytes
    order: str
    functions: int
    names: int  # of the names
    rows: int  # of the pairs (entry, offset of the function's record)
    records: int  # what the second of a pair counts from
    text: int


def find_go_symbols(blocks: Sequence[Segment], endian: Endian) -> dict[str, int]:
    """Address of each Go function by its name; empty where no readable table is in memory (blocks: loaded bytes)."""
    order = ">" if endian == "big" else "<"
    for block, at, magic in islice(_candidates(blocks, order), MOST_CANDIDATES):
        table = _read_header(blocks, block, at, magic, order)
        symbols = dict(_functions(table)) if table else {}
        if symbols:
            return symbols
    return {}


def _candidates(blocks: Sequence[Segment], order: str) -> Iterator[tuple[Segment, int, int]]:
    for block in blocks:
        for magic in (_GO_1_20, _GO_1_18, _GO_1_16, _GO_1_2):
            pattern = struct.pack(order + "I", magic) + _SIGNATURE
            at = block.data.find(pattern)
            while at >= 0:
                yield block, at, magic
                at = block.data.find(pattern, at + 1)


def _read_header(blocks: Sequence[Segment], block: Segment, at: int, magic: int, order: str) -> _Table | None:
    words = _words(block.data, order, at + 8, 8)
    if not words or not 0 < words[0] <= MOST_FUNCTIONS:
        return None
    if magic == _GO_1_2:
        return _Table(block.data, order, words[0], at, at + 12, at, 0)
    if magic == _GO_1_16:
        return _Table(block.data, order, words[0], at + words[2], at + words[6], at + words[6], 0)
    address = block.address + at
    text = words[2] or _find_text(blocks, order, address, address + words[3])
    return _Table(block.data, order, words[0], at + words[3], at + words[7], at + words[7], text) if text else None


def _find_text(blocks: Sequence[Segment], order: str, table: int, names: int) -> int:
    """Start of the text out of `moduledata`, whose first two words are the addresses of table and names."""
    if not 0 <= table <= MASK or not 0 <= names <= MASK:
        return 0
    pattern = struct.pack(order + "2I", table, names)
    for block in blocks:
        at = block.data.find(pattern)
        words = _words(block.data, order, at, _MODULE_TEXT + 1) if at >= 0 else ()
        if words:
            return words[_MODULE_TEXT]
    return 0


def _functions(table: _Table) -> Iterator[tuple[str, int]]:
    """Name and address of each function; the reading ends where the table is damaged."""
    room = MOST_NAMES_BYTES
    for k in range(table.functions):
        row = _words(table.data, table.order, table.rows + 8 * k, 2)
        record = _words(table.data, table.order, table.records + row[1], 2) if row else ()
        if not row or not record:
            return
        name = _name(table, record[1])
        address = table.text + row[0]
        room -= len(name)
        if not name or address > MASK or address % 4 or room < 0:
            return
        yield name, address


def _name(table: _Table, offset: int) -> str:
    start = table.names + offset
    end = table.data.find(b"\0", start, start + MOST_NAME_BYTES)
    return table.data[start:end].decode("utf-8", "replace") if end > 0 else ""


def _words(data: bytes, order: str, at: int, count: int) -> tuple[int, ...]:
    """`count` words at an offset; empty where they do not lie within the data."""
    return struct.unpack_from(f"{order}{count}I", data, at) if 0 <= at <= len(data) - 4 * count else ()

