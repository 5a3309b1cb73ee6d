"""The blob store: both byte orders, damage, missing blobs, files that are too big, writers at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2 import blobstore
from btc_l2.blobstore import BlobStore, StoredBlobs, default_folder, parse_root, read_blob_file
from btc_l2.zkvm.blobs import Blobs, blob_root
from btc_l2.zkvm.layout import REGION_BYTES
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

ENDIANS: tuple[Endian, Endian] = ("big", "little")
CONTENT = b"what the guest maps"


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=9000))
def test_a_blob_is_found_by_the_root_of_either_byte_order(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    roots = store.add(data)
    assert roots == {endian: blob_root(data, endian) for endian in ENDIANS}
    assert [store.read(roots[endian], endian) for endian in ENDIANS] == [data, data]


def test_a_root_of_one_byte_order_means_nothing_in_the_other(store: BlobStore) -> None:
    roots = store.add(CONTENT)
    with pytest.raises(Unavailable, match=roots["big"].hex()):
        store.read(roots["big"], "little")


def test_bytes_that_are_swapped_words_of_others_do_not_take_their_name(store: BlobStore) -> None:
    data, swapped = b"abcdefgh", b"dcbahgfe"  # the big root of one is the little root of the other
    first, second = store.add(data), store.add(swapped)
    assert first["big"] == second["little"]
    assert (store.read(first["big"], "big"), store.read(second["little"], "little")) == (data, swapped)


def test_a_blob_takes_the_room_of_one_file(store: BlobStore) -> None:
    roots = store.add(CONTENT)
    big, little = (store.path(roots[endian], endian) for endian in ENDIANS)
    assert big.samefile(little)
    assert sorted(p.name for p in store.folder.rglob("*") if p.is_file()) == sorted(r.hex() for r in roots.values())


def test_without_hard_links_there_are_two_files(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", refuse)
    roots = store.add(CONTENT)
    assert [store.read(roots[endian], endian) for endian in ENDIANS] == [CONTENT, CONTENT]


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"!", bytes(REGION_BYTES + 1)])
@pytest.mark.parametrize("endian", ENDIANS)
def test_a_damaged_file_is_found_and_named_and_adding_it_again_heals_it(
    store: BlobStore, endian: Endian, damage: bytes
) -> None:
    root = store.add(CONTENT)[endian]
    store.path(root, endian).write_bytes(damage)
    with pytest.raises(VerificationFailed, match=root.hex()):
        store.read(root, endian)
    store.add(CONTENT)
    assert store.read(root, endian) == CONTENT


def test_zeros_at_the_end_belong_to_the_same_root(store: BlobStore) -> None:
    assert store.add(CONTENT) == store.add(CONTENT + bytes(5000))


def test_adding_twice_changes_nothing_and_leaves_no_other_files(store: BlobStore) -> None:
    assert store.add(CONTENT) == store.add(CONTENT)
    assert len([path for path in store.folder.rglob("*") if path.is_file()]) == 2


def test_a_write_that_fails_leaves_no_file_behind(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match="no space"):
        store.add(CONTENT)
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="--blobs"):
        BlobStore(tmp_path / "file").add(CONTENT)


def test_many_writers_of_one_blob_do_not_disturb_each_other(store: BlobStore) -> None:
    failures: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(20):
                root = store.add(CONTENT)["big"]
                assert store.read(root, "big") == CONTENT
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_machine_gets_blobs_from_memory_and_from_the_store(store: BlobStore) -> None:
    kept, given_, nowhere = store.add(CONTENT)["big"], blob_root(b"given", "big"), blob_root(b"nowhere", "big")
    stored = StoredBlobs(store, "big", {given_: b"given"})
    assert (stored[kept], stored[given_], set(stored), len(stored)) == (CONTENT, b"given", {kept, given_}, 2)
    with pytest.raises(Unavailable, match=nowhere.hex()):
        Blobs(stored, "big").pages(nowhere)
    store.path(kept, "big").write_bytes(b"damage")
    with pytest.raises(VerificationFailed, match=kept.hex()):
        Blobs(stored, "big").pages(kept)


def test_files_of_other_names_in_the_folder_are_no_blobs(store: BlobStore) -> None:
    root = store.add(CONTENT)["big"]
    (store.folder / "big" / ".new-x").write_bytes(b"")
    (store.folder / "big" / ("A" * 64)).write_bytes(b"")
    assert store.roots("big") == [root]


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "0x" + "a" * 64, "a" * 63 + "\n"])
def test_what_is_no_root_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_root(text)


def test_a_root_may_be_written_in_capitals() -> None:
    assert parse_root("AB" * 32) == b"\xab" * 32


def test_a_file_of_64_mib_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as sparse:
        sparse.truncate(REGION_BYTES)
    assert len(read_blob_file(file)) == REGION_BYTES
    with file.open("ab") as sparse:
        sparse.write(b"x")
    with pytest.raises(InvalidInput):
        read_blob_file(file)
    with pytest.raises(Unavailable):
        read_blob_file(tmp_path / "absent")


def test_the_folder_is_that_of_the_environment_or_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BTCL2_BLOBS", "/somewhere")
    assert default_folder() == Path("/somewhere")
    monkeypatch.setenv("BTCL2_BLOBS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "btc-l2" / "blobs"
    monkeypatch.setenv("XDG_DATA_HOME", "relative is ignored")
    monkeypatch.setattr(blobstore.Path, "home", lambda: tmp_path)
    assert default_folder() == tmp_path / ".local" / "share" / "btc-l2" / "blobs"
