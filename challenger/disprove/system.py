"""SYSCALL by its code, RDHWR and MTC0 of UserLocal, and the hints that do nothing: PREF SYNC SYNCI.

Mirrors `btc_l2/zkvm/instructions/system.py`.
"""

from __future__ import annotations

from btc_l2.zkvm.layout import KERNEL_ENTRY, SLOT_BASE, SLOTS
from btc_l2.zkvm.outcome import EXITED, SYSCALL, TRAPPED
from challenger.disprove.control import (
    BAD,
    TRAP,
    WRONG,
    advance,
    advance_or_trap,
    collect,
    forget,
    require_running,
    stand,
    stand_still,
    stays,
)
from challenger.disprove.effect import (
    DIFFERS,
    into_number,
    into_rt,
    no_access,
    no_register,
    no_result,
    nothing_written,
    result_is,
    write,
    zero_if,
)
from taproot.gadgets.u32 import (
    TOP,
    Term,
    Word,
    double,
    expect_constant,
    expect_equal,
    expect_zero,
    nibble,
    nonzero,
    weigh,
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
    result_is(s, word("tls'"))
    stays(s, "tls")
    advance(s)

    s.from_alt(DIFFERS)
    into_rt(s)
    no_access(s)
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
    forget(s, "ll")
    expect_equal(s, word("npc"), word("result"))
    require_running(s)

    into_number(s, RETURN_OF_KERNEL)
    no_access(s)


def syscall_halt(s: Stack) -> None:
    """Code 1: exit with the low byte of $4; STATUS alone changes."""
    after = word("status'").items
    s.move(BAD)
    expect_constant(s, Word(after[2:]), EXITED >> 8)
    expect_equal(s, Word(after[:2]), Word(word("a").items[:2]))
    stand(s)

    nothing_written(s)


def syscall_map(s: Stack) -> None:
    """Code 2: the node of slot $4 := leaf G1; trap 8 if there is no such slot."""
    _push_no_slot(s)
    advance_or_trap(s, SYSCALL)

    no_register(s)
    _address_is_slot(s)
    no_result(s)
    _old_is_zero(s)


def syscall_nop(s: Stack) -> None:
    """Code 3: nothing; a host may stop here and take the image."""
    advance(s)

    nothing_written(s)


def syscall_other(s: Stack) -> None:
    """Any other code: trap 8."""
    stand_still(s, TRAPPED | SYSCALL)

    nothing_written(s)


def _push_no_slot(s: Stack) -> None:
    """stack:  →  1 if $4 > 14, else 0"""
    s.copy(_SLOT)
    s.push(SLOTS)
    s.op(Op.GREATERTHANOREQUAL, TRAP)
    expect_zero(s, _SLOT_ABOVE)


def _address_is_slot(s: Stack) -> None:
    """address = 0xC000_0000 + slot · 2^26: the top byte is 0xC0 + 4 · slot; 0 if `trap`."""
    weigh(s, [Term(Word(word("address").items[TOP - 1 :]))], "top byte", 1)
    s.move(_SLOT)
    double(s, 2)
    s.push(SLOT_BASE >> 24)
    s.op(Op.ADD, "expected")
    zero_if(s, TRAP)
    s.op(Op.SUB, WRONG)
    collect(s)
    expect_zero(s, Word(word("address").items[: TOP - 1]))


def _old_is_zero(s: Stack) -> None:
    """old = 0 unless `trap`: a MAP has no memory word."""
    nonzero(s, word("old", keep=True), "some")
    s.move(TRAP)
    s.op(Op.GREATERTHAN, WRONG)
    collect(s)
