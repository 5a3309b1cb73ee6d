"""A public folder in which the parties of a test network post what the others need: cards, digests, outpoints.

Nobody has to trust it. What is posted is written once; who could change it all the same changes cards that their owners
look at, and a policy whose digest everybody compares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from btc_l2.durable import make_folder, write_once
from taproot.errors import TimedOut, Unavailable

PAUSE = 0.2  # seconds
PATIENCE = 600.0
Pause = Callable[[], None]


def rest() -> None:
    """A moment, in which others go on."""
    time.sleep(PAUSE)


class Board:
    """Posts by kind and name. `pause` passes the time while something is waited for."""

    def __init__(self, folder: Path, pause: Pause = rest, patience: float = PATIENCE) -> None:
        self._folder, self.pause, self._patience = folder, pause, patience

    def place(self, kind: str, name: str) -> Path:
        """Where a post stands, or will stand."""
        return self._folder / kind / name

    def post(self, kind: str, name: str, content: bytes) -> None:
        """Put it there; the same once more is nothing new. Raises Refused if another one is there."""
        path = self.place(kind, name)
        make_folder(path.parent)
        try:
            write_once(path, content)
        except OSError as error:
            raise Unavailable(f"cannot post {path}; {error.strerror}; make the folder writable") from error

    def read(self, kind: str, name: str) -> bytes | None:
        """What was posted, if anything."""
        path = self.place(kind, name)
        return path.read_bytes() if path.exists() else None

    def wait(self, kind: str, names: Sequence[str]) -> dict[str, bytes]:
        """The posts of all of them. Raises TimedOut naming those that are missing."""
        deadline = time.monotonic() + self._patience
        while True:
            found = {name: content for name in names if (content := self.read(kind, name)) is not None}
            if len(found) == len(names):
                return found
            if time.monotonic() > deadline:
                missing = ", ".join(name for name in names if name not in found)
                raise TimedOut(f"{kind} of {missing} not posted within {self._patience:.0f} s; look at what they say")
            self.pause()
