"""Hot lists, files of translated guests and the cache: what is found again, what is refused, what runs without them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from btc_l2 import translation as cache
from btc_l2.cli.main import app
from btc_l2.guests import Guest, find_guest, list_guests
from btc_l2.zkvm import llvm, tiers
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.translate import translation as translator
from btc_l2.zkvm.translate.hotlist import read_hot_list, write_hot_list
from btc_l2.zkvm.translate.profile import find_hot, merge_hot
from btc_l2.zkvm.translate.translation import (
    Translation,
    decode_translation,
    encode_translation,
    translate,
    translation_key,
)
from taproot.errors import BtcL2Error, InvalidInput, Refused, VerificationFailed
from tests.zkvm.programs import CODE, encode, machine_with

needs_tier = pytest.mark.skipif(not llvm.is_supported(), reason="no translated tier for this processor")
KEY = bytes(range(32))
WORDS = [encode("ADDIU", rs=2, rt=2, low=1), encode("BEQ", low=-2), 0]


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """A guest with a hot list, a cache of its own, and nothing left in the process afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_tiers", {})
    monkeypatch.setattr(tiers, "_installed", [])
    yield find_guest("hashchain")


@pytest.fixture(scope="module")
def small() -> Translation:
    """The translation of a loop of three words."""
    return translate(machine_with(WORDS).load_word, [CODE], "big")


@given(st.sets(st.integers(0, 0x2FFF_FFFF).map(lambda k: 4 * k)))
def test_a_hot_list_survives_the_way_to_text_and_back(addresses: set[int]) -> None:
    assert read_hot_list(write_hot_list(list(addresses), ["a remark"])) == sorted(addresses)


@pytest.mark.parametrize("text", ["4 x", "-4", "c0000000", "ffffffff 8"])
def test_what_is_no_hot_list_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_hot_list(text)


