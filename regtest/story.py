"""One story on a test chain, from empty wallets to the end: deposit, presigning, claim, dispute, books.

The parties act through their agents, block by block; the story only mines. `play` returns what happened, the judge
being the chain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from btc_l2.chain.protocol import Chain
from btc_l2.database import IN_MEMORY
from btc_l2.translation import use_cached_tier
from challenger.agents.footing import check_footing
from challenger.agents.player import ChallengerAgent, OperatorAgent, Player
from challenger.agents.track import Tracker
from challenger.agents.view import UNKNOWN, Confirmed, View
from challenger.commit import GameId, public_keys
from challenger.game.prover import TraceProver
from challenger.games import constants_of
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from challenger.presign.proposal import GameKeys, Proposal
from regtest.books import Books
from regtest.claiming import announce, hostile_answer, is_false, make_prover
from regtest.ground import Ground, lay_ground
from regtest.narrative import Narrator, find_leaf
from regtest.party import DEPOSITOR, OPERATOR, Cast
from regtest.plot import Plot
from regtest.workshop import Workshop
from taproot.connectors.stake import bond_name, stake_name
from taproot.connectors.turn import Role
from taproot.errors import InvalidInput, TimedOut
from taproot.graph import Funding
from taproot.terms import Terms
from taproot.tx import Transaction

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction of the graph that confirmed."""

    name: str
    tx: Transaction
    height: int
    by: str
    told: str  # one sentence


@dataclass(slots=True)
class Ending:
    """How a story ended: `outcome` is `paid`, `disproved` or `timeout`; `steps` of the claimed run, until it exits.

    `first_false_step` is the one that the winner's search came to, if a step was disproved.
    """

    outcome: str
    winner: str
    leaf: str | None
    steps: int
    first_false_step: int | None
    sent: list[Sent]
    books: Books
    bundle: Bundle
    seconds: float
    timings: dict[str, float] = field(default_factory=dict)


