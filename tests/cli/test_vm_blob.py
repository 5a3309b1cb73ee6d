"""`btc-l2 vm blob` and how `vm run` finds what is in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from btc_l2.guests import find_guest
from btc_l2.zkvm.blobs import blob_root
from tests.cli.conftest import Command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BTCL2_BLOBS", str(tmp_path / "usual"))
    return tmp_path / "blobs"


def test_add_and_root_tell_both_roots_and_show_finds_them(btc_l2: Command, file: Path, folder: Path) -> None:
    roots = {endian: blob_root(b"content", endian).hex() for endian in ("big", "little")}
    assert btc_l2("vm", "blob", "root", file, "--json").json() == roots
    assert not folder.exists()
    assert btc_l2("vm", "blob", "add", file, "--blobs", folder, "--json").json() == [{"file": str(file), **roots}]
    for endian, root in roots.items():
        (row,) = btc_l2("vm", "blob", "show", root.upper(), "--blobs", folder, "--json").json()
        assert (row["root"], row["endian"], row["bytes"]) == (root, endian, "7")
        assert Path(row["file"]).read_bytes() == b"content"
    assert len(btc_l2("vm", "blob", "show", "--blobs", folder, "--json").json()) == 2


def test_the_usual_folder_is_that_of_the_environment(btc_l2: Command, file: Path, folder: Path, tmp_path: Path) -> None:
    assert btc_l2("vm", "blob", "add", file).code == 0
    assert (tmp_path / "usual" / "big").is_dir()


def test_show_says_what_is_missing_what_is_damaged_and_what_is_no_root(
    btc_l2: Command, file: Path, folder: Path
) -> None:
    root = blob_root(b"content", "big").hex()
    missing = btc_l2("vm", "blob", "show", root, "--blobs", folder)
    assert missing.code == 3 and root in missing.stderr and "vm blob add" in missing.stderr
    btc_l2("vm", "blob", "add", file, "--blobs", folder)
    (folder / "big" / root).write_bytes(b"damage")
    damaged = btc_l2("vm", "blob", "show", root, "--blobs", folder)
    assert damaged.code == 4 and root in damaged.stderr and str(folder) in damaged.stderr
    assert btc_l2("vm", "blob", "show", "beef", "--blobs", folder).code == 2


def test_add_refuses_files_that_are_too_big_or_absent(btc_l2: Command, file: Path, folder: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate((1 << 26) + 1)
    assert btc_l2("vm", "blob", "add", file, "--blobs", folder).code == 2
    assert btc_l2("vm", "blob", "add", folder / "absent", "--blobs", folder).code == 3
    assert not folder.exists()


def test_run_finds_blobs_in_the_store_and_names_the_root_of_a_missing_one(
    btc_l2: Command, folder: Path, tmp_path: Path
) -> None:
    guest = find_guest("blobsum")
    content = tmp_path / "blob"
    content.write_bytes(guest.blob)
    run = ("vm", "run", guest.path, "--statement", guest.statement.hex(), "--json", "--blobs", folder)
    missing = btc_l2(*run)
    root = blob_root(guest.blob, guest.endian).hex()
    assert missing.code == 3 and root in missing.stderr and missing.stderr.count("\n") == 1
    btc_l2("vm", "blob", "add", content, "--blobs", folder)
    assert btc_l2(*run).json()["steps"] == guest.steps
    (folder / guest.endian / root).write_bytes(b"damage")
    damaged = btc_l2(*run)
    assert damaged.code == 4 and root in damaged.stderr
