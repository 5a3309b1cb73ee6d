"""A deposit whose claim is open: its graph in memory, and the party's agent at work on it.

The agents are those of the stories (`challenger/agents`); here they see the chain through the tower's store, journal
with fault points, pay within the caps, and judge only what the operator has signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from btc_l2.chain.protocol import Chain
from btc_l2.zkvm.outcome import Endian
from challenger.agents.budget import Budget, Limits
from challenger.agents.player import ChallengerAgent, OperatorAgent, Player, Secrets
from challenger.agents.track import Tracked
from challenger.agents.view import Confirmed, View
from challenger.game.challenger import claim_bytes
from challenger.game.prover import TraceProver
from challenger.game.solver import find_lie
from challenger.games import ENDIAN, IMAGE_ROOT, GameLibrary
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import domain_of
from challenger.watchtower.announcement import Announcement
from challenger.watchtower.fault import fault_point
from challenger.watchtower.place import Place
from challenger.watchtower.program import DataUnavailable, Program, load_program
from challenger.watchtower.store import Event, Registered, Store
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.parties import Parties
from taproot.presigned import Graph
from taproot.terms import Terms
from taproot.tx import Transaction

OPERATOR, CHALLENGER, OBSERVER = "operator", "challenger", "observer"
ProgramOf = Callable[[Path, bytes], Program]


def role_of(parties: Parties, party: str) -> str:
    """What a party can do in a graph."""
    if party == parties.operator.name:
        return OPERATOR
    return CHALLENGER if party in parties.challengers else OBSERVER


class LedgerView(View):
    """A view of what the tower has taken in: the tower follows the chain once, for all deposits."""

    def __init__(self, store: Store, deposit: int, chain: Chain, graph: Graph, start: int) -> None:
        super().__init__(chain, graph, start)
        self._store = store
        self._deposit = deposit
        self._read: dict[Event, Confirmed] = {}

    def refresh(self) -> list[Confirmed]:
        """What the store has now; returns what it did not have before."""
        known, self._read = self._read, {}
        self.height = self._store.height()
        self.by_name, self.spent = {}, {}
        for event in self._store.events(self._deposit):
            tx = known[event].tx if event in known else Transaction.from_bytes(event.raw)
            (self._read[event],) = self._take(tx, event.height)
        return [seen for event, seen in self._read.items() if event not in known]


class GuardedJournal(Journal):
    """A journal whose commits are points where the process may be killed."""

    def commit_move(self, name: str, values: Mapping[str, Sequence[int]], raw: bytes, height: int) -> None:
        """See `Journal.commit_move`."""
        fault_point("journal.before")
        super().commit_move(name, values, raw, height)
        fault_point("journal.after")


@dataclass(slots=True)
class Case:
    """One deposit at work. `agent` is None for an observer, and for an operator who has announced nothing."""

    registered: Registered
    place: Place
    party: str
    role: str
    bundle: Bundle
    store: Store
    limits: Limits
    program_of: ProgramOf = load_program
    on_unknown: bool = True  # does a challenger object to what was not announced, or cannot be judged?
    agent: Player | None = None
    missing: str = ""  # what is not available, for the alarm
    _program: Program | None = None
    _objects: bool | None = None  # the verdict, once there is one
    _truths: dict[bytes, TraceProver] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """What the parties agreed on."""
        return self.bundle.proposal.terms

    @property
    def graph(self) -> Graph:
        """All transactions of the deposit."""
        return self.bundle.graph

    def tick(self, chain: Chain, secrets: Secrets, library: GameLibrary, journals: Path) -> list[str]:
        """The agent looks, decides, acts; names of what was sent. Raises as `Player.tick`."""
        self.missing = ""
        try:
            if self.agent is None:
                self.agent = self._make_agent(chain, secrets, library, journals)
            if isinstance(self.agent, ChallengerAgent):
                self.agent.view.refresh()
                self.agent.objects = self._find_objection(self.agent.view)
            return [] if self.agent is None else self.agent.tick()
        except DataUnavailable as error:
            self.missing = str(error)
            return []
        finally:
            self._keep_clock()

    def games(self) -> dict[str, Tracked]:
        """The open games by challenger."""
        if self.agent is None:
            return {}
        return {j: t for j in self.agent.games if (t := self.agent.track(j)) is not None}

    def close(self) -> None:
        """Give the journal back."""
        if self.agent is not None:
            self.agent.journal.close()

    def _make_agent(self, chain: Chain, secrets: Secrets, library: GameLibrary, journals: Path) -> Player | None:
        if self.role == OBSERVER:
            return None
        proposal, domain = self.bundle.proposal, domain_of(self.bundle.proposal)
        shared: dict[str, Any] = {
            "name": self.party, "secrets": secrets, "chain": chain, "graph": self.graph,
            "signatures": self.bundle.signatures, "games": library.games(proposal), "deposit_id": domain,
            "start": 0, "budget": self._make_budget(),
            "make_view": partial(LedgerView, self.store, self.registered.id),
        }  # fmt: skip
        prover = self._truth(self._announced_claim()) if self.role == OPERATOR else None
        shared["journal"] = GuardedJournal(journals / f"{self.registered.name}.journal", domain, self.party)
        if prover is not None:
            return OperatorAgent(**shared, prover=prover)
        return ChallengerAgent(**shared, truth_of=self._truth, endian=self._endian(), objects=False)

    def _make_budget(self) -> Budget:
        id_ = self.registered.id
        rows = self.store.moves(id_)
        return Budget(
            self.limits,
            offered={name: offered for name, _, offered in rows if offered},
            since={name: since for name, since, _ in rows if since is not None},
            keep=partial(self.store.offer, id_),
        )

    def _keep_clock(self) -> None:
        """Since when the moves are wanted, if that has changed."""
        if self.agent is None:
            return
        known = {name: since for name, since, _ in self.store.moves(self.registered.id) if since is not None}
        if known != self.agent.budget.since:
            self.store.want(self.registered.id, self.agent.budget.since.items())

    def _find_program(self) -> Program:
        if self._program is None:
            self._program = self.program_of(self.place.folder, self.bundle.proposal.constants[IMAGE_ROOT])
        return self._program

    def _endian(self) -> Endian:
        return "big" if self.bundle.proposal.constants[ENDIAN] == b"big" else "little"

    def _truth(self, claim: bytes) -> TraceProver:
        """The true run on a claim; the last two are kept."""
        if claim not in self._truths:
            truth = self._find_program().truth(claim, self.terms.steps)
            self._truths = {**dict(list(self._truths.items())[-1:]), claim: truth}
        return self._truths[claim]

    def _announcement(self) -> Announcement:
        """Raises DataUnavailable if there is none that the operator has signed: what is no announcement is none."""
        try:
            announced = Announcement.load(self.place.claim)
            announced.verify(self.bundle.proposal)
        except (InvalidInput, Unavailable, VerificationFailed) as error:
            raise DataUnavailable(str(error)) from error
        return announced

    def _announced_claim(self) -> bytes:
        return claim_bytes(self._announcement().assertion, self._endian())

    def _find_objection(self, view: View) -> bool:
        """Does a challenger reject what was announced? Without knowing, at the last moment, as he was told to."""
        if self._objects is None:
            try:
                assertion = self._announcement().assertion
                truth = self._truth(claim_bytes(assertion, self._endian()))
                self._objects = find_lie(assertion, truth) is not None
            except DataUnavailable as error:
                self.missing = str(error)
                return self.on_unknown and must_decide(view, self.terms)
        return self._objects


def must_decide(view: View, terms: Terms) -> bool:
    """Is there just time for fan, challenge and veto before take1?"""
    kickoff = view.confirmed("kickoff")
    return kickoff is not None and view.height + 1 >= kickoff.height + terms.challenge_delay - 3 * terms.reaction


def load_case(
    registered: Registered, place: Place, party: str, store: Store, limits: Limits, library: GameLibrary,
    program_of: ProgramOf = load_program, on_unknown: bool = True,
) -> Case:  # fmt: skip
    """Read and verify the bundle again; raises as `Place.load`."""
    bundle = place.load(library.scripts)
    return Case(registered, place, party, registered.role, bundle, store, limits, program_of, on_unknown)
