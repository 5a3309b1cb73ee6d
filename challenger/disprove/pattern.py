"""Which instruction words a leaf is for: `word & mask == match`, else it fails."""

from __future__ import annotations

from btc_l2.zkvm.isa import FUNCTION, OPCODE
from challenger.disprove.control import BAD
from taproot.gadgets.nibbles import low_bits_are
from taproot.gadgets.u32 import NIBBLES, Word, digits_of, nibble, nonzero, word
from taproot.script import Op, Script, Stack, script

SYSCALL_FUNCTION = 0x0C
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


def require_syscall_other(s: Stack) -> None:
    """As `require_pattern` for SYSCALL with a code above 3: some bit of 25…8 is set.

    stack:  instruction… (anything) bad  →  bad
    """
    nonzero(s, Word(word("instruction").items[2:7], keep=True), "code")  # nibble 6 has two bits of the code left
    s.op(Op.VERIFY)
    require_pattern(s, OPCODE | FUNCTION, SYSCALL_FUNCTION)


def _require(mask: int, match: int) -> Script:
    """stack:  nibble  →  (nothing); fails unless nibble & mask == match"""
    if mask == 0:
        return script(Op.DROP)
    if mask == 15:
        return script(match, Op.NUMEQUALVERIFY)
    if mask in _TOP_BITS:
        return script(match, match + 16 - mask, Op.WITHIN, Op.VERIFY)
    return low_bits_are(_LOW_BITS[mask], match) + script(Op.VERIFY)
