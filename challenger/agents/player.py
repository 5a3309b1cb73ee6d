"""A running agent: looks at the chain, asks `decide`, signs, journals, sends. Restarted, it goes on where it was.

Everything a player signs with a one-time key is on disk before it leaves; a transaction that was made once is sent
again byte for byte until it is confirmed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from btc_l2.chain.protocol import Chain, Rejected
from btc_l2.zkvm.outcome import Endian
from challenger.agents.budget import Budget, CapReached
from challenger.agents.decide import Answer, Step, plan_challenger, plan_operator
from challenger.agents.fees import Waiting, find_rivals, find_waiting
from challenger.agents.track import Tracked, Tracker
from challenger.agents.view import UNKNOWN, Confirmed, View
from challenger.agents.wallet import FeeOf, Wallet, child_vbytes
from challenger.commit import GameId, message_seed
from challenger.game.challenger import assertion_of, challenger_move, claim_bytes
from challenger.game.prover import TraceProver
from challenger.game.state import GameState
from challenger.journal import Journal
from challenger.reveal import Items
from challenger.turns import Game
from taproot.errors import Refused, Unavailable
from taproot.keys import SecretKey, sign_schnorr
from taproot.presigned import Graph, Planned, Signatures
from taproot.tx import Transaction
from taproot.units import DUST_P2TR, MIN_RELAY_FEE_RATE, TRUC_VERSION

log = logging.getLogger(__name__)

# Reasons for which a chain refuses what somebody else was faster with, or what is a block too early: no news
RACES = frozenset({"insufficient fee", "txn-mempool-conflict", "bad-txns-inputs-missingorspent", "non-BIP68-final"})


@dataclass(frozen=True, slots=True)
class Secrets:
    """What only the party knows: its signing key and the seed of its one-time keys."""

    key: SecretKey
    one_time: bytes


@dataclass(slots=True)
class Player:
    """One party's agent; subclasses say which steps it wants.

    `silent`: occasions (`Step.occasion`) that the party lets pass, for stories and tests. `budget`: what it pays for
    its moves; `make_view`: how it sees the chain. `wanted`: the steps of the last tick, sent or not.
    """

    name: str
    secrets: Secrets
    chain: Chain
    graph: Graph
    signatures: Signatures
    games: Mapping[str, Game]
    deposit_id: str
    journal: Journal
    start: int
    silent: Collection[str] = ()
    budget: Budget = field(default_factory=Budget)
    make_view: Callable[[Chain, Graph, int], View] = View
    wallet: Wallet = field(init=False)
    view: View = field(init=False)
    wanted: list[Step] = field(init=False, default_factory=list)
    _trackers: dict[str, Tracker] = field(init=False)
    _fresh: list[Confirmed] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.wallet = Wallet(self.chain, self.secrets.key)
        self.view = self.make_view(self.chain, self.graph, self.start)
        self._trackers = {name: Tracker(self.view, game) for name, game in self.games.items()}

    def plan(self) -> list[Step]:
        """The steps that the party's interest asks for at this height."""
        raise AssertionError("a player is an operator or a challenger")

    def tick(self) -> list[str]:
        """Look, decide, act once; returns the names of the transactions that were sent.

        Raises Unavailable if the journal cannot keep what was seen; nothing is lost, a later tick tries again.
        """
        self._look()
        self.wanted = [step for step in self.plan() if step.occasion not in self.silent]
        self.budget.follow({step.name for step in self.wanted}, self.view.height)
        return [step.name for step in self.wanted if self._perform(step)]

    def track(self, challenger: str) -> Tracked | None:
        """The game of a challenger as the chain shows it."""
        return self._trackers[challenger].track()

    def _look(self) -> None:
        """Follow the chain, keep what it shows of the graph."""
        self._fresh += self.view.refresh()
        rows = [(_archive_name(c), c.tx.serialize(), c.height) for c in self._fresh]
        self.journal.archive(rows)
        self._fresh.clear()

    def _perform(self, step: Step) -> bool:
        """Send a step unless it waits in the mempool and pays enough there; says whether it was sent.

        A fixed transaction is made once and sent again as it was made, with another child if fees rose; a free one
        holds no one-time signature of ours that was not shown before, and is made anew. Whoever sent what waits, it is
        paid more for if it pays less than what is needed now.
        """
        planned = self.graph.planned(step.name)
        rate = self.budget.rate(step.name, self.chain.estimate_fee(), self.view.height)
        waiting = find_waiting(self.chain, planned)
        if waiting is not None and rate <= waiting.rate:
            return False
        try:
            send = self._send_free if planned.free else self._send_fixed
            tx = send(step, rate, self._least_fee(planned, waiting, rate))
        except (Refused, Unavailable) as error:
            known = isinstance(error, CapReached) or (isinstance(error, Rejected) and error.reason in RACES)
            log.log(
                logging.INFO if known else logging.WARNING,
                "move.waits name=%s by=%s reason=%s", step.name, self.name, error,
            )  # fmt: skip
            return False
        log.info("move.sent name=%s by=%s txid=%s", step.name, self.name, tx.txid_hex)
        return True

    def _least_fee(self, planned: Planned, waiting: Waiting | None, rate: int) -> Callable[[int, int], int]:
        """What it takes to replace what pays less than `rate`: the same transaction, or others on its inputs.

        A function of the vbytes of the transaction and of its child.
        """
        if waiting is not None:
            return lambda own, child: waiting.child_fee(child) if child else waiting.replacing_fee(own)
        rivals = find_rivals(self.chain, planned)
        if rivals is None or rivals.rate >= rate:
            return lambda own, child: (own + child) * MIN_RELAY_FEE_RATE
        return lambda own, child: rivals.least_fee(own + child)

    def _send_fixed(self, step: Step, rate: int, least: Callable[[int, int], int]) -> Transaction:
        """A fixed transaction as it was made once; one of version 3 with a child that pays for both."""
        known = self.journal.move(step.name)
        tx = Transaction.from_bytes(known) if known is not None else self._make(step, rate)

        def fee_of(vbytes: int) -> int:
            together, floor = tx.vbytes + vbytes, least(tx.vbytes, vbytes)
            return self.budget.grant(step.name, max(rate * together, floor), floor)

        self.chain.broadcast([tx, self._child(step, tx, fee_of)])
        return tx

    def _child(self, step: Step, tx: Transaction, fee_of: FeeOf) -> Transaction:
        """What pays for a fixed transaction; the offer is on record when this returns."""
        assert tx.version == TRUC_VERSION
        child = self.wallet.child_paying(tx, fee_of)
        self.budget.record(step.name, fee_of(child_vbytes(len(child.inputs) - 1)))
        return child

    def _send_free(self, step: Step, rate: int, least: Callable[[int, int], int]) -> Transaction:
        """A free transaction pays for itself, at most all that it brings."""
        size = self._assemble(step, self._items(step), 0).vbytes
        floor = least(size, 0)
        brings = self.graph.planned(step.name).tx.outputs[0].value - DUST_P2TR - 1
        fee = self.budget.bound(step.name, max(rate * size, floor), floor, brings)
        tx = self._make(step, fee / size)
        self.chain.broadcast(tx)
        return tx

    def _make(self, step: Step, rate: float) -> Transaction:
        """Sign and put together; values and bytes are on disk when this returns."""
        tx = self._assemble(step, self._items(step), rate)
        values = {f"{step.game}/{message}": digits for message, digits in step.values.items()}
        self.journal.commit_move(step.name, values, tx.serialize(), self.view.height)
        return tx

    def _items(self, step: Step) -> Items:
        """One-time signatures and hints for input 0; Unavailable if nobody has written the leaf that is needed."""
        if step.game is None or step.turn is None:
            return ()
        game, tracked = self.games[step.game], self.track(step.game)
        assert tracked is not None
        name = step.leaf or step.name.partition("/")[2]
        if (step.turn, name) not in game.leaves:
            raise Unavailable(f"no leaf {name} on turn {step.turn}; `btc-l2 script list` shows what is missing")
        return game.leaves[step.turn, name].witness(game.keys, tracked.signed | self._sign_values(step), step.hints)

    def _sign_values(self, step: Step) -> dict[str, Items]:
        assert step.game is not None
        game_id = GameId(self.deposit_id, self.graph.contract.parties.operator.name, step.game)
        codes = self.games[step.game].keys.messages
        return {
            name: codes[name].code.sign(message_seed(self.secrets.one_time, game_id, name), digits)
            for name, digits in step.values.items()
        }

    def _sign(self, message: bytes) -> bytes:
        return sign_schnorr(self.secrets.key, message)

    def _assemble(self, step: Step, items: Items, rate: float) -> Transaction:
        sign = {self.name: self._sign}
        if not self.graph.planned(step.name).free:
            return self.graph.assemble(step.name, self.signatures, sign, items=items)
        return self.graph.finalize(step.name, self.signatures, sign, self.wallet.script_pubkey, rate, step.leaf, items)