class Stage:
    """Everything that a story needs, set up on a chain: parties, presigned graph, agents.

    With a `folder` the bundle and the journals are kept there. Stages that share a `workshop` share what they have in
    common; with a `ground` they stand on what was locked before.
    """

    def __init__(
        self, chain: Chain, plot: Plot, folder: Path | None = None, progress: Progress = lambda _: None,
        workshop: Workshop | None = None, challengers: int = 2, ground: Ground | None = None,
    ) -> None:  # fmt: skip
        self.chain, self.plot, self.folder, self.progress = chain, plot, folder, progress
        self.workshop = workshop or Workshop()
        self.began = time.perf_counter()
        self.timings: dict[str, float] = {}
        use_cached_tier(plot.guest)
        self.image = plot.guest.load_image(plot.statement)
        self.blobs = plot.guest.blobs()
        ground = ground or lay_ground(chain, plot, progress, challengers)[0]
        self.purses = purses = ground.purses
        self.cast, self.wallets, self.ledger, self.start = purses.cast, purses.wallets, purses.ledger, purses.start
        self.prover = self._timed("execution", self._make_prover)
        self.is_false = self._judge()
        self.bundle = self._sign(ground.funding)
        self.games = self.workshop.games(self.bundle.proposal)
        self.view = View(chain, self.bundle.graph, self.start)
        self.told: dict[str, str] = {}  # by transaction
        self.narrator = Narrator(plot, self.view, self.bundle.graph, self.games)
        self.players = [self.make_player(name) for name in (OPERATOR, *self.cast.parties.challengers)]
        self.sent_by: dict[str, str] = {}

    def _timed(self, what: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        self.timings[what] = time.perf_counter() - began
        return result

    def _truth(self, claim: bytes) -> TraceProver:
        return self.workshop.truth(self.image, claim, self.plot.terms.steps, self.blobs)

    def _make_prover(self) -> TraceProver:
        self.progress(f"running guest {self.plot.guest.name}")
        return make_prover(self.plot, self.image, self.blobs, self._truth)

    def _judge(self) -> bool:
        """What an honest challenger thinks of the claim that the operator announces."""
        prover = self.prover
        false = is_false(announce(prover), prover.claim, self._truth)
        if self.plot.lie is not None and not false:
            raise InvalidInput(f"the lie {self.plot.lie!r} is healed by the end of the run; choose another place")
        return false

    def _sign(self, funding: Funding) -> Bundle:
        """Make all keys, presign the whole graph."""
        plot, cast = self.plot, self.cast
        self.progress("making one-time keys")
        keys = self._timed("one_time_keys", lambda: one_time_keys(cast, plot.terms, funding))
        proposal = Proposal(plot.terms, cast.parties, funding, keys, constants_of(self.image))
        self.progress("building the leaves of all games")
        self._timed("leaves", lambda: self.workshop.games(proposal))
        self.progress("presigning the graph")
        bundle = self._timed("presign", lambda: self.workshop.presign(proposal, cast.keys()))
        if self.folder is not None:
            bundle.save(self.folder / "bundle.bin")
        return bundle

    def make_player(self, name: str) -> Player:
        """A new agent for operator or challenger, from his journal: the first one, or one after a restart."""
        deposit = deposit_id(self.bundle.proposal.funding)
        path = IN_MEMORY if self.folder is None else str(self.folder / f"{name}.journal")
        shared: dict[str, Any] = {
            "name": name, "secrets": self.cast.secrets[name], "chain": self.chain, "graph": self.bundle.graph,
            "signatures": self.bundle.signatures, "games": self.games, "deposit_id": deposit,
            "journal": Journal(path, deposit, name), "start": self.start, "silent": self.plot.silent.get(name, ()),
        }  # fmt: skip
        if name == OPERATOR:
            return OperatorAgent(**shared, prover=self.prover)
        hostile = hostile_answer(self.plot, name) if name in self.plot.objectors else None
        objects = self.is_false or hostile is not None
        return ChallengerAgent(
            **shared, truth_of=self._truth, endian=self.image.endian, objects=objects, hostile=hostile
        )

    def confirm_vault(self) -> None:
        """The depositor publishes `confirm` and pays for it; it is in a block on return."""
        check_footing(self.chain, self.bundle.graph)
        confirm = self.bundle.graph.assemble("confirm", self.bundle.signatures)
        child = self.wallets[DEPOSITOR].fee_child(confirm, self.chain.estimate_fee())
        self.chain.broadcast([confirm, child])
        self.sent_by["confirm"] = DEPOSITOR
        self.mine()

    def tick(self) -> None:
        """Every agent acts once, then a block is mined."""
        self.act()
        self.mine()

    def act(self) -> None:
        """Every agent looks at the chain once and sends what is due."""
        for player in self.players:
            for name in player.tick():
                self.sent_by.setdefault(name, player.name)

    def mine(self) -> None:
        """A block, and what it brought of the story."""
        self.chain.mine()
        self.observe()

    def observe(self) -> None:
        """What the blocks since the last look brought of the story."""
        for seen in self.view.refresh():
            if seen.name != UNKNOWN:
                self.told[seen.name] = self.narrator.tell(seen, self._player(seen.name))
                self.progress(f"block {seen.height}: {self.told[seen.name]}")

    def play(self) -> Ending:
        """Until the deposit is taken and all losers have paid, or the claim is dead."""
        self.confirm_vault()
        terms = self.plot.terms
        for _ in range(2 * terms.total_delay + 8 * terms.move_delay):
            self.tick()
            if self.is_over():
                return self.end()
        raise TimedOut("the story did not end within twice the longest dispute; see the journal of each party")

    def is_over(self) -> bool:
        """Is the claim paid or dead, so deep that it stays, and has everybody paid who has to?"""
        spent = self.view.spent.get("asset")
        if spent is None or self.view.height - spent.height < self.plot.terms.confirmations:
            return False
        if spent.name != "take2":
            return True
        return all(self._has_paid(name) for name in self.cast.parties.challengers)

    def _has_paid(self, challenger: str) -> bool:
        tracked = self.players[0].track(challenger)
        return tracked is None or tracked.mover is Role.OPERATOR or tracked.ended

    def end(self) -> Ending:
        """What happened; the claim must be paid or dead. `seconds` count from the first preparations on."""
        last = self.view.spent["asset"]
        winner, killed, _ = last.name.partition("/")
        outcome = "paid" if not killed else "timeout" if "/timeout." in last.name else "disproved"
        return Ending(
            outcome=outcome,
            winner=winner if killed else OPERATOR,
            leaf=find_leaf(self.bundle.graph, last) if killed else None,
            steps=self.prover.trace.steps,
            first_false_step=self._found_step(winner) if outcome == "disproved" else None,
            sent=[self.sent(c) for c in sorted(self.view.by_name.values(), key=lambda c: (c.height, c.name))],
            books=self._close_books(),
            bundle=self.bundle,
            seconds=time.perf_counter() - self.began,
            timings=self.timings,
        )

    def _found_step(self, challenger: str) -> int | None:
        tracked = Tracker(self.view, self.games[challenger]).track()
        return None if tracked is None else tracked.state.step_index()

    def sent(self, seen: Confirmed) -> Sent:
        """A confirmed transaction with who sent it and why."""
        return Sent(seen.name, seen.tx, seen.height, self._player(seen.name), self.told.get(seen.name, ""))

    def _player(self, name: str) -> str:
        """Who sent a transaction; who alone can play it, if its sender was stopped before he could say so."""
        return self.sent_by.get(name, self.bundle.graph.planned(name).by)

    def _close_books(self) -> Books:
        graph, names = self.bundle.graph, self.cast.parties.challengers
        owners = {stake_name(k): OPERATOR for k in range(len(self.plot.terms.stakes))} | {"ticket": OPERATOR}
        owners |= {bond_name(name): name for name in names}
        own = {graph.outpoints[output]: owner for output, owner in owners.items()}
        by = {c.tx.txid: self._player(c.name) for c in self.view.by_name.values()}
        return self.ledger.close(own, graph.outpoints["vault"], by)


def deposit_id(funding: Funding) -> str:
    """The id of a deposit: its outpoint. Journals and one-time keys are bound to it."""
    return str(funding.deposit)


def one_time_keys(cast: Cast, terms: Terms, funding: Funding) -> dict[str, GameKeys]:
    """Both sides' one-time public keys of all games."""
    keys = {}
    for name in cast.parties.challengers:
        game = GameId(deposit_id(funding), OPERATOR, name)
        operator = public_keys(cast.secrets[OPERATOR].one_time, game, Role.OPERATOR, terms.arities, terms.digest)
        challenger = public_keys(cast.secrets[name].one_time, game, Role.CHALLENGER, terms.arities, terms.digest)
        keys[name] = GameKeys(operator, challenger)
    return keys
