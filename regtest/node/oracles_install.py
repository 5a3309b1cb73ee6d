"""Fetch QEMU's MIPS emulators, the oracles of the machine, into a folder: `make oracles` (`docs/spec/oracles.md`).

The suite is fixed, so that everybody compares with the same QEMU: 7.2, the one of Debian 12. Programs for Linux need
the user emulators, per-instruction traces the system emulators.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from regtest.node.debian import CACHE, Programs, unpack
from regtest.node.program import run_program

NAMES = ("qemu-system-mips", "qemu-system-mipsel", "qemu-mips", "qemu-mipsel")
QEMU = Programs(
    ("qemu-system-mips", "qemu-user"), "bookworm", NAMES, "or install qemu-system-mips and qemu-user of your system"
)
DEFAULT_FOLDER = CACHE / "oracles"


def find_oracle(name: str, folder: Path = DEFAULT_FOLDER) -> Path | None:
    """Path of one of NAMES: on PATH (static builds of the user emulators count), else unpacked here, else None."""
    for candidate in (name, f"{name}-static"):
        if found := shutil.which(candidate):
            return Path(found)
    unpacked = folder / "bin" / name
    return unpacked if unpacked.is_file() else None


def install(folder: Path = DEFAULT_FOLDER) -> None:
    """Make each of NAMES a program that `find_oracle` finds; Unavailable where that cannot be done."""
    if any(find_oracle(name, folder) is None for name in NAMES):
        print("oracles: fetching QEMU from Debian 12", file=sys.stderr)
        unpack(QEMU, folder)


def main() -> Iterator[str]:
    """Install into the project's cache; the paths."""
    install()
    yield from (str(find_oracle(name)) for name in NAMES)


if __name__ == "__main__":
    sys.exit(run_program(main))
