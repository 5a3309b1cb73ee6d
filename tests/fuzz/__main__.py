"""`make fuzz`: every target in a process of its own, for its share of the time; ends with 1 if one found something.

    python -m tests.fuzz [--seconds 900] [--megabytes 1024] [TARGET…]

Findings are left in out/fuzz/TARGET; the table on stdout has inputs, branches and the peak of memory of each target.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz import one

OUT = Path("out") / "fuzz"


def main() -> int:
    """Run all targets; returns the exit code."""
    one.load()
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=900, help="in all; ten minutes at least are a long run")
    parser.add_argument("--megabytes", type=int, default=1024, help="a target may use")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    given = parser.parse_args()
    names = given.targets or list(TARGETS)
    share = max(1, given.seconds // len(names))
    print(f"{'target':<20}{'seconds':>8}{'inputs':>12}{'branches':>10}{'peak MB':>9}  result", flush=True)
    memory = Path("/dev/shm")  # files of a thousand inputs a second
    with tempfile.TemporaryDirectory(prefix="btcl2-fuzz-", dir=memory if memory.is_dir() else None) as folder:
        tempfile.tempdir = folder
        found = [name for name in names if _has_findings(name, share, given.megabytes)]
    return int(bool(found))


def _has_findings(name: str, seconds: int, megabytes: int) -> bool:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("found-*"):
        old.unlink()
    code = _fuzz_apart(name, seconds, megabytes, folder)
    said = (folder / "log.txt").read_text(errors="replace")
    found = code != 0 or any(folder.glob("found-*"))
    result = f"FOUND, see {folder}" if found else "nothing found"
    runs, peak = (_last(rf"stat::{what}:\s*(\d+)", said) for what in ("number_of_executed_units", "peak_rss_mb"))
    branches = _last(r" cov: (\d+)", said)
    print(f"{name:<20}{seconds:>8}{runs:>12}{branches:>10}{peak:>9}  {result}", flush=True)
    return found


def _fuzz_apart(name: str, seconds: int, megabytes: int, folder: Path) -> int:
    """In a child of this process, which has loaded everything; its exit code."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        one.fuzz(name, seconds, megabytes, folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return found[-1] if found else "?"


if __name__ == "__main__":
    sys.exit(main())
