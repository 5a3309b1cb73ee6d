"""What a claim is about: the program of a deposit with its data, as `deposit.toml` in the deposit's folder names it.

    guest = "NAME"; statement = "FILE" (default: the guest's own); blobs = "DIR"; start = HEIGHT

Paths are relative to the folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from btc_l2.blobstore import BlobStore, StoredBlobs, default_folder
from btc_l2.guests import find_guest
from btc_l2.translation import use_cached_tier
from btc_l2.zkvm.image import Image
from challenger.game.prover import TraceProver
from taproot.errors import InvalidInput, Unavailable

DEPOSIT = "deposit.toml"
_FIELDS = {"guest": str, "statement": str, "blobs": str, "start": int}


class DataUnavailable(Unavailable):
    """Something that is needed to judge or to prove a claim is not here."""


@dataclass(frozen=True, slots=True)
class Program:
    """The image that a graph's scripts name, and the blobs that it may map."""

    image: Image
    blobs: Mapping[bytes, bytes]

    def truth(self, claim: bytes, steps: int) -> TraceProver:
        """The true run on a claim (128 bytes). Raises DataUnavailable if a blob is missing."""
        try:
            return TraceProver(self.image, claim, steps, blobs=self.blobs)
        except Unavailable as error:
            raise DataUnavailable(str(error)) from error


def read_description(folder: Path) -> dict[str, str | int]:
    """The fields of `deposit.toml`; empty if there is none. Raises InvalidInput for an unknown field or type."""
    path = folder / DEPOSIT
    try:
        fields = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: {error}; it is a TOML file with {', '.join(_FIELDS)}") from error
    wrong = [name for name, value in fields.items() if name not in _FIELDS or type(value) is not _FIELDS[name]]
    if wrong:
        raise InvalidInput(f"{path}: {wrong[0]!r} is unknown or of another type; it has {', '.join(_FIELDS)}")
    return fields


def load_program(folder: Path, root: bytes) -> Program:
    """The program with this image root. Raises DataUnavailable if it is not described here or is another one."""
    fields = read_description(folder)
    if "guest" not in fields:
        raise DataUnavailable(f"{folder / DEPOSIT} names no guest; without the program no claim can be judged")
    guest = find_guest(str(fields["guest"]))
    use_cached_tier(guest)
    statement = _read(folder / str(fields["statement"])) if "statement" in fields else None
    image = guest.load_image(statement)
    if image.root() != root:
        raise DataUnavailable(f"{folder}: the graph is about another image than {guest.name} with this statement; "
                              "give the statement that all agreed on")  # fmt: skip
    store = BlobStore(folder / str(fields["blobs"]) if "blobs" in fields else default_folder())
    return Program(image, StoredBlobs(store, image.endian, guest.blobs()))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataUnavailable(f"cannot read {path}; {error.strerror}") from error
