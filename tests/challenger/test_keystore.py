"""Seeds at rest, files that survive, words to compare."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2 import durable
from challenger.keystore import KeySet, create_keystore, open_keystore, read_private, seal, unseal
from challenger.presign.ceremony.backup import make_backup, restore_backup
from challenger.spoken import words_of
from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.hashes import sha256
from taproot.keys import SecretKey

CHEAP = 14
PASSPHRASE = b"correct horse"


def test_a_keystore_gives_the_same_keys_again(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    made = create_keystore(path, PASSPHRASE, "alice", CHEAP)
    assert open_keystore(path, PASSPHRASE) == ("alice", made)
    assert path.stat().st_mode & 0o777 == 0o600 and [p.name for p in tmp_path.iterdir()] == ["keystore.json"]


def test_two_keystores_have_nothing_in_common(tmp_path: Path) -> None:
    one, two = (create_keystore(tmp_path / name, PASSPHRASE, "alice", CHEAP) for name in "ab")
    assert len({one.key, two.key, one.identity, two.identity}) == 4
    first, second = (json.loads((tmp_path / name).read_text()) for name in "ab")
    assert all(first[field] != second[field] for field in ("salt", "nonce", "ciphertext"))


def test_a_keystore_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    create_keystore(path, PASSPHRASE, "alice", CHEAP)
    before = path.read_bytes()
    with pytest.raises(Refused, match="never overwritten"):
        create_keystore(path, PASSPHRASE, "alice", CHEAP)
    assert path.read_bytes() == before


def test_no_secret_shows_in_the_file_or_in_repr(tmp_path: Path) -> None:
    made = create_keystore(tmp_path / "k", PASSPHRASE, "alice", CHEAP)
    content = (tmp_path / "k").read_bytes().decode()
    for secret in (made.key.to_bytes(), made.identity.to_bytes(), made.one_time, made.nonce, PASSPHRASE):
        assert secret.hex() not in content + repr(made)
    assert "correct" not in content


def test_all_secrets_of_a_seed_differ() -> None:
    keys = KeySet.from_seed(bytes(32))
    assert len({keys.key.to_bytes(), keys.identity.to_bytes(), keys.one_time, keys.nonce, bytes(32)}) == 5
    assert keys.key == KeySet.from_seed(bytes(32)).key != KeySet.from_seed(sha256(b"")).key
    assert isinstance(keys.key, SecretKey)
    with pytest.raises(InvalidInput, match="32 bytes"):
        KeySet.from_seed(bytes(31))


@pytest.mark.parametrize("passphrase", [b"correct hors", b"Correct horse", b"correct horse "])
def test_another_passphrase_opens_nothing(passphrase: bytes) -> None:
    content = seal(b"seed", PASSPHRASE, "alice", CHEAP)
    assert unseal(content, PASSPHRASE) == ("alice", b"seed")
    with pytest.raises(VerificationFailed, match="wrong passphrase"):
        unseal(content, passphrase)


@pytest.mark.parametrize("field", ["label", "salt", "nonce", "ciphertext"])
def test_a_changed_field_opens_nothing(field: str) -> None:
    document = json.loads(seal(b"seed", PASSPHRASE, "alice", CHEAP))
    value = document[field]
    document[field] = "bob" if field == "label" else value[:-1] + ("0" if value[-1] != "0" else "1")
    with pytest.raises(VerificationFailed):
        unseal(json.dumps(document).encode(), PASSPHRASE)


@pytest.mark.parametrize("log2_n", [1, 13, 21, 40, "14", None, 14.0])
def test_a_cost_that_protects_nothing_or_eats_all_memory_is_refused(log2_n: object) -> None:
    document = json.loads(seal(b"seed", PASSPHRASE, "alice", CHEAP))
    with pytest.raises(InvalidInput, match="out of range"):
        unseal(json.dumps({**document, "log2_n": log2_n}).encode(), PASSPHRASE)
    with pytest.raises(InvalidInput, match="out of range"):
        seal(b"seed", PASSPHRASE, "alice", log2_n)  # type: ignore[arg-type]


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_sealed_file_are_refused(content: bytes) -> None:
    with pytest.raises(VerificationFailed):
        unseal(content, PASSPHRASE)


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(InvalidInput, match="protects nothing"):
        seal(b"seed", b"", "alice", CHEAP)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_not_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(mode)
    with pytest.raises(Refused, match="chmod 600"):
        read_private(path)
    path.chmod(0o600)
    assert read_private(path) == b"x"
    with pytest.raises(Unavailable):
        read_private(tmp_path / "nothing")


# ---- files -----------------------------------------------------------------------------------------------------------


def test_what_was_written_once_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_once(path, b"one")
    durable.write_once(path, b"one")
    with pytest.raises(Refused, match="another content"):
        durable.write_once(path, b"two")
    assert path.read_bytes() == b"one" and [p.name for p in tmp_path.iterdir()] == ["file"]
    durable.replace_file(path, b"two")
    assert path.read_bytes() == b"two" and path.stat().st_mode & 0o777 == 0o600
    durable.remove_file(path)
    assert not list(tmp_path.iterdir())


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (seen.append("fsync"), sync(descriptor))[1])
    durable.steps.append(lambda what, path: seen.append(what))
    try:
        durable.write_once(tmp_path / "file", b"x")
        durable.remove_file(tmp_path / "file")
    finally:
        durable.steps.pop()
    written = ["created", "written", "fsync", "synced", "linked", "fsync", "settled"]
    assert seen == [*written, "removing", "removed", "fsync", "settled"]


def test_two_commands_do_not_work_on_one_folder(tmp_path: Path) -> None:
    with durable.locked(tmp_path), pytest.raises(Unavailable, match="another command"), durable.locked(tmp_path):
        pass
    with durable.locked(tmp_path):
        pass


# ---- backups, words --------------------------------------------------------------------------------------------------


def test_a_backup_is_encrypted_and_restored_into_an_empty_home_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    create_keystore(home / "keystore.json", PASSPHRASE, "alice", CHEAP)
    (home / "policy.json").write_bytes(b"{}")
    backup = make_backup(home, PASSPHRASE, CHEAP)
    assert b"keystore.json" not in backup
    restore_backup(backup, PASSPHRASE, tmp_path / "new")
    contents = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (home, tmp_path / "new")]
    assert contents[0] == contents[1]
    with pytest.raises(Refused, match="empty folder"):
        restore_backup(backup, PASSPHRASE, tmp_path / "new")
    with pytest.raises(VerificationFailed, match="wrong passphrase"):
        restore_backup(backup, b"other", tmp_path / "third")
    with pytest.raises(VerificationFailed, match="no backup but a keystore"):
        restore_backup((home / "keystore.json").read_bytes(), PASSPHRASE, tmp_path / "fourth")
    with pytest.raises(InvalidInput, match="no keystore"):
        make_backup(tmp_path / "empty", PASSPHRASE, CHEAP)


@pytest.mark.parametrize("name", ["../keystore.json", "/etc/x", "ceremonies/../x", "other.json", "ceremonies/a/b/c"])
def test_a_backup_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    content = seal(zlib.compress(json.dumps({name: ""}).encode()), PASSPHRASE, "backup", CHEAP)
    with pytest.raises(VerificationFailed, match="belongs to no home folder"):
        restore_backup(content, PASSPHRASE, tmp_path / "home")
    assert not (tmp_path / "keystore.json").exists()


def test_eight_words_stand_for_a_digest() -> None:
    words = words_of(bytes(32))
    assert len(words) == 8 and words == words_of(bytes(32)) != words_of(sha256(b""))
    assert words == ("twist", "genre", "cotton", "book", "cargo", "jeans", "appear", "column")
