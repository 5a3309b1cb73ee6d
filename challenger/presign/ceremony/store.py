"""The files of a member's home folder.

    keystore.json            the encrypted seed (`challenger.keystore`)
    policy.json              the registered policy
    plain.key                the public key of who signs without MuSig2 (`card`)
    ceremonies/ID/           one folder per ceremony; every file is written once and never changed:
        ROUND.ATTEMPT.SENDER.json     what came in and what went out
        agreed.json                   the messages that the member has agreed to sign, after his review
        signatures.bin                those of the first stage, on the disk before `confirm` is signed
        ROUND.ATTEMPT.half            half a nonce seed, gone once it is used
        restored                      this folder came from a backup
    evidence/                what proves misbehaviour
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btc_l2.durable import make_folder, remove_file, write_once
from challenger.presign.ceremony.contribution import PROPOSALS, Contribution, Round
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

KEYSTORE, POLICY, CEREMONIES, EVIDENCE = "keystore.json", "policy.json", "ceremonies", "evidence"
AGREED, SIGNATURES, RESTORED = "agreed.json", "signatures.bin", "restored"


Place = tuple[Round, int, str]  # round, attempt, sender


class Files:
    """The folder of one ceremony; a contribution is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Raises VerificationFailed for a name that no contribution has."""
        self.folder = folder
        paths = sorted(folder.glob("*.*.*.json")) if folder.is_dir() else []
        self._places = {_place_of(path): path for path in paths}
        self._read: dict[Place, Contribution] = {}

    def add(self, contribution: Contribution) -> None:
        """Keep it; it is on the disk when this returns."""
        make_folder(self.folder)
        self.write(contribution.file_name, contribution.to_bytes())
        place = contribution.round, contribution.attempt, contribution.sender
        self._places[place] = self.folder / contribution.file_name
        self._read[place] = contribution

    def find(self, round_: Round, attempt: int, sender: str) -> Contribution | None:
        """The contribution of a sender, if it is here. Raises VerificationFailed if it is damaged."""
        place = round_, attempt, sender
        if place not in self._places:
            return None
        if place not in self._read:
            self._read[place] = _load(self._places[place])
        return self._read[place]

    def senders(self, round_: Round, attempt: int = 0) -> list[str]:
        """Those whose contribution to a round is here."""
        return [sender for known, number, sender in self._places if (known, number) == (round_, attempt)]

    def of(self, round_: Round, attempt: int = 0) -> dict[str, Contribution]:
        """All contributions of a round by sender."""
        found = {sender: self.find(round_, attempt, sender) for sender in self.senders(round_, attempt)}
        return {sender: contribution for sender, contribution in found.items() if contribution is not None}

    def attempts(self, round_: Round) -> int:
        """The highest attempt that anybody has begun; 0 if nobody has."""
        return max((attempt for known, attempt, _ in self._places if known is round_), default=0)

    def sent_by(self, sender: str) -> list[Contribution]:
        """All that a member has sent, in the order of the ceremony."""
        order = list(Round)
        places = sorted((order.index(r), attempt) for r, attempt, known in self._places if known == sender)
        found = [self.find(order[k], attempt, sender) for k, attempt in places]
        return [contribution for contribution in found if contribution is not None]

    def write(self, name: str, content: bytes) -> None:
        """A file that is written once. Raises Unavailable if the disk refuses, Refused if it has another content."""
        try:
            write_once(self.folder / name, content)
        except OSError as error:
            raise Unavailable(
                f"cannot write {self.folder / name}; {error.strerror}; nothing was sent; free space and do it again"
            ) from error

    def read(self, name: str) -> bytes | None:
        """A file's content, None if there is no such file."""
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def forget(self, name: str) -> None:
        """Remove a file if it is there."""
        if (self.folder / name).exists():
            remove_file(self.folder / name)


def _place_of(path: Path) -> Place:
    try:
        round_, attempt, sender, _ = path.name.split(".")
        return Round(round_), int(attempt), sender
    except ValueError as error:
        raise VerificationFailed(f"{path} does not belong here; move it away or restore a backup") from error


def _load(path: Path) -> Contribution:
    try:
        contribution = Contribution.from_bytes(path.read_bytes())
    except InvalidInput as error:
        raise VerificationFailed(f"{path} is damaged: {error}; restore a backup") from error
    if contribution.file_name != path.name:
        raise VerificationFailed(f"{path} holds {contribution.file_name}; restore a backup")
    return contribution


def ceremony_folders(home: Path) -> Iterator[Path]:
    """The folders of all ceremonies, the oldest name first. One without a proposal is no ceremony: a crash left it."""
    folder = home / CEREMONIES
    yield from sorted(p for p in folder.iterdir() if _has_proposal(p)) if folder.is_dir() else ()


def _has_proposal(folder: Path) -> bool:
    return any(list(folder.glob(f"{round_.value}.*.json")) for round_ in PROPOSALS)


def find_ceremony(home: Path, prefix: str) -> Path:
    """The folder of the ceremony whose id begins so; the only one for an empty prefix. Raises InvalidInput else."""
    fits = [p for p in ceremony_folders(home) if p.name.startswith(prefix.lower())]
    if len(fits) != 1:
        raise InvalidInput(f"{prefix!r} names {len(fits)} ceremonies here; `btc-l2 signer status` lists them")
    return fits[0]


def read_document(path: Path, what: str) -> Any:
    """JSON that was written here. Raises InvalidInput if there is none, VerificationFailed if it is damaged."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"there is no {what} ({path}: {error.strerror})") from error
    except ValueError as error:
        raise VerificationFailed(f"{path} is damaged: {error}; restore a backup") from error
