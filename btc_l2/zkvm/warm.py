"""Compile the machine into the cache: `python -m btc_l2.zkvm.warm` once after the installation.

Without it the first run of a guest waits some seconds for the compiler.
"""

from __future__ import annotations

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.state import Machine


def warm() -> None:
    """Compile (or load from the cache) every compiled function."""
    machine = Machine("big")
    machine.control = machine.control._replace(pc=0x1_0000, npc=0x1_0004)
    run(machine, 2)
    machine.root()
    machine.node(1, 0)


if __name__ == "__main__":
    warm()
