"""`guest/build --check` notices what does not match, and says what it could not do."""

from __future__ import annotations

import shutil
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from btc_l2 import guests

ROOT = Path(guests.__file__).parents[1]
BUILD = ROOT / "guest" / "build"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module that works on a copy of `guest/`."""
    loader = SourceFileLoader("guest_build", str(BUILD))
    spec = spec_from_loader("guest_build", loader)
    assert spec is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "guest_build", module)
    loader.exec_module(module)
    copy = tmp_path / "guest"
    shutil.copytree(BUILD.parent, copy)
    monkeypatch.setattr(guests, "_FOLDERS", (copy,))
    monkeypatch.setattr(module, "EXAMPLES", copy / "examples")
    monkeypatch.setattr("sys.argv", ["build", "--check"])
    return module


def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def test_check_without_a_compiler_names_it_and_ends_with_code_3(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_compilers(monkeypatch)
    assert build.main() == 3
    told = capsys.readouterr().err
    assert "apt-get install gcc-mips-linux-gnu" in told and "apt-get install gcc-mipsel-linux-gnu" in told


def test_check_with_another_compiler_version_ends_with_code_3(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "find_version", lambda _: "gcc 99")
    assert build.main() == 3 and "found gcc 99" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["hashchain/main.c", "start.S", "guest.ld"])
def test_check_finds_a_changed_source_even_without_a_compiler(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    without_compilers(monkeypatch)
    with (build.EXAMPLES / source).open("a") as file:
        file.write("/* changed */\n")
    assert build.main() == 4 and "older than its sources" in capsys.readouterr().err


def test_check_finds_a_changed_image_even_without_a_compiler(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_compilers(monkeypatch)
    image = build.EXAMPLES.parent / "images" / "sortproof.elf"
    image.write_bytes(image.read_bytes() + b"\0")
    assert build.main() == 4 and "sortproof.elf" in capsys.readouterr().err


def test_check_finds_an_image_that_the_compiler_does_not_make(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = build.recipes()[0]
    if build.find_version(recipe.compiler) != guests.find_guest(recipe.name).compiler:
        pytest.skip("the compiler of the committed images is not installed")
    monkeypatch.setattr(build, "COMPILE", (*build.COMPILE, "-O1"))
    assert build.main() == 4 and "other bytes" in capsys.readouterr().err