@pytest.mark.parametrize("guest", list_guests(), ids=lambda guest: guest.name)
def test_the_hot_list_of_a_guest_names_addresses_of_its_code(guest: Guest) -> None:
    hot = cache.find_hot_list(guest)
    pages = guest.load_image().pages
    assert all(address // 4096 in pages for address in hot)


def test_the_starts_of_frequent_blocks_are_hot() -> None:
    words = [0, encode("BEQ", low=3), 0, 0, 0, encode("ADDIU"), encode("BNE", low=1), 0, encode("SYSCALL_HALT")]
    counts = {CODE + 4 * k: count for k, count in enumerate((1, 1, 1, 0, 0, 900, 900, 900, 1)) if count}
    fetch = machine_with(words).load_word
    assert find_hot(counts, fetch, 0.9) == [CODE + 20]
    assert find_hot(counts, fetch, 1.0) == [CODE, CODE + 20, CODE + 32]
    assert find_hot({}, fetch) == []
    assert merge_hot([[8, 4], [4, 12]]) == [4, 8, 12]


@needs_tier
def test_a_translation_survives_the_way_to_bytes_and_back(small: Translation) -> None:
    again = decode_translation(encode_translation(small, KEY), KEY)
    assert (again.endian, again.mask, again.object_code) == (small.endian, small.mask, small.object_code)
    for name in ("heads", "addresses", "words"):
        assert np.array_equal(getattr(again, name), getattr(small, name))


@needs_tier
@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_or_foreign_file_is_refused(small: Translation, data: st.DataObject) -> None:
    content = encode_translation(small, KEY)
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
    for wrong, key in ((damaged, KEY), (content[:place], KEY), (content + b"\0", KEY), (content, KEY[::-1])):
        with pytest.raises(VerificationFailed):
            decode_translation(wrong, key)


def test_the_key_depends_on_code_hot_list_order_processor_and_translator(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {translation_key(*given) for given in (
        (b"code", [4, 8], "big"), (b"cod", [4, 8], "big"), (b"code", [4], "big"), (b"code", [4, 8], "little"),
    )}  # fmt: skip
    assert translation_key(b"code", [8, 4], "big") in keys
    monkeypatch.setattr(llvm, "describe_host", lambda: "another processor")
    keys.add(translation_key(b"code", [4, 8], "big"))
    monkeypatch.setattr(translator, "_translator", lambda: b"another translator")
    keys.add(translation_key(b"code", [4, 8], "big"))
    assert len(keys) == 6


@needs_tier
def test_a_guest_is_translated_once_and_found_in_the_cache(guest: Guest) -> None:
    assert not cache.use_cached_tier(guest)
    assert cache.use_tier(guest, wait=True)
    files = list(cache.cache_folder().iterdir())
    assert [path.suffix for path in files] == [".tier"]
    assert (cache.cache_folder().stat().st_mode & 0o777, files[0].stat().st_mode & 0o777) == (0o700, 0o600)
    assert len(tiers.installed()) == 1
    cache._tiers.clear()
    tiers.uninstall(tiers.installed()[0])
    assert cache.use_cached_tier(guest) and cache.use_cached_tier(guest)
    assert len(tiers.installed()) == 1
    machine = guest.load_image().machine()
    run(machine, guest.steps)
    assert machine.exit_code == 1


@needs_tier
@pytest.mark.parametrize("given", ["", "relative"])
def test_without_a_home_a_guest_is_translated_and_not_kept(
    guest: Guest, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert not cache.use_cached_tier(guest)
    with pytest.warns(UserWarning):
        assert cache.use_tier(guest, wait=True)
    assert len(tiers.installed()) == 1 and list(tmp_path.iterdir()) == []


@needs_tier
def test_another_process_translates_while_this_one_runs(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(cache.threading.Thread, "start", lambda thread: started.append(thread))
    assert not cache.use_tier(guest)
    assert tiers.installed() == ()
    for thread in started:
        thread.run()
    assert len(tiers.installed()) == 1


@needs_tier
@pytest.mark.parametrize("spoil", ["open folder", "open file", "damaged", "link", "another guest's"])
def test_a_file_that_others_could_have_written_or_that_is_damaged_is_not_loaded(guest: Guest, spoil: str) -> None:
    assert cache.use_tier(guest, wait=True)
    key = cache.guest_key(guest.load_image(), cache.find_hot_list(guest))
    folder = cache.cache_folder()
    path = folder / f"{key.hex()}.tier"
    if spoil == "open folder":
        folder.chmod(0o755)
    elif spoil == "open file":
        path.chmod(0o620)
    elif spoil == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif spoil == "link":
        path.rename(folder / "elsewhere")
        path.symlink_to(folder / "elsewhere")
    else:
        path.write_bytes(encode_translation(decode_translation(path.read_bytes(), key), KEY))
    if spoil == "link":
        assert cache.read_cached(folder, key) is None
    else:
        with pytest.raises(VerificationFailed if spoil in ("damaged", "another guest's") else Refused):
            cache.read_cached(folder, key)
    cache._tiers.clear()
    with pytest.warns(UserWarning) if spoil != "link" else nullcontext():
        assert not cache.use_cached_tier(guest)


@needs_tier
def test_a_folder_of_somebody_else_is_refused(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.use_tier(guest, wait=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Refused):
        cache.read_cached(cache.cache_folder(), cache.guest_key(guest.load_image(), cache.find_hot_list(guest)))


@needs_tier
def test_the_cache_forgets_the_oldest_files(
    small: Translation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 2)
    folder = tmp_path / "cache"
    for k in range(4):
        cache._write(folder, bytes([k] * 32), small)
        os.utime(folder / f"{bytes([k] * 32).hex()}.tier", (k, k))
    assert sorted(path.name[:2] for path in folder.iterdir()) == ["02", "03"]


def test_another_processor_and_a_guest_without_a_list_run_without_a_tier(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cache.use_tier(replace(guest, name="nobody"), wait=True)
    monkeypatch.setattr(llvm, "is_supported", lambda: False)
    assert not cache.use_tier(guest, wait=True) and not cache.use_cached_tier(guest)
    with pytest.raises(BtcL2Error):
        llvm.compile_object("")
    machine = guest.load_image().machine()
    assert run(machine, 1000) == 1000


@needs_tier
def test_text_that_llvm_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidInput):
        llvm.compile_object("define i64 @f(")


@needs_tier
def test_bytes_that_are_no_object_file_are_refused() -> None:
    with pytest.raises(InvalidInput):
        llvm.load_object(b"no object file", ("entries",))


@needs_tier
def test_the_command_line_translates_and_runs_with_and_without_the_tier(guest: Guest) -> None:
    def command(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["vm", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    made = command("translate", guest.name)
    assert Path(str(made["file"])).is_file() and made["hot_addresses"] == len(cache.find_hot_list(guest))
    with_tier, without = (command("run", guest.name, option) for option in ("--tier", "--no-tier"))
    assert {**with_tier, "steps_per_second": 0} == {**without, "steps_per_second": 0}
    assert CliRunner().invoke(app, ["vm", "translate", "blobsum"]).exit_code != 0
