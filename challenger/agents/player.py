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
from challenger.agents.decide import Answer, Step, plan_challenger, plan_operator
from challenger.agents.fees import Waiting, find_rivals, find_waiting
from challenger.agents.track import Tracked, Tracker
from challenger.agents.view import UNKNOWN, Confirmed, View
from challenger.agents.wallet import CHILD_VBYTES, Wallet
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
from taproot.tx import P2A_SCRIPT, Transaction
from taproot.units import TRUC_VERSION

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

    `silent`: occasions (`Step.occasion`) that the party lets pass, for stories and tests.
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
    wallet: Wallet = field(init=False)
    view: View = field(init=False)
    _trackers: dict[str, Tracker] = field(init=False)
    _fresh: list[Confirmed] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.wallet = Wallet(self.chain, self.secrets.key)
        self.view = View(self.chain, self.graph, self.start)
        self._trackers = {name: Tracker(self.view, game) for name, game in self.games.items()}

    def plan(self) -> list[Step]:
        """The steps that the party's interest asks for at this height."""
        raise AssertionError("a player is an operator or a challenger")

    def tick(self) -> list[str]:
        """Look, decide, act once; returns the names of the transactions that were sent.

        Raises Unavailable if the journal cannot keep what was seen; nothing is lost, a later tick tries again.
        """
        self._look()
        return [step.name for step in self.plan() if step.occasion not in self.silent and self._perform(step)]

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
        rate, planned = self.chain.estimate_fee(), self.graph.planned(step.name)
        waiting = find_waiting(self.chain, planned)
        if waiting is not None and rate <= waiting.rate:
            return False
        try:
            known = None if planned.free else self.journal.move(step.name)
            tx = Transaction.from_bytes(known) if known is not None else self._make(step, rate)
            if planned.free:
                least = self._least_fee(planned, waiting, tx.vbytes, rate)
                tx = self._make(step, least / tx.vbytes) if least > rate * tx.vbytes else tx
            self._send(tx, planned, rate, waiting)
        except (Refused, Unavailable) as error:
            race = isinstance(error, Rejected) and error.reason in RACES
            log.log(
                logging.INFO if race else logging.WARNING,
                "move.waits name=%s by=%s reason=%s", step.name, self.name, error,
            )  # fmt: skip
            return False
        log.info("move.sent name=%s by=%s txid=%s", step.name, self.name, tx.txid_hex)
        return True

    def _least_fee(self, planned: Planned, waiting: Waiting | None, vbytes: int, rate: int) -> int:
        """What it takes to replace what pays less than `rate`: the same transaction, or others on its inputs."""
        if waiting is not None:
            return waiting.replacing_fee(vbytes) if planned.free else waiting.child_fee(CHILD_VBYTES)
        rivals = find_rivals(self.chain, planned)
        return rivals.least_fee(vbytes) if rivals is not None and rivals.rate < rate else 0

    def _send(self, tx: Transaction, planned: Planned, rate: int, waiting: Waiting | None) -> None:
        """A version 3 move goes out with a child that pays for both; others pay for themselves."""
        if tx.version == TRUC_VERSION and any(out.script_pubkey == P2A_SCRIPT for out in tx.outputs):
            least = self._least_fee(planned, waiting, tx.vbytes + CHILD_VBYTES, rate)
            self.chain.broadcast([tx, self.wallet.fee_child(tx, rate, least)])
        else:
            self.chain.broadcast(tx)

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
