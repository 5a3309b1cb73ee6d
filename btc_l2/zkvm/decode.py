"""From an instruction word to its row of the table, and to the values of its fields."""

from __future__ import annotations

from functools import lru_cache

from btc_l2.zkvm.isa import FUNCTION, INSTRUCTIONS, OPCODE, REMAINDERS, SYSCALL_WORDS, Instruction


@lru_cache(maxsize=1 << 14)
def decode(word: int) -> Instruction:
    """The only row that `word` belongs to; RESERVED or SYSCALL_OTHER if it matches no other row."""
    for row in (*_BY_OPCODE[word >> 26], *REMAINDERS):
        if word & row.mask == row.match:
            return row
    raise AssertionError("RESERVED matches every word")


def operand_registers(word: int) -> tuple[int, int]:
    """Registers whose values are the operands `a` and `b` of the step: rs and rt, but $4 for SYSCALL 0 to 3."""
    return (4 if word in SYSCALL_WORDS else rs(word)), rt(word)


def rs(word: int) -> int:
    """Bits 25 to 21: first source register, base of an address."""
    return word >> 21 & 31


def rt(word: int) -> int:
    """Bits 20 to 16: second source register, target of immediates and loads."""
    return word >> 16 & 31


def rd(word: int) -> int:
    """Bits 15 to 11: target register; most significant bit of INS, size − 1 of EXT."""
    return word >> 11 & 31


def sa(word: int) -> int:
    """Bits 10 to 6: shift amount; least significant bit of EXT and INS."""
    return word >> 6 & 31


def immediate(word: int) -> int:
    """Bits 15 to 0, zero-extended."""
    return word & 0xFFFF


def signed_immediate(word: int) -> int:
    """Bits 15 to 0, sign-extended to 32 bits and given as an unsigned word."""
    return ((word & 0xFFFF) ^ 0x8000) - 0x8000 & 0xFFFF_FFFF


_BY_OPCODE: tuple[tuple[Instruction, ...], ...] = tuple(
    tuple(row for row in INSTRUCTIONS if row.match >> 26 == opcode) for opcode in range(64)
)
assert all(row.mask & OPCODE == OPCODE for row in INSTRUCTIONS) and FUNCTION == 63
