"""The signing ceremony of a story by files, as `btc-l2 signer` runs it: everybody with a home of his own.

The cosigners of an `Eve` sit at their desks; files go from hand to hand, and a clock stands still unless it is moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from challenger.keystore import KeySet
from challenger.presign.ceremony.agreement import Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import CEREMONIES, Files
from regtest.eve import Eve
from regtest.party import OPERATOR
from taproot.kdf import derive

BEGIN, DEADLINE = 1_800_000_000.0, 1_800_086_400  # Unix seconds
SALT = "00" * 16  # in place of chance: a story is the same each time


class Table:
    """All desks of a ceremony, and what lies between them."""

    def __init__(self, eve: Eve, folder: Path) -> None:
        """The proposal is on everybody's desk, no key yet."""
        self._eve, self.now = eve, BEGIN
        keys = {party.name: _keys(eve, party.name) for party in eve.cast.parties.cosigners}
        members = tuple(Member(eve.cast.parties.party(n), k.identity.x_only) for n, k in keys.items())
        policy = Registered(eve.plot.terms, members, (OPERATOR,), eve.proposal.constants)
        craft = eve.workshop.craft()
        self.desks = {
            name: Desk(folder / name / "home", name, own, policy, craft, folder / name / "nonces", lambda: self.now)
            for name, own in keys.items()
        }
        depositor, deposit = eve.cast.parties.depositor, eve.proposal.funding.deposit
        self.pass_on([begin(self.desks[OPERATOR], depositor, deposit, DEADLINE, SALT).proposed])

    def seat(self, name: str) -> Ceremony:
        """A member's ceremony as his folder holds it."""
        desk = self.desks[name]
        (folder,) = (desk.home / CEREMONIES).iterdir()
        return Ceremony(desk, Files(folder))

    def make(self, round_: Round, names: Sequence[str]) -> list[Contribution]:
        """What these send when they are asked for that round: their keys, or everything they can sign."""
        if round_ is Round.KEYS:
            return [self.seat(name).give_keys(self._outpoints(name)) for name in names]
        return [given for name in names for given in self.seat(name).sign()]

    def pass_on(self, files: Iterable[Contribution]) -> None:
        """Everybody imports them."""
        for given in files:
            for desk in self.desks.values():
                receive(desk, given.to_bytes())

    def come_back(self, name: str, round_: Round) -> None:
        """Who was away makes his file of the round; everybody gets it, and after the keys looks at the graph."""
        self.make(round_, [name])
        self.pass_on(given for given in self.seat(name).own_files() if given.round is round_)
        if round_ is Round.KEYS:
            self.agree()

    def complaint(self, name: str, kind: type[Exception]) -> str:
        """Why a member cannot come to the end; empty if he can."""
        try:
            self.seat(name).sign()
            self.seat(name).signatures()
        except kind as error:
            return str(error)
        return ""

    def agree(self) -> None:
        """Everybody has looked at the graph that he made himself, and says yes."""
        for name in self.desks:
            seat = self.seat(name)
            seat.agree(Messages.of(seat.graphs()))

    def _outpoints(self, name: str) -> Outpoints:
        funding = self._eve.proposal.funding
        if name == OPERATOR:
            return Outpoints(funding.stakes, funding.ticket, {})
        return Outpoints(bonds={OPERATOR: funding.bonds[name]})


def _keys(eve: Eve, name: str) -> KeySet:
    secrets = eve.cast.secrets[name]
    made = KeySet.from_seed(derive(secrets.one_time, "ceremony"))
    return replace(made, key=secrets.key, one_time=secrets.one_time)
