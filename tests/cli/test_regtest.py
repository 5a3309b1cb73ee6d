"""`btc-l2 regtest`: scenarios, their reports, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from regtest.scenarios import NAMES
from tests.cli.conftest import Command


def test_every_scenario_is_listed(btc_l2: Command) -> None:
    assert [row["name"] for row in btc_l2("regtest", "list", "--json").json()] == list(NAMES)


def test_a_scenario_leaves_evidence_and_a_page(btc_l2: Command, tmp_path: Path) -> None:
    played = btc_l2("regtest", "run", "deposit-refund", "--out", tmp_path / "out", "--json").json()
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
        (("run", "deposit_refund", "--backend", "cloud"), 2),
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


def test_a_folder_is_used_once(btc_l2: Command, tmp_path: Path) -> None:
    (tmp_path / "deposit_refund").mkdir()
    (tmp_path / "deposit_refund" / "x").touch()
    answer = btc_l2("regtest", "run", "deposit_refund", "--out", tmp_path)
    assert answer.code == 2 and "empty" in answer.stderr
