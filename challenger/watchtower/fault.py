"""Faults on purpose: `BTCL2_FAULT=POINT:N` kills the process with SIGKILL when it comes to a point the N-th time.

Points stand around everything that must not be torn apart: commits to the disk and what leaves the process. So tests
end a watchtower where a power failure would; without the variable a point costs one look into the environment.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "BTCL2_FAULT"
POINTS = ("store.blocks", "store.rewind", "journal.before", "journal.after", "send.before", "send.after", "tick.end")
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die here if the environment says so."""
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
