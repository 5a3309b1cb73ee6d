"""Files of the embedded chain: an append-only log of blocks and a dump of the mempool.

Log: magic, generation (u32, counts rewrites), then records of length (u32), CRC-32 (u32) and block bytes, all little
endian. A torn record at the end, from a killed process or a full disk, is cut off when the log is opened.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import TextIO

from taproot.errors import InvalidInput, Unavailable
from taproot.tx import Transaction, read_transaction

_MAGIC = b"BTCL2BLK"
_HEADER_SIZE = len(_MAGIC) + 4


class BlockLog:
    """The log of one chain folder, locked for this process."""

    def __init__(self, path: Path, lock: TextIO) -> None:
        self._path = path
        self._lock = lock
        self._file = self._open_file()
        self._last_start = self._cut_torn_tail()

    @classmethod
    def open(cls, folder: Path) -> BlockLog:
        """Create or open the log in `folder`; Unavailable if it cannot be written or is in use."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("a")
        except OSError as error:
            raise Unavailable(f"cannot use {folder} for a chain: {error.strerror}; choose another folder") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(folder / "blocks.log", lock)
        except OSError as error:
            lock.close()
            if isinstance(error, BlockingIOError):
                what = "another process has it open; stop that one first"
            else:
                what = f"{error.strerror}; free disk space or choose another folder"
            raise Unavailable(f"cannot open the chain in {folder}: {what}") from error

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    @property
    def generation(self) -> int:
        """How often the log was rewritten."""
        self._file.seek(len(_MAGIC))
        return int.from_bytes(self._file.read(4), "little")

    def records(self) -> Iterator[bytes]:
        """All blocks in the order in which they came."""
        at = _HEADER_SIZE
        while (raw := self._read_record(at)) is not None:
            yield raw
            at += 8 + len(raw)

    def append(self, raw: bytes) -> None:
        """Add a block; Unavailable if the disk does not take it, and then the log is as before."""
        start = self._file.seek(0, os.SEEK_END)
        rest = memoryview(_record(raw))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(start)
            raise Unavailable(f"cannot write {self._path}: {error.strerror}; free disk space") from error
        self._last_start = start

    def drop_last(self) -> None:
        """Take back the last `append`."""
        self._file.truncate(self._last_start)

    def rewrite(self, blocks: Sequence[bytes], generation: int) -> None:
        """Replace the whole content at once."""
        fresh = self._path.with_suffix(".new")
        content = b"".join([_MAGIC, generation.to_bytes(4, "little"), *map(_record, blocks)])
        write_all(fresh, content)
        self._file.close()
        os.replace(fresh, self._path)
        self._file = self._open_file()
        self._last_start = len(content)

    def close(self) -> None:
        """Close and unlock."""
        self._file.close()
        self._lock.close()

    def _open_file(self) -> FileIO:
        if not self._path.exists() or self._path.stat().st_size < _HEADER_SIZE:
            self._path.write_bytes(_MAGIC + bytes(4))
        file = FileIO(self._path, "r+b")
        if file.read(len(_MAGIC)) != _MAGIC:
            file.close()
            raise InvalidInput(f"{self._path} is no block log of this program; choose another folder")
        return file

    def _cut_torn_tail(self) -> int:
        end = _HEADER_SIZE
        for raw in self.records():
            end += 8 + len(raw)
        self._file.truncate(end)
        return end

    def _read_record(self, at: int) -> bytes | None:
        self._file.seek(at)
        head = self._file.read(8)
        raw = self._file.read(int.from_bytes(head[:4], "little"))
        return raw if raw and head + raw == _record(raw) else None


def write_transactions(path: Path, txs: Sequence[Transaction]) -> None:
    """Write serialized transactions one after the other, atomically."""
    write_all(path, b"".join(tx.serialize() for tx in txs))


def read_transactions(path: Path) -> list[Transaction]:
    """What `write_transactions` wrote; a missing file is an empty list, a damaged one ends where it breaks."""
    data = path.read_bytes() if path.exists() else b""
    found: list[Transaction] = []
    offset = 0
    while offset < len(data):
        try:
            tx, offset = read_transaction(data, offset)
        except InvalidInput:
            break
        found.append(tx)
    return found


def write_all(path: Path, content: bytes) -> None:
    """Write a file so that either the old or the whole new content is there. Unavailable on a full disk."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Unavailable(f"cannot write {path}: {error.strerror}; free disk space") from error


def _record(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "little") + zlib.crc32(raw).to_bytes(4, "little") + raw
