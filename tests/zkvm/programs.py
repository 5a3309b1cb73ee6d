"""Machines for the tests: words at an address, registers by number, random programs that run for a while."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from btc_l2.zkvm.isa import BY_NAME, INSTRUCTIONS, RD, RS, RT, Instruction
from btc_l2.zkvm.outcome import Control, Endian
from btc_l2.zkvm.state import Machine

CODE = 0x0040_0000
DATA = 0x0050_0000
MASK = 0xFFFF_FFFF
EDGE_VALUES = (0, 1, 2, 31, 32, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, MASK)

_BASES = (28, 29, 30)  # registers that random programs keep: they point to data
_CALM_GROUPS = (
    "arithmetic",
    "logic",
    "shift",
    "compare",
    "move",
    "muldiv",
    "bitfield",
    "memory",
    "unaligned",
    "branch",
)
_CALM = tuple(
    row
    for row in INSTRUCTIONS
    if row.group in _CALM_GROUPS and row.name not in ("JR", "JALR", "J", "JAL", "ADD", "SUB")
)


def machine_with(
    words: Sequence[int], registers: Mapping[int, int] | None = None, endian: Endian = "big", **control: int
) -> Machine:
    """A machine about to run `words`, which stand at CODE."""
    machine = Machine(endian)
    for k, word in enumerate(words):
        machine.store_word(CODE + 4 * k, word)
    for number, value in (registers or {}).items():
        machine.set_register(number, value)
    machine.control = Control(pc=CODE, npc=CODE + 4)._replace(**control)
    return machine


def encode(name: str, **fields: int) -> int:
    """Word of an instruction; fields rs rt rd sa by value, `low` for the 16 low bits, `index` for the 26."""
    word = BY_NAME[name].match
    for field, shift in (("rs", 21), ("rt", 16), ("rd", 11), ("sa", 6)):
        word |= fields.get(field, 0) << shift
    return word | fields.get("low", 0) & 0xFFFF | fields.get("index", 0) & 0x03FF_FFFF


def random_word(rnd: random.Random, row: Instruction) -> int:
    """Any word of a row."""
    return rnd.getrandbits(32) & ~row.mask | row.match


def random_value(rnd: random.Random) -> int:
    """A register value: often a border case, often small, often anything."""
    kind = rnd.random()
    if kind < 0.3:
        return rnd.choice(EDGE_VALUES)
    return rnd.getrandbits(32) if kind < 0.8 else rnd.getrandbits(8)


def random_program(rnd: random.Random, length: int) -> list[int]:
    """Instructions that mostly do not trap: accesses through $28 to $30, short branches, no jump through a register."""
    return [_calm_word(rnd, rnd.choice(_CALM), k, length) for k in range(length)]


def random_machine(rnd: random.Random, length: int, endian: Endian) -> Machine:
    """A random program with random data and registers."""
    registers = {k: random_value(rnd) for k in range(1, 32)} | dict.fromkeys(_BASES, DATA + 4096)
    machine = machine_with(random_program(rnd, length), registers, endian, hi=random_value(rnd), lo=random_value(rnd))
    for k in range(64):
        machine.store_word(DATA + 0x1000 - 128 + 4 * k, random_value(rnd))
    return machine


def _calm_word(rnd: random.Random, row: Instruction, position: int, length: int) -> int:
    word = random_word(rnd, row)
    word = _spare_bases(word)
    if row.access != "none":
        offset = rnd.randrange(-32, 32) * 4 + (
            0 if row.name in ("LW", "SW", "LL", "SC") else rnd.choice((0, 0, 1, 2, 3))
        )
        if row.name in ("LH", "LHU", "SH"):
            offset &= ~1
        word = word & ~RS & ~0xFFFF | rnd.choice(_BASES) << 21 | offset & 0xFFFF
    elif row.group == "branch":
        target = rnd.randrange(length)
        word = word & ~0xFFFF | target - position - 1 & 0xFFFF
    elif row.name in ("EXT", "INS"):
        low, high = sorted((rnd.randrange(32), rnd.randrange(32)))
        word = word & ~0xFFC0 | (high - low if row.name == "EXT" else high) << 11 | low << 6
    return word | row.match


def _spare_bases(word: int) -> int:
    """Keep $28 to $31 out of the fields that may be targets."""
    for mask, shift in ((RT, 16), (RD, 11)):
        if (word & mask) >> shift >= 28:
            word &= ~(4 << shift)
    return word
