"""An image: a program as it is loaded, before any step (`docs/spec/machine.md`, "Image, statement, claim").

Its root with the statement written and a zero claim is a constant of a presigned graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from btc_l2.zkvm.elf import Elf, Segment, parse_elf, write_elf
from btc_l2.zkvm.layout import (
    CLAIM,
    CLAIM_BYTES,
    PAGE_BYTES,
    PROGRAM_END,
    PROGRAM_START,
    STATEMENT,
    STATEMENT_BYTES,
)
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.page import Page, bytes_of_words, pages_of_bytes
from btc_l2.zkvm.state import Machine
from taproot.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Image:
    """A loaded program. The pages are shared with every machine made from it and never written."""

    endian: Endian
    entry: int
    pages: Mapping[int, Page]  # by address / 4096, program memory only
    symbols: Mapping[str, int] = field(default_factory=dict)
    statement: bytes = b""

    @classmethod
    def from_elf(cls, data: bytes, statement: bytes = b"") -> Image:
        """Load an ELF file; InvalidInput says what is wrong with it."""
        elf = parse_elf(data)
        pages = _load(elf.segments, elf.endian)
        return cls(elf.endian, elf.entry, pages, elf.symbols).with_statement(statement)

    @classmethod
    def from_raw(cls, data: bytes, address: int, endian: Endian, entry: int | None = None) -> Image:
        """Load plain bytes at an address; the first of them is the entry unless another is named."""
        start = address if entry is None else entry
        if address < PROGRAM_START or address + len(data) > PROGRAM_END:
            raise InvalidInput(
                f"{len(data)} bytes at {address:#x} do not fit; programs live in {PROGRAM_START:#x} … "
                f"{PROGRAM_END:#x}; choose another address"
            )
        if start % 4 or not address <= start < address + len(data):
            raise InvalidInput(f"entry {start:#x} is no instruction of the program; choose an aligned address in it")
        return cls(endian, start, _load((Segment(address, data, len(data)),), endian))

    @classmethod
    def from_machine(cls, machine: Machine) -> Image:
        """The memory of a machine as an image that starts where it stands, with registers and control otherwise zero.

        InvalidInput if it has stopped, stands in a delay slot or has registers that an image cannot keep.
        """
        control = machine.control
        fresh = control._replace(pc=0, npc=0)
        if any(machine.registers) or any(fresh) or control.npc != control.pc + 4 or machine.memory.nodes:
            raise InvalidInput(
                "the machine cannot become an image; registers, control words or mapped slots are in use; let the "
                "guest save and clear them before its end-of-boot mark"
            )
        numbers = [n for n in machine.memory.page_numbers() if n < PROGRAM_END // PAGE_BYTES]
        machine.memory.share()
        pages = {n: machine.memory.page(n) for n in numbers if machine.memory.page(n).words.any()}
        return cls(machine.endian, control.pc, pages)

    def with_statement(self, statement: bytes) -> Image:
        """The same program with another statement of up to 4,096 bytes."""
        if len(statement) > STATEMENT_BYTES:
            raise InvalidInput(f"a statement has {len(statement)} bytes; its page holds {STATEMENT_BYTES}; shorten it")
        return replace(self, statement=statement)

    def machine(self, claim: bytes = b"", blobs: Mapping[bytes, bytes] | None = None) -> Machine:
        """The machine before its first step, with a claim of up to 128 bytes; `blobs` by root is what it may map."""
        if len(claim) > CLAIM_BYTES:
            raise InvalidInput(f"a claim has {len(claim)} bytes; its leaves hold {CLAIM_BYTES}; shorten it")
        machine = Machine(self.endian, blobs)
        machine.put_pages(list(self.pages), list(self.pages.values()))
        machine.write_bytes(STATEMENT, self.statement)
        machine.write_bytes(CLAIM, claim)
        machine.control = machine.control._replace(pc=self.entry, npc=self.entry + 4)
        return machine

    def root(self) -> bytes:
        """Root of the state with the statement and a zero claim."""
        return self.machine().root()

    def to_elf(self) -> bytes:
        """The program as an ELF file (the statement is no part of it); `from_elf` gives the same image again."""
        return write_elf(Elf(self.endian, self.entry, tuple(self.segments()), self.symbols))

    def segments(self) -> list[Segment]:
        """The content of its pages: maximal runs of them as bytes, by address."""
        segments = []
        for first, last in _runs(sorted(self.pages)):
            data = b"".join(bytes_of_words(self.pages[n].words, self.endian) for n in range(first, last))
            segments.append(Segment(first * PAGE_BYTES, data, len(data)))
        return segments


def _load(segments: tuple[Segment, ...], endian: Endian) -> dict[int, Page]:
    """Pages of all segments by number; where two segments meet within a page, both are in it."""
    pages: dict[int, Page] = {}
    for segment in segments:
        lead = segment.address % PAGE_BYTES
        first = segment.address // PAGE_BYTES
        for number, page in pages_of_bytes(bytes(lead) + segment.data, endian).items():
            shared = pages.get(first + number)
            pages[first + number] = page if shared is None else Page(shared.words | page.words)
    return pages


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Maximal ranges [first, last) of consecutive numbers."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs
