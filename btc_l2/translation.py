"""Translated guests on this computer: hot lists, the cache of object files, translation in the background.

`use_tier` makes `zkvm.fast.run` fast for a guest. Nothing depends on it: without a hot list, a cache, or on another
processor the interpreter runs alone. `python -m btc_l2.translation GUEST` translates one guest into the cache.

A file of the cache is native code that this process will run. So the folder must be the user's own and closed to
others, the file too, and `decode_translation` asks for key and sum. Whatever is not so is not read.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path

from btc_l2.durable import replace_file
from btc_l2.guests import Guest, find_guest
from btc_l2.zkvm import llvm
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.tiers import Tier, install
from btc_l2.zkvm.translate.hotlist import read_hot_list
from btc_l2.zkvm.translate.load import load_tier
from btc_l2.zkvm.translate.translation import (
    Translation,
    decode_translation,
    encode_translation,
    translate,
    translation_key,
)
from taproot.errors import BtcL2Error, Refused, Unavailable

_MOST_FILES = 64  # of the cache; the oldest go
_SUFFIX = ".tier"
_tiers: dict[bytes, Tier] = {}  # by key: what this process has loaded
_lock = threading.Lock()


def cache_folder() -> Path:
    """`btc-l2/translated` in the user's cache folder (XDG Base Directory Specification); Unavailable without a home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    parent = given if given.is_absolute() else Path(os.path.expanduser("~")) / ".cache"
    if not parent.is_absolute():
        raise Unavailable("there is no place for translated guests; the user has no home; set XDG_CACHE_HOME")
    return parent / "btc-l2" / "translated"


def find_hot_list(guest: Guest) -> list[int]:
    """The guest's hot addresses; empty if it has no list."""
    path = guest.path.parent.parent / "hot" / f"{guest.name}.txt"
    return read_hot_list(path.read_text()) if path.is_file() else []


def use_tier(guest: Guest, wait: bool = False) -> bool:
    """Run the guest's machines with its tier from now on; whether it is there already.

    From the cache, if it is in it. Else it is translated: here and now with `wait`, otherwise by another process, and
    the tier is used as soon as that is ready, in the middle of a run if need be.
    """
    if not llvm.is_supported() or not (hot := find_hot_list(guest)):
        return False
    image = guest.load_image()
    key = guest_key(image, hot)
    if _use_cached(key):
        return True
    if wait:
        _use(key, translate_into_cache(image, hot))
        return True
    threading.Thread(target=_translate_elsewhere, args=(guest.name, key), daemon=True).start()
    return False


def use_cached_tier(guest: Guest) -> bool:
    """As `use_tier`, but nothing is translated."""
    if not _has_cache() or not llvm.is_supported() or not (hot := find_hot_list(guest)):
        return False
    return _use_cached(guest_key(guest.load_image(), hot))


def _has_cache() -> bool:
    try:
        return cache_folder().is_dir()
    except Unavailable:
        return False


def guest_key(image: Image, hot: list[int]) -> bytes:
    """Key of a translation: the pages with hot addresses and those behind them stand for the guest's code."""
    numbers = sorted({address // PAGE_BYTES + more for address in hot for more in (0, 1)} & image.pages.keys())
    code = b"".join(number.to_bytes(4, "little") + image.pages[number].words.tobytes() for number in numbers)
    return translation_key(code, hot, image.endian)


def translate_into_cache(image: Image, hot: list[int]) -> Translation:
    """Translate now; kept in the cache if there is one. Takes a second for each thousand blocks."""
    machine = image.machine()
    translation = translate(machine.load_word, hot, image.endian)
    with suppress(OSError, Unavailable):  # one that cannot be kept is as good
        _write(cache_folder(), guest_key(image, hot), translation)
    return translation


def read_cached(folder: Path, key: bytes) -> Translation | None:
    """A translation from the cache; None if there is none.

    Refused if folder or file belong to somebody else or are open to others, VerificationFailed if the file is damaged.
    """
    path = folder / (key.hex() + _SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        _check_owner(folder, os.lstat(folder))
        _check_owner(path, os.fstat(descriptor))
        return decode_translation(file.read(), key)


def _check_owner(path: Path, found: os.stat_result) -> None:
    own = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    if not own or stat.S_ISLNK(found.st_mode):
        raise Refused(f"{path} is not yours alone; native code from it is not run; delete it, it is made again")


def _write(folder: Path, key: bytes, translation: Translation) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(folder, os.lstat(folder))
    replace_file(folder / (key.hex() + _SUFFIX), encode_translation(translation, key))
    _forget_oldest(folder)


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*" + _SUFFIX), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_MOST_FILES:]:
        path.unlink(missing_ok=True)


def _use_cached(key: bytes) -> bool:
    if key in _tiers:
        return True
    try:
        translation = read_cached(cache_folder(), key)
        if translation is not None:
            _use(key, translation)
    except BtcL2Error as error:
        warnings.warn(f"no translated tier: {error}", stacklevel=3)
        return False
    return translation is not None


def _use(key: bytes, translation: Translation) -> None:
    with _lock:
        if key not in _tiers:
            _tiers[key] = load_tier(translation)
            install(_tiers[key])


def _translate_elsewhere(name: str, key: bytes) -> None:
    """In a process of its own, because the translator holds the interpreter lock."""
    command = [sys.executable, "-m", "btc_l2.translation", name]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0:
        _use_cached(key)


def main(arguments: list[str]) -> int:
    """Translate a guest into the cache, as a process that gives way to others."""
    os.nice(10)
    guest = find_guest(arguments[0])
    hot = find_hot_list(guest)
    if not hot:
        raise Unavailable(f"{guest.name} has no hot list; nothing says what is worth translating; run guest/profile")
    translate_into_cache(guest.load_image(), hot)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
