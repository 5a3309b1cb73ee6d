"""Compilers are programs: run one, show what it said if it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from taproot.errors import VerificationFailed


def compile_with(*command: str | Path, folder: Path, settings: Mapping[str, str] | None = None) -> None:
    """Run a compiler in a folder; VerificationFailed with its words if it does not accept the source."""
    words, environment = [str(part) for part in command], {**os.environ, **(settings or {})}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise VerificationFailed(f"{Path(command[0]).name} fails:\n{done.stdout}{done.stderr}mend the source")


def find_line(*command: str, settings: Mapping[str, str] | None = None) -> str | None:
    """First line that a program prints; None where it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(settings or {})})
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else None
