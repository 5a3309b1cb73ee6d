"""A board for QEMU's system emulators on which a state of our machine runs: memory, translation table, first registers.

The machine has 4 GiB of addresses of its own, a MIPS core has fixed ones. So virtual addresses are mapped by wired TLB
entries ("MIPS32 Vol. III", chapters 4 and 9); only 0x8000_0000 … 0xBFFF_FFFF is translated by the core itself, both
halves to the first 512 MiB. A boot program in the last 64 KiB of these writes the TLB, loads all registers and enters
the guest with ERET. Exceptions go there too. The handler does what SYSCALL 0, 2 and 3 do (the blob of a slot stands
there from the start) and goes back; at every other exception it stays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from btc_l2.zkvm.layout import PAGE_BYTES, REGION_PAGES
from btc_l2.zkvm.memory import Memory
from btc_l2.zkvm.outcome import SYSCALL, Endian
from btc_l2.zkvm.page import Page, bytes_of_words
from btc_l2.zkvm.state import Machine
from tests.zkvm.programs import encode

BOOT = 0x9FFF_0000  # boot program and, as EBase, exception vectors
MEMORY = "1856M"
_RESERVED_PAGE_NUMBER = 0xFFFFF
_TABLE = BOOT + 0x8000  # register values
ENTRY, REFILL, VECTOR, _ENTER, _SKIP = BOOT + 0x300, BOOT, BOOT + 0x180, BOOT + 0x240, BOOT + 0x280
STAYS = BOOT + 0x220
_FIXED_START, _FIXED_END, _FIXED_MASK = 0x8000_0000, 0xC000_0000, 0x1FFF_FFFF
# CP0 registers as (number, select)
_INDEX, _LO0, _LO1, _PAGE_MASK, _WIRED, _HI = (0, 0), (2, 0), (3, 0), (5, 0), (6, 0), (10, 0)
_STATUS, _CAUSE, _EPC, _EBASE, _USER_LOCAL = (12, 0), (13, 0), (14, 0), (15, 1), (4, 2)
_ERROR_EPC, _DESAVE = (30, 0), (31, 0)  # where the handler keeps $26 and $27
_TLBWI, _ERET, _SELF, _NOP = 0x4200_0002, 0x4200_0018, 0x1000_FFFF, 0
_CACHED_DIRTY_VALID_GLOBAL = 3 << 3 | 7
_AT, _K0, _K1 = 1, 26, 27


@dataclass(frozen=True, slots=True)
class Window:
    """Two neighbouring pages of one TLB entry: `size` bytes each, the second one only if `both`."""

    virtual: int
    physical: int
    size: int
    both: bool = False


WINDOWS = (
    Window(0x0000_0000, 0x2000_0000, 1 << 28),  # program
    Window(0x2000_0000, 0x3000_0000, 1 << 28),  # heap of Linux programs
    Window(0x4000_0000, 0x4000_0000, 1 << 28),  # and what Go reserves
    Window(0x7000_0000, 0x5000_0000, 1 << 24, True),  # stack, far end
    Window(0x7E00_0000, 0x5200_0000, 1 << 24, True),  # stack
    Window(0xC000_0000, 0x6000_0000, 1 << 26, True),  # map slots 0 and 1
    Window(0xC800_0000, 0x6800_0000, 1 << 26, True),  # 2 and 3
    Window(0xFFFF_C000, 0x7000_0000, 1 << 12, True),  # statement
    Window(0xFFFF_E000, 0x7000_2000, 1 << 12),  # claim
)


def physical(address: int) -> int | None:
    """Where a virtual address stands; None outside of all windows."""
    if _FIXED_START <= address < _FIXED_END:
        return address & _FIXED_MASK
    for window in WINDOWS:
        if window.virtual <= address < window.virtual + window.size * (1 + window.both):
            return address - window.virtual + window.physical
    return None


def board_elf(machine: Machine, mapped: Memory | None = None) -> bytes:
    """An ELF file with physical addresses for QEMU's generic loader: the machine's memory, and the boot program.

    What is mapped in `mapped` stands in its slots.
    """
    pages = [
        (place, bytes_of_words(page.words, machine.endian))
        for number, page in (*_pages(machine.memory), *_mapped_pages(mapped or machine.memory))
        if (place := physical(number * PAGE_BYTES)) is not None
    ]
    registers = (*machine.registers, machine.control.hi, machine.control.lo)
    parts = {
        ENTRY: _boot_program(machine), REFILL: (_SELF, _NOP), VECTOR: _handler(), STAYS: (_SELF, _NOP),
        _ENTER: _enter(), _SKIP: _skip(), _TABLE: registers,
    }  # fmt: skip
    order = _order(machine.endian)
    image = bytearray(_TABLE - BOOT + 4 * len(registers))
    for address, words in parts.items():
        struct.pack_into(f"{order}{len(words)}I", image, address - BOOT, *words)
    return _elf(order, ENTRY, [*pages, (BOOT & _FIXED_MASK, bytes(image))])


def _pages(memory: Memory) -> Iterator[tuple[int, Page]]:
    """All pages but the reserved one, which is none of the guest's."""
    return ((number, memory.page(number)) for number in memory.page_numbers() if number != _RESERVED_PAGE_NUMBER)


def _mapped_pages(memory: Memory) -> Iterator[tuple[int, Page]]:
    for region in memory.nodes:
        yield from ((region * REGION_PAGES + number, page) for number, page in memory.region_pages(region).items())


