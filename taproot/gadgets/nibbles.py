"""Single nibbles: tests of their low bits by folding. No table, no abort, whatever 0…15 the nibble is."""

from __future__ import annotations

from taproot.script import Op, Script, script

# Each fold |x − 2^k| maps the nibbles of equal low bits onto each other.
_FOLD = script(8, Op.SUB, Op.ABS, 4, Op.SUB, Op.ABS, 2, Op.SUB, Op.ABS)  # multiple of 4 → 2, other even → 0, odd → 1

EVEN: Script = _FOLD + script(Op.ONESUB, Op.ABS)
"""stack:  x  →  1 if x is even, else 0"""

ODD: Script = EVEN + script(Op.NOT)
"""stack:  x  →  1 if x is odd, else 0"""

MULTIPLE_OF_4: Script = _FOLD + script(2, Op.NUMEQUAL)
"""stack:  x  →  1 if x is 0, 4, 8 or 12, else 0"""

HIGH_BIT: Script = script(7, Op.GREATERTHAN)
"""stack:  x  →  1 if x ≥ 8, else 0"""


def low_bits_are(bits: int, value: int) -> Script:
    """Whether the lowest `bits` (1, 2 or 3) bits of a nibble are `value`.

    stack:  x  →  1 or 0
    """
    if bits == 1:
        return ODD if value else EVEN
    folded = script(value + 4, Op.SUB, Op.ABS)  # value, value + 8 → 4
    return folded + (script(4, Op.NUMEQUAL) if bits == 3 else _TWO_BITS)


_TWO_BITS = script(4, Op.SUB, Op.ABS, 2, Op.SUB, Op.ABS, 2, Op.NUMEQUAL)
