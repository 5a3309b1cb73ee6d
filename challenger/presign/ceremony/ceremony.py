"""One member's side of presigning a deposit by files: what he takes in, what he sends next, what he has at the end.

    propose → keys → (review) → nonces → partials, confirm-nonces → confirm-partials → bundle

docs/spec/ceremony.md is normative; what every ceremony does is in `course`, the stages of signing are in `signing`, the
files' format in `contribution`. Files of all kinds of ceremonies come in through `reception`.
"""

from __future__ import annotations

from challenger.presign.ceremony.accord import Own
from challenger.presign.ceremony.agreement import (
    Messages,
    Origin,
    Outpoints,
    Plan,
    check_keys,
    encode_games,
    make_keys,
    make_proposals,
    own_keys,
    propose,
)
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.course import Course, open_folder
from challenger.presign.ceremony.evidence import KEYS, PLAN
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.signing import CONFIRM, FIRST
from challenger.presign.ceremony.store import Files
from challenger.presign.ceremony.succession import check_origin
from challenger.presign.proposal import Proposal
from challenger.presign.vetting import vetted
from taproot.errors import Refused
from taproot.graph import Graph
from taproot.parties import Party
from taproot.tx import OutPoint


def begin(
    desk: Desk, depositor: Party, deposit: OutPoint, deadline: int, salt: str | None = None,
    origin: Origin | None = None,
) -> Ceremony:  # fmt: skip
    """Propose a new ceremony. Raises InvalidInput for a depositor who is a member, TimedOut if the deadline is past."""
    desk.check()
    body = propose(desk.policy, depositor, deposit, deadline, salt, origin)
    made = Contribution.make(desk.keys.identity, desk.name, Round.PROPOSE, 0, desk.policy.digest(), body)
    return Ceremony(desk, open_folder(desk, made, Plan.of(made).deadline))


class Ceremony(Course):
    """A ceremony of presigning in its folder."""

    before = (Round.KEYS,)
    stages = (FIRST, CONFIRM)

    def __init__(self, desk: Desk, files: Files) -> None:
        """Raises as `Seat`, InvalidInput for a proposal of another structure."""
        super().__init__(desk, files)
        self.plan = Plan.of(self.proposed)
        self._may_agree = self.plan.origin is None

    @property
    def deadline(self) -> int:
        """See `Course.deadline`."""
        return self.plan.deadline

    @property
    def kind(self) -> str:
        """See `Course.kind`."""
        return "presign" if self.plan.origin is None else "refresh"

    @property
    def deposit(self) -> OutPoint:
        """See `Course.deposit`."""
        return self.plan.deposit

    def look_at(self, given: Contribution) -> None:
        """See `Course.look_at`: keys must fit the proposal."""
        if given.round is Round.KEYS:
            with self.accusing(KEYS, [self.proposed, given]):
                check_keys(self.plan, self.desk.craft, given)
            self._check_own(given)

    def give_keys(self, outpoints: Outpoints) -> Contribution:
        """Own one-time keys and outpoints; the same file if it was made before. Raises InvalidInput for wrong ones."""
        self.check_time()
        body = make_keys(self.plan, self.desk.craft, self.desk.keys.one_time, self.desk.name, outpoints)
        return self.send(Round.KEYS, 0, body)

    def check_origin(self, own: Own) -> None:
        """Of a refresh: the coins come from the vault of these bundles, which are one's own.

        Raises Refused for other bundles, Misbehaviour if the proposer states another outpoint, amount or depositor.
        """
        with self.accusing(PLAN, [self.proposed]):
            check_origin(self.plan, self.proposed.sender, own)
        self._may_agree = True

    def agree(self, messages: Messages) -> None:
        """As for every ceremony; of a refresh after `check_origin` only."""
        if not self._may_agree:
            raise Refused("this ceremony refreshes graphs that you have; review it with your bundles of them")
        super().agree(messages)

    def proposals(self) -> dict[str, Proposal]:
        """A proposal per operator. Raises Unavailable naming those whose keys are missing."""
        self.need(Round.KEYS, 0)
        return make_proposals(self.plan, self.files.of(Round.KEYS))

    def graphs(self) -> dict[str, Graph]:
        """The graph of each operator, made here.

        Raises as `proposals`, InvalidInput if no graph can be made, Refused as `check_relayable`.
        """
        return {op: vetted(p.build_graph(self.desk.craft.build_games)) for op, p in self.proposals().items()}

    def _check_own(self, given: Contribution) -> None:
        """Keys in the own name must be the own ones: they can come back after a restore, not from somebody else."""
        if given.sender == self.desk.name:
            made = own_keys(self.plan, self.desk.craft, self.desk.keys.one_time, self.desk.name)
            if encode_games(made) != given.body["keys"]:
                raise Refused("keys in your own name that are not yours; your keystore is another one")
