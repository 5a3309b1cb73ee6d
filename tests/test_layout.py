"""The shape of the project: names, sizes, layers, dependencies, what the wheel carries."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from btc_l2.guests import list_guests

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = tuple(PROJECT["tool"]["importlinter"]["root_packages"])
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "service", "base"}
MOST_LINES = 500


def vague_names(paths: list[Path]) -> list[Path]:
    """Modules and folders whose name says nothing."""
    return [path for path in paths if VAGUE & {part.removesuffix(".py") for part in path.parts}]


def test_every_package_is_under_the_contracts() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {*PACKAGES, "tests"}


def test_no_module_has_a_vague_name() -> None:
    assert vague_names([path.relative_to(ROOT) for path in (*SOURCES, *TESTS)]) == []


def test_a_vague_name_is_found() -> None:
    assert vague_names([Path("taproot/tx.py"), Path("taproot/utils.py")]) == [Path("taproot/utils.py")]


def test_no_file_is_too_long() -> None:
    assert [path for path in (*SOURCES, *TESTS) if len(path.read_text().splitlines()) > MOST_LINES] == []


def test_every_module_says_what_it_is() -> None:
    modules = {path: ast.parse(path.read_text()) for path in SOURCES}
    assert [path for path, module in modules.items() if module.body and not ast.get_docstring(module)] == []


def test_every_dependency_is_imported() -> None:
    """A package that nothing imports is not a dependency."""
    imported = {name for path in SOURCES for name in _imports(path)}
    provided: dict[str, set[str]] = {_normal(dist): set() for dist in _dependencies()}
    for module, distributions in metadata.packages_distributions().items():
        for distribution in distributions:
            provided.get(_normal(distribution), set()).add(module)
    assert {dist for dist, modules in provided.items() if not modules & imported} == set()


def test_every_dependency_has_a_decision_page() -> None:
    pages = (ROOT / "docs" / "decisions").glob("0*.md")
    titles = "\n".join(page.read_text().splitlines()[0].lower() for page in pages)
    assert [dist for dist in _dependencies() if dist not in titles] == []


@pytest.mark.parametrize("lock", ["requirements.lock"])
def test_the_lock_names_hashes_and_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = re.findall(r"^(\S+)==", text, re.MULTILINE)
    assert requirements and "://" not in text and "--index" not in text and "--find-links" not in text
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_the_lock_has_every_dependency() -> None:
    text = (ROOT / "requirements.lock").read_text()
    locked = {_normal(name) for name in re.findall(r"^(\S+?)==", text, re.MULTILINE)}
    wanted = {_normal(_name(text)) for text in (*_dependencies(), *PROJECT["dependency-groups"]["dev"])}
    assert wanted - locked == set()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("taproot/kdf.py", "import time"),
        ("btc_l2/chain/index.py", "import pbk"),
        ("taproot/tx.py", "import challenger.commit"),
        ("btc_l2/zkvm/unlisted.py", "import struct"),
    ],
)
def test_the_contracts_refuse(module: str, line: str, tmp_path: Path) -> None:
    """A clock in a pure part, a second door, an import upwards, a module without a place."""
    assert _lint(tmp_path / "unchanged") == 0
    changed = tmp_path / "changed"
    _copy(changed)
    path = changed / module
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    assert _lint(changed) == 1


def test_the_wheel_carries_every_image(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    images = {f"btc_l2/guest_images/images/{guest.path.name}" for guest in list_guests()}
    assert images | {"btc_l2/guest_images/MANIFEST.toml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


def _dependencies() -> list[str]:
    return [_name(text) for text in PROJECT["project"]["dependencies"]]


def _name(requirement: str) -> str:
    return re.split(r"[=<>~!\[ ;]", requirement, maxsplit=1)[0]


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(path: Path) -> set[str]:
    """Top-level names that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _copy(folder: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", _made(folder))
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _lint(folder: Path) -> int:
    """Exit code of import-linter on a copy of the project."""
    if not folder.exists():
        _copy(folder)
    lint = Path(sys.executable).parent / "lint-imports"
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run([lint, "--no-cache"], cwd=folder, env=environment, capture_output=True).returncode
