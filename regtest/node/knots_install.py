"""Fetch a bitcoind into a folder: `make bitcoind`. Debian 12 has none; Debian unstable has Bitcoin Knots."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from regtest.node.debian import CACHE, Programs, unpack
from regtest.node.program import run_program

BITCOIND = Programs(
    ("bitcoin-knots",), "unstable", ("bitcoind", "bitcoin-cli"), "or set BITCOIND to a bitcoind of your own"
)
DEFAULT_FOLDER = CACHE / "bitcoind"


def install(folder: Path = DEFAULT_FOLDER) -> Path:
    """The path of a bitcoind that runs. About 27 MB of download; Unavailable where they cannot be had."""
    return unpack(BITCOIND, folder)


def main() -> Iterator[str]:
    """Install into the project's cache; the path of bitcoind."""
    print("bitcoind: fetching Bitcoin Knots from Debian unstable", file=sys.stderr)
    yield str(install())


if __name__ == "__main__":
    sys.exit(run_program(main))
