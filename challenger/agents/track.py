"""A game read from the chain: which moves confirmed, what they showed, whose turn it is since when."""

from __future__ import annotations

from dataclasses import dataclass

from challenger.agents.view import View
from challenger.commit import Digits
from challenger.game.state import GameState
from challenger.reveal import Items
from challenger.turns import Game
from taproot.connectors.game import turn_name
from taproot.connectors.turn import Role, Turn


@dataclass(frozen=True, slots=True)
class Tracked:
    """`state` after the confirmed moves, `signed` their one-time signatures by message, `since` the height of the last."""

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

    @property
    def output(self) -> str:
        """Name of the turn's output in the graph."""
        return turn_name(self.game.given.challenger, self.state.turn)


def track_game(view: View, game: Game) -> Tracked | None:
    """Follow a game from its challenge on; None if there is no challenge."""
    j = game.given.challenger
    opening = view.confirmed(f"challenge.{j}")
    if opening is None:
        return None
    state = GameState(game.given.arities, game.given.image_root)
    signed: dict[str, Items] = {}
    since = opening.height
    while True:
        turn = game.scripts.turns[state.turn]
        found = next(((m, c) for m in turn.moves if (c := view.confirmed(f"{j}/{m.name}")) is not None), None)
        if found is None:
            return Tracked(game, state, signed, since, view.is_spent(turn_name(j, state.turn)))
        move, confirmed = found
        shown = game.leaves[state.turn, move.name].read(game.keys, confirmed.tx.inputs[0].witness)
        values: dict[str, Digits] = {message: digits for message, (digits, _) in shown.items()}
        signed |= {message: items for message, (_, items) in shown.items()}
        state = state.after(move.name, move.next, values)
        since = confirmed.height
