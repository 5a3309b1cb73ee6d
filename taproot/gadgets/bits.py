"""Small gadgets on nibbles and bits. A nibble is a script number that is proven to be 0…15."""

from __future__ import annotations

from taproot.script import Op, Script, ScriptError, roll_within, script
from taproot.script.script import Part


def nibble_bit(bit: int) -> Script:
    """One bit of a nibble (0 = least significant): the bits above it are subtracted first.

    stack:  nibble  →  bit
    """
    if not 0 <= bit <= 3:
        raise ScriptError(f"a nibble has no bit {bit}")
    parts: list[Part] = []
    for higher in range(3, bit, -1):
        parts += [Op.DUP, 2**higher - 1, Op.GREATERTHAN, *[Op.DUP, Op.ADD] * higher, Op.SUB]
    if bit:
        parts += [2**bit - 1, Op.GREATERTHAN]
    return script(*parts)


def swap_if() -> Script:
    """Exchange two items if a proven bit is 1.

    stack:  x y bit  →  x y        or        y x
    """
    return roll_within(1)


def double() -> Script:
    """stack:  n  →  2·n"""
    return script(Op.DUP, Op.ADD)


def times(factor: int) -> Script:
    """stack:  n  →  factor·n        (copies of n below, doubling and adding above)"""
    bits = bin(factor)[3:]
    doubled = [op for bit in bits for op in (Op.DUP, Op.ADD, *([Op.ADD] if bit == "1" else []))]
    return script(*[Op.DUP] * bits.count("1"), *doubled)


def verify_below(limit: int) -> Script:
    """Fail unless a number from the witness is 0…limit−1.

    stack:  n  →  n
    """
    return script(Op.DUP, 0, limit, Op.WITHIN, Op.VERIFY)
