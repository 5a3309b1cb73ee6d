"""Files that survive a crash: written whole or not at all, on the disk when the call returns.

A temporary file is filled and fsynced, takes its name by link(2) or rename(2), and the folder is fsynced (POSIX says
nothing about a name before that). Names that begin with a dot are such temporaries of a crash and mean nothing.
`steps` is told every point at which a crash could fall; tests end the process there.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from taproot.errors import Refused, Unavailable

Step = Callable[[str, Path], None]


def _no_step(_what: str, _path: Path) -> None:
    """Nobody watches."""


steps: list[Step] = [_no_step]  # the last one is told; a list so that it can be exchanged in a running process


def replace_file(path: Path, content: bytes) -> None:
    """The file has this content, mode 0600, whatever it had before. Raises OSError if the disk refuses."""
    temporary = _fill(path, content)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _settle("replaced", path)


def write_once(path: Path, content: bytes) -> None:
    """The file is new and has this content, mode 0600. Raises Refused if there is another one, OSError by the disk.

    A file of the same content is left as it is: a crash after the link is followed by this call once more.
    """
    temporary = _fill(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        if path.read_bytes() != content:
            raise Refused(f"{path} is there already with another content; what was written once stands") from None
    finally:
        temporary.unlink(missing_ok=True)
    _settle("linked", path)


def remove_file(path: Path) -> None:
    """The file is gone, also after a crash. Raises FileNotFoundError if it was not there."""
    _tell("removing", path)
    path.unlink()
    _settle("removed", path)


def make_folder(path: Path) -> None:
    """The folder is there, mode 0700, with the folders above it. Raises Unavailable if the disk refuses."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"cannot make folder {path}; {error.strerror}; choose another place") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else holds this folder's lock meanwhile. Raises Unavailable if somebody does, or there is no folder."""
    try:
        descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise Unavailable(f"cannot use folder {folder}; {error.strerror}; name the right one") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Unavailable(f"another command works on {folder}; wait for its end") from None
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """What names the folder has is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(path: Path, content: bytes) -> Path:
    """A temporary file beside `path` (mkstemp gives it mode 0600) with its bytes on the disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    _tell("created", path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _tell("written", path)
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _tell("synced", path)
    return temporary


def _settle(what: str, path: Path) -> None:
    _tell(what, path)
    sync_folder(path.parent)
    _tell("settled", path)


def _tell(what: str, path: Path) -> None:
    steps[-1](what, path)
