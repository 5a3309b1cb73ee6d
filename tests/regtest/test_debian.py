"""Where the oracles are looked for, and what is said where they cannot be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from regtest.node.oracles_install import NAMES, find_oracle, install
from taproot.errors import Unavailable


def program(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_an_oracle_is_looked_for_on_the_path_then_as_a_static_build_then_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_oracle("qemu-mips", tmp_path) is None
    cached = program(tmp_path / "bin" / "qemu-mips")
    assert find_oracle("qemu-mips", tmp_path) == cached
    static = program(tmp_path / "path" / "qemu-mips-static")
    assert find_oracle("qemu-mips", tmp_path) == static
    own = program(tmp_path / "path" / "qemu-mips")
    assert find_oracle("qemu-mips", tmp_path) == own


def test_nothing_is_fetched_where_all_oracles_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        program(tmp_path / "bin" / name)
    monkeypatch.setenv("PATH", "")
    install(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


def test_without_apt_the_installer_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"apt-get and dpkg-deb not found.*qemu-system-mips and qemu-user"):
        install(tmp_path / "new")
    assert not (tmp_path / "new").exists()
