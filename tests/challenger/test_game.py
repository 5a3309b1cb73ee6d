"""The game without Script: every lie is found; a hostile challenger finds nothing in the truth."""

from __future__ import annotations

import random
from functools import lru_cache

import pytest

from btc_l2.guests import find_guest
from challenger.game.challenger import Choose, challenger_move
from challenger.game.hostile import hostile_move
from challenger.game.lies import MAP_LIES, STEP_LIES, FinalLie, InitLie, LyingProver
from challenger.game.operator import operator_move
from challenger.game.prover import TraceProver
from challenger.game.rules import turn_after
from challenger.game.solver import Disproof
from challenger.game.state import GameState

ARITIES = (4,) * 8
TOTAL = 4**8


@lru_cache
def small_guest() -> tuple[object, bytes]:
    guest = find_guest("fibonacci")
    statement = (20).to_bytes(4, "big")
    return guest.load_image(statement), guest.honest_claim(statement)


def play(
    prover: TraceProver, truth: TraceProver | None, rng: random.Random, digest: int = 256
) -> tuple[GameState, Disproof | None]:
    """Moves of both sides in turn until the challenger disproves or has no move."""
    state = GameState(ARITIES, prover.image.root(), digest=digest)
    while True:
        move, values = operator_move(state, prover)
        state = state.after(move, turn_after(move, ARITIES), values)
        answer = hostile_move(state, rng) if truth is None else challenger_move(state, truth)
        if not isinstance(answer, Choose):
            return state, answer
        copied = dict(answer.values)
        state = state.after(answer.move, turn_after(answer.move, ARITIES), copied)


@lru_cache
def mapping_guest() -> tuple[object, bytes, object]:
    guest = find_guest("blobsum")
    return guest.load_image(), guest.honest_claim(), guest.blobs()


@pytest.mark.parametrize("name", MAP_LIES)
def test_every_lie_about_a_map_is_disproved(name: str) -> None:
    image, claim, blobs = mapping_guest()
    prover = LyingProver(image, claim, TOTAL, STEP_LIES[name], 0, blobs=blobs)
    state, disproof = play(prover, TraceProver(image, claim, TOTAL, blobs=blobs), random.Random(0))
    assert disproof is not None
    assert state.step_index() == prover.at


@pytest.mark.parametrize("name", [name for name in STEP_LIES if name not in MAP_LIES])
def test_every_lie_about_a_step_is_disproved(name: str) -> None:
    image, claim = small_guest()
    for start in (0, 100, 1000):
        prover = LyingProver(image, claim, TOTAL, STEP_LIES[name], start)
        state, disproof = play(prover, TraceProver(image, claim, TOTAL), random.Random(0))
        assert disproof is not None
        assert state.step_index() == prover.at


@pytest.mark.parametrize("digest", [160, 192])
@pytest.mark.parametrize("name", [name for name in STEP_LIES if name not in MAP_LIES])
def test_every_lie_is_disproved_with_short_roots(name: str, digest: int) -> None:
    image, claim = small_guest()
    prover = LyingProver(image, claim, TOTAL, STEP_LIES[name], 100, depth=1)
    state, disproof = play(prover, TraceProver(image, claim, TOTAL), random.Random(0), digest)
    assert disproof is not None and state.step_index() == prover.at
    assert len(state.root("zN")) == len(state.root("step.r1")) == digest // 8
    assert len(state.root("claim.0")) == 32


def test_a_false_initial_state_is_disproved() -> None:
    image, claim = small_guest()
    state, disproof = play(InitLie(image, claim, TOTAL), TraceProver(image, claim, TOTAL), random.Random(0))
    assert disproof is not None and disproof.leaf.startswith("post.")
    assert "init" in state.moves


def test_a_false_final_state_is_disproved() -> None:
    image, claim = small_guest()
    false = bytes([claim[0] ^ 1]) + claim[1:]
    state, disproof = play(FinalLie(image, false, TOTAL), TraceProver(image, false, TOTAL), random.Random(0))
    assert disproof is not None and disproof.leaf.startswith("pre.")
    assert "pick_final" in state.moves


def test_an_honest_claim_leaves_the_challenger_without_a_move() -> None:
    image, claim = small_guest()
    truth = TraceProver(image, claim, TOTAL)
    state, disproof = play(TraceProver(image, claim, TOTAL), truth, random.Random(0))
    assert disproof is None and state.turn == "pick"


def test_an_honest_operator_answers_whatever_a_hostile_challenger_picks() -> None:
    image, claim = small_guest()
    prover = TraceProver(image, claim, TOTAL)
    for seed in range(40):
        state, _ = play(prover, None, random.Random(seed), (160, 192, 256)[seed % 3])
        assert state.turn.partition(".")[2] in ("hash", "hash_top")
