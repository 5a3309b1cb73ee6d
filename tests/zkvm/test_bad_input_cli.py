"""`btc-l2 vm run` as a process with programs out of control: exit code, one line of error, bounded memory."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.zkvm.linux_calls import MAP_PRIVATE_ANONYMOUS, MMAP, V0, ask, elf_of
from tests.zkvm.programs import encode

UNAVAILABLE = 3
MIB = 1 << 20
OF_PYTHON = 400 * MIB  # what the command needs without a guest, compiler included
LOOP = [encode("BEQ", low=-1), encode("ADDIU", rs=2, rt=2, low=1)]
EVERY_PAGE = [encode("SW", rs=4, rt=4), encode("BEQ", low=-2), encode("ADDIU", rs=4, rt=4, low=4096)]
MAPPED = [  # 4 MiB at a time, every page of it written
    *ask(MMAP, 0, 4 * MIB, 3, MAP_PRIVATE_ANONYMOUS), encode("ADDIU", rs=0, rt=8, low=1024),
    encode("SW", rs=V0, rt=V0), encode("ADDIU", rs=8, rt=8, low=-1), encode("BNE", rs=8, rt=0, low=-3),
    encode("ADDIU", rs=V0, rt=V0, low=4096), encode("BEQ", low=-(len(ask(MMAP, 0, 4 * MIB, 3, 1)) + 6)), 0,
]  # fmt: skip
GO = shutil.which("go") or ("/usr/local/go/bin/go" if Path("/usr/local/go/bin/go").exists() else None)
SMALL_MACHINE = 3 << 30  # bytes of address space: less than the machine's memory


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str
    peak: int  # bytes of memory that it held at most


def vm_run(*arguments: object, limit: Callable[[], None] | None = None) -> Done:
    """The command, and the most memory it held: asked from a process between, which has no other child."""
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", "from btc_l2.cli.main import run; run()", "vm", "run", *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, timeout=300, preexec_fn=limit,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    *said, peak = done.stderr.splitlines()
    return Done(done.returncode, done.stdout, "\n".join(said), int(peak))


def raw(path: Path, words: Sequence[int]) -> list[object]:
    path.write_bytes(b"".join(word.to_bytes(4, "big") for word in words))
    return [path, "--raw", "0x400000", "--endian", "big"]


def assert_one_line_of_error(done: Done, text: str) -> None:
    assert done.code == UNAVAILABLE
    assert done.stderr.startswith("error: ")
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("how", ["--kernel", "--no-kernel"])
def test_an_endless_loop_stops_after_max_steps(how: str, tmp_path: Path) -> None:
    steps = 50_001
    done = vm_run(*raw(tmp_path / "loop", LOOP), how, "--max-steps", steps, "--json")
    told = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert (told["steps"], told["exited"], told["registers"][2]) == (steps, False, steps // 2)


@pytest.mark.parametrize("how", ["--kernel", "--no-kernel"])
def test_a_program_that_writes_every_page_gets_no_more_than_allowed(how: str, tmp_path: Path) -> None:
    done = vm_run(*raw(tmp_path / "grow", EVERY_PAGE), "--reg", "a0=0x10000000", how, "--max-memory", 64)
    assert_one_line_of_error(done, "more than 64 MiB of memory")
    assert done.peak < OF_PYTHON + 2 * 64 * MIB


def test_a_linux_program_that_maps_and_writes_gets_no_more_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "hog").write_bytes(elf_of(MAPPED))
    done = vm_run("--linux", tmp_path / "hog", "--max-memory", 100)
    assert_one_line_of_error(done, "more than 100 MiB of memory")
    assert done.peak < OF_PYTHON + 2 * 100 * MIB


def test_without_the_option_the_limit_is_a_gibibyte(tmp_path: Path) -> None:
    """512 MiB is all that mmap gives out: the program ends with a trap of its own, not at the limit."""
    (tmp_path / "hog").write_bytes(elf_of(MAPPED))
    done = vm_run("--linux", tmp_path / "hog", "--json")
    assert done.code == 0
    assert json.loads(done.stdout)["trap"] is not None
    assert done.peak < OF_PYTHON + 2 * 600 * MIB


def test_a_host_that_cannot_hold_the_machine_is_told_so(tmp_path: Path) -> None:
    done = vm_run(
        *raw(tmp_path / "loop", LOOP), limit=lambda: resource.setrlimit(resource.RLIMIT_AS, (SMALL_MACHINE,) * 2)
    )
    assert_one_line_of_error(done, "no 4 GiB of addresses")


def test_bytes_that_are_no_program_end_in_a_trap_or_at_max_steps(tmp_path: Path) -> None:
    rnd = random.Random(5)
    for length in (4, 4096):
        words = [rnd.getrandbits(32) for _ in range(length // 4)]
        done = vm_run(*raw(tmp_path / "noise", words), "--max-steps", 10_000, "--json")
        told = json.loads(done.stdout)
        assert (done.code, done.stderr) == (0, "")
        assert told["trap"] is not None or told["steps"] == 10_000


STACK = """package main
func main() { println(deep(1)) }
func deep(n int) int { var frame [256]int; frame[n%256] = n; return deep(n+1) + frame[(n+1)%256] }
"""
HEAP = """package main
var kept [][]byte
func main() {
    for {
        more := make([]byte, 1<<20)
        for i := 0; i < len(more); i += 4096 { more[i] = 1 }
        kept = append(kept, more)
    }
}
"""


def compiled(source: str, folder: Path) -> Path:
    """A Go program for the machine; skips the test where there is no Go."""
    if GO is None:
        pytest.skip("no Go to compile programs with")
    (folder / "main.go").write_text(source)
    settings = {"GOOS": "linux", "GOARCH": "mips", "GOMIPS": "softfloat", "CGO_ENABLED": "0", "GO111MODULE": "off"}
    command = [GO, "build", "-o", str(folder / "program"), str(folder / "main.go")]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **settings, "GOFLAGS": ""})
    return folder / "program"


@pytest.mark.long
def test_a_go_program_whose_stack_overflows_says_so_itself(tmp_path: Path) -> None:
    done = vm_run("--linux", compiled(STACK, tmp_path), "--json")
    told = json.loads(done.stdout)
    assert (done.code, told["exit_code"]) == (0, 2)
    assert "stack overflow" in told["stderr"]
    assert done.peak < OF_PYTHON + 2 * 1024 * MIB


@pytest.mark.long
@pytest.mark.parametrize("source", [STACK, HEAP], ids=["stack", "heap"])
def test_a_go_program_that_wants_all_memory_gets_no_more_than_allowed(source: str, tmp_path: Path) -> None:
    done = vm_run("--linux", compiled(source, tmp_path), "--max-memory", 48)
    assert_one_line_of_error(done, "more than 48 MiB of memory")
    assert done.peak < OF_PYTHON + 2 * 48 * MIB
