"""Every guest, instruction by instruction, on QEMU's cores and on ours: pc, HI, LO and all registers are equal.

Programs for the bare machine and, with the micro kernel, programs for Linux. A guest that is added to the manifest is
compared without further ado.
"""

from __future__ import annotations

import pytest

from btc_l2.guests import Guest, list_guests
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.memory import Memory
from btc_l2.zkvm.outcome import SYSCALL
from btc_l2.zkvm.state import Machine
from tests.oracles.qemu import trace
from tests.oracles.states import assert_equal, kernel_states, reference_states

BARE, LINUX, LONG = 100_000, 10_000, 2_000_000  # instructions
STEPS_OF_THE_KERNEL = 997  # at a time
MOST_STEPS_TO_A_MAP = 100_000

GUESTS = pytest.mark.parametrize("guest", list_guests(), ids=lambda guest: guest.name)


def mapped_by(machine: Machine) -> Memory:
    """Memory after the maps of the guest's start: on the board blobs stand in their slots from the start."""
    later = machine.copy()
    run(later, MOST_STEPS_TO_A_MAP)
    return later.memory


def compare(guest: Guest, instructions: int) -> int:
    """Run the guest's default statement on both; the number of instructions compared."""
    machine = guest.load_image().machine(blobs=guest.blobs())
    theirs = trace(machine, instructions, mapped_by(machine))
    compared = len(theirs.states)
    fast = kernel_states(machine.copy(), compared, STEPS_OF_THE_KERNEL)
    assert_equal(reference_states(machine, instructions), theirs.states)
    assert_equal(fast, theirs.states[::STEPS_OF_THE_KERNEL])
    assert theirs.cause == (SYSCALL if machine.exited else None)
    return compared


@GUESTS
def test_a_guest_goes_through_the_states_of_qemus_core(guest: Guest) -> None:
    wanted = LINUX if guest.kernel else BARE
    assert compare(guest, wanted) == min(wanted, guest.steps)


@pytest.mark.long
@pytest.mark.timeout(1800)
@GUESTS
def test_a_guest_goes_through_millions_of_states_of_qemus_core(guest: Guest) -> None:
    assert compare(guest, LONG) == min(LONG, guest.steps)
