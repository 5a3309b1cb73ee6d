"""Signing ceremonies whose members may die: by a medium that goes around, or by mail, with a coordinator who may, too.

A member's visit is what his commands do: take in what there is, do what is next, leave what is his. Each visit reads
everything from his home, so a visit that was cut short is made again, and nothing else is done about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import PROPOSALS, Contribution, Round
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.result import make_bundles, write_folder
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import Files, ceremony_folders
from challenger.presign.coordinator.attendance import exchange_all, identities
from challenger.presign.coordinator.client import Mail
from challenger.presign.coordinator.mailbox import Limits, Mailbox
from challenger.presign.coordinator.server import Desk as Counter
from challenger.presign.coordinator.server import Serving
from challenger.presign.coordinator.wire import Answer, Request
from regtest.crashes.points import Died, Watch
from regtest.crashes.stage import BUNDLES
from regtest.outcome import expect
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.parties import Party
from taproot.tx import OutPoint

COORDINATOR = "coordinator"
MOST_ROUNDS = 24
_KEY = SecretKey(sha256(b"btc-l2/regtest/coordinator"))
_SERVING = Serving(burst=1_000_000)


class Medium(Protocol):
    """How files get from one member to the others."""

    def swap(self, desk: Desk) -> None:
        """Take in what the others left, leave all own files."""


@dataclass
class Stick:
    """A folder that goes from hand to hand; a file that left once never leaves with another content."""

    watch: Watch
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def swap(self, desk: Desk) -> None:
        """See `Medium.swap`."""
        proposals = tuple(round_.value for round_ in PROPOSALS)
        for path in sorted(self.folder.iterdir(), key=lambda p: not p.name.startswith(proposals)):
            receive(desk, path.read_bytes())
        for seat in _seats(desk):
            for given in seat.own_files():
                self._put(given)

    def _put(self, given: Contribution) -> None:
        path, content = self.folder / given.file_name, given.to_bytes()
        self.watch.reach("hand over before", given.round.value)
        if path.exists():
            expect(path.read_bytes() == content, f"two files {given.file_name} left")
        path.write_bytes(content)
        self.watch.reach("hand over after", given.round.value)


class Post:
    """Members and coordinator in one process; what would go over HTTP are calls."""

    def __init__(self, watch: Watch, path: Path, desk: Desk) -> None:
        self.watch, self._path = watch, path
        self.members = set(identities(desk.policy))
        self._counter: Counter | None = None
        watch.homes[COORDINATOR] = (path,)
        watch.mourners[COORDINATOR] = self._drop

    def swap(self, desk: Desk) -> None:
        """See `Medium.swap`."""
        mail = LocalMail(
            "http://127.0.0.1", _KEY.x_only, desk.keys.identity, self.members, sleep=lambda _: None, carrier=self
        )
        exchange_all(desk, mail)

    def answer(self, request: Request, authorization: str) -> Answer:
        """The coordinator's answer. Raises ConnectionResetError if he dies meanwhile; he is back for the next one."""
        try:
            with self.watch.acting(COORDINATOR):
                self.watch.reach("request before", request.method)
                answer = self._open().answer(authorization, request.method, request.path, request.body)
                self.watch.reach("request after", request.method)
                return answer
        except Died as died:
            if died.party != COORDINATOR:
                raise
            self.watch.bury(COORDINATOR)
            raise ConnectionResetError from died

    def _open(self) -> Counter:
        if self._counter is None:
            mailbox = Mailbox(self._path, _KEY, Limits())
            self._counter = Counter(mailbox, _KEY, self.members, _SERVING, Limits())
        return self._counter

    def _drop(self) -> None:
        self._counter = None


@dataclass
class LocalMail(Mail):
    """Mail without a network."""

    carrier: Post = field(kw_only=True)

    def _exchange(self, request: Request) -> tuple[int, bytes, bytes]:
        watch = self.carrier.watch
        watch.reach("post before", request.method)
        answer = self.carrier.answer(request, request.authorize(self.identity))
        watch.reach("post after", request.method)
        return answer.status, answer.signature, answer.body


@dataclass
class Gathering:
    """Members, what they have paid in, and the medium between them; the first of them proposes."""

    watch: Watch
    desks: Mapping[str, Desk]
    outpoints: Mapping[str, Outpoints]
    medium: Medium
    depositor: Party
    deposit: OutPoint
    deadline: int
    salt: str | None = None  # None: by chance

    def __post_init__(self) -> None:
        for name, desk in self.desks.items():
            self.watch.homes[name] = (desk.home.parent,)

    def presign(self) -> dict[str, Bundle]:
        """Visits until everybody has the bundles; those of all are the same. Raises VerificationFailed otherwise."""
        for _ in range(MOST_ROUNDS):
            for name, desk in self.desks.items():
                self.watch.live(name, lambda desk=desk: self._visit(desk))  # type: ignore[misc]
            if all(_is_done(desk) for desk in self.desks.values()):
                break
        made = [self.watch.live(name, lambda desk=desk: _combine(desk))  # type: ignore[misc]
                for name, desk in self.desks.items()]  # fmt: skip
        expect(all(_contents(m) == _contents(made[0]) for m in made), "members have different bundles")
        return made[0]

    def _visit(self, desk: Desk) -> None:
        self.medium.swap(desk)
        if desk.name == next(iter(self.desks)) and not list(_seats(desk)):
            begin(desk, self.depositor, self.deposit, self.deadline, self.salt)
        for seat in _seats(desk):
            self._act(seat)
        self.medium.swap(desk)

    def _act(self, seat: Ceremony) -> None:
        """Whatever is next: keys, consent, everything that can be signed."""
        if seat.own(Round.KEYS, 0) is None:
            seat.give_keys(self.outpoints[seat.desk.name])
        elif not seat.has_agreed():
            if seat.is_complete():
                seat.agree(Messages.of(seat.graphs()))
        else:
            seat.sign()


def _seats(desk: Desk) -> Iterator[Ceremony]:
    for folder in ceremony_folders(desk.home):
        yield Ceremony(desk, Files(folder))


def _is_done(desk: Desk) -> bool:
    return all(seat.has_agreed() and seat.missing() is None for seat in _seats(desk))


def _combine(desk: Desk) -> dict[str, Bundle]:
    """Put the signatures together and write the bundles."""
    (seat,) = _seats(desk)
    bundles = make_bundles(seat.proposals(), seat.graphs(), seat.signatures())
    write_folder(desk.home.parent / BUNDLES, seat.plan, bundles)
    return bundles


def _contents(bundles: Mapping[str, Bundle]) -> dict[str, bytes]:
    return {operator: bundle.to_bytes() for operator, bundle in bundles.items()}
