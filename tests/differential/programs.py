"""Random machines in five kinds, for whoever compares two implementations, and what a run of them reached.

calm       ordinary instructions, data through three base registers, short branches; seldom traps
jumping    the same with J, JAL, JR, JALR into the program and instructions of every kind in delay slots
rewriting  stores of instructions into the program itself, often to the next instruction or the delay slot
scattered  the program stands at a border of the address map, bases point around all borders
wild       words of any row, words beside the table, any values
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.isa import INSTRUCTIONS, SPECIAL, SPECIAL2, SPECIAL3
from btc_l2.zkvm.layout import CLAIM, KERNEL_ENTRY, PROGRAM_END, PROGRAM_START, REGION_LEVEL, STATEMENT, slot_region
from btc_l2.zkvm.outcome import Control, Endian
from btc_l2.zkvm.page import words_of_bytes
from btc_l2.zkvm.state import Machine
from tests.zkvm.programs import CODE, DATA, MASK, encode, random_program, random_value, random_word

Words = list[int]

BORDERS = (0, PROGRAM_START, 0x8000_0000, PROGRAM_END, 0xC400_0000, 0xFC00_0000, STATEMENT, CLAIM, 0xFFFF_F000)
PLACES = (
    PROGRAM_START, 0x0FFF_FFE0, 0x7FFF_FFC0, KERNEL_ENTRY + 0x40, PROGRAM_END - 0x60, 0xC000_0000, 0xC7FF_FFA0,
    0xFC00_0000, STATEMENT, CLAIM, 0xFFFF_EFA0,
)  # fmt: skip
BLOB = bytes(range(256)) * 64
REGIONS = ("null", "program", "slot", "zero", "statement", "claim", "reserved")
_STARTS = (0, PROGRAM_START, PROGRAM_END, 0xFC00_0000, STATEMENT, CLAIM, 0xFFFF_F000)
_TARGETS = (24, 25, 26, 27)  # registers with addresses of the program
_NEW_WORDS = (20, 21, 22, 23)  # registers with instructions
_BASES = (28, 29, 30)
_STORES = ("SW", "SW", "SW", "SB", "SH", "SWL", "SWR", "SC")


def calm(rnd: random.Random, length: int) -> Words:
    """As in `tests.zkvm.programs`."""
    return random_program(rnd, length)


def jumping(rnd: random.Random, length: int) -> Words:
    """A fifth of the words are jumps; what follows one is as often a jump too."""
    words = [_spare(word) for word in random_program(rnd, length)]
    for k in range(length):
        if rnd.random() < 0.2:
            words[k] = _jump(rnd, length)
    return words


def rewriting(rnd: random.Random, length: int) -> Words:
    """A fifth of the words store into the program, most of them near by."""
    words = [_spare(word) for word in random_program(rnd, length)]
    for k in range(length):
        if rnd.random() < 0.2:
            target = k + rnd.randrange(-2, 4) if rnd.random() < 0.7 else rnd.randrange(length)
            low = 4 * min(max(target, 0), length - 1) + (rnd.randrange(4) if rnd.random() < 0.1 else 0)
            words[k] = encode(rnd.choice(_STORES), rs=_TARGETS[0], rt=rnd.choice(_NEW_WORDS), low=low)
    return words


def wild(rnd: random.Random, length: int) -> Words:
    """Half of them calm, so that there is a course to disturb."""
    words = random_program(rnd, length)
    for k in range(length):
        kind = rnd.random()
        if kind < 0.35:
            words[k] = random_word(rnd, rnd.choice(INSTRUCTIONS))
        elif kind < 0.45:
            words[k] ^= 1 << rnd.randrange(32)
        elif kind < 0.5:
            words[k] = rnd.getrandbits(32) if rnd.random() < 0.5 else rnd.getrandbits(20) << 6 | 0x0C
    return words


KINDS: Mapping[str, Callable[[random.Random, int], Words]] = {
    "calm": calm, "jumping": jumping, "rewriting": rewriting, "scattered": wild, "wild": wild,
}  # fmt: skip


def random_machine(kind: str, rnd: random.Random, endian: Endian, length: int = 100) -> Machine:
    """A machine of a kind, about to run its program."""
    place = rnd.choice(PLACES) if kind == "scattered" else CODE
    machine = Machine(endian, {blob_root(BLOB, endian): BLOB})
    if kind in ("scattered", "wild"):
        for slot in (1, 14):
            machine.write_node(REGION_LEVEL, slot_region(slot), blob_root(BLOB, endian))
    for k, word in enumerate(KINDS[kind](rnd, length)):
        machine.store_word(place + 4 * k & MASK, word)
    for address in (DATA, *(border for border in BORDERS if border not in (0, 0xC400_0000, 0xFFFF_F000))):
        for k in range(-8, 8):
            if not place <= address + 4 * k < place + 4 * length:
                machine.store_word(address + 4 * k, random_value(rnd))
    machine.store_word(KERNEL_ENTRY, encode("JR", rs=26))
    machine.store_word(KERNEL_ENTRY + 4, encode("ADDIU", rs=2, rt=2, low=1))
    machine.registers = _registers(kind, rnd, place, length, endian)
    machine.control = Control(
        pc=place, npc=place + 4, hi=random_value(rnd), lo=random_value(rnd), heap=random_value(rnd),
        ll=rnd.choice((0, DATA | 1)), tls=random_value(rnd),
    )  # fmt: skip
    return machine


def resume(machine: Machine) -> None:
    """After a trap or an exit: go on behind the instruction, at CODE where nothing can be fetched there."""
    control = machine.control
    pc = control.npc if control.npc % 4 == 0 and PROGRAM_START <= control.npc < 0xFFFF_F000 else CODE
    machine.control = control._replace(status=0, pc=pc, npc=pc + 4)


def region_of(address: int) -> str:
    """Row of the address map."""
    return REGIONS[sum(address >= start for start in _STARTS) - 1]


@dataclass(slots=True)
class Reached:
    """What steps of the readable machine came upon: how often by name."""

    rows: Counter[str] = field(default_factory=Counter)
    in_delay_slots: Counter[str] = field(default_factory=Counter)
    causes: Counter[int] = field(default_factory=Counter)  # of traps
    fetched: Counter[str] = field(default_factory=Counter)  # regions of pc, those of traps included
    accessed: Counter[str] = field(default_factory=Counter)  # rows and regions of allowed accesses, such as "LW slot"
    rewritten: int = 0  # instructions that the program itself has stored
    _stored: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Another machine."""
        self._stored.clear()

    def note(self, claim: StepClaim) -> None:
        """One step."""
        before = claim.before
        name = decode(claim.instruction).name
        self.fetched[region_of(before.pc)] += 1
        if claim.after.status & 0xFFFF_FF00 == 0xC000_0000:
            self.causes[claim.after.status & 0xFF] += 1
        self.rows[name] += 1
        if before.npc != before.pc + 4:
            self.in_delay_slots[name] += 1
        self.rewritten += before.pc in self._stored
        if claim.address:
            self.accessed[f"{name} {region_of(claim.address)}"] += 1
        if claim.old != claim.new:
            self._stored.add(claim.address)


