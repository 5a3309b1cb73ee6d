"""The default tests themselves: how long they take here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.figure import Figure, at_most, timed

COMMAND = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not long")


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    done, seconds = timed(lambda: subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True))
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output"
    yield at_most("default tests, two processes", seconds / 60, "min", 15)
    yield Figure("their result", summary, "none fails", done.returncode == 0)
