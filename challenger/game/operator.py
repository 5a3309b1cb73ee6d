"""The operator's moves: what he signs on each of his turns, from what he says he knows (`Prover`)."""

from __future__ import annotations

from challenger.commit import Digits, address_digits, root_digits
from challenger.disprove.claim import claim_digits
from challenger.game.kinds import CHAINS, Access
from challenger.game.paths import OpenedPath, child_is_right
from challenger.game.prover import TraceProver
from challenger.game.solver import shown_positions
from challenger.game.state import GameState

Signed = dict[str, Digits]


def operator_move(state: GameState, prover: TraceProver) -> tuple[str, Signed]:
    """(move, values to sign) on the operator's turn."""
    head, _, tail = state.turn.partition(".")
    if head == "assert":
        return "assert", {**_assertion(state, prover), **_search_roots(state, prover, 0)}
    if head == "init":
        return "init", {f"init.{k + 1}": state.shortened(r) for k, r in enumerate(prover.init_roots()[:3])}
    if head == "search":
        return f"reveal.{tail}", _search_roots(state, prover, int(tail))
    if head == "step":
        return _step(state, prover)
    return _path_move(state, prover, head, tail)


def _assertion(state: GameState, prover: TraceProver) -> Signed:
    leaves = {f"claim.{k}": root_digits(prover.claim_leaf(k)) for k in range(4)}
    return {**leaves, "z0": state.shortened(prover.z0()), "zN": state.shortened(prover.zn())}


def _copy(state: GameState, name: str) -> Signed:
    return {f"{name}.copy": (state.choice(name),)}


def _search_roots(state: GameState, prover: TraceProver, round_: int) -> Signed:
    positions = shown_positions(state.total, state.arities, state.search_choices())
    roots = {f"search.{round_}.{k + 1}": state.shortened(prover.root_at(p)) for k, p in enumerate(positions)}
    return {**(_copy(state, f"search.{round_ - 1}") if round_ else {}), **roots}


def _step(state: GameState, prover: TraceProver) -> tuple[str, Signed]:
    index = state.step_index()
    assert index is not None
    shown = prover.step(index)
    values = {f"step.{group}": digits for group, digits in claim_digits(shown.claim).items()}
    values |= {"step.r1": state.shortened(shown.r1), "step.r2": state.shortened(shown.r2)}
    if shown.is_map:
        values["step.key"] = root_digits(shown.claim.key)
    return ("step_map" if shown.is_map else "step"), {**_copy(state, f"search.{len(state.arities) - 1}"), **values}


def _path_move(state: GameState, prover: TraceProver, chain: str, turn: str) -> tuple[str, Signed]:
    access = CHAINS[chain]
    path = prover.path(access, state.step_index())
    choices = state.path_choices(access.plan)
    copy = _copy(state, f"{access.plan.name}.{len(choices) - 1}") if choices else {}
    if turn == "open":
        return f"{chain}.open", {**_opening(access, path), **_cuts(access, path, choices)}
    if turn == "last_top":
        return f"{chain}.last_top", _edge(access, path, 0)
    if turn == "last":
        return f"{chain}.last", {**copy, **_edge(access, path, access.plan.start(choices))}
    return f"{chain}.{turn}", {**copy, **_cuts(access, path, choices)}


def _opening(access: Access, path: OpenedPath) -> Signed:
    values = {"path.address": address_digits(path.address), "path.bottom.pre": root_digits(path.pre[-1])}
    if access.writes:
        assert path.post is not None
        values["path.bottom.post"] = root_digits(path.post[-1])
    return values


def _cuts(access: Access, path: OpenedPath, choices: tuple[int, ...]) -> Signed:
    values: Signed = {}
    for k, depth in enumerate(access.plan.cuts(choices), start=1):
        name = f"{access.plan.name}.{len(choices)}.{k}"
        values[f"{name}.pre"] = root_digits(path.pre[depth])
        if access.writes:
            assert path.post is not None
            values[f"{name}.post"] = root_digits(path.post[depth])
    return values


def _edge(access: Access, path: OpenedPath, edge: int) -> Signed:
    """What decides about one edge: the sibling, and on which side the path goes."""
    side = int(child_is_right(access.plan, path.address, edge))
    return {"path.sibling": root_digits(path.siblings[edge]), "path.side": (side,)}
