"""A running agent: looks at the chain, asks `decide`, signs, journals, sends. Restarted, it goes on where it was.

Everything a player signs with a one-time key is on disk before it leaves; a transaction that was sent once is sent
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
from challenger.agents.track import Tracked, track_game
from challenger.agents.view import View
from challenger.agents.wallet import Wallet
from challenger.commit import GameId, message_seed
from challenger.game.challenger import assertion_of, challenger_move, claim_bytes
from challenger.game.prover import TraceProver
from challenger.journal import Journal
from challenger.reveal import Items
from challenger.turns import Game
from taproot.errors import Refused, Unavailable
from taproot.keys import SecretKey, sign_schnorr
from taproot.presigned import Graph, Signatures
from taproot.tx import P2A_SCRIPT, Transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What only the party knows: its signing key and the seed of its one-time keys."""

    key: SecretKey
    one_time: bytes


@dataclass(slots=True)
class Player:
    """One party's agent; subclasses say which steps it wants."""

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

    def __post_init__(self) -> None:
        self.wallet = Wallet(self.chain, self.secrets.key)
        self.view = View(self.chain, self.graph, self.start)

    def wanted(self) -> list[Step]:
        """The steps that should be taken now."""
        raise AssertionError("a player is an operator or a challenger")

    def tick(self) -> list[str]:
        """Look, decide, act once; returns the names of the transactions that were sent."""
        for seen in self.view.refresh():
            self.journal.archive(seen.name, seen.tx.serialize(), seen.height)
        return [step.name for step in self.wanted() if self._perform(step)]

    def track(self, challenger: str) -> Tracked | None:
        """The game of a challenger as the chain shows it."""
        return track_game(self.view, self.games[challenger])

    def _perform(self, step: Step) -> bool:
        """Send a step unless it waits in the mempool already; says whether it was sent.

        A fixed transaction is made once and sent again as it was made; a free one holds no one-time signature of ours that
        was not shown before, and is made anew.
        """
        free = self.graph.planned(step.name).free
        try:
            if self._is_waiting(step.name):
                return False
            known = None if free else self.journal.move(step.name)
            tx = Transaction.from_bytes(known) if known is not None else self._make(step)
            self._send(tx)
        except (Rejected, Refused, Unavailable) as error:
            log.warning("move.waits name=%s by=%s reason=%s", step.name, self.name, error)
            return False
        log.info("move.sent name=%s by=%s txid=%s", step.name, self.name, tx.txid_hex)
        return True

    def _is_waiting(self, name: str) -> bool:
        inputs = [i.prevout for i in self.graph.planned(name).tx.inputs]
        return any([i.prevout for i in tx.inputs] == inputs for tx in self.chain.mempool())

    def _send(self, tx: Transaction) -> None:
        """A version 3 move goes out with a child that pays for both; others pay for themselves."""
        if any(out.script_pubkey == P2A_SCRIPT for out in tx.outputs) and tx.version == 3:
            self.chain.broadcast([tx, self.wallet.fee_child(tx, self.chain.estimate_fee())])
        else:
            self.chain.broadcast(tx)

    def _make(self, step: Step) -> Transaction:
        """Sign (journal first) and put the transaction together; its bytes are on disk before it is sent."""
        tx = self._assemble(step, self._items(step))
        self.journal.record_move(step.name, tx.serialize(), self.view.height)
        return tx

    def _items(self, step: Step) -> Items:
        """One-time signatures and hints for input 0."""
        if step.game is None:
            return ()
        game, tracked = self.games[step.game], self.track(step.game)
        assert tracked is not None
        leaf_name = step.leaf or step.name.partition("/")[2]
        leaf = game.leaves.get((tracked.state.turn, leaf_name))
        if leaf is None:  # timeouts and slashes open nothing
            return ()
        signed = tracked.signed | self._sign_values(step)
        return leaf.witness(game.keys, signed, step.hints)

    def _sign_values(self, step: Step) -> dict[str, Items]:
        assert step.game is not None
        self.journal.commit_values({f"{step.game}/{name}": digits for name, digits in step.values.items()})
        game_id = GameId(self.deposit_id, self.graph.contract.parties.operator.name, step.game)
        codes = self.games[step.game].keys.messages
        return {
            name: codes[name].code.sign(message_seed(self.secrets.one_time, game_id, name), digits)
            for name, digits in step.values.items()
        }

    def _sign(self, message: bytes) -> bytes:
        return sign_schnorr(self.secrets.key, message)

    def _assemble(self, step: Step, items: Items) -> Transaction:
        sign = {self.name: self._sign}
        if not self.graph.planned(step.name).free:
            return self.graph.assemble(step.name, self.signatures, sign, items=items)
        fee_rate = self.chain.estimate_fee()
        to = self.wallet.script_pubkey
        return self.graph.finalize(step.name, self.signatures, sign, to, fee_rate, step.leaf, items)


@dataclass(slots=True)
class OperatorAgent(Player):
    """Claims the deposit, defends the claim, takes the deposit or the bonds of those who lost."""

    prover: TraceProver = field(kw_only=True)

    def wanted(self) -> list[Step]:
        """See `plan_operator`."""
        games = [t for j in self.games if (t := self.track(j)) is not None]
        steps = plan_operator(self.view, self.graph.contract.terms, games, self.prover, self.silent)
        return [s for s in steps if "kickoff" not in self.silent or s.name != "kickoff"]


@dataclass(slots=True)
class ChallengerAgent(Player):
    """Challenges a claim he does not accept and plays the dispute to the end.

    `truth_of` gives the true run of a claim (128 bytes in the guest's byte order); `objects` says whether he rejects the
    announcement; `answer` replaces his judgement (a hostile challenger).
    """

    truth_of: Callable[[bytes], TraceProver] = field(kw_only=True)
    endian: Endian = field(kw_only=True)
    objects: bool = field(kw_only=True)
    answer: Answer | None = field(kw_only=True, default=None)

    def wanted(self) -> list[Step]:
        """See `plan_challenger`."""
        game = self.track(self.name)
        if game is not None and self.answer is None and "zN" in game.state.values:
            truth = self.truth_of(claim_bytes(assertion_of(game.state), self.endian))
            self.answer = partial(challenger_move, truth=truth)
        terms = self.graph.contract.terms
        return plan_challenger(self.view, terms, self.name, game, self.answer, self.objects, self.silent)
