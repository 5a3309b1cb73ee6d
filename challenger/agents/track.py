"""A game read from the chain: which moves confirmed, what they showed, whose turn it is since when."""

from __future__ import annotations

from dataclasses import dataclass

from challenger.agents.view import Confirmed, View
from challenger.commit import Digits
from challenger.game.state import GameState
from challenger.reveal import Items
from challenger.turns import Game
from taproot.connectors.game import turn_name
from taproot.connectors.turn import Move, Role, Turn
from taproot.tx import Transaction

Shown = dict[str, tuple[Digits, Items]]


@dataclass(frozen=True, slots=True)
class Tracked:
    """`state` after the confirmed moves, `signed` their one-time signatures, `since` the height of the last one."""

    game: Game
    state: GameState
    signed: dict[str, Items]
    since: int
    ended: bool

    @property
    def turn(self) -> Turn:
        """The turn that waits."""
        return self.game.scripts.turns[self.state.turn]

    @property
    def mover(self) -> Role:
        """Whose turn it is."""
        return self.turn.mover


class Tracker:
    """Follows one game in a view. What a confirmed witness shows is checked once: thousands of hashes."""

    def __init__(self, view: View, game: Game) -> None:
        self._view = view
        self._game = game
        self._read: dict[str, tuple[Transaction, Shown]] = {}

    def track(self) -> Tracked | None:
        """The game as the view has it now; None while it is not opened by a challenge."""
        j = self._game.given.challenger
        opening = self._view.confirmed(f"challenge.{j}")
        if opening is None:
            return None
        given = self._game.given
        state = GameState(given.arities, given.image_root, digest=given.digest)
        signed: dict[str, Items] = {}
        since = opening.height
        while (made := self._find_move(state.turn)) is not None:
            move, confirmed = made
            shown = self._shown(state.turn, move.name, confirmed.tx)
            signed |= {message: items for message, (_, items) in shown.items()}
            state = state.after(move.name, move.next, {message: digits for message, (digits, _) in shown.items()})
            since = confirmed.height
        return Tracked(self._game, state, signed, since, self._view.is_spent(turn_name(j, state.turn)))

    def _find_move(self, turn: str) -> tuple[Move, Confirmed] | None:
        """The move that confirmed on a turn; at most one can."""
        j = self._game.given.challenger
        moves = self._game.scripts.turns[turn].moves
        return next(((m, c) for m in moves if (c := self._view.confirmed(f"{j}/{m.name}")) is not None), None)

    def _shown(self, turn: str, move: str, tx: Transaction) -> Shown:
        """What a move's witness says. A reorganisation can bring the same move with another witness."""
        known = self._read.get(move)
        if known is None or known[0] is not tx:
            known = tx, self._game.leaves[turn, move].read(self._game.keys, tx.inputs[0].witness)
            self._read[move] = known
        return known[1]
