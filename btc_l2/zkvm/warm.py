"""Compile the machine into the cache: `python -m btc_l2.zkvm.warm` once after the installation.

Without it the first run of a guest waits some seconds for the compiler.
"""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.state import Machine


def is_compiled() -> bool:
    """Whether `warm` only loads from the cache (or at least not everything has to be compiled)."""
    from btc_l2.zkvm.jit import has_cache

    return has_cache()


def warm() -> None:
    """Compile (or load from the cache) every compiled function."""
    machine = Machine("big")
    machine.control = machine.control._replace(pc=0x1_0000, npc=0x1_0004)
    run(machine, 2)
    machine.root()
    machine.node(1, 0)
    _warm_translated()


def _warm_translated() -> None:
    """The entry point of the translated tier, which no run without a tier calls."""
    from btc_l2.zkvm.kernel.loop import run_translated

    words, marks, rows = np.zeros(8, dtype=np.uint32), np.zeros(8, dtype=np.uint8), np.zeros(2, dtype=np.uint64)
    run_translated(words, words, words, marks, marks, np.uint32(0), np.int64(0), rows, rows)


if __name__ == "__main__":
    warm()
