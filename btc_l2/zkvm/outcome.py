"""What an instruction sees and what it answers: the values between the machine and the files in `instructions/`.

Both are plain values, so that an instruction is a pure function and `challenger/disprove` can mirror it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from btc_l2.zkvm import layout

Endian = Literal["big", "little"]

MASK = 0xFFFF_FFFF
RUNNING = 0
EXITED = 0x8000_0000  # STATUS of an exit, the code in the low byte
TRAPPED = 0xC000_0000  # STATUS of a trap, the cause in the low byte

# Causes of traps: field ExcCode of the Cause register, MIPS32 Vol. III, table 9.31
ADDRESS_LOAD, ADDRESS_STORE, SYSCALL, BREAKPOINT, RESERVED_INSTRUCTION, OVERFLOW, TRAP = 4, 5, 8, 9, 10, 12, 13


class Control(NamedTuple):
    """The eight words of leaf C."""

    pc: int = 0
    npc: int = 0  # address of the instruction after this one
    hi: int = 0
    lo: int = 0
    heap: int = 0  # no instruction touches it
    status: int = RUNNING
    ll: int = 0  # address | 1 while a load-link stands
    tls: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """All that one instruction may look at."""

    word: int  # the instruction
    a: int  # value of rs ($4 for SYSCALL 0 to 3)
    b: int  # value of rt
    control: Control
    memory: int  # word at `address & ~3`; 0 for instructions without an access or with a forbidden one
    endian: Endian
    key: bytes  # leaf G1


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one instruction may change."""

    control: Control
    dest: int = 0  # register written, 0 if none
    result: int = 0  # its value, 0 if none
    address: int | None = None  # aligned address of an allowed access
    store: int | None = None  # new word there; None for a load
    key: bytes = b""  # new node of the slot at `address`, MAP only


def proceed(control: Control) -> Control:
    """Ordinary control: the next instruction becomes this one."""
    return control._replace(pc=control.npc, npc=control.npc + 4 & MASK)


def branch(control: Control, target: int) -> Control:
    """Control after a taken branch: the delay slot first, then `target`."""
    return control._replace(pc=control.npc, npc=target & MASK)


def write(control: Control, dest: int, result: int) -> Outcome:
    """Write a register and go on; a write to $0 is none."""
    return Outcome(control, dest, result if dest else 0)


def trap(control: Control, cause: int) -> Outcome:
    """Stop with a cause; nothing else changes."""
    return Outcome(control._replace(status=TRAPPED | cause))


def signed(word: int) -> int:
    """The word as a two's complement number."""
    return (word ^ 0x8000_0000) - 0x8000_0000


def may_load(address: int) -> bool:
    """Whether a load or fetch at this address is allowed."""
    return layout.PROGRAM_START <= address < layout.RESERVED_PAGE


def may_store(address: int) -> bool:
    """Whether a store at this address is allowed."""
    return layout.PROGRAM_START <= address < layout.PROGRAM_END


def byte_shift(address: int, endian: Endian) -> int:
    """Bits below the addressed byte in its word: 24, 16, 8, 0 in a big-endian guest, else 0, 8, 16, 24."""
    return 8 * ((address ^ (3 if endian == "big" else 0)) & 3)
