"""Which instruction words a leaf is for: `word & mask == match`, else it fails."""

from __future__ import annotations

from challenger.disprove.control import BAD
from taproot.gadgets.nibbles import low_bits_are
from taproot.gadgets.u32 import NIBBLES, digits_of, nibble
from taproot.script import Op, Script, Stack, script

_TOP_BITS = (8, 12, 14)
_LOW_BITS = {1: 1, 3: 2, 7: 3}


def require_pattern(s: Stack, mask: int, match: int) -> None:
    """Fail unless the instruction word fits; it must be the lowest of what is left, and all else but the flag goes.

    stack:  instruction… (anything) bad  →  bad
    """
    s.to_alt(BAD)
    s.drop_all(keep=NIBBLES)
    digits = list(zip(digits_of(mask), digits_of(match), strict=True))
    for i in reversed(range(NIBBLES)):
        assert s.main[-1] == nibble("instruction", i)
        s.run(_require(*digits[i]), 1)
    s.from_alt(BAD)


def _require(mask: int, match: int) -> Script:
    """stack:  nibble  →  (nothing); fails unless nibble & mask == match"""
    if mask == 0:
        return script(Op.DROP)
    if mask == 15:
        return script(match, Op.NUMEQUALVERIFY)
    if mask in _TOP_BITS:
        return script(match, match + 16 - mask, Op.WITHIN, Op.VERIFY)
    return low_bits_are(_LOW_BITS[mask], match) + script(Op.VERIFY)
