"""What `make demo` takes after the set-up: both stories, each as a user starts it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most, plain, timed


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    honest, honest_seconds = timed(lambda: _play("honest"))
    fraud, fraud_seconds = timed(lambda: _play("fraud"))
    yield plain(f"honest story, {honest['steps']:,} steps", honest_seconds, "s")
    yield plain(f"fraud story, decided by leaf {fraud['leaf']}", fraud_seconds, "s")
    yield at_most("both", honest_seconds + fraud_seconds, "s", 90)
    yield plain("vbytes of the honest story", honest["total_vbytes"], "vB")
    yield plain("vbytes of the fraud story, two challengers", fraud["total_vbytes"], "vB")
    yield from _long_dispute()


def _long_dispute() -> Iterator[Figure]:
    """All parties together, keys, presigning by all and the runs of the program included: more than one party needs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _play("fraud", "--steps-log2", "32", "--lie", "map-node", "--guest", "blobsum")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield at_most("whole dispute at 2^32 steps down to a hash leaf, all parties: processor", spent, "s", 60)
    yield at_most("the same: memory of the one process", after.ru_maxrss >> 10, "MiB", 2048)


def _play(story: str, *options: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("btc-l2")), "demo", story, "--json", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document