def _boot_program(machine: Machine) -> list[int]:
    """TLB, status, exception base, thread pointer, entry, then the registers."""
    words = [*_load(_AT, len(WINDOWS)), _move_to(_AT, _WIRED)]
    for index, window in enumerate(WINDOWS):
        words += _write_tlb(index, window)
    words += [*_load(_AT, BOOT), _move_to(_AT, _EBASE)]
    words += [*_load(_AT, machine.control.tls), _move_to(_AT, _USER_LOCAL)]
    words += [*_load(_AT, machine.control.pc), _move_to(_AT, _EPC)]
    words += [*_load(_AT, 0x0000_0002), _move_to(_AT, _STATUS)]  # EXL, for ERET; kernel mode, no interrupts
    words += [*_load(_K0, _TABLE)]
    words += [encode("LW", rs=_K0, rt=_AT, low=128), encode("MTHI", rs=_AT)]
    words += [encode("LW", rs=_K0, rt=_AT, low=132), encode("MTLO", rs=_AT)]
    words += [encode("LW", rs=_K0, rt=number, low=4 * number) for number in range(1, 32) if number != _K0]
    return [*words, encode("LW", rs=_K0, rt=_K0, low=4 * _K0), _ERET]


def _handler() -> list[int]:
    """At the exception vector: SYSCALL 0 to _ENTER, 2 and 3 to _SKIP, all else to STAYS, also in delay slots."""
    words = [_move_to(_K0, _ERROR_EPC), _move_to(_K1, _DESAVE), _move_from(_K0, _CAUSE)]
    words += [_go(VECTOR + 4 * len(words), STAYS, "BLTZ", rs=_K0), encode("ANDI", rs=_K0, rt=_K0, low=0x7C)]
    words += [encode("ADDIU", rt=_K1, low=SYSCALL << 2)]
    words += [_go(VECTOR + 4 * len(words), STAYS, "BNE", rs=_K0, rt=_K1), _move_from(_K0, _EPC)]
    words += [encode("LW", rs=_K0, rt=_K0)]
    for call, target in ((0x0C, _ENTER), (0x8C, _SKIP), (0xCC, _SKIP)):
        words += [encode("ADDIU", rt=_K1, low=call)]
        words += [_go(VECTOR + 4 * len(words), target, "BEQ", rs=_K0, rt=_K1), _NOP]
    return [*words, _go(VECTOR + 4 * len(words), STAYS, "BEQ"), _NOP]


def _go(here: int, target: int, name: str, **registers: int) -> int:
    return encode(name, low=target - here - 4 >> 2, **registers)


def _enter() -> list[int]:
    """SYSCALL 0: $26 := address behind the call; go on at the kernel's entry."""
    words = [_move_from(_K0, _EPC), encode("ADDIU", rs=_K0, rt=_K0, low=4), encode("LUI", rt=_K1, low=0x8000)]
    return [*words, _move_to(_K1, _EPC), _move_from(_K1, _DESAVE), _ERET]


def _skip() -> list[int]:
    """SYSCALL 2 and 3: go on behind the call."""
    words = [_move_from(_K0, _EPC), encode("ADDIU", rs=_K0, rt=_K0, low=4), _move_to(_K0, _EPC)]
    return [*words, _move_from(_K0, _ERROR_EPC), _move_from(_K1, _DESAVE), _ERET]


def _write_tlb(index: int, window: Window) -> list[int]:
    second = _entry_lo(window.physical + window.size) if window.both else 1  # global, not valid
    values = (
        (_INDEX, index), (_PAGE_MASK, (window.size - 1 & ~0xFFF) << 1), (_HI, window.virtual),
        (_LO0, _entry_lo(window.physical)), (_LO1, second),
    )  # fmt: skip
    words = [word for register, value in values for word in (*_load(_AT, value), _move_to(_AT, register))]
    return [*words, _TLBWI]


def _entry_lo(address: int) -> int:
    return address >> 12 << 6 | _CACHED_DIRTY_VALID_GLOBAL


def _load(register: int, value: int) -> list[int]:
    return [encode("LUI", rt=register, low=value >> 16), encode("ORI", rs=register, rt=register, low=value)]


def _move_to(register: int, control: tuple[int, int]) -> int:
    return 0x4080_0000 | register << 16 | control[0] << 11 | control[1]


def _move_from(register: int, control: tuple[int, int]) -> int:
    return 0x4000_0000 | register << 16 | control[0] << 11 | control[1]


def _order(endian: Endian) -> str:
    return ">" if endian == "big" else "<"


def _elf(order: str, entry: int, segments: Sequence[tuple[int, bytes]]) -> bytes:
    """System V ABI, "Object Files": one PT_LOAD for each (physical address, bytes)."""
    start = 52 + 32 * len(segments)
    ident = b"\x7fELF" + bytes([1, 2 if order == ">" else 1, 1]) + bytes(9)
    header = struct.pack(order + "HHIIIIIHHHHHH", 2, 8, 1, entry, 52, 0, 0x7000_1000, 52, 32, len(segments), 40, 0, 0)
    rows, offset = b"", start
    for address, data in segments:
        rows += struct.pack(order + "8I", 1, offset, address, address, len(data), len(data), 7, 1)
        offset += len(data)
    return ident + header + rows + b"".join(data for _, data in segments)
