"""The states that our machine goes through, in the form of `qemu.Trace`."""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.oracles.qemu import COLUMNS, States


def reference_states(machine: Machine, steps: int) -> States:
    """States before each of up to `steps` readable steps; the machine is run."""
    rows: list[tuple[int, ...]] = []
    while len(rows) < steps and not machine.exited:
        rows.append(_row(machine))
        step(machine)
    return _rows(rows)


def kernel_states(machine: Machine, steps: int, every: int) -> States:
    """The states at positions 0, every, 2·every … by the fast machine, which is run."""
    rows = []
    for _ in range(0, steps, every):
        rows.append(_row(machine))
        run(machine, every)
    return _rows(rows)


def assert_equal(ours: States, theirs: States) -> None:
    """Where they part first is said: column numbers as in `qemu.States`."""
    common = min(len(ours), len(theirs))
    apart = np.flatnonzero((ours[:common] != theirs[:common]).any(axis=1))
    if len(apart):
        k = int(apart[0])
        columns = [(int(c), hex(ours[k, c]), hex(theirs[k, c])) for c in np.flatnonzero(ours[k] != theirs[k])]
        raise AssertionError(f"state {k}, behind pc {int(ours[max(k - 1, 0), 0]):#x}: {columns}")
    assert len(ours) == len(theirs)


def _row(machine: Machine) -> tuple[int, ...]:
    control = machine.control
    return (control.pc, control.hi, control.lo, *machine.registers)


def _rows(rows: list[tuple[int, ...]]) -> States:
    return np.array(rows, dtype=np.uint32).reshape(-1, COLUMNS)
