"""Scenes: machines that are about to execute an instruction of a given row, on operands worth trying.

A scene stands where a program's image stands in a game: the machine before the first step. It may be any state, so
every row of the instruction table is in reach, traps, exited machines and bad program counters included.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from btc_l2.zkvm.blobs import Blobs
from btc_l2.zkvm.decode import decode, operand_registers, signed_immediate
from btc_l2.zkvm.isa import BY_NAME, REMAINDERS
from btc_l2.zkvm.layout import CLAIM, CLAIM_BYTES, G1
from btc_l2.zkvm.outcome import MASK, Control, Endian, may_load, may_store
from btc_l2.zkvm.state import Machine
from challenger.game.semantics import BAD_FETCH, EXITED

CLASSES = (*BY_NAME, EXITED, BAD_FETCH)
CLAIM_TEXT = bytes(range(1, CLAIM_BYTES + 1))
MOST_PRELUDE = 4  # no-ops before the step in question
EDGES = (
    0, 1, 2, 3, 4, 7, 8, 0xF, 0x10, 0x1F, 0x20, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x0FFF_FFFF, 0x1000_0000,
    0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xBFFF_FFFC, 0xBFFF_FFFF, 0xC000_0000, 0xFFFF_8000, 0xFFFF_EFFC,
    0xFFFF_F000, 0xFFFF_F080, 0xFFFF_FFFC, 0xFFFF_FFFE, 0xFFFF_FFFF,
)  # fmt: skip
_TARGETS = (0x1_0000, 0xFFFC, 0xBFFF_FFFC, 0xC000_0000, 0xFFFF_D000, 0xFFFF_EFFC, 0xFFFF_F000, 0xFFFF_F080, 0)
_PCS = (0x1_0000, 0x8000_0000, 0xBFFF_FFC0)
_BAD_PCS = (0, 2, 0xFFFC, 0xFFFF_F000, 0xFFFF_F080, 0xFFFF_FFFC, 0x1_0001, 0x1_0002)
_LEFT_OVER = frozenset(row.name for row in REMAINDERS)


@dataclass(frozen=True, slots=True)
class Scene:
    """A machine before its first step; `at`: the step that executes the row. It can stand for a program's image."""

    row: str
    first: Machine
    at: int

    @property
    def endian(self) -> Endian:
        """Byte order of the guest."""
        return self.first.endian

    def machine(self, claim: bytes = b"", blobs: Blobs | None = None) -> Machine:
        """The machine with a claim, as `Image.machine`."""
        machine = self.first.copy()
        machine.write_bytes(CLAIM, claim)
        return machine

    def root(self) -> bytes:
        """Root with a zero claim, as `Image.root`."""
        return self.machine(bytes(CLAIM_BYTES)).root()


def any_word(rng: random.Random) -> int:
    """A word: at a boundary, near one, small, or anywhere."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.getrandbits(32)
    edge = rng.choice(EDGES)
    return edge if kind < 3 else edge + rng.randrange(-40, 41) & MASK


def word_of_row(row: str, rng: random.Random) -> int:
    """An instruction word that decodes to the row."""
    if row not in BY_NAME:
        return rng.getrandbits(32)
    known = BY_NAME[row]
    while True:
        word = rng.getrandbits(32) & ~known.mask & MASK | known.match
        if row not in _LEFT_OVER or decode(word).name == row:
            return word


def make_scene(row: str, rng: random.Random, endian: Endian = "big") -> Scene:
    """A machine whose step `at` executes an instruction of the row (or has none to execute: EXITED, BAD_FETCH)."""
    word = word_of_row(row, rng)
    at = 0 if row == BAD_FETCH else rng.choice((0, 0, *range(1, MOST_PRELUDE + 1)))
    machine = Machine(endian)
    for number in range(1, 32):
        machine.set_register(number, any_word(rng))
    pc = _place_program(machine, row, word, at, rng)
    _place_operands(machine, row, word, rng)
    machine.control = _control(row, pc, at, rng)
    return Scene(row, machine, at)


def _place_program(machine: Machine, row: str, word: int, at: int, rng: random.Random) -> int:
    """No-ops (zero words), the word, and something after it; returns where the machine starts."""
    if row == BAD_FETCH:
        return rng.choice((*_BAD_PCS, rng.getrandbits(32) | 1))
    pc = rng.choice((*_PCS, 0x40_0000 + 4 * rng.randrange(1 << 16), 4 * rng.randrange(0x4000, 0x3000_0000)))
    after = [word, *(word_of_row(rng.choice(("ADDIU", "XOR", "ORI")), rng) for _ in range(4))]
    for k, value in enumerate([0] * at + after):
        machine.store_word(pc + 4 * k & MASK, value)
    return pc


def _place_operands(machine: Machine, row: str, word: int, rng: random.Random) -> None:
    known = BY_NAME.get(row)
    ra, rb = operand_registers(word)
    if row == "SYSCALL_MAP":
        machine.set_register(4, rng.choice((*range(17), any_word(rng))))
        machine.write_leaf(G1, rng.randbytes(32))
    elif known is not None and known.access in ("load", "store"):
        target = rng.choice((*_TARGETS, 0x50_0000, 0x50_0000, 0x50_0000)) + rng.randrange(32) & MASK
        if ra:
            machine.set_register(ra, target - signed_immediate(word) & MASK)
        _fill(machine, machine.register(ra) + signed_immediate(word) & MASK, machine.control.pc, rng)
    elif ra and rb and rng.randrange(3) == 0:
        machine.set_register(ra, machine.register(rb))


def _fill(machine: Machine, address: int, pc: int, rng: random.Random) -> None:
    """Content where the access goes, if the guest may read there, in its program memory and not in its program."""
    if may_load(address) and may_store(address) and machine.load_word(address) == 0:
        machine.store_word(address, rng.getrandbits(32))


def _control(row: str, pc: int, at: int, rng: random.Random) -> Control:
    npc = pc + 4 & MASK if at or rng.randrange(2) else any_word(rng) & ~3
    ll = rng.choice((0, any_word(rng), 0x50_0001))
    status = rng.choice((0x8000_0000, 0xC000_0004, 0x8000_0001, 1, MASK)) if row == EXITED else 0
    return Control(pc, npc, any_word(rng), any_word(rng), any_word(rng), status, ll, any_word(rng))
