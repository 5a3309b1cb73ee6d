"""The translated tier beside the interpreter, QEMU's user mode and Unicorn: the same work in the same run.

QEMU runs the same Go program built for Linux on MIPS (`-tags hosted`: statement from the environment, real system calls
in place of the micro kernel); its time for no rounds at all is taken off, which is start and translation, as our image
is taken after its boot. Compared is time for the same work: our steps over seconds of the processor for each of them.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.figure import Figure, absent, at_least, at_most, plain
from bench.peers import run_unicorn
from btc_l2.guests import Guest, find_guest
from btc_l2.translation import use_tier
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.warm import warm
from regtest.node.oracles_install import find_oracle
from taproot.errors import VerificationFailed

EXAMPLES = Path(__file__).resolve().parents[1] / "guest" / "examples"
GO_SETTINGS = {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": "mips", "GOMIPS": "softfloat", "GOFLAGS": ""}
SEED_BYTES = 32
ROUNDS = {"go-sha256": 60_000, "go-workload": 100}  # 576 and 724 million steps
TRIES = 3
UNENDING = (1 << 32) - 1  # rounds of the hash chain that nobody waits for
MOST_STEPS = 1 << 40


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    warm()
    for name, rounds in ROUNDS.items():
        yield from _go_guest(find_guest(name), rounds)
    yield from _beside_unicorn(find_guest("hashchain"))
    yield from _long_runs(find_guest("hashchain"))


def _go_guest(guest: Guest, rounds: int) -> Iterator[Figure]:
    statement = guest.statement[:SEED_BYTES] + rounds.to_bytes(4, guest.endian)
    _, seconds = _cpu_seconds(partial(use_tier, guest, True))
    yield plain(f"{guest.name}: translation (0 if cached)", seconds, "s")
    steps, interpreter, result = _best(guest, statement, False)
    steps_native, native, result_native = _best(guest, statement, True)
    if (steps, result) != (steps_native, result_native):
        raise VerificationFailed("the tier and the interpreter end differently; one is wrong; compare their states")
    yield at_least(f"{guest.name}, {steps:,} steps: interpreter", interpreter / 1e6, "M steps/s", 350)
    yield at_least(f"{guest.name}: translated tier", native / 1e6, "M steps/s", 3000)
    yield plain(f"{guest.name}: tier over interpreter", native / interpreter, "times")
    yield from _beside_qemu(guest, statement, steps, native, result)


def _best(guest: Guest, statement: bytes, translated: bool) -> tuple[int, float, bytes]:
    """Steps, steps per second of the best run, result."""
    speeds = []
    for _ in range(TRIES):
        machine = guest.load_image(statement).machine()
        steps, seconds = _cpu_seconds(partial(run, machine, MOST_STEPS, translated))
        speeds.append(steps / seconds)
    return steps, max(speeds), machine.read_bytes(guest.result_address, 32)


def _beside_qemu(guest: Guest, statement: bytes, steps: int, native: float, result: bytes) -> Iterator[Figure]:
    qemu, go = find_oracle("qemu-mips"), shutil.which("go")
    if qemu is None or go is None:
        yield absent(f"{guest.name}: qemu-mips", "no Go" if qemu else "no qemu-mips (apt-get install qemu-user)")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / guest.name
        command = [go, "build", "-tags", "hosted", "-trimpath", "-ldflags=-s -w", "-o", str(program), f"./{guest.name}"]
        subprocess.run(command, cwd=EXAMPLES, env={**os.environ, **GO_SETTINGS}, check=True)
        nothing = statement[:SEED_BYTES] + bytes(4)
        start = min(_qemu_seconds(qemu, program, nothing)[0] for _ in range(TRIES))
        runs = [_qemu_seconds(qemu, program, statement) for _ in range(TRIES)]
    if any(result.hex() not in said for _, said in runs):
        raise VerificationFailed("qemu-mips leaves another result than the machine; one is wrong; compare their states")
    theirs = steps / (min(seconds for seconds, _ in runs) - start)
    yield plain(f"{guest.name}: qemu-mips, the same work", theirs / 1e6, "M of our steps/s")
    yield at_least(f"{guest.name}: tier over qemu-mips", native / theirs, "times", 1)


def _qemu_seconds(qemu: Path, program: Path, statement: bytes) -> tuple[float, str]:
    """Seconds of the processor, and what the program said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(qemu), str(program)], env={"STATEMENT": statement.hex(), "GOMAXPROCS": "1"}, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def _beside_unicorn(guest: Guest) -> Iterator[Figure]:
    use_tier(guest, wait=True)
    _, native, result = _best(guest, guest.statement, True)
    yield plain(f"{guest.name}: translated tier", native / 1e6, "M steps/s")
    try:
        import unicorn
    except ImportError:
        yield absent(f"{guest.name}: Unicorn", "not installed; `make bench` fetches it")
        return
    theirs, their_result = run_unicorn(guest, unicorn)
    if their_result != result:
        raise VerificationFailed("Unicorn and the machine leave different results; one is wrong; compare their traces")
    yield plain(f"{guest.name}: tier over Unicorn {unicorn.__version__}", native / theirs, "times")


def _long_runs(guest: Guest) -> Iterator[Figure]:
    """Runs with snapshots, as a party of a dispute makes them."""
    statement = guest.statement[:SEED_BYTES] + UNENDING.to_bytes(4, guest.endian)
    for power, bound in ((36, 60), (40, 600)):
        trace = Trace(guest.load_image(statement).machine())
        _, seconds = _cpu_seconds(partial(trace.run, 1 << power))
        yield at_most(f"{guest.name}: 2^{power} steps with snapshots", seconds, "s", bound)


def _cpu_seconds(work: Callable[[], int]) -> tuple[int, float]:
    """Result and seconds of the processor."""
    start = time.process_time()
    return work(), time.process_time() - start

