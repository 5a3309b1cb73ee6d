"""`guest/build --check` notices what does not match, and says what it could not do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from btc_l2 import guests
from guest.builder import c, check, recipes, toolchains
from guest.builder.main import main
from guest.builder.manifest import build
from guest.builder.recipe import GUEST, Tree
from taproot.errors import Unavailable

CHECK = ["--check"]
SOURCES = ["examples/hashchain/main.c", "examples/start.S", "examples/rust/zkvm/lib.rs", "kernel/calls.c"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A copy of `guest/` that a test may spoil."""
    copy = tmp_path / "guest"
    shutil.copytree(GUEST, copy, ignore=shutil.ignore_patterns("target"))
    monkeypatch.setattr(guests, "_FOLDERS", (copy,))
    return Tree(copy)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def test_check_without_a_compiler_names_it_and_ends_with_code_3(
    tree: Tree, no_compiler: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(CHECK, tree) == 3
    told = capsys.readouterr().err
    for advice in ("gcc-mips-linux-gnu", "gcc-mipsel-linux-gnu", "install Go", "GOTOOLCHAIN", "rust-src", "--tools"):
        assert advice in told


def test_check_with_another_compiler_version_ends_with_code_3(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "find_version", lambda recipe, tree: "gcc 99")
    assert main(CHECK, tree) == 3 and "found gcc 99" in capsys.readouterr().err


@pytest.mark.parametrize("source", SOURCES)
def test_check_finds_a_changed_source_even_without_a_compiler(
    tree: Tree, no_compiler: None, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    with (tree.guest / source).open("a") as file:
        file.write("/* changed */\n")
    assert main(CHECK, tree) == 4 and "older than its sources" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sortproof.elf", "rust-words.elf.xz"])
def test_check_finds_a_changed_image_even_without_a_compiler(
    tree: Tree, no_compiler: None, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    image = tree.guest / "images" / name
    image.write_bytes(image.read_bytes()[:-9])
    assert main(CHECK, tree) == 4 and name in capsys.readouterr().err


def test_check_finds_an_image_that_the_compiler_does_not_make(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipes.recipes()[0]
    if toolchains.find_version(recipe, tree) != guests.find_guest(recipe.name).compiler:
        pytest.skip("the compiler of the committed images is not installed")
    monkeypatch.setattr(c, "COMPILE", (*c.COMPILE, "-O1"))
    assert main(CHECK, tree) == 4 and "other bytes" in capsys.readouterr().err


def test_build_without_a_compiler_writes_nothing(tree: Tree, no_compiler: None) -> None:
    before = {path: path.read_bytes() for path in tree.guest.rglob("*") if path.is_file()}
    with pytest.raises(Unavailable, match="gcc-mips-linux-gnu"):
        build(tree)
    assert {path: path.read_bytes() for path in tree.guest.rglob("*") if path.is_file()} == before


def test_every_source_of_the_guests_belongs_to_a_recipe() -> None:
    named = {(GUEST / "examples" / source).resolve() for recipe in recipes.recipes() for source in recipe.sources}
    there = {path for path in (GUEST / "examples").rglob("*") if path.is_file() and "target" not in path.parts}
    assert {path.name for path in there - named} == {"host.c"}, "host.c is for other computers only"
