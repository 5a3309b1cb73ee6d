"""Fetch a bitcoind into a folder: `make bitcoind`. Debian 12 has none; Debian unstable has Bitcoin Knots."""

from __future__ import annotations

import sys
from pathlib import Path

from regtest.debian import CACHE, Programs, unpack
from taproot.errors import BtcL2Error

BITCOIND = Programs(
    ("bitcoin-knots",), "unstable", ("bitcoind", "bitcoin-cli"), "or set BITCOIND to a bitcoind of your own"
)
DEFAULT_FOLDER = CACHE / "bitcoind"


def install(folder: Path = DEFAULT_FOLDER) -> Path:
    """The path of a bitcoind that runs. About 27 MB of download; Unavailable where they cannot be had."""
    return unpack(BITCOIND, folder)


def main() -> int:
    """Install into the project's cache; stdout gets the path of bitcoind."""
    try:
        print("bitcoind: fetching Bitcoin Knots from Debian unstable", file=sys.stderr)
        print(install())
    except BtcL2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
