"""Bitcoin Core's own bitcoind: what is built from what, and what is said where that is not possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from regtest.node import core_build
from regtest.node.bitcoind import find_core, find_version
from taproot.errors import Unavailable

LOCK = """\
numpy==2.3.5 \\
    --hash=sha256:00
py-bitcoinkernel==0.1.0a5 \\
    --hash=sha256:11 \\
    --hash=sha256:22
pygments==2.19.2 \\
    --hash=sha256:33
"""


def program(path: Path, lines: str) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def test_the_source_is_the_one_that_the_lock_file_pins() -> None:
    assert core_build.locked_source(LOCK).split() == [
        "py-bitcoinkernel==0.1.0a5", "\\", "--hash=sha256:11", "\\", "--hash=sha256:22"
    ]  # fmt: skip
    assert "py-bitcoinkernel" in core_build.locked_source((core_build.ROOT / "requirements.lock").read_text())
    with pytest.raises(Unavailable, match="make lock"):
        core_build.locked_source("numpy==2.3.5 \\\n    --hash=sha256:00\n")


def test_a_package_that_names_another_one_is_followed() -> None:
    assert core_build.real_packages("libboost-dev\n  Depends: libboost1.74-dev\n  Suggests: libboost-doc\n") == [
        "libboost1.74-dev"
    ]
    assert core_build.real_packages("libboost-dev\n  Depends: <virtual>\n") == []


def test_without_a_compiler_the_build_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"cmake and c\+\+ and make and nice not found.*BITCOIND_CORE"):
        core_build.build(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_built_already_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "bin").mkdir()
    built = program(tmp_path / "bin" / "bitcoind", "true")
    assert core_build.build(tmp_path) == built


def test_core_is_named_by_the_environment_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "mine", "true")
    monkeypatch.setenv("BITCOIND_CORE", str(mine))
    assert find_core() == mine
    monkeypatch.setenv("BITCOIND_CORE", str(tmp_path / "absent"))
    with pytest.raises(Unavailable, match="cannot be run"):
        find_core()
    monkeypatch.delenv("BITCOIND_CORE")
    monkeypatch.setattr("regtest.node.bitcoind.core_program", lambda: tmp_path / "absent")
    with pytest.raises(Unavailable, match="make bitcoind-core"):
        find_core()


@pytest.mark.bitcoind
def test_the_program_that_was_built_is_bitcoin_core() -> None:
    try:
        core = find_core()
    except Unavailable as error:
        pytest.skip(str(error))
    assert find_version(core).startswith("Bitcoin Core")
