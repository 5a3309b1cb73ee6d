"""A whole life: a deposit is announced, paid, presigned by a ceremony, confirmed, claimed, disputed; anybody may die.

Scenarios presign in one process, once for all. Here the graph comes from the members' own homes: their files go by
mail, one-time keys belong to the ceremony, the bundle is what they put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from challenger.games import craft_of
from challenger.keystore import KeySet
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Outpoints
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.ceremony.seat import Desk
from challenger.presign.proposal import Proposal
from regtest.ceremony import BEGIN, DEADLINE, SALT
from regtest.crashes.by_files import Gathering, Post
from regtest.crashes.stage import CEREMONY, CrashNetwork
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR, make_cast
from regtest.workshop import Workshop
from taproot.kdf import derive
from taproot.keys import SecretKey

CHALLENGERS = 3  # all signers but the operator: so a ceremony has it
ASLEEP = ("fan", "challenge")


class Presigned(Workshop):
    """A workshop whose bundles are signed by a ceremony, each time anew; everything else is another workshop's."""

    def __init__(self, network: CrashNetwork, key_seed: Any) -> None:
        super().__init__()
        self._library, self._truths = network.workshop._library, network.workshop._truths
        self._network, self._cast = network, make_cast(key_seed, CHALLENGERS)

    def presign(self, proposal: Proposal, secrets: Mapping[str, SecretKey]) -> Bundle:
        """See `Workshop.presign`."""
        keys = {name: _keys(key, self._cast.secrets[name].one_time) for name, key in secrets.items()}
        members = tuple(Member(proposal.parties.party(name), own.identity.x_only) for name, own in keys.items())
        policy = Registered(proposal.terms, members, (OPERATOR,), proposal.constants)
        folder, watch = self._network.folder, self._network.watch
        assert folder is not None
        desks = {
            name: Desk(
                folder / CEREMONY / name / "home", name, own, policy, craft_of(self._library),
                folder / CEREMONY / name / "nonces", lambda: BEGIN,
            )
            for name, own in keys.items()
        }  # fmt: skip
        post = Post(watch, folder / "mail.sqlite", desks[OPERATOR])
        given = {name: _outpoints(proposal, name) for name in desks}
        depositor, deposit = proposal.parties.depositor, proposal.funding.deposit
        return Gathering(watch, desks, given, post, depositor, deposit, DEADLINE, SALT).presign()[OPERATOR]


def play(network: Network) -> Outcome:
    """A lie that Alice finds."""
    assert isinstance(network, CrashNetwork)
    plot = network.own(small_plot(lie="operand", silent={"bob": ASLEEP, "carol": ASLEEP}))
    network.workshop = Presigned(network, plot.key_seed)
    stage = network.stage(plot, CHALLENGERS)
    ending = stage.play()
    expect((ending.outcome, ending.winner) == ("disproved", "alice"), f"{ending.winner} won by {ending.outcome}")
    return conclude(ending, stage, "Presigned by mail, confirmed, claimed falsely; Alice was paid.")


def _keys(key: SecretKey, one_time: bytes) -> KeySet:
    return replace(KeySet.from_seed(derive(one_time, "ceremony")), key=key, one_time=one_time)


def _outpoints(proposal: Proposal, name: str) -> Outpoints:
    """What a member has paid in."""
    funding = proposal.funding
    if name == OPERATOR:
        return Outpoints(funding.stakes, funding.ticket, {})
    return Outpoints(bonds={OPERATOR: funding.bonds[name]})