def _spare(word: int) -> int:
    """Keep $20 to $31 out of the fields that may be targets, where these are no part of the opcode."""
    row = decode(word)
    by_register = word >> 26 in (SPECIAL, SPECIAL2, SPECIAL3) and row.name not in ("EXT", "INS")
    for shift in (16, 11) if by_register else (16,):
        if word >> shift & 31 >= 20 and not row.mask >> shift & 31:
            word &= ~(16 << shift)
    return word


def _jump(rnd: random.Random, length: int) -> int:
    if rnd.random() < 0.5:
        return encode(rnd.choice(("J", "JAL")), index=CODE // 4 + rnd.randrange(length))
    return (
        encode("JR", rs=rnd.choice(_TARGETS)) if rnd.random() < 0.5 else encode("JALR", rs=rnd.choice(_TARGETS), rd=31)
    )


def _registers(kind: str, rnd: random.Random, place: int, length: int, endian: Endian) -> list[int]:
    values = [0, *(random_value(rnd) for _ in range(31))]
    for number in _BASES:
        values[number] = DATA + 4096 if kind != "scattered" else rnd.choice(BORDERS) + rnd.randrange(-64, 64) & MASK
    if kind in ("jumping", "rewriting"):
        for number, word in zip(_NEW_WORDS, random_program(rnd, len(_NEW_WORDS)), strict=True):
            values[number] = word
        for number in _TARGETS:
            values[number] = place + 4 * rnd.randrange(length)
        values[_TARGETS[0]] = place if kind == "rewriting" else values[_TARGETS[0]]
    if kind in ("scattered", "wild") and rnd.random() < 0.5:
        values[4] = rnd.randrange(17)
        values[8:16] = [int(w) for w in words_of_bytes(blob_root(BLOB, endian), "little")]
    return values
