"""`btc-l2 regtest`: scenarios, their reports, what is refused."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regtest.node import standing
from regtest.scenarios import NAMES
from taproot.errors import Refused, VerificationFailed
from tests.chain.conftest import skip_without_bitcoind
from tests.cli.conftest import Command
from tests.regtest.conftest import skip_without_node


def test_every_scenario_is_listed(btc_l2: Command) -> None:
    assert [row["name"] for row in btc_l2("regtest", "list", "--json").json()] == list(NAMES)


def test_a_scenario_leaves_evidence_and_a_page(btc_l2: Command, tmp_path: Path) -> None:
    alone = ("--backend", "embedded")
    played = btc_l2("regtest", "run", "deposit-refund", *alone, "--out", tmp_path / "out", "--json").json()
    assert (played["outcome"], played["winner"]) == ("refunded", "dora")
    folder = tmp_path / "out" / "deposit_refund"
    page = folder / "report.html"
    assert page.read_text().startswith("<!DOCTYPE html>")
    page.unlink()
    assert btc_l2("regtest", "report", folder).stdout.strip() == str(page)
    assert page.exists()
    assert btc_l2("dispute", "verify", folder, "--json").json()["valid"] is True


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "deposit_lost"), 2),
        (("run", "swap", "--backend", "cloud"), 2),
        (("report", "nowhere"), 3),
        (("status", "--state", "nowhere"), 3),
        (("down", "--state", "nowhere"), 3),
        (("up", "--backend", "embedded", "--state", "nowhere"), 2),
        (("mine", "--node", "18443"), 2),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_code(
    btc_l2: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = btc_l2("regtest", *arguments)
    assert answer.code == code
    assert answer.stderr.splitlines()[-1].startswith("error: ") and answer.stdout == ""


@pytest.mark.parametrize(
    ("backend", "other"),
    [
        pytest.param("bitcoind", "container", marks=pytest.mark.bitcoind),
        pytest.param("container", "bitcoind", marks=pytest.mark.container),
    ],
)
def test_stories_follow_each_other_on_the_node_that_is_up(
    btc_l2: Command, tmp_path: Path, backend: str, other: str
) -> None:
    skip_without_node(backend)
    state = ("--state", tmp_path)
    up = btc_l2("regtest", "up", "--backend", backend, *state, "--json").json()
    assert (up["height"], up["up"], up["played"]) == (0, True, []) and "-rpccookiefile=" in up["ask"]
    try:
        first, second = (btc_l2("regtest", "run", "swap", *state, "--json").json() for _ in range(2))
        assert not {row["txid"] for row in first["transactions"]} & {row["txid"] for row in second["transactions"]}
        assert first["total_vbytes"] == second["total_vbytes"]
        seen = btc_l2("regtest", "status", *state, "--json").json()
        assert [(e["run"], e["story"], e["verdict"]) for e in seen["played"]] == [
            (k, "swap", first["verdict"]) for k in (1, 2)
        ]
        assert seen["mempool"] == 0 and seen["played"][0]["to"] < seen["played"][1]["from"] <= seen["height"]
        assert "story 2: swap, blocks" in btc_l2("regtest", "status", *state).stdout
        assert btc_l2("regtest", "up", "--backend", backend, *state).code == 6
        btc_l2("regtest", "down", *state)
        stopped = btc_l2("regtest", "status", *state)
        assert stopped.code == 3 and "stopped" in stopped.stderr
        assert btc_l2("regtest", "up", "--backend", other, *state).code == 6
        again = btc_l2("regtest", "up", "--backend", backend, *state, "--json").json()
        asked = subprocess.run([*shlex.split(again["ask"]), "getblockcount"], capture_output=True, text=True)
        assert asked.stdout.strip() == str(seen["height"]), asked.stderr
        assert again["played"] == seen["played"] and again["height"] == seen["height"]
    finally:
        btc_l2("regtest", "down", "--forget", *state)
    assert not tmp_path.exists()


@pytest.mark.bitcoind
def test_a_node_that_was_killed_is_started_again_on_its_chain(btc_l2: Command, tmp_path: Path) -> None:
    skip_without_bitcoind()
    facts = standing.start(tmp_path, "bitcoind")
    try:
        standing.open_standing(tmp_path).mine(2)
        os.kill(int((tmp_path / "node" / "regtest" / "bitcoind.pid").read_text()), signal.SIGKILL)
        gone = btc_l2("regtest", "status", "--state", tmp_path)
        assert gone.code == 3 and "does not answer" in gone.stderr
        assert standing.start(tmp_path, "bitcoind")["up"] and facts["up"]
    finally:
        standing.stop(tmp_path, forget=True)


@pytest.mark.bitcoind
def test_a_story_that_ends_otherwise_has_used_its_number(btc_l2: Command, tmp_path: Path) -> None:
    skip_without_bitcoind()
    standing.start(tmp_path, "bitcoind")
    try:
        with pytest.raises(VerificationFailed), standing.record(tmp_path, "swap") as entry:
            assert entry["run"] == 1
            with pytest.raises(Refused, match="being played"), standing.record(tmp_path, "swap"):
                pass
            raise VerificationFailed("a coin was overlooked")
        with standing.record(tmp_path, "refresh") as entry:
            assert entry["run"] == 2
        assert "story 1: swap, from block 1 on: did not end" in btc_l2("regtest", "status", "--state", tmp_path).stdout
    finally:
        standing.stop(tmp_path, forget=True)


@pytest.mark.bitcoind
def test_a_run_that_is_told_to_end_takes_its_node_along(tmp_path: Path) -> None:
    skip_without_bitcoind()
    command = [Path(sys.executable).with_name("btc-l2"), "regtest", "run", "reorg", "--backend", "bitcoind"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL) as run:
        while not (pids := list(tmp_path.glob("btcl2-node-*/regtest/bitcoind.pid"))):
            assert run.poll() is None, "the run ended before its node stood"
            time.sleep(0.1)
        node = int(pids[0].read_text())
        run.send_signal(signal.SIGTERM)
    assert run.returncode == 143 and not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(node, 0)


def test_a_folder_is_used_once(btc_l2: Command, tmp_path: Path) -> None:
    (tmp_path / "deposit_refund").mkdir()
    (tmp_path / "deposit_refund" / "x").touch()
    answer = btc_l2("regtest", "run", "deposit_refund", "--out", tmp_path)
    assert answer.code == 2 and "empty" in answer.stderr
