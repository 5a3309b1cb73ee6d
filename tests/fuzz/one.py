"""One target under atheris (libFuzzer with the branches of our code), or under random changes where there is none.

    python -m tests.fuzz.one TARGET SECONDS MEGABYTES FOLDER

Ends with 0 if nothing was found, 1 after a crash; libFuzzer has its own codes for an input that hangs or eats memory.
The input of a finding is left in FOLDER.
"""

from __future__ import annotations

import importlib.util
import io
import random
import resource
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path

HANG = 20  # seconds for one input
MOST_INPUT = 65_536  # bytes
OURS = ["taproot", "btc_l2", "challenger"]
UNCOUNTED = ["btc_l2.zkvm.trace", "btc_l2.zkvm.snapshots"]  # atheris' counters there leak 20 kB at each input
HAS_ATHERIS = importlib.util.find_spec("atheris") is not None


def load() -> None:
    """Import targets and parsers, with counters of their branches if atheris is there: some seconds, needed once."""
    if HAS_ATHERIS:
        import atheris

        counted = atheris.instrument_imports(include=OURS, exclude=UNCOUNTED, enable_loader_override=False)
        with redirect_stderr(io.StringIO()), counted:
            import tests.fuzz.targets
    import tests.fuzz.targets  # noqa: F401


def fuzz(name: str, seconds: int, megabytes: int, folder: Path) -> None:
    """Fuzz a target; the process ends with it. `load` comes before."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    (_with_atheris if HAS_ATHERIS else _at_random)(name, seconds, megabytes, folder)


def _with_atheris(name: str, seconds: int, megabytes: int, folder: Path) -> None:
    import atheris

    from tests.fuzz import targets

    seeds = targets.TARGETS[name].seeds()
    for k, seed in enumerate(seeds):
        (folder / f"seed-{k}").write_bytes(seed)
    longest = max(MOST_INPUT, 2 * max(map(len, seeds)))
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={megabytes}", f"-timeout={HANG}", f"-max_len={longest}",
               f"-artifact_prefix={folder}/found-", "-print_final_stats=1", f"-report_slow_units={HANG}"]  # fmt: skip
    atheris.Setup(["fuzz", *options, str(folder)], lambda data: _run(name, data, folder))
    atheris.Fuzz()


def _run(name: str, data: bytes, folder: Path) -> None:
    from tests.fuzz import targets

    try:
        targets.run(name, data)
    except BaseException:
        (folder / "found-crash").write_bytes(data)
        raise


def _at_random(name: str, seconds: int, megabytes: int, folder: Path) -> None:
    """Seeds with random changes: slower to find, but everywhere."""
    from tests.fuzz import targets

    resource.setrlimit(resource.RLIMIT_AS, (4 * megabytes << 20, 4 * megabytes << 20))
    dice, seeds, until, runs = random.Random(name), targets.TARGETS[name].seeds(), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = _changed(dice, dice.choice(seeds))
        runs += 1
        _run(name, data, folder)
    print(f"stat::number_of_executed_units: {runs}", file=sys.stderr)
    print(f"stat::peak_rss_mb: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}", file=sys.stderr)


def _changed(dice: random.Random, seed: bytes) -> bytes:
    content = bytearray(seed)
    for _ in range(dice.randint(1, 8)):
        at = dice.randint(0, len(content))
        content[at : at + dice.randint(0, 8)] = dice.randbytes(dice.randint(0, 8))
    return bytes(content)


if __name__ == "__main__":
    load()
    fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
