"""What `python -m regtest.…` programs share: results on stdout, an error as one line on stderr, its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from taproot.errors import BtcL2Error


def run_program(work: Callable[[], Iterable[str]]) -> int:
    """Print each result as it comes; 0, or the exit code of the error that ended it."""
    try:
        for line in work():
            print(line)
    except BtcL2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
