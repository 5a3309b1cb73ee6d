"""The blob store: a folder with what guests map, found by root, checked whenever it is read.

A blob's root depends on the guest's byte order (`btc_l2/zkvm/blobs.py`), so each blob stands in the folder under two
names, `big/<root>` and `little/<root>`, which are one file where the file system has hard links. A file appears under
its name complete or not at all. The folder is `$BTCL2_BLOBS`, else `btc-l2/blobs` in the user's data folder (XDG Base
Directory Specification).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from btc_l2.durable import replace_file
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.layout import REGION_BYTES
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

ENDIANS: tuple[Endian, ...] = get_args(Endian)
ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class BlobStore:
    """A folder of blobs; it need not exist before the first one is added."""

    folder: Path

    def add(self, data: bytes) -> dict[Endian, bytes]:
        """Keep a blob; its root for guests of either byte order. InvalidInput above 64 MiB, Unavailable if it fails.

        A damaged file of the same name is replaced.
        """
        roots: dict[Endian, bytes] = {endian: blob_root(data, endian) for endian in ENDIANS}
        paths = [self.path(root, endian) for endian, root in roots.items()]
        try:
            _write(paths[0], data)
            _link(paths[0], paths[1], data)
        except OSError as error:
            raise Unavailable(
                f"cannot keep a blob in {self.folder}; {error.strerror}; name another folder with --blobs"
            ) from error
        return roots

    def read(self, root: bytes, endian: Endian) -> bytes:
        """A blob by its root for one byte order; Unavailable if it is not here, VerificationFailed if it is damaged."""
        path = self.path(root, endian)
        try:
            data = _read_at_most(path, REGION_BYTES + 1)
        except FileNotFoundError:
            raise Unavailable(
                f"no blob with root {root.hex()} for {endian}-endian guests; {self.folder} does not hold it; "
                "add its file with `btc-l2 vm blob add`"
            ) from None
        except OSError as error:
            raise Unavailable(f"cannot read blob {root.hex()}; {path}: {error.strerror}; check the folder") from error
        if len(data) > REGION_BYTES or blob_root(data, endian) != root:
            raise VerificationFailed(
                f"blob {root.hex()} is damaged; {path} has another root; add its true bytes with `btc-l2 vm blob add`"
            )
        return data

    def path(self, root: bytes, endian: Endian) -> Path:
        """Where the blob with this root stands, if it is here."""
        return self.folder / endian / root.hex()

    def roots(self, endian: Endian) -> list[bytes]:
        """Roots of all blobs for one byte order, ascending; files of other names are left alone."""
        folder = self.folder / endian
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [bytes.fromhex(name) for name in names if _is_root(name)]


class StoredBlobs(Mapping[bytes, bytes]):
    """The blobs that a machine of one byte order may map: some in memory, the others in a store, read when needed."""

    def __init__(self, store: BlobStore, endian: Endian, known: Mapping[bytes, bytes]) -> None:
        self._store = store
        self._endian = endian
        self._known = known

    def __getitem__(self, root: bytes) -> bytes:
        """KeyError if it is nowhere; VerificationFailed if its file is damaged."""
        if root in self._known:
            return self._known[root]
        if root not in self:
            raise KeyError(root)
        return self._store.read(root, self._endian)

    def __contains__(self, root: object) -> bool:
        return root in self._known or (isinstance(root, bytes) and self._store.path(root, self._endian).is_file())

    def __iter__(self) -> Iterator[bytes]:
        return iter(dict.fromkeys((*self._known, *self._store.roots(self._endian))))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def default_folder() -> Path:
    """`$BTCL2_BLOBS`, else `btc-l2/blobs` under `$XDG_DATA_HOME` or `~/.local/share`."""
    named = os.environ.get("BTCL2_BLOBS")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share") / "btc-l2" / "blobs"


def parse_root(text: str) -> bytes:
    """64 hexadecimal digits; InvalidInput for anything else."""
    if not _is_root(text.lower()):
        raise InvalidInput(f"{text!r} is no root; it has 64 hexadecimal digits; `btc-l2 vm blob root FILE` tells it")
    return bytes.fromhex(text)


def read_blob_file(path: Path) -> bytes:
    """Content of a file that is to be a blob; InvalidInput above 64 MiB, Unavailable if it cannot be read."""
    try:
        data = _read_at_most(path, REGION_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; check name and permission") from error
    if len(data) > REGION_BYTES:
        raise InvalidInput(f"{path} has more than {REGION_BYTES} bytes; a map slot holds no more; split it")
    return data


def _is_root(name: str) -> bool:
    return len(name) == 2 * ROOT_BYTES and not set(name) - set("0123456789abcdef")


def _read_at_most(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)


def _link(source: Path, target: Path, data: bytes) -> None:
    """A second name for the same file; a second file where that is impossible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".new-{secrets.token_hex(8)}")
    try:
        os.link(source, fresh)
    except OSError:
        _write(target, data)
        return
    os.replace(fresh, target)
    fresh.unlink(missing_ok=True)  # rename leaves both names where they were the same file already
