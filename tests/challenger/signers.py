"""Members of a signing ceremony with toy games, each in a home of his own; files go from hand to hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from challenger.commit import GameId
from challenger.keystore import KeySet
from challenger.presign.ceremony.agreement import Craft, Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import CEREMONIES, Files
from taproot.connectors.turn import Role
from taproot.hashes import hash160, sha256
from taproot.kdf import derive
from taproot.keys import SecretKey
from taproot.parties import Party
from taproot.terms import Terms
from taproot.tx import OutPoint
from tests.taproot.toy import CHALLENGER_MESSAGES, OPERATOR_MESSAGES, TERMS, build_toy_games

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")
DEPOSITOR = Party("dora", SecretKey(sha256(b"dora")).public_key)
DEPOSIT = OutPoint(sha256(b"deposit"), 1)
NOW, DEADLINE = 1_800_000_000, 1_800_000_000 + 7 * 86_400


def toy_keys(seed: bytes, game: GameId, role: Role, _terms: Terms) -> dict[str, bytes]:
    """One-time public keys of the toy game."""
    names = OPERATOR_MESSAGES if role is Role.OPERATOR else CHALLENGER_MESSAGES
    return {n: hash160(derive(seed, game.deposit, game.operator, game.challenger, n)) for n in names}


TOY = Craft(toy_keys, build_toy_games)


def keys_of(name: str) -> KeySet:
    return KeySet.from_seed(sha256(b"signer " + name.encode()))


def member(name: str, plain: bool = False) -> Member:
    keys = keys_of(name)
    return Member(Party(name, keys.key.public_key, keys.plain.x_only if plain else None), keys.identity.x_only)


def policy_of(count: int, operators: int = 1, terms: Terms = TERMS, plain: Collection[str] = ()) -> Registered:
    names = NAMES[:count]
    members = tuple(member(n, n in plain) for n in names)
    return Registered(terms, members, names[:operators], {"image_root": sha256(b"toy image")})


def outpoints_of(policy: Registered, name: str) -> Outpoints:
    """What a member has paid in, on no chain."""
    is_operator = name in policy.operators
    bonds = {o: OutPoint(sha256(f"bond {name} {o}".encode()), 0) for o in policy.operators if o != name}
    stakes = tuple(OutPoint(sha256(f"stake {name} {k}".encode()), 0) for k in range(len(policy.terms.stakes)))
    ticket = OutPoint(sha256(b"ticket " + name.encode()), 0)
    return Outpoints(stakes if is_operator else (), ticket if is_operator else None, bonds)


class Table:
    """All members of a ceremony and what lies between them."""

    def __init__(
        self, folder: Path, count: int = 3, operators: int = 1, craft: Craft = TOY, plain: Collection[str] = ()
    ) -> None:
        self.policy = policy_of(count, operators, plain=plain)
        self.now = float(NOW)
        self.folder, self.craft = folder, craft
        self.desks = {name: self.desk(name) for name in NAMES[:count]}

    def desk(self, name: str, home: str = "home", outside: str = "outside") -> Desk:
        return Desk(
            self.folder / name / home, name, keys_of(name), self.policy, self.craft, self.folder / name / outside,
            lambda: self.now,
        )  # fmt: skip

    def seat(self, name: str) -> Ceremony:
        """The member's only ceremony, read from his folder."""
        desk = self.desks[name]
        (folder,) = (desk.home / CEREMONIES).iterdir()
        return Ceremony(desk, Files(folder))

    def pass_on(self, files: Iterable[Contribution], to: Sequence[str] | None = None) -> None:
        """Everybody, or these, imports the files."""
        for given in files:
            for name in to or self.desks:
                receive(self.desks[name], given.to_bytes())

    def propose(self) -> None:
        first = next(iter(self.desks))
        self.pass_on([begin(self.desks[first], DEPOSITOR, DEPOSIT, DEADLINE, "00" * 16).proposed])

    def give_keys(self) -> None:
        self.pass_on([self.seat(n).give_keys(outpoints_of(self.policy, n)) for n in self.desks])

    def agree(self) -> None:
        for name in self.desks:
            seat = self.seat(name)
            seat.agree(Messages.of(seat.graphs()))

    def open(self) -> Table:
        """Up to the point where everybody has said yes."""
        self.propose()
        self.give_keys()
        self.agree()
        return self

    def sign(self, *names: str) -> list[Contribution]:
        """These, or all, sign; nobody gets the files yet."""
        return [c for name in names or self.desks for c in self.seat(name).sign()]

    def round(self) -> list[Contribution]:
        """Everybody signs, everybody imports."""
        made = self.sign()
        self.pass_on(made)
        return made

    def finish(self) -> dict[str, Mapping[bytes, bytes]]:
        """Rounds until nobody has anything to send; everybody's signatures."""
        while self.round():
            pass
        return {name: self.seat(name).signatures() for name in self.desks}


def changed(given: Contribution, **body: object) -> Contribution:
    """The same file with another body, signed by its sender."""
    return Contribution.make(
        keys_of(given.sender).identity, given.sender, given.round, given.attempt, given.policy,
        {**given.body, **body}, given.ceremony,
    )  # fmt: skip


def another_policy(policy: Registered, **terms: int) -> Registered:
    return replace(policy, terms=replace(policy.terms, **terms))


def of(files: Sequence[Contribution], round_: Round, sender: str) -> Contribution:
    """The file of a sender."""
    return next(c for c in files if (c.round, c.sender) == (round_, sender))
