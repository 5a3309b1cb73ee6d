"""Targets that read programs and the folders of their traces; see `targets`."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from btc_l2.zkvm import fast, snapshot_index
from btc_l2.zkvm.elf import Elf, Segment, parse_elf, write_elf
from btc_l2.zkvm.gosymbols import find_go_symbols
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.linux import linux_image
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.translate.hotlist import read_hot_list
from tests.zkvm.linux_calls import elf_of, kernel
from tests.zkvm.programs import CODE, encode, machine_with

_WORDS = [encode("ADDIU", rs=0, rt=2, low=7), encode("SW", rs=29, rt=2, low=4), encode("BREAK")]
_STACK = 0x7000_0000


def elf(data: bytes) -> None:
    read = parse_elf(data)
    assert parse_elf(write_elf(read)).segments == read.segments
    if sum(segment.size for segment in read.segments) < 1 << 22:
        Image.from_elf(data).root()


def linux(data: bytes) -> None:
    """As a Linux program: its headers are read again, its first stack is made."""
    image = linux_image(data, kernel(parse_elf(data).endian))
    assert image.entry


def go_symbols(data: bytes) -> None:
    for endian in _ORDERS:
        found = find_go_symbols([Segment(CODE, data, len(data))], endian)
        assert all(0 <= address < 1 << 32 for address in found.values())


def trace(data: bytes) -> None:
    """The index of a trace's folder with all checksums made to fit; the pages are those of the seed."""
    machine = machine_with(_WORDS, {29: _STACK}, "big")
    with tempfile.TemporaryDirectory(prefix="btcl2-fuzz-") as name:
        folder = Path(name) / "trace"
        folder.mkdir()
        (folder / "index").write_bytes(_fitting(data))
        (folder / "pages").write_bytes(_trace()[1])
        read = Trace(machine, 1, directory=folder)
        try:
            read.run(2)
            read.root_at(1)
        finally:
            read.close()
            fast._free.clear()  # an arena holds every page that any machine of the process has touched


def hot_list(data: bytes) -> None:
    found = read_hot_list(data.decode("latin-1"))
    assert len(found) <= len(data)


_ORDERS: tuple[Endian, ...] = ("big", "little")


def _fitting(data: bytes) -> bytes:
    """The records as their lengths say, each with the checksum of what it holds."""
    header, frame = snapshot_index._HEADER.size, snapshot_index._FRAME
    before = snapshot_index._checksum(data[:header])
    parts, at = [data[:header], before], header + len(before)
    while at + frame.size <= len(data):
        length, _ = frame.unpack_from(data, at)
        body = data[at + frame.size : at + frame.size + length]
        before = snapshot_index._checksum(before + body)
        parts += [frame.pack(length, before), body]
        at += frame.size + length
    return b"".join(parts)


# ---- seeds -----------------------------------------------------------------------------------------------------------


@cache
def _trace() -> tuple[bytes, bytes]:
    """Index and pages of two snapshots."""
    with tempfile.TemporaryDirectory(prefix="btcl2-fuzz-") as name:
        folder = Path(name) / "trace"
        made = Trace(machine_with(_WORDS, {29: _STACK}, "big"), 1, directory=folder)
        made.run(2)
        made.close()
        return (folder / "index").read_bytes(), (folder / "pages").read_bytes()


def elves() -> list[bytes]:
    plain = [elf_of(_WORDS, b"some data", endian) for endian in _ORDERS]
    segments = (Segment(CODE, struct.pack(">3I", *_WORDS), 12),)
    return [*plain, write_elf(Elf("big", CODE, segments, {"_start": CODE, "main": CODE + 4}))]


def go_tables() -> list[bytes]:
    """A table of Go 1.20 with one function."""
    head = struct.pack(">I4B", 0xFFFF_FFF1, 0, 0, 4, 4) + struct.pack(">8I", 1, 0, CODE, 40, 40, 40, 40, 60)
    return [head + b"main.main\0".ljust(20, b"\0") + np.array([0, 8, 64, 0, 0, 1], ">u4").tobytes()]


def traces() -> list[bytes]:
    return [_trace()[0]]


def hot_lists() -> list[bytes]:
    return [b"# two blocks\n10000 8 c\n"]
