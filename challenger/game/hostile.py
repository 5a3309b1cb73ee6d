"""A challenger who objects without reason: he makes every choice at will and can never spend a disproof.

Used to show that an honest operator survives whatever he picks, and that he pays for it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import prod

from challenger.game.challenger import Choose
from challenger.game.kinds import CHAINS, MAP_STEP_CHAINS, STEP_CHAINS
from challenger.game.state import GameState


def hostile_move(
    state: GameState, rng: random.Random, route: Sequence[str] = (), step: int | None = None
) -> Choose | None:
    """Any allowed move; None where he has none.

    `route` names moves he prefers where he has them, `step` is the one he leads the search to.
    """
    head, _, tail = state.turn.partition(".")
    if head in CHAINS:
        return _in_path(state, head, tail, rng, route)
    if head == "choose":
        return _choose(state, int(tail), rng, step)
    moves = {
        "pick": ["pick_init", "pick_final", "choose.0"],
        "pick_claim": [f"pick_claim{k}" for k in range(4)],
        "verdict": [f"ask.{chain}" for chain in STEP_CHAINS],
        "verdict_map": [f"ask.{chain}" for chain in MAP_STEP_CHAINS],
    }[head]
    wanted = [m for m in moves if m in route]
    move = wanted[0] if wanted else rng.choice(moves)
    return _choose(state, 0, rng, step) if move == "choose.0" else Choose(move, {})


def _choose(state: GameState, round_: int, rng: random.Random, step: int | None) -> Choose:
    options = state.arities[round_]
    part = rng.randrange(options) if step is None else step // prod(state.arities[round_ + 1 :]) % options
    return Choose(f"choose.{round_}", {f"search.{round_}.choice": (part,)})


def _in_path(state: GameState, chain: str, turn: str, rng: random.Random, route: Sequence[str]) -> Choose | None:
    """A choice at will; on the last of the turns also the move to the first edge, whatever was chosen before."""
    if not turn.startswith("cut"):
        return None
    plan = CHAINS[chain].plan
    round_ = int(turn.removeprefix("cut"))
    choose = Choose(f"{chain}.{turn}", {f"{plan.name}.{round_}.choice": (rng.randrange(plan.splits[round_]),)})
    if round_ < plan.rounds - 1:
        return choose
    top = Choose(f"{chain}.cut_top", {})
    wanted = [c for c in (choose, top) if c.move in route]
    return wanted[0] if wanted else rng.choice((choose, choose, choose, top))
