"""One story on a test chain, from empty wallets to the end: deposit, presigning, claim, dispute, books.

The parties act through their agents, block by block; the story only mines. `play` returns what happened, the judge being
the chain.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from btc_l2.chain.protocol import Chain
from btc_l2.guests import Guest, claim_of_result
from challenger.agents.player import ChallengerAgent, OperatorAgent, Player
from challenger.agents.view import View
from challenger.commit import GameId, public_keys
from challenger.game.hostile import hostile_move
from challenger.game.kinds import CHAINS, CLAIM_CHAINS, FINAL_ACCESS
from challenger.game.lies import STEP_LIES, FinalLie, InitLie, LyingProver
from challenger.game.prover import TraceProver
from challenger.games import GameLibrary, constants_of
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from challenger.presign.proposal import GameKeys, Proposal
from challenger.presign.session import presign
from regtest.party import DEPOSITOR, OPERATOR, Cast, fund_wallets, lock_standing, make_cast
from taproot.connectors.output import Contract
from taproot.connectors.stake import bond_name, stake_name
from taproot.connectors.turn import Role
from taproot.errors import InvalidInput, TimedOut
from taproot.graph import Funding
from taproot.terms import Terms
from taproot.tx import Transaction

Progress = Callable[[str], None]
T = TypeVar("T")
RESULT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to happen.

    `lie`: a name of `challenger.game.lies.machine_lies` or None; `objectors`: challengers who object without reason;
    `route`: moves they prefer; `operator_silent`, `challenger_silent`: turns on which that side stops.
    """

    guest: Guest
    terms: Terms
    lie: str | None = None
    objectors: Collection[str] = ()
    route: Collection[str] = ()
    operator_silent: Collection[str] = ()
    challenger_silent: Collection[str] = ()
    seed: int = 1
    statement: bytes | None = None
    lie_at: float = 0.5


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction of the graph that confirmed."""

    name: str
    tx: Transaction
    height: int
    by: str


@dataclass(slots=True)
class Ending:
    """How a story ended; `balances`: (before, after) in sat, what a party has locked counted as its own."""

    outcome: str
    winner: str
    leaf: str | None
    steps: int
    first_false_step: int | None
    sent: list[Sent]
    balances: dict[str, tuple[int, int]]
    bundle: Bundle
    seconds: float
    timings: dict[str, float] = field(default_factory=dict)


class Stage:
    """Everything that a story needs, set up on a chain: parties, presigned graph, agents."""

    def __init__(self, chain: Chain, plot: Plot, folder: Path | None = None, progress: Progress = lambda _: None) -> None:
        self.chain, self.plot, self.folder, self.progress = chain, plot, folder, progress
        self.timings: dict[str, float] = {}
        self.image = plot.guest.load_image(plot.statement)
        self.blobs = plot.guest.blobs()
        self.cast = make_cast(plot.seed)
        progress("funding wallets")
        self.wallets = fund_wallets(chain, self.cast, plot.terms)
        self.start = chain.tip().height + 1
        self.before = {name: int(w.balance()) for name, w in self.wallets.items()}
        self.prover, self.first_false_step = self._timed("execution", self._make_prover)
        self.library = GameLibrary()
        self.bundle = self._sign()
        self.view = View(chain, self.bundle.graph, self.start)
        self.players = self._make_players()
        self.sent_by: dict[str, str] = {}

    def _timed(self, what: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        self.timings[what] = time.perf_counter() - began
        return result

    def _make_prover(self) -> tuple[TraceProver, int | None]:
        """The operator's knowledge: honest, or the lie of the plot; and the first false step, if it is a step's lie."""
        plot, total = self.plot, self.plot.terms.steps
        self.progress(f"running guest {plot.guest.name}")
        honest = plot.guest.honest_claim(plot.statement)
        if plot.lie in STEP_LIES:
            prover = self._lie_about_a_step(honest)
            return prover, prover.at
        if plot.lie == "initial":
            return InitLie(self.image, honest, total, self.blobs), None
        if plot.lie == "final":
            return FinalLie(self.image, bytes([honest[0] ^ 1]) + honest[1:], total, blobs=self.blobs), None
        if plot.lie is not None:
            raise InvalidInput(f"no lie is called {plot.lie!r}; choose one of {', '.join((*STEP_LIES, 'initial', 'final'))}")
        return TraceProver(self.image, honest, total, blobs=self.blobs), None

    def _lie_about_a_step(self, honest: bytes) -> LyingProver:
        """Tell the lie in the middle of the run; claim what the false run computes, if it still decides."""
        plot = self.plot
        lie = STEP_LIES[plot.lie or ""]
        trial = TraceProver(self.image, honest, plot.terms.steps, blobs=self.blobs)
        start = int(trial.trace.run() * plot.lie_at)
        blind = LyingProver(self.image, honest, plot.terms.steps, lie, start, trial.trace, self.blobs)
        end = blind.machine_at(plot.terms.steps)
        claim = claim_of_result(end.read_bytes(plot.guest.result_address, RESULT_BYTES)) if end.exited else honest
        return LyingProver(self.image, claim, plot.terms.steps, lie, start, blobs=self.blobs)

    def _sign(self) -> Bundle:
        """Lock the standing outputs, make all keys, presign the whole graph."""
        plot, cast = self.plot, self.cast
        contract = Contract.make(plot.terms, cast.parties)
        self.progress("locking deposit, stake, bonds, ticket")
        funding = lock_standing(self.chain, contract, self.wallets)
        self.progress("making one-time keys")
        keys = self._timed("one_time_keys", lambda: one_time_keys(cast, plot.terms, funding))
        proposal = Proposal(plot.terms, cast.parties, funding, keys, constants_of(self.image))
        self.progress("building the leaves of all games")
        self._timed("leaves", lambda: self.library.games(proposal))
        self.progress("presigning the graph")
        bundle = self._timed("presign", lambda: presign(proposal, cast.keys(), self.library.scripts))
        if self.folder is not None:
            bundle.save(self.folder / "bundle.bin")
        return bundle

    def _make_players(self) -> list[Player]:
        plot, bundle = self.plot, self.bundle
        games = self.library.games(bundle.proposal)
        truths: dict[bytes, TraceProver] = {}

        def truth_of(claim: bytes) -> TraceProver:
            if claim not in truths:
                truths[claim] = TraceProver(self.image, claim, plot.terms.steps, blobs=self.blobs)
            return truths[claim]

        def shared(name: str) -> dict[str, Any]:
            return {
                "name": name, "secrets": self.cast.secrets[name], "chain": self.chain, "graph": bundle.graph,
                "signatures": bundle.signatures, "games": games, "deposit_id": deposit_id(bundle.proposal.funding),
                "journal": self._journal(name), "start": self.start,
            }  # fmt: skip

        players: list[Player] = [OperatorAgent(**shared(OPERATOR), prover=self.prover, silent=plot.operator_silent)]
        for name in self.cast.parties.challengers:
            hostile = name in plot.objectors
            rng = random.Random(f"{plot.seed}/{name}")
            players.append(
                ChallengerAgent(
                    **shared(name), truth_of=truth_of, endian=self.image.endian, silent=plot.challenger_silent,
                    objects=hostile or plot.lie is not None,
                    answer=(lambda state, rng=rng: hostile_move(state, rng, tuple(plot.route))) if hostile else None,
                )  # fmt: skip
            )
        return players

    def _journal(self, name: str) -> Journal:
        path = ":memory:" if self.folder is None else str(self.folder / f"{name}.journal")
        return Journal(path, deposit_id(self.bundle.proposal.funding), name)

    def confirm_vault(self) -> None:
        """The depositor publishes `confirm` and pays for it."""
        confirm = self.bundle.graph.assemble("confirm", self.bundle.signatures)
        child = self.wallets[DEPOSITOR].fee_child(confirm, self.chain.estimate_fee())
        self.chain.broadcast([confirm, child])
        self.sent_by["confirm"] = DEPOSITOR

    def tick(self) -> None:
        """Every agent acts once, then a block is mined."""
        for player in self.players:
            for name in player.tick():
                self.sent_by.setdefault(name, player.name)
                self.progress(f"height {self.chain.tip().height}: {player.name} sends {name}")
        self.chain.mine()
        self.view.refresh()

    def play(self) -> Ending:
        """Until the deposit is taken and all losers have paid, or the claim is dead."""
        began = time.perf_counter()
        self.confirm_vault()
        self.chain.mine()
        terms = self.plot.terms
        for _ in range(2 * terms.total_delay + 8 * terms.move_delay):
            self.tick()
            if self._is_over():
                return self._ending(time.perf_counter() - began)
        raise TimedOut("the story did not end within twice the longest dispute; see the journal of each party")

    def _is_over(self) -> bool:
        spent = self.view.spent.get("asset")
        if spent is None or self.view.height - spent.height < self.plot.terms.confirmations:
            return False
        if spent.name != "take2":
            return True
        return all(self._has_paid(name) for name in self.cast.parties.challengers)

    def _has_paid(self, challenger: str) -> bool:
        tracked = self.players[0].track(challenger)
        return tracked is None or tracked.mover is Role.OPERATOR or tracked.ended

    def _ending(self, seconds: float) -> Ending:
        sent = [
            Sent(c.name, c.tx, c.height, self.sent_by.get(c.name, "")) for c in
            sorted(self.view.by_name.values(), key=lambda c: (c.height, c.name))
        ]  # fmt: skip
        last = self.view.spent["asset"]
        killed = "/" in last.name
        outcome = "paid" if not killed else "timeout" if "/timeout." in last.name else "disproved"
        leaf = self._leaf_of(last.name, last.tx) if killed else None
        winner = last.name.partition("/")[0] if killed else OPERATOR
        steps = self.prover.trace.run()
        return Ending(
            outcome, winner, leaf, steps, self.first_false_step, sent, self._balances(), self.bundle, seconds, self.timings
        )  # fmt: skip

    def _leaf_of(self, name: str, tx: Transaction) -> str:
        """Which leaf of the turn was spent, by its script."""
        output = self.bundle.graph.outputs[self.bundle.graph.planned(name).inputs[0].output]
        script = tx.inputs[0].witness[-2]
        return next(leaf for leaf, path in output.paths.items() if path.leaf.code == script)

    def _balances(self) -> dict[str, tuple[int, int]]:
        after = {name: int(w.balance()) for name, w in self.wallets.items()}
        owners = {stake_name(k): OPERATOR for k in range(len(self.plot.terms.stakes))}
        owners |= {bond_name(name): name for name in self.cast.parties.challengers} | {"ticket": OPERATOR}
        for output, owner in owners.items():
            if not self.view.is_spent(output):
                after[owner] += self.bundle.graph.outputs[output].value
        return {name: (before, after[name]) for name, before in self.before.items()}


def arities_for(steps_log2: int) -> tuple[int, ...]:
    """Four-way rounds, a two-way one at the end for an odd exponent."""
    return (4,) * (steps_log2 // 2) + (2,) * (steps_log2 % 2)


def route_to(turn: str, side: str) -> tuple[str, ...]:
    """Moves a challenger must prefer so that the game comes to `turn`. InvalidInput if that is not a turn of that side."""
    head, _, tail = turn.partition(".")
    if side not in ("operator", "challenger"):
        raise InvalidInput(f"no side is called {side!r}; choose operator or challenger")
    operator = head in ("assert", "init", "search", "step") or tail in ("open", "show1", "show2", "last")
    known = head in ("assert", "init", "search", "step", "pick", "pick_claim", "choose", "verdict") or head in CHAINS
    if not known or operator != (side == "operator"):
        raise InvalidInput(f"{turn!r} is no turn of the {side}; docs/spec/dispute.md lists the turns")
    if head in ("init", "pick_claim") or head in CLAIM_CHAINS:
        return ("pick_init", f"pick_{head}")
    if head == FINAL_ACCESS.kind:
        return ("pick_final",)
    return ("pick_search", f"ask.{head}") if head not in ("assert", "pick") else ()


def deposit_id(funding: Funding) -> str:
    """The id of a deposit: its outpoint. Journals and one-time keys are bound to it."""
    return str(funding.deposit)


def one_time_keys(cast: Cast, terms: Terms, funding: Funding) -> dict[str, GameKeys]:
    """Both sides' one-time public keys of all games."""
    keys = {}
    for name in cast.parties.challengers:
        game = GameId(deposit_id(funding), OPERATOR, name)
        operator = public_keys(cast.secrets[OPERATOR].one_time, game, Role.OPERATOR, terms.arities)
        challenger = public_keys(cast.secrets[name].one_time, game, Role.CHALLENGER, terms.arities)
        keys[name] = GameKeys(operator, challenger)
    return keys
