"""The compiled code and its cache: nothing is compiled on import, and no change of a source is missed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from btc_l2.zkvm import jit


def test_importing_the_machine_does_not_load_the_compiler() -> None:
    modules = "state, step, witness, image, elf, disasm, trace, fast, blobs"
    code = f"import sys; from btc_l2.zkvm import {modules}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_running_the_machine_does() -> None:
    code = "import sys; from btc_l2.zkvm.warm import warm; warm(); sys.exit('numba' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fingerprint_covers_every_file_with_compiled_functions() -> None:
    folder = Path(jit.__file__).parent
    users = {path for path in folder.rglob("*.py") if "zkvm.jit import" in path.read_text()}
    assert len(users) >= 6
    assert users <= set(jit._SOURCES)


def test_a_changed_source_has_another_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = jit._cache_folder()
    source = tmp_path / "special.py"
    monkeypatch.setattr(jit, "_SOURCES", (*jit._SOURCES, source))
    source.write_text("a = 1")
    first = jit._cache_folder()
    source.write_text("a = 2")
    assert len({before, first, jit._cache_folder()}) == 3
