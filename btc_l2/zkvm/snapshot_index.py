"""The folder of a trace: `pages` holds 4 KiB slots, `index` says what stands in them, `lock` who works with it.

`index` is a header (magic, version, byte order, root of the start, checksum) and one record for each snapshot:
length, checksum, body. A checksum covers the one before it, so records cannot change places. Records are appended
after their pages were written: a process that is killed leaves at most a record cut short, which is dropped on
opening. What is left out when snapshots are thinned goes by writing a new index and renaming it; only then are the
slots used again. Everything else that does not fit is damage and refused. All numbers are little-endian.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.pagefile import NODE_BYTES, PageFile, Slots
from btc_l2.zkvm.snapshots import Snapshot
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

_MAGIC = b"btc-l2 trace 1\n\0"
_HEADER = struct.Struct("<16sB32s")
_CHECKSUM = 16
_FRAME = struct.Struct("<I16s")  # length of the body, checksum
_BODY = struct.Struct("<QB32sHI")  # position, pinned, root, mapped nodes, pages
_NODE = struct.Struct("<B32s")
_PINNED = 1
_PAGE_COST = 4 + 4 + NODE_BYTES
_MOST_BODY = _BODY.size + 64 * _NODE.size + (1 << 20) * _PAGE_COST


class SnapshotFolder:
    """The files of one trace, locked while the object lives; `close` gives them up."""

    def __init__(self, folder: Path, endian: Endian, start: bytes) -> None:
        """Open or make the folder; `start` is the root of the first state. InvalidInput if it is another's."""
        self.folder = folder
        self._header = _HEADER.pack(_MAGIC, endian == "little", start)
        self._index, self._pages, self._lock = _open_files(folder)
        self.file = PageFile(self._pages, str(folder / "pages"))
        self._checksum = b""

    def close(self) -> None:
        """Give the folder to others. Pages that are still in use stay readable."""
        self._lock.close()
        self._index.close()

    def load(self, most_pages: int) -> list[Snapshot]:
        """All snapshots, their slots adopted; what a killed process left behind is cleared away.

        `most_pages` bounds what is read. VerificationFailed for a damaged index and for missing pages.
        """
        size = self._index.seek(0, os.SEEK_END)
        if size > len(self._header) + _CHECKSUM + 2 * (most_pages + 1024) * (_PAGE_COST + _BODY.size):
            raise self._damage("is larger than any that this program writes")
        self._index.seek(0)
        data = self._index.read(size)
        end = len(self._header) + _CHECKSUM
        if not data:  # new: a header never comes alone
            self._replace_index([])
            return []
        self._check_header(data[:end])
        snapshots: list[Snapshot] = []
        while (found := self._record(data, end)) is not None:
            body, checksum = found
            snapshots.append(self._snapshot(body))
            self._checksum = checksum
            end += _FRAME.size + len(body)
        if end < len(data):
            self._index.truncate(end)
        self._adopt(snapshots)
        return snapshots

    def append(self, snapshot: Snapshot) -> None:
        """Add a snapshot whose pages are written. Unavailable if the disk is full: then nothing has changed."""
        end = self._index.seek(0, os.SEEK_END)
        record, checksum = self._frame(snapshot, self._checksum)
        try:
            _write_all(self._index.fileno(), record)
        except OSError as error:
            with suppress(OSError):
                self._index.truncate(end)
            raise self._no_space(error) from error
        self._checksum = checksum

    def rewrite(self, snapshots: Sequence[Snapshot]) -> None:
        """Make these the snapshots of the folder, all at once or, with Unavailable, not at all."""
        self._replace_index(snapshots)

    def _replace_index(self, snapshots: Sequence[Snapshot]) -> None:
        fresh, checksum = self.folder / "index.new", _checksum(self._header)
        try:
            with fresh.open("w+b", buffering=0) as file:
                _write_all(file.fileno(), self._header + checksum)
                for snapshot in snapshots:
                    record, checksum = self._frame(snapshot, checksum)
                    _write_all(file.fileno(), record)
            fresh.replace(self.folder / "index")
            reopened = (self.folder / "index").open("r+b", buffering=0)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise self._no_space(error) from error
        self._index.close()
        self._index, self._checksum = reopened, checksum

    def _check_header(self, found: bytes) -> None:
        if found[:16] != _MAGIC:
            raise InvalidInput(f"{self.folder} holds no trace of this version; nothing in it is touched; give another")
        if len(found) != len(self._header) + _CHECKSUM or found[-_CHECKSUM:] != _checksum(found[:-_CHECKSUM]):
            raise self._damage("has a damaged header")
        if found[:-_CHECKSUM] != self._header:
            raise InvalidInput(
                f"{self.folder} is the trace of another image, statement or claim; snapshots of two runs do not "
                "mix; give another folder"
            )
        self._checksum = found[-_CHECKSUM:]

    def _record(self, data: bytes, at: int) -> tuple[bytes, bytes] | None:
        """Body and checksum of the record that begins at a byte; None at the end, and if the last was cut short."""
        if len(data) - at < _FRAME.size:
            return None
        length, checksum = _FRAME.unpack_from(data, at)
        if not _BODY.size <= length <= _MOST_BODY:
            raise self._damage(f"is damaged at byte {at}")
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(body) < length:
            return None
        if checksum != _checksum(self._checksum + body):
            raise self._damage(f"is damaged at byte {at}")
        return body, checksum

    def _frame(self, snapshot: Snapshot, before: bytes) -> tuple[bytes, bytes]:
        body = b"".join([
            _BODY.pack(
                snapshot.position, _PINNED * snapshot.pinned, snapshot.root, len(snapshot.nodes), len(snapshot.numbers)
            ),
            *(_NODE.pack(region, root) for region, root in snapshot.nodes.items()),
            snapshot.numbers.astype("<i4").tobytes(),
            snapshot.slots.astype("<i4").tobytes(),
            self.file.nodes(snapshot.slots).tobytes(),
        ])  # fmt: skip
        checksum = _checksum(before + body)
        return _FRAME.pack(len(body), checksum) + body, checksum

    def _snapshot(self, body: bytes) -> Snapshot:
        position, flags, root, nodes, pages = _BODY.unpack_from(body)
        at = _BODY.size + nodes * _NODE.size
        if len(body) != at + pages * _PAGE_COST:
            raise self._damage("has a record of a wrong length")
        mapped = dict(_NODE.iter_unpack(body[_BODY.size : at]))
        numbers, slots = np.frombuffer(body, dtype="<i4", count=2 * pages, offset=at).astype(np.int32).reshape(2, -1)
        known = np.frombuffer(body, dtype=np.uint8, offset=at + 8 * pages).reshape(-1, NODE_BYTES)
        if pages and (min(numbers.min(), slots.min()) < 0 or numbers.max() >= 1 << 20 or self._behind_end(slots)):
            raise VerificationFailed(
                f"{self.folder / 'pages'} was cut, or its index altered; pages of the snapshot at step {position} "
                "are not there; remove the folder and run again"
            )
        self.file.adopt(slots, known)
        return Snapshot(position, root, mapped, numbers, slots, bool(flags & _PINNED))

    def _behind_end(self, slots: Slots) -> bool:
        return bool((int(slots.max()) + 1) * PAGE_BYTES > os.fstat(self._pages.fileno()).st_size)

    def _adopt(self, snapshots: Sequence[Snapshot]) -> None:
        if any(a.position >= b.position for a, b in pairwise(snapshots)):
            raise self._damage("has snapshots out of order")
        slots = np.concatenate([np.zeros(0, np.int32), *(snapshot.slots for snapshot in snapshots)])
        if len(np.unique(slots)) != len(slots):
            raise self._damage("uses a page twice")
        self.file.reclaim(slots)

    def _damage(self, what: str) -> VerificationFailed:
        return VerificationFailed(f"{self.folder / 'index'} {what}; it was altered; remove the folder and run again")

    def _no_space(self, error: OSError) -> Unavailable:
        return Unavailable(f"cannot keep snapshots in {self.folder}; {error.strerror}; give a folder with space")


def _open_files(folder: Path) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
    """Index, pages and lock of a folder, made if they are missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = {path.name for path in folder.iterdir()} - {"index", "index.new", "pages", "lock"}
        if strangers:
            raise InvalidInput(
                f"{folder} has other files ({min(strangers)}); a trace needs its own folder; give another"
            )
        lock, pages, index = (_open(folder / name) for name in ("lock", "pages", "index"))
    except OSError as error:
        raise Unavailable(
            f"cannot keep snapshots in {folder}; {error.strerror}; give a folder that can be written"
        ) from error
    try:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Unavailable(
            f"{folder} is in use by another process; a trace has one writer; wait or give another"
        ) from error
    (folder / "index.new").unlink(missing_ok=True)
    return index, pages, lock


def _open(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECKSUM).digest()