def _archive_name(seen: Confirmed) -> str:
    """A foreign spend is kept under its txid."""
    return f"{UNKNOWN}.{seen.tx.txid_hex}" if seen.name == UNKNOWN else seen.name


@dataclass(slots=True)
class OperatorAgent(Player):
    """Claims the deposit, defends the claim, takes the deposit or the bonds of those who lost."""

    prover: TraceProver = field(kw_only=True)

    def plan(self) -> list[Step]:
        """See `plan_operator`."""
        games = [t for j in self.games if (t := self.track(j)) is not None]
        return plan_operator(self.view, self.graph.contract.terms, games, self.prover)


@dataclass(slots=True)
class ChallengerAgent(Player):
    """Challenges a claim he does not accept and plays the dispute to the end.

    `truth_of` gives the true run of a claim (128 bytes in the guest's byte order); `objects` says whether he rejects
    the announcement; `hostile` replaces his judgement (a challenger without reason).
    """

    truth_of: Callable[[bytes], TraceProver] = field(kw_only=True)
    endian: Endian = field(kw_only=True)
    objects: bool = field(kw_only=True)
    hostile: Answer | None = field(kw_only=True, default=None)

    def plan(self) -> list[Step]:
        """See `plan_challenger`."""
        game = self.track(self.name)
        answer = self.hostile or (None if game is None else self._honest_answer(game.state))
        return plan_challenger(self.view, self.graph.contract.terms, self.name, game, answer, self.objects)

    def _honest_answer(self, state: GameState) -> Answer | None:
        """Judge by the true run of the claim that stands on chain now (a reorganisation may bring another one)."""
        if "zN" not in state.values:
            return None
        return partial(challenger_move, truth=self.truth_of(claim_bytes(assertion_of(state), self.endian)))
