"""Effective addresses: rs + sign-extended offset modulo 2^32 as two numbers of 16 bits, and what may be done there."""

from __future__ import annotations

from dataclasses import dataclass

from challenger.disprove.control import BAD, TRAP, WRONG, collect
from challenger.disprove.effect import zero_if
from challenger.disprove.immediate import COUNT, IMMEDIATE, SIGN
from taproot.gadgets.nibbles import EVEN, MULTIPLE_OF_4
from taproot.gadgets.u32 import Term, Word, double, negative, select, weigh, word
from taproot.script import Op, Script, Stack, script

ADDRESS = word("address")
HALF = 1 << 16
LOW_HALF, HIGH_HALF, LOW_BITS = "ea.low", "ea.high", "low bits"
BYTE = "byte"
PLACE = "place"
HIGHEST_PLACE = 6
_RESERVED = 0xF000  # lower half from which on the last 64 KiB may not be read
_PROGRAM_END = 0xC000  # upper half from which on nothing can be stored
_A = word("a")


@dataclass(frozen=True, slots=True)
class Size:
    """What an instruction loads or stores: its nibbles, and the test that low bits of an address must pass."""

    nibbles: int
    aligned: Script


BYTES, HALF_WORDS, WORDS = Size(2, script(Op.DROP, 1)), Size(4, EVEN), Size(8, MULTIPLE_OF_4)


def push_effective_address(s: Stack) -> None:
    """Consumes rs. `low bits` is congruent to the address modulo 4 and at most 30.

    stack:  →  ea.low ea.high low-bits
    """
    s.copy(_A.items[0])
    s.copy(IMMEDIATE.items[0])
    s.op(Op.ADD, LOW_BITS)
    s.to_alt()
    weigh(s, [Term(_A), Term(IMMEDIATE)], "sum", COUNT - 1)
    _split_carry(s, LOW_HALF)
    weigh(s, [Term(Word(_A.items[COUNT:]))], "high", COUNT - 1)
    s.op(Op.ADD)
    _push_upper_offset(s)
    s.op(Op.ADD, "sum")
    _split_carry(s, HIGH_HALF)
    s.drop()
    s.from_alt()


def trap_on_load(s: Stack, alignment: Script) -> None:
    """Where a load must trap: in the null guard, in the reserved page, and unaligned.

    stack:  low-bits  →  trap
    """
    _push_unaligned(s, alignment)
    s.copy(HIGH_HALF)
    s.op(Op.NOT)
    s.op(Op.BOOLOR)
    s.copy(HIGH_HALF)
    s.push(HALF - 1)
    s.op(Op.NUMEQUAL)
    s.copy(LOW_HALF)
    s.push(_RESERVED - 1)
    s.op(Op.GREATERTHAN)
    s.op(Op.BOOLAND)
    s.op(Op.BOOLOR, TRAP)


def trap_on_store(s: Stack, alignment: Script) -> None:
    """Where a store must trap: in the null guard, from the end of program memory on, and unaligned.

    stack:  low-bits  →  trap
    """
    _push_unaligned(s, alignment)
    s.copy(HIGH_HALF)
    s.push(1)
    s.push(_PROGRAM_END)
    s.op(Op.WITHIN)
    s.op(Op.NOT)
    s.op(Op.BOOLOR, TRAP)


def address_is_effective(s: Stack) -> None:
    """address is the effective one, 0 if `trap`. Cheapest with `address` on top of the claim; `trap` stays.

    stack:  address… ea.low ea.high trap bad  →  bad or wrong, trap
    """
    _push_differences(s)
    s.op(Op.BOOLOR, WRONG)
    s.from_alt(BAD)
    collect(s)
    s.from_alt(TRAP)


def address_is_word_of_effective(s: Stack) -> None:
    """address is that of the word which holds the effective one, 0 if `trap`. `trap` stays.

    stack:  address… ea.low ea.high trap bad  →  bad or wrong, byte (0…3, the place in the word), trap
    """
    s.copy(ADDRESS.items[0])
    s.run(MULTIPLE_OF_4, 1, ("aligned",))
    s.op(Op.NOT, WRONG)
    collect(s)
    _push_differences(s)
    s.op(Op.DUP, BYTE, BYTE)
    s.push(0)
    s.push(COUNT)
    s.op(Op.WITHIN)
    s.op(Op.NOT, "elsewhere")
    s.move("high")
    s.op(Op.BOOLOR, WRONG)
    s.from_alt(BAD)
    collect(s)
    s.move(BYTE)
    for limit, clamp in ((0, Op.MAX), (3, Op.MIN)):  # a false one must not lead out of range
        s.push(limit)
        s.op(clamp, BYTE)
    s.from_alt(TRAP)


def push_place(s: Stack, size: Size, big_endian: bool) -> None:
    """The nibbles of the word above the part that an address points to.

    stack:  byte  →  place (0…6)          for a half word −2…6, if the byte is none of it
    """
    s.move(BYTE)
    double(s)
    if not big_endian:
        s.push(8 - size.nibbles)
        s.op(Op.SWAP)
        s.op(Op.SUB)
    s.rename(PLACE)


def _push_differences(s: Stack) -> None:
    """How far the effective address, 0 if `trap`, is from `address`, in two halves.

    stack:  address… ea.low ea.high trap bad  →  high low; alt:  →  trap bad
    """
    for half in (LOW_HALF, HIGH_HALF):
        s.move(half)
        zero_if(s, TRAP)
    for name in (TRAP, BAD, LOW_HALF, HIGH_HALF):
        s.to_alt(name)
    weigh(s, [Term(Word(ADDRESS.items[COUNT:]))], "half", COUNT - 1)
    s.from_alt()
    s.op(Op.SUB, "high")
    s.from_alt()
    s.op(Op.SWAP)
    s.to_alt()
    s.to_alt()
    weigh(s, [Term(Word(ADDRESS.items[:COUNT]))], "half", COUNT - 1)
    s.from_alt()
    s.op(Op.SWAP)
    s.op(Op.SUB, "low")
    s.from_alt("high")
    s.op(Op.SWAP, "high", "low")


def _push_unaligned(s: Stack, alignment: Script) -> None:
    """stack:  low-bits  →  0 if they pass the test `alignment`, else 1"""
    s.emit(16, Op.SUB, Op.ABS)  # still congruent modulo 4 and 2, and at most 16: within the reach of the tests
    s.run(alignment, 1, ("aligned",))
    s.op(Op.NOT, "unaligned")


def _push_upper_offset(s: Stack) -> None:
    """stack:  →  the upper half of the sign-extended offset"""
    s.push(HALF - 1)
    s.push(0)
    negative(s, SIGN, "sign")
    select(s, "upper")


def _split_carry(s: Stack, name: str) -> None:
    """stack:  sum  →  sum mod 2^16, carry          where sum < 2^17"""
    s.rename("sum")
    s.push(HALF)
    s.push(0)
    s.copy("sum")
    s.push(HALF - 1)
    s.op(Op.GREATERTHAN, "carry")
    s.op(Op.DUP, "carry", "carry")
    s.to_alt()
    select(s, "carried")
    s.op(Op.SUB, name)
    s.from_alt()
