"""Every guest, instruction by instruction, on QEMU's cores and on ours: pc, HI, LO and all registers are equal.

Programs for the bare machine and, with the micro kernel, programs for Linux. A guest that is added to the manifest is
compared without further ado.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from btc_l2.guests import Guest, find_guest, list_guests
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.instructions import SEMANTICS
from btc_l2.zkvm.memory import Memory
from btc_l2.zkvm.outcome import SYSCALL, Outcome
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


@pytest.mark.parametrize("name", ["ADDU", "SLTU", "SRL", "XOR", "LBU", "BNE"])
def test_a_machine_with_one_wrong_row_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = SEMANTICS[name]
    monkeypatch.setitem(SEMANTICS, name, lambda situation: bent(right(situation)))
    with pytest.raises(AssertionError, match="state "):
        compare(find_guest("fibonacci"), 2_000)


def bent(outcome: Outcome) -> Outcome:
    """Another result; for branches another target."""
    control = outcome.control._replace(npc=outcome.control.npc ^ 4)
    return replace(outcome, result=outcome.result ^ 1) if outcome.dest else replace(outcome, control=control)


@pytest.mark.long
@pytest.mark.timeout(1800)
@GUESTS
def test_a_guest_goes_through_millions_of_states_of_qemus_core(guest: Guest) -> None:
    assert compare(guest, LONG) == min(LONG, guest.steps)
