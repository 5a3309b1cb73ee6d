"""The default tests themselves: how long they take here, and which of them fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.figure import Figure, at_most, timed

COMMAND = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not long")
MOST_NAMED = 10  # failing tests on the page


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    done, seconds = timed(lambda: subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True))
    yield at_most("default tests, two processes", seconds / 60, "min", 15)
    yield Figure("their result", summary_of(done.stdout), "none fails", done.returncode == 0)


def summary_of(output: str) -> str:
    """pytest's last line, then the names of what failed, as one cell of a table."""
    lines = output.strip().splitlines() or ["no output"]
    failed = [words[1] for words in map(str.split, lines) if words[:1] in (["FAILED"], ["ERROR"]) and len(words) > 1]
    named = [f"`{name}`" for name in failed[:MOST_NAMED]] + ["…"] * (len(failed) > MOST_NAMED)
    return "; ".join([lines[-1], *named]).replace("|", "/")
