"""What `make demo` takes after the set-up: both stories, each as a user starts it."""

from __future__ import annotations

import json
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


def _play(story: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("btc-l2")), "demo", story, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document
