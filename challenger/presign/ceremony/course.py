"""A ceremony as a course of rounds, whatever is signed: what presigning a deposit and settling it have in common.

What a kind of ceremony adds: which rounds come before the signatures, how a file is looked at before it is kept, in how
many stages it signs.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.evidence import TWO_FILES
from challenger.presign.ceremony.seat import Desk, Seat
from challenger.presign.ceremony.signing import FIRST, Signing, Stage
from challenger.presign.ceremony.store import AGREED, CEREMONIES, RESTORED, SIGNATURES, Files
from taproot.errors import InvalidInput, Misbehaviour, Refused, TimedOut
from taproot.tx import OutPoint


def folder_of(desk: Desk, given: Contribution) -> Path:
    """Where the ceremony of a file lies."""
    return desk.home / CEREMONIES / given.ceremony.hex()


def open_folder(desk: Desk, proposed: Contribution, deadline: int) -> Files:
    """The folder of a new ceremony, the proposal in it. Raises TimedOut if its deadline is past."""
    if deadline <= desk.now():
        raise TimedOut("the deadline of this ceremony is over; let somebody propose a new one")
    files = Files(folder_of(desk, proposed))
    files.add(proposed)
    return files


class Course(Seat, ABC):
    """A ceremony in its folder."""

    before: ClassVar[tuple[Round, ...]] = ()  # rounds whose files must be here before anybody can agree
    stages: ClassVar[tuple[Stage, ...]] = (FIRST,)

    @property
    @abstractmethod
    def deadline(self) -> int:
        """Unix seconds; after them nothing is taken or signed."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """One word for a list: what is signed."""

    @property
    @abstractmethod
    def deposit(self) -> OutPoint:
        """The deposit that it is about."""

    @abstractmethod
    def look_at(self, given: Contribution) -> None:
        """Check a file of this kind of ceremony before it is kept. Raises Misbehaviour, Refused."""

    def take(self, given: Contribution) -> bool:
        """Keep a file of this ceremony whose signature was checked; says whether it is new."""
        known = self.files.find(given.round, given.attempt, given.sender)
        if known is not None and known.digest == given.digest:
            return False
        if known is not None:
            with self.accusing(TWO_FILES, [known, given]):
                raise Misbehaviour(given.sender, f"signed two different files {given.file_name}")
        self.check_time()
        if given.round not in self._rounds():
            raise InvalidInput(f"{given.file_name}: this ceremony has no such round")
        self.look_at(given)
        self.files.add(given)
        return True

    def agree(self, messages: Messages) -> None:
        """Keep the person's consent to these messages; from now on nonces and parts for them leave. Once."""
        self.check_time()
        self.files.write(AGREED, json.dumps(messages.to_json()).encode())

    def sign(self, again: bool = False, resume: bool = False) -> list[Contribution]:
        """Everything that can be sent now and was not yet: nonces, parts of signatures.

        `again` begins a new attempt of the stage that is under way; `resume` says, after a restore, that all files
        which exist were imported, the own ones too. Raises Refused before the review, Misbehaviour naming the one at
        fault, TimedOut after the deadline.
        """
        self.check_time()
        signing = self._signing()
        self._check_restored(resume)
        sent: list[Contribution] = []
        while made := signing.advance(again and not sent):
            sent.append(made)
        return sent

    def pending(self) -> tuple[bytes, ...]:
        """Messages that the member has agreed to and has to sign now. Raises as `sign`."""
        return self._signing().pending()

    def own_files(self) -> list[Contribution]:
        """All that was sent, for another medium."""
        return self.files.sent_by(self.desk.name)

    def is_complete(self) -> bool:
        """Whether everything is here that a person looks at before he agrees."""
        return not any(self.absent(round_, 0) for round_ in self.before)

    def has_agreed(self) -> bool:
        """Whether the member has said yes after his review."""
        return self.files.read(AGREED) is not None

    def signatures(self) -> dict[bytes, bytes]:
        """All signatures by message. Raises Unavailable naming what is missing, Misbehaviour for a wrong part."""
        signing = self._signing()
        made: dict[bytes, bytes] = {}
        for stage in self.stages:
            joined = signing.join(stage)
            if joined is None:
                signing.need(stage.nonces)
                signing.need(stage.partials)
            made |= joined or {}
        return made

    def missing(self) -> tuple[Round, int, list[str]] | None:
        """The round that is under way, its attempt, those whose files are not here; None if nothing is missing."""
        for round_, attempt in self._under_way():
            if absent := self.absent(round_, attempt):
                return round_, attempt, absent
        return None

    def check_time(self) -> None:
        """Raises TimedOut after the deadline, naming those whose files are missing."""
        if self.desk.now() > self.deadline:
            round_, _, names = self.missing() or (self.proposed.round, 0, ["nobody"])
            raise TimedOut(f"the deadline of this ceremony is over, missing: {round_.value} of {', '.join(names)}; "
                           "propose a new one")  # fmt: skip

    def _rounds(self) -> tuple[Round, ...]:
        signed = tuple(round_ for stage in self.stages for round_ in (stage.nonces, stage.partials))
        return (self.proposed.round, *self.before, *signed)

    def _under_way(self) -> Iterator[tuple[Round, int]]:
        """Rounds with the attempt that counts; stages whose signatures are on the disk are over."""
        yield from ((round_, 0) for round_ in self.before)
        first_is_signed = self.files.read(SIGNATURES) is not None
        for stage in self.stages[1:] if first_is_signed else self.stages:
            attempt = max(self.files.attempts(stage.nonces), 1)
            yield from ((stage.nonces, attempt), (stage.partials, attempt))

    def _signing(self) -> Signing:
        content = self.files.read(AGREED)
        if content is None:
            raise Refused("nothing is signed before you have looked at it; run `btc-l2 signer review` first")
        return Signing(self.desk, self.files, Messages.from_json(json.loads(content)))

    def _check_restored(self, resume: bool) -> None:
        if self.files.read(RESTORED) is None:
            return
        if not resume:
            raise Refused("this folder came from a backup; import every file of the ceremony that exists, yours too, "
                          "then sign with --resume")  # fmt: skip
        self.files.forget(RESTORED)
