"""The documentation is true: links lead somewhere, named files exist, commands run and print what is shown."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from challenger.cost import arities_of, compute_cost
from tests.docs.pages import ROOT, broken_links, commands, missing_lines, missing_paths, pages, printed

BIN = Path(sys.executable).parent
PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]
COMMANDS = [command for page in pages() for command in commands(page.read_text())]
EXCERPTS = [excerpt for page in pages() for excerpt in printed(page.read_text())]


def run(command: str) -> str:
    """Run a documented command from an installation of the project; stderr and stdout as a terminal shows them."""
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [BIN / program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text()) == []


def test_a_link_to_nothing_is_found() -> None:
    text = "[a](decisions/README.md) [b](nothing.md) [c](https://example.org/x)"
    assert broken_links(ROOT / "docs" / "x.md", text) == ["nothing.md"]


@pytest.mark.parametrize("page", PAGES)
def test_named_paths_exist(page: Path) -> None:
    assert missing_paths(page.read_text()) == []


def test_a_path_to_nothing_is_found() -> None:
    assert missing_paths("`taproot/tx.py` `taproot/gone.py` `other/gone.py` `a b`") == ["taproot/gone.py"]


def test_some_commands_are_documented_to_run() -> None:
    assert len(COMMANDS) >= 5 and EXCERPTS


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_commands_run(command: str) -> None:
    run(command)


@pytest.mark.parametrize(("command", "shown"), EXCERPTS)
def test_shown_output_is_printed(command: str, shown: list[str]) -> None:
    assert missing_lines(shown, run(command)) == []


def test_output_in_another_order_or_with_other_words_is_found() -> None:
    output = "block 1: a\nblock 2: b 0x10\n"
    assert missing_lines(["block 7: a", "block 8: b 0x22"], output) == []
    assert missing_lines(["block 2: b 0x10", "block 1: a"], output) == ["block 1: a"]
    assert missing_lines(["block 1: c"], output) == ["block 1: c"]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is a script."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_cost_page_has_every_move_once(generate: ModuleType) -> None:
    weighed = compute_cost(arities_of(4, 4), 2)
    rows = [line for line in generate.cost_page(weighed).splitlines() if line.startswith("| `")]
    counts = [int(row.split(" | ")[2]) for row in rows]
    assert sum(counts) == len(weighed.moves)
    assert len(set(rows)) == len(rows)


def test_check_says_which_computed_page_is_stale(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    monkeypatch.setattr(generate, "DOCS", page.parent)
    monkeypatch.setattr(generate, "pages", lambda: {page: "new"})
    page.write_text("old")
    assert generate.main(["--check"]) == 1 and "docs/page.md is stale" in capsys.readouterr().err
    assert page.read_text() == "old"
    assert generate.main([]) == 0 and page.read_text() == "new"
    assert generate.main(["--check"]) == 0
