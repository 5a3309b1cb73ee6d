"""Programs of the ordinary Go compiler run with the micro kernel, and print what they print elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from btc_l2 import guests
from btc_l2.guests import Guest, claim_of_result, find_guest, read_kernel
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.linux import Output, linux_image, read_output, stdin_statement
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.trace import Trace
from guest.builder import golang, recipes
from tests.guest import oracles

EXAMPLES = Path(guests.__file__).parents[1] / "guest" / "examples"
MOST_STEPS = 1 << 30
SEED = bytes(range(32))
STRESS = """\
sum 558800
pipeline 507500
timers 3
timeout true
ticks 5
locked abcd
recovered 3
collected 5
"""
ENTRIES = [{"name": "genesis", "value": 7}, {"name": "Halving", "value": 3}, {"name": "\u20bf", "value": 3}]
INPUT = json.dumps(ENTRIES).encode()
RECIPE = next(recipe for recipe in recipes.recipes() if recipe.toolchain == "go")
READERS = ["go-hello", "go-library"]
PROGRAMS = [*READERS, "go-stress"]


def finish(machine: Machine) -> Machine:
    run(machine, MOST_STEPS)
    return machine


def run_guest(guest: Guest, stdin: bytes) -> Output:
    machine = finish(guest.load_image(stdin_statement(stdin, guest.endian)).machine())
    assert (machine.exit_code, machine.trap) == (0, None)
    return read_output(machine)


def build(target: Path, name: str, goarch: str | None = None) -> Path:
    """An example compiled here: for this computer, or with the settings of guest/build for another."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    settings = golang.settings_of(RECIPE) | {"GOARCH": goarch} if goarch else {"CGO_ENABLED": "0", "GOFLAGS": ""}
    done = subprocess.run(
        ["go", *golang.BUILD, "-o", str(target), f"./{name}"],
        cwd=EXAMPLES, env={**os.environ, **settings}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def sha256_statement(rounds: int) -> bytes:
    return SEED + rounds.to_bytes(4, "big")


def test_hello_prints_a_greeting_and_what_it_reads() -> None:
    output = run_guest(find_guest("go-hello"), b"a\nb")
    assert output.stdout.endswith(b', linux\nread 3 bytes: "a\\nb"\n') and output.stderr == b"0 arguments\n"


def test_hello_reads_nothing_from_an_empty_statement() -> None:
    assert b"read" not in run_guest(find_guest("go-hello"), b"").stdout


def test_hello_reads_a_blob_that_no_statement_could_hold() -> None:
    guest, content = find_guest("go-hello"), bytes(range(97, 123)) * 400
    statement = blob_root(content, "big") + len(content).to_bytes(4, "big")
    image = linux_image(guest.read_elf(), read_kernel("big"), statement=statement, stdin="blob")
    machine = finish(image.machine(blobs={blob_root(content, "big"): content}))
    assert machine.exit_code == 0
    assert read_output(machine).stdout.endswith(b'read 10400 bytes: "' + content + b'"\n')


def test_library_computes_what_python_computes() -> None:
    answer = json.loads(run_guest(find_guest("go-library"), INPUT).stdout)
    assert answer["names"] == ["Halving", "\u20bf", "genesis"]
    assert answer["letters"] == {"G": 1, "H": 1, "\ufffd": 1}
    assert (answer["product"], answer["power"]) == (63, f"{pow(3, 63, 2**255 - 19):x}")
    assert answer["mean"] == 13 / 3


def test_library_refuses_what_is_no_json() -> None:
    guest = find_guest("go-library")
    machine = finish(guest.load_image(stdin_statement(b"[{", "big")).machine())
    assert (machine.exit_code, read_output(machine).stdout) == (3, b"")
    assert read_output(machine).stderr == b"stdin: unexpected EOF\n"


def test_stress_survives_goroutines_timers_threads_panics_and_collections() -> None:
    output = run_guest(find_guest("go-stress"), b"")
    assert output == Output(STRESS.encode(), b"order [10 20 30]\n")


@pytest.mark.parametrize("rounds", [0, 1, 200])
def test_sha256_accepts_the_claim_that_python_computes_and_no_other(rounds: int) -> None:
    image = find_guest("go-sha256").load_image(sha256_statement(rounds))
    claim = claim_of_result(oracles.hashchain(sha256_statement(rounds)))
    assert finish(image.machine(claim)).exit_code == 0
    for wrong in (bytes(128), claim[:31] + b"\x01" + claim[32:], claim[:-1] + b"\x01"):
        assert finish(image.machine(wrong)).exit_code == 1


def test_honest_claim_of_sha256_is_its_result() -> None:
    statement = sha256_statement(3)
    assert find_guest("go-sha256").honest_claim(statement) == claim_of_result(oracles.hashchain(statement))


def test_image_of_sha256_is_taken_after_its_boot() -> None:
    guest = find_guest("go-sha256")
    machine = guest.load_image(sha256_statement(0)).machine()
    assert guest.boot_steps > run(machine, MOST_STEPS), "what remains is less than what the image saves"
    assert not any(guest.load_image().machine().registers)


@pytest.mark.parametrize("name", ["go-hello", "go-library"])
def test_manifest_counts_the_steps_of_a_go_guest(name: str) -> None:
    guest = find_guest(name)
    machine = guest.load_image().machine()
    assert run(machine, guest.steps + 1) == guest.steps and machine.exit_code == 0


def test_two_runs_of_a_go_guest_end_in_the_same_root() -> None:
    guest = find_guest("go-hello")
    trace = Trace(guest.load_image().machine(), snapshot_every=100_000)
    assert trace.run() == guest.steps
    assert trace.root_at(guest.steps) == finish(guest.load_image().machine()).root()


@pytest.mark.parametrize("start", [0, 150_000, 500_000])
def test_readable_step_and_compiled_machine_agree_on_a_go_guest(start: int) -> None:
    slow = find_guest("go-hello").load_image().machine()
    run(slow, start)
    fast = slow.copy()
    for _ in range(3000):
        step(slow)
    run(fast, 3000)
    assert slow.root() == fast.root()


@pytest.mark.long
@pytest.mark.parametrize("name", PROGRAMS)
def test_little_endian_program_prints_the_same(name: str, tmp_path: Path) -> None:
    program = build(tmp_path / name, name, "mipsle").read_bytes()
    image = linux_image(program, read_kernel("little"), statement=stdin_statement(INPUT, "little"))
    machine = finish(image.machine())
    assert machine.exit_code == 0
    assert read_output(machine) == run_guest(find_guest(name), INPUT)


def test_little_endian_sha256_decides(tmp_path: Path) -> None:
    program = build(tmp_path / "program", "go-sha256", "mipsle").read_bytes()
    image = linux_image(program, read_kernel("little"), statement=sha256_statement(2))
    right = hashlib.sha256(hashlib.sha256(SEED).digest()).digest()
    assert [finish(image.machine(claim)).exit_code for claim in (right, right[::-1])] == [0, 1]


@pytest.mark.long
@pytest.mark.parametrize(("name", "code"), [("go-sha256", 1), ("go-stress", 0)])
def test_manifest_counts_the_steps_of_the_long_go_guests(name: str, code: int) -> None:
    guest = find_guest(name)
    trace = Trace(guest.load_image().machine())
    assert trace.run() == guest.steps and trace.final.exit_code == code, "the zero claim is wrong for go-sha256"


def test_image_of_a_go_guest_survives_a_round_trip_through_its_file() -> None:
    image = find_guest("go-hello").load_image()
    assert Image.from_elf(image.to_elf(), image.statement).root() == image.root()
