"""Completeness: every false claim loses.

Each field of the claim and each root is falsified at random places, the liar shows paths that are false from any depth
on, and the leaf at which the challenger ends is accepted by libbitcoinkernel.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import Control, Endian
from btc_l2.zkvm.state import Machine
from challenger.game import lies
from challenger.game.challenger import Choose, challenger_move
from challenger.game.lies import LyingProver, StepLie
from challenger.game.operator import operator_move
from challenger.game.prover import TraceProver
from challenger.game.rules import turn_after
from challenger.game.semantics import complete_claim
from challenger.game.solver import Disproof
from challenger.game.state import GameState
from tests.challenger.test_soundness import ARITIES, TOTAL, blobsum, fibonacci, is_spent, map_step, sample, sign

Forge = Callable[[StepClaim, Endian], StepClaim]


def flip(field: str, bit: int, consistent: bool) -> Forge:
    """Flip one bit of a word of the claim; `consistent`: recompute what follows from it."""

    def forge(claim: StepClaim, endian: Endian) -> StepClaim:
        false = replace(claim, **{field: getattr(claim, field) ^ 1 << bit})
        return complete_claim(false, endian) if consistent else false

    return forge


def flip_control(side: str, word: int, bit: int, consistent: bool) -> Forge:
    """Flip one bit of a control word before or after."""

    def forge(claim: StepClaim, endian: Endian) -> StepClaim:
        words = list(getattr(claim, side))
        words[word] ^= 1 << bit
        false = replace(claim, **{side: Control(*words)})
        return complete_claim(false, endian) if consistent else false

    return forge


def tamper(word: int, bit: int) -> Callable[[Machine, StepClaim], None]:
    """Change any word of the program's memory behind the claim's back."""

    def change(machine: Machine, _claim: StepClaim) -> None:
        address = 0x0040_0000 + 4 * word
        machine.store_word(address, machine.load_word(address) ^ 1 << bit)

    return change


def random_lie(rng: random.Random) -> StepLie:
    """Any falsehood about one step."""
    bit = rng.randrange(32)
    kind = rng.choice(["consistent", "field", "before", "after", "tree"])
    if kind == "consistent":
        return StepLie(flip(rng.choice(["a", "b", "instruction", "old"]), bit, True))
    if kind == "field":
        return StepLie(flip(rng.choice(["result", "new"]), bit, False))
    if kind in ("before", "after"):
        return StepLie(flip_control(kind, rng.randrange(8), bit, kind == "before"))
    root = rng.choice(["step.r1", "step.r2", "B"])
    return StepLie(lambda claim, _: claim, frozenset(), {root: tamper(rng.randrange(8192), bit)})


def play(prover: LyingProver, truth: TraceProver) -> tuple[GameState, Disproof]:
    """Both sides to the end; the challenger must win."""
    state = GameState(ARITIES, prover.image.root())
    while True:
        move, values = operator_move(state, prover)
        state = state.after(move, turn_after(move, ARITIES), values)
        answer = challenger_move(state, truth)
        if isinstance(answer, Disproof):
            return state, answer
        assert isinstance(answer, Choose), "a lie went unnoticed"
        state = state.after(answer.move, turn_after(answer.move, ARITIES), answer.values)


def check_lie(honest: TraceProver, lie: StepLie, start: int) -> str:
    """Play it, ask the kernel, return the winning leaf."""
    prover = LyingProver(honest.image, honest.claim, TOTAL, lie, start, honest.trace, honest.blobs)
    if prover.zn() == honest.zn():
        return ""  # the run came back to the true state: nothing false is claimed in the end
    state, disproof = play(prover, honest)
    leaf = sample().leaves[state.turn, disproof.leaf]
    assert is_spent(leaf, sign(state), dict(disproof.hints)), (state.turn, disproof)
    return disproof.leaf


def has_leaf(honest: TraceProver, start: int, lie: StepLie) -> bool:
    """Is there a relation leaf for the row that the lie falls under? (`btc-l2 script list` names those without.)"""
    from challenger.disprove.relations import relation_names
    from challenger.game.semantics import row_name

    machine = honest.machine_at(start + lies.find_step(honest.machine_at(start), lie))
    return row_name(lie.forge(lies.compute_claim(machine), honest.image.endian)) in relation_names()


def play_random(seed: int, monkeypatch: pytest.MonkeyPatch) -> str:
    rng = random.Random(seed)
    monkeypatch.setattr(lies, "FALSE_FROM_DEPTH", rng.randrange(1, 28))
    lie, start = random_lie(rng), rng.randrange(10_000)
    return check_lie(fibonacci(), lie, start) if has_leaf(fibonacci(), start, lie) else ""


def test_random_falsehoods_lose_on_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    won = [play_random(seed, monkeypatch) for seed in range(60)]
    assert sum(1 for leaf in won if leaf) >= 40
    assert any(leaf.startswith("pre.") for leaf in won) and any(leaf.startswith("post.") for leaf in won)


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_random_falsehoods_lose_on_the_kernel(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    won = [play_random(1000 * (block + 1) + i, monkeypatch) for i in range(50)]
    assert sum(1 for leaf in won if leaf) >= 30


@pytest.mark.parametrize("depth", [1, 2, 5, 26])
def test_falsehoods_about_a_map_lose_on_the_kernel(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lies, "FALSE_FROM_DEPTH", depth)
    for name in lies.MAP_LIES:
        assert check_lie(blobsum(), lies.STEP_LIES[name], map_step(blobsum())), name
