"""SYSCALL by its code, RDHWR and MTC0 of UserLocal, and the hints that do nothing: PREF SYNC SYNCI.

The machine knows no operating system: code 0 enters the guest's own kernel, 1 halts, 2 maps a blob, 3 marks the end
of boot (`docs/spec/machine.md`, "SYSCALL").
"""

from __future__ import annotations

from btc_l2.zkvm.decode import rt
from btc_l2.zkvm.layout import KERNEL_ENTRY, REGION_BYTES, SLOT_BASE, SLOTS
from btc_l2.zkvm.outcome import EXITED, SYSCALL, Outcome, Situation, proceed, trap, write

RETURN_OF_KERNEL = 26  # $26, k0: compilers never use it


def mtc0_userlocal(s: Situation) -> Outcome:
    """TLS := rt."""
    b = s.b

    tls = b

    return Outcome(proceed(s.control)._replace(tls=tls))


def pref(s: Situation) -> Outcome:
    """Prefetch: nothing, whatever the address."""
    return Outcome(proceed(s.control))


def rdhwr(s: Situation) -> Outcome:
    """rt := TLS (hardware register 29)."""
    tls = s.control.tls

    result = tls

    return write(proceed(s.control), rt(s.word), result)


def sync(s: Situation) -> Outcome:
    """Barrier: nothing, one thread sees its own order."""
    return Outcome(proceed(s.control))


def synci(s: Situation) -> Outcome:
    """Make instruction writes effective: nothing, fetches always see memory; whatever the address."""
    return Outcome(proceed(s.control))


def syscall_enter(s: Situation) -> Outcome:
    """Code 0: $26 := address of the next instruction; go to the guest's kernel; a load-link is broken."""
    back = s.control.npc

    result = back

    control = s.control._replace(pc=KERNEL_ENTRY, npc=KERNEL_ENTRY + 4, ll=0)
    return Outcome(control, RETURN_OF_KERNEL, result)


def syscall_halt(s: Situation) -> Outcome:
    """Code 1: exit with the low byte of $4; STATUS alone changes."""
    code = s.a & 0xFF

    status = EXITED | code

    return Outcome(s.control._replace(status=status))


def syscall_map(s: Situation) -> Outcome:
    """Code 2: the node of slot $4 := leaf G1; trap 8 if there is no such slot."""
    slot, key = s.a, s.key
    if slot >= SLOTS:
        return trap(s.control, SYSCALL)

    address = SLOT_BASE + slot * REGION_BYTES

    return Outcome(proceed(s.control), address=address, key=key)


def syscall_nop(s: Situation) -> Outcome:
    """Code 3: nothing; a host may stop here and take the image."""
    return Outcome(proceed(s.control))


def syscall_other(s: Situation) -> Outcome:
    """Any other code: trap 8."""
    return trap(s.control, SYSCALL)
