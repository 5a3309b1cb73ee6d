"""SYSCALL by its code, RDHWR and MTC0 of UserLocal, and the hints that do nothing: PREF SYNC SYNCI.

Mirrors `btc_l2/zkvm/instructions/system.py`.
"""

from __future__ import annotations

from btc_l2.zkvm.layout import KERNEL_ENTRY, SLOT_BASE, SLOTS
from btc_l2.zkvm.outcome import EXITED, SYSCALL, TRAPPED
from challenger.disprove.control import BAD, TRAP, WRONG, advance, advance_or_trap, collect, require_running, stand_still, stays
from challenger.disprove.effect import (
    RESULT,
    into_number,
    into_rt,
    no_access,
    no_register,
    no_result,
    nothing_written,
    write,
    zero_if,
)
from taproot.gadgets.u32 import (
    TOP,
    Word,
    differ,
    digits_of,
    double,
    expect_constant,
    expect_equal,
    expect_zero,
    nibble,
    nonzero,
    or_item,
    word,
)
from taproot.script import Op, Stack

RETURN_OF_KERNEL = 26
_SLOT, _SLOT_ABOVE = nibble("a", 0), Word(word("a").items[1:])


def mtc0_userlocal(s: Stack) -> None:
    """TLS := rt."""
    s.move(BAD)
    expect_equal(s, word("tls'"), word("b"))
    advance(s)

    nothing_written(s)


def pref(s: Stack) -> None:
    """Prefetch: nothing, whatever the address."""
    advance(s)

    nothing_written(s)


def rdhwr(s: Stack) -> None:
    """rt := TLS (hardware register 29)."""
    stays(s, "tls", keep=True)
    advance(s)

    into_rt(s)
    no_access(s)
    differ(s, RESULT, word("tls"), WRONG)
    write(s)


def sync(s: Stack) -> None:
    """Barrier: nothing, one thread sees its own order."""
    advance(s)

    nothing_written(s)


def synci(s: Stack) -> None:
    """Make instruction writes effective: nothing; whatever the address."""
    advance(s)

    nothing_written(s)


def syscall_enter(s: Stack) -> None:
    """Code 0: $26 := address of the next instruction; go to the guest's kernel; a load-link is broken."""
    s.move(BAD)
    expect_zero(s, word("ll'"))
    expect_constant(s, word("npc'"), KERNEL_ENTRY + 4)
    expect_constant(s, word("pc'"), KERNEL_ENTRY)
    expect_equal(s, word("result"), word("npc", keep=True))
    s.drop()
    require_running(s)

    into_number(s, RETURN_OF_KERNEL)
    no_access(s)
