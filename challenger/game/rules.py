"""Which turn follows which move: the shape of every game.

The roots of the first round of the search stand in `assert`, so the first choice is made on the turn `pick`.
"""

from __future__ import annotations

from collections.abc import Sequence

from challenger.game.kinds import CHAINS, FINAL_ACCESS

_AFTER = {
    "assert": "pick",
    "pick_init": "init",
    "pick_final": f"{FINAL_ACCESS.kind}.open",
    "init": "pick_claim",
    "step": "verdict",
    "step_map": "verdict_map",
}


def turn_after(move: str, arities: Sequence[int]) -> str:
    """The turn that a move leads to."""
    if move in _AFTER:
        return _AFTER[move]
    head, _, tail = move.partition(".")
    if head.startswith("pick_"):
        return f"{head.removeprefix('pick_')}.open"
    if head == "ask":
        return f"{tail}.open"
    if head == "reveal":
        return f"choose.{tail}"
    if head == "choose":
        return "step" if int(tail) == len(arities) - 1 else f"search.{int(tail) + 1}"
    return f"{head}.{_in_path(tail, CHAINS[head].plan.rounds)}"


def _in_path(turn: str, rounds: int) -> str:
    if turn == "open":
        return "cut0"
    if turn in ("last", "last_top"):
        return turn.replace("last", "hash")
    if turn == "cut_top":
        return "last_top"
    if turn.startswith("show"):
        return f"cut{turn.removeprefix('show')}"
    round_ = int(turn.removeprefix("cut"))
    return "last" if round_ == rounds - 1 else f"show{round_ + 1}"
