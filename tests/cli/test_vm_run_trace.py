"""`btc-l2 vm run` with patterns of steps and a folder of snapshots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from btc_l2.cli import progress as progress_module
from btc_l2.cli.progress import Progress
from btc_l2.guests import find_guest
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from tests.cli.conftest import Command

RUN = ("vm", "run", "fibonacci")
STEPS = 516_186


def fibonacci() -> Machine:
    return find_guest("fibonacci").load_image().machine()


def root_after(steps: int) -> str:
    machine = fibonacci()
    run(machine, steps)
    return machine.root().hex()


def test_a_run_stops_before_the_first_step_that_matches(btc_l2: Command) -> None:
    told = btc_l2(*RUN, "--stop-at", "=1000", "--json").json()
    assert (told["steps"], told["root"]) == (1000, root_after(1000))
    assert btc_l2(*RUN, "--stop-at", "%7", "--json").json()["steps"] == 0
    assert btc_l2(*RUN, "--stop-at", "never", "--json").json()["steps"] == STEPS
    assert btc_l2(*RUN, "--stop-at", "=1000", "--max-steps", "999", "--json").json()["steps"] == 999


def test_a_line_says_where_the_run_stands(btc_l2: Command) -> None:
    lines = btc_l2(*RUN, "--info-at", "%100_000", "--json").stderr.splitlines()
    assert [int(line.split(" ")[0].replace(",", "")) for line in lines] == list(range(0, STEPS, 100_000))
    machine = fibonacci()
    run(machine, 100_000)
    for part in (f"pc {machine.control.pc:#010x}", "M steps/s", " pages", "bit+0x14, bne $8,$0,0x40010c <bit>"):
        assert part in lines[1]


def test_a_proof_is_the_step_as_vm_step_shows_it(btc_l2: Command, tmp_path: Path) -> None:
    names = str(tmp_path / "at-%d.json")
    assert btc_l2(*RUN, "--proof-at", "%200", "--stop-at", "=401", "--proof-fmt", names).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at-0.json", "at-200.json", "at-400.json"]
    shown = btc_l2("vm", "step", "fibonacci", "--at", "400", "--json").json()
    assert json.loads((tmp_path / "at-400.json").read_text()) == shown


def test_a_stop_comes_before_the_proof_of_the_same_step(btc_l2: Command, tmp_path: Path) -> None:
    names = str(tmp_path / "at-%d.json")
    btc_l2(*RUN, "--proof-at", "=50", "--stop-at", "=50", "--proof-fmt", names)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_a_folder_goes_on_where_it_was(btc_l2: Command, tmp_path: Path) -> None:
    folder = tmp_path / "trace"
    first = btc_l2(*RUN, "--trace", folder, "--snapshot-at", "%100000", "--stop-at", "=250000", "--json")
    assert (first.json()["steps"], first.json()["root"]) == (250_000, root_after(250_000))
    second = btc_l2(*RUN, "--trace", folder, "--snapshot-at", "%100000", "--info-at", "%100000", "--json")
    assert "has 250,000 steps" in second.stderr
    assert [line.split(" ")[0] for line in second.stderr.splitlines()[1:]] == ["300,000", "400,000", "500,000"]
    assert (second.json()["steps"], second.json()["root"]) == (STEPS, root_after(STEPS))
    trace = Trace(fibonacci(), directory=folder)
    assert trace.positions == [100_000, 200_000, 250_000, 300_000, 400_000, 500_000, STEPS]


def test_steps_that_were_made_before_are_shown_without_running(
    btc_l2: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = tmp_path / "trace", str(tmp_path / "at-%d.json")
    btc_l2(*RUN, "--trace", folder, "--snapshot-at", "%100000")
    made: list[int] = []
    monkeypatch.setattr("btc_l2.zkvm.trace.run", lambda state, n, **_: made.append(n) or run(state, n))
    answer = btc_l2(
        *RUN, "--trace", folder, "--stop-at", "=400123", "--proof-at", "=300007", "--proof-fmt", names, "--json"
    )
    assert (answer.json()["steps"], answer.json()["root"]) == (400_123, root_after(400_123))
    assert json.loads((tmp_path / "at-300007.json").read_text())["index"] == 300_007
    assert sum(made) == 123 + 7


def test_snapshots_can_be_asked_for_at_one_step_only_or_never(btc_l2: Command, tmp_path: Path) -> None:
    for pattern, kept in (("=777", [777, STEPS]), ("never", [STEPS]), ("=0", [STEPS])):
        folder = tmp_path / pattern
        assert btc_l2(*RUN, "--trace", folder, "--snapshot-at", pattern).code == 0
        assert Trace(fibonacci(), directory=folder).positions == kept


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--snapshot-at", "%10"), "--trace"),
        (("--info-at", "%0"), "no pattern"),
        (("--stop-at", "often"), "no pattern"),
        (("--stop-at", "=5", "--stop-pc", "0x400000"), "--stop-pc"),
        (("--stop-at", "=5", "--no-kernel"), "--no-kernel"),
        (("--proof-at", "=5", "--proof-fmt", "step.json"), "%d"),
        (("--proof-at", "=5", "--proof-fmt", "%s-%d"), "%d"),
    ],
)
def test_what_cannot_be_is_refused(btc_l2: Command, arguments: tuple[str, ...], says: str) -> None:
    answer = btc_l2(*RUN, *arguments)
    assert answer.code == 2
    assert answer.stderr.startswith("error: ") and says in answer.stderr
    assert answer.stdout == ""


def test_the_folder_of_another_statement_is_refused(btc_l2: Command, tmp_path: Path) -> None:
    btc_l2(*RUN, "--trace", tmp_path / "trace")
    answer = btc_l2(*RUN, "--trace", tmp_path / "trace", "--statement", "00000007")
    assert answer.code == 2
    assert "another image, statement or claim" in answer.stderr


def test_a_cut_folder_is_told_in_one_line(btc_l2: Command, tmp_path: Path) -> None:
    btc_l2(*RUN, "--trace", tmp_path)
    (tmp_path / "pages").write_bytes(b"")
    answer = btc_l2(*RUN, "--trace", tmp_path)
    assert answer.code == 4
    assert len(answer.stderr.splitlines()) == 1 and "was cut" in answer.stderr


def test_a_proof_without_a_place_is_told(btc_l2: Command, tmp_path: Path) -> None:
    answer = btc_l2(*RUN, "--proof-at", "=1", "--proof-fmt", str(tmp_path / "missing" / "%d"))
    assert answer.code == 3
    assert "--proof-fmt" in answer.stderr


def test_progress_comes_after_some_time_and_not_before(capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    progress = Progress(find_guest("fibonacci").load_image(), lambda: now[0])
    progress.begin(1000)
    machine = fibonacci()
    now[0] += progress_module.SAY_EVERY - 1
    progress.now_and_then(5_000_000, machine)
    assert capsys.readouterr().err == ""
    now[0] += 1
    progress.now_and_then(10_001_000, machine)
    assert capsys.readouterr().err == "10,001,000 steps, 1 M steps/s, pc 0x00400000, _start, 2 pages\n"
    progress.now_and_then(10_001_000, machine)
    assert capsys.readouterr().err == ""
