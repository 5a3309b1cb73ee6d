"""What each side does next, decided from the chain alone: pure functions, no clock, no network.

`plan_operator` and `plan_challenger` return steps in the order in which they should be sent; doing a step twice does no
harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from challenger.agents.track import Tracked
from challenger.agents.view import View
from challenger.commit import Digits
from challenger.game.challenger import Choose
from challenger.game.operator import operator_move
from challenger.game.prover import TraceProver
from challenger.game.solver import Disproof
from challenger.game.state import GameState
from taproot.connectors.stake import bond_name, leaving_name, stake_name
from taproot.connectors.turn import Role
from taproot.terms import Terms

Answer = Callable[[GameState], Choose | Disproof | None]
TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Step:
    """A transaction of the graph to send: the values to sign in it, or the disproof leaf with its hints.

    `turn`: the turn of `game` on which the party moves; None for what is no answer to the other side.
    """

    name: str
    values: Mapping[str, Digits] = field(default_factory=dict)
    leaf: str | None = None
    hints: Mapping[str, int] = field(default_factory=dict)
    game: str | None = None
    turn: str | None = None

    @property
    def occasion(self) -> str:
        """What a silent party lets pass: a turn, `timeout`, or the transaction's kind (`kickoff`, `veto` …)."""
        if self.turn is not None:
            return self.turn
        return self.name.partition("/")[2].partition(".")[0] or self.name.partition(".")[0]


def is_due(view: View, since: int, delay: int) -> bool:
    """May a transaction that waits `delay` blocks for an output confirmed at height `since` stand in the next block?"""
    return view.height + 1 >= since + delay


def _settled(view: View, since: int, confirmations: int) -> bool:
    return view.height - since + 1 >= confirmations


def plan_operator(view: View, terms: Terms, games: Collection[Tracked], prover: TraceProver) -> list[Step]:
    """The operator's steps.

    He answers on his turns also when a take is due: it might not get into a block before his time is over; and after
    take2, while the challenger has a bond: else one who spared a move until then could not be slashed. A vault that
    somebody else has taken (all together, or another operator of the deposit) is neither claimed nor waited for.
    """
    kickoff = view.confirmed("kickoff")
    if kickoff is None:
        is_there = view.depth("confirm") >= terms.confirmations and not view.is_spent("vault")
        return [Step("kickoff")] if is_there else []
    if not view.is_spent("asset"):
        return [
            *_take(view, terms, kickoff.height),
            *(s for g in games for s in _operator_turn(view, terms, g, prover)),
        ]
    if view.depth("take2") >= terms.confirmations:
        owing = [g for g in games if _standing_bond(view, g) is not None]
        return [s for g in owing for s in (*_slash(view, terms, g), *_operator_turn(view, terms, g, prover))]
    return []


def _take(view: View, terms: Terms, kickoff: int) -> list[Step]:
    if view.is_spent("vault"):
        return []
    if not view.is_spent("unchallenged") and is_due(view, kickoff, terms.challenge_delay):
        return [Step("take1")]
    return [Step("take2")] if is_due(view, kickoff, terms.total_delay) else []


def _operator_turn(view: View, terms: Terms, game: Tracked, prover: TraceProver) -> list[Step]:
    if game.ended or game.mover is not Role.OPERATOR or not _settled(view, game.since, terms.confirmations):
        return []
    move, values = operator_move(game.state, prover)
    challenger = game.game.given.challenger
    return [Step(f"{challenger}/{move}", values, game=challenger, turn=game.state.turn)]


def _slash(view: View, terms: Terms, game: Tracked) -> list[Step]:
    """After take2: a challenger who let his turn pass pays out of his bond."""
    j, variant = game.game.given.challenger, _standing_bond(view, game)
    if variant is None or game.ended or game.mover is not Role.CHALLENGER:
        return []
    due = is_due(view, game.since, terms.move_delay)
    return [Step(f"{j}/slash.{game.state.turn}@{variant}", game=j)] if due else []


def _standing_bond(view: View, game: Tracked) -> str | None:
    """The variant of a slash that the challenger's bond allows; None if it is gone."""
    bond = bond_name(game.game.given.challenger)
    if not view.is_spent(bond):
        return "bond"
    return "leaving" if view.confirmed(f"leave.{bond}") and not view.is_spent(leaving_name(bond)) else None


def plan_challenger(
    view: View, terms: Terms, me: str, game: Tracked | None, answer: Answer | None, objects: bool
) -> list[Step]:
    """Challenger `me`'s steps.

    `objects`: he does not accept the claim that the operator announced. `answer` is how he moves on his turns (None
    until the claim stands on chain).
    """
    kickoff = view.confirmed("kickoff")
    if kickoff is None or not objects or view.is_spent("asset"):
        return []
    if not _settled(view, kickoff.height, terms.confirmations):
        return []
    if view.confirmed("fan") is None:
        return [Step("fan")]
    if game is None:
        return [Step(f"challenge.{me}")]
    steps = [] if view.is_spent("unchallenged") else [Step(f"veto.{me}")]
    if game.ended:
        return steps
    if game.mover is Role.OPERATOR:
        overdue = is_due(view, game.since, terms.move_delay)
        return [*steps, Step(_kill(view, terms, me, f"{TIMEOUT}.{game.state.turn}"), game=me)] if overdue else steps
    if answer is None or not _settled(view, game.since, terms.confirmations):
        return steps
    return [*steps, *_challenger_turn(view, terms, me, game, answer)]


def _challenger_turn(view: View, terms: Terms, me: str, game: Tracked, answer: Answer) -> list[Step]:
    move, turn = answer(game.state), game.state.turn
    if move is None:
        return []
    if isinstance(move, Disproof):
        kill = _kill(view, terms, me, f"disprove.{turn}")
        return [Step(kill, leaf=move.leaf, hints=move.hints, game=me, turn=turn)]
    return [Step(f"{me}/{move.move}", move.values, game=me, turn=turn)]


def _kill(view: View, terms: Terms, me: str, what: str) -> str:
    """The variant with the first stake that is still there (standing, or leaving), else the one without."""
    for k in range(len(terms.stakes)):
        if not view.is_spent(stake_name(k)):
            return f"{me}/{what}@stake{k}"
        if view.confirmed(f"leave.{stake_name(k)}") and not view.is_spent(leaving_name(stake_name(k))):
            return f"{me}/{what}@leaving{k}"
    return f"{me}/{what}@bare"
