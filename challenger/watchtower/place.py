"""Where the files of a watched graph are: a folder per deposit, as `btc-l2 signer combine` writes it, and what we add.

    OPERATOR.bundle        the presigned graph of an operator
    manifest.json          ceremony, domain of the one-time keys, digests of all bundles (presign/ceremony/result.py)
    deposit.toml           what the claim is about (challenger/watchtower/program.py)
    OPERATOR.claim.json    what that operator has announced (challenger/watchtower/announcement.py)

A bundle that was not made by a ceremony stands alone and has no manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from challenger.presign.bundle import Bundle, read_proposal
from challenger.presign.ceremony.agreement import CEREMONY
from challenger.presign.ceremony.result import MANIFEST, SUFFIX, check_listed, read_manifest
from challenger.presign.proposal import BuildGames
from taproot.errors import InvalidInput, VerificationFailed

CLAIM_SUFFIX = ".claim.json"


@dataclass(frozen=True, slots=True)
class Place:
    """One graph; `name` is that of the folder, with the operator's where the folder has graphs of several."""

    name: str
    path: Path  # of the bundle

    @property
    def folder(self) -> Path:
        """The deposit's folder."""
        return self.path.parent

    @property
    def operator(self) -> str:
        """Whose graph it is, by the file's name."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def claim(self) -> Path:
        """Where the operator's announcement is, once there is one."""
        return self.folder / f"{self.operator}{CLAIM_SUFFIX}"

    def mark(self) -> tuple[int, ...]:
        """Changes whenever bundle or manifest are written."""
        manifest = self.folder / MANIFEST
        stats = [path.stat() for path in (self.path, manifest) if path.exists()]
        return tuple(number for stat in stats for number in (stat.st_mtime_ns, stat.st_size))

    def digest(self) -> str:
        """SHA-256 of the bundle (hexadecimal)."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def load(self, build_games: BuildGames) -> Bundle:
        """The bundle, every signature checked; it is the one that the manifest names.

        Raises as `Bundle.load`, VerificationFailed also for a folder that is not what a ceremony has left.
        """
        self._check_manifest()
        bundle = Bundle.load(self.path, build_games)
        if (self.folder / MANIFEST).exists():
            check_listed(read_manifest(self.folder), self.operator, bundle, self.path.read_bytes())
        if bundle.proposal.parties.operator.name != self.operator:
            raise VerificationFailed(f"{self.path} is the bundle of {bundle.proposal.parties.operator.name}; rename it")
        return bundle

    def _check_manifest(self) -> None:
        """A folder is whole, or nothing in it is used: it may be on its way here."""
        if (self.folder / MANIFEST).exists():
            named, here = read_manifest(self.folder)["operators"], {p.operator for p in list_folder(self.folder)}
            if missing := sorted(set(named) - here):
                raise VerificationFailed(f"{self.folder} lacks {missing[0]}{SUFFIX} of its manifest; copy all of it")
        elif CEREMONY in read_proposal(self.path).constants or len(list_folder(self.folder)) > 1:
            raise VerificationFailed(f"{self.folder} has no {MANIFEST}; copy all that `signer combine` has written")


def list_folder(folder: Path) -> list[Place]:
    """The graphs of one deposit by operator."""
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    alone = len(paths) == 1
    return [Place(folder.name if alone else f"{folder.name}.{p.name.removesuffix(SUFFIX)}", p) for p in paths]


def list_places(deposits: Path) -> Iterator[Place]:
    """All graphs of all deposits."""
    for folder in sorted(deposits.glob("*/")):
        yield from list_folder(folder)


def find_place(deposits: Path, name: str) -> Place:
    """The graph of that name. Raises InvalidInput if there is none, or if the name is that of several."""
    found = {place.name: place for place in list_places(deposits)}
    if name not in found:
        known = ", ".join(found) or "none"
        raise InvalidInput(f"no graph is called {name!r} in {deposits}; there are: {known}")
    return found[name]
