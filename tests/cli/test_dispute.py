"""`btc-l2 dispute` and `btc-l2 script debug`: looking at a story that was played."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from btc_l2.cli import main
from tests.cli.conftest import Command

SMALL = ("--guest", "blobsum", "--lie", "result")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fraud story."""
    out = tmp_path_factory.mktemp("dispute") / "out"
    with pytest.raises(SystemExit) as left:
        main.run(["demo", "fraud", *SMALL, "--out", str(out)])
    assert not left.value.code
    return out


@pytest.fixture
def changed(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_show_has_a_rung_for_every_transaction(btc_l2: Command, folder: Path) -> None:
    rows = json.loads((folder / "result.json").read_text())["transactions"]
    lines = btc_l2("dispute", "show", folder, "--no-told").stdout.splitlines()
    assert len(lines) == len(rows) + 2
    assert all(row["name"] in line for row, line in zip(rows, lines[1:-1], strict=True))
    assert ["▶" in line for line in lines[1:-1]] == [row["by"] == "olga" for row in rows]
    assert ["◀" in line for line in lines[1:-1]] == [row["by"] != "olga" for row in rows]


def test_show_tells_what_each_move_means(btc_l2: Command, folder: Path) -> None:
    shown = btc_l2("dispute", "show", folder).stdout
    assert "olga signs the claim" in shown and "disproved" in shown.splitlines()[-1]


def test_verify_judges_every_input_again(btc_l2: Command, folder: Path) -> None:
    document = btc_l2("dispute", "verify", folder, "--json").json()
    assert document["valid"] is True and document["inputs"] >= document["transactions"] > 20


def test_verify_refuses_a_changed_witness(btc_l2: Command, changed: Path) -> None:
    path = changed / "transactions.json"
    rows = json.loads(path.read_text())
    last = rows[-1]["raw"]
    rows[-1]["raw"] = last[:1_000] + ("0" if last[1_000] != "0" else "1") + last[1_001:]
    path.write_text(json.dumps(rows))
    answer = btc_l2("dispute", "verify", changed)
    assert answer.code == 4 and answer.stderr.count("\n") == 1


@pytest.mark.parametrize("spoil", ["no file", "no json", "no story"])
def test_a_folder_without_a_story_is_refused(btc_l2: Command, changed: Path, spoil: str) -> None:
    path = changed / "transactions.json"
    if spoil == "no file":
        path.unlink()
    else:
        path.write_text("{" if spoil == "no json" else '[{"name": "x"}]')
    answer = btc_l2("dispute", "verify", changed)
    assert answer.code == (3 if spoil == "no file" else 4) and answer.stderr.count("\n") == 1


def test_debug_walks_through_a_disproof_with_names_and_values(folder: Path) -> None:
    kill = json.loads((folder / "result.json").read_text())["transactions"][-1]["name"]
    command = [sys.executable, "-c", "from btc_l2.cli.main import run; run()", "script", "debug", str(folder), kill]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # a new process: names need one
    assert "libbitcoinkernel: accepted" in answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[-1].split()[1] == "end" and lines[-1].endswith("=1")
    assert any("instruction.0=" in line for line in lines)


def test_debug_says_what_is_not_there(btc_l2: Command, folder: Path) -> None:
    assert btc_l2("script", "debug", folder, "nothing").code == 2
    assert btc_l2("script", "debug", folder, "kickoff", "--input", 5).code == 2
    assert btc_l2("script", "debug", folder, "kickoff").code == 2  # no leaf of a game


def test_pictures_are_xml_with_every_name(btc_l2: Command, tmp_path: Path) -> None:
    file = tmp_path / "graph.svg"
    assert btc_l2("dispute", "graph", "--steps-log2", 4, "--out", file).code == 0
    assert ElementTree.fromstring(file.read_text()).tag.endswith("svg")
    assert all(name in file.read_text() for name in ("kickoff", "take1", "reveal.r", "slash.verdict"))
    tree = btc_l2("script", "tree", "verdict", "--steps-log2", 4).stdout
    assert ElementTree.fromstring(tree).tag.endswith("svg") and "ADDIU" in tree and "timeout" in tree


def test_a_picture_of_nothing_is_refused(btc_l2: Command) -> None:
    assert btc_l2("script", "tree", "no-turn", "--steps-log2", 4).code == 2
