"""Soundness: against an honest operator no disproof can be spent, whatever a hostile challenger picks on the way.

Games are played without transactions; on each turn with disproofs every leaf is tried on libbitcoinkernel with what the
operator really signed, and with hints at will.
"""

from __future__ import annotations

import random
from functools import lru_cache

import pytest

from btc_l2.chain.kernel import accepts
from btc_l2.guests import find_guest
from challenger.commit import GameId, message_seed
from challenger.game.challenger import Choose
from challenger.game.hostile import hostile_move
from challenger.game.operator import operator_move
from challenger.game.prover import TraceProver
from challenger.game.rules import turn_after
from challenger.game.state import GameState
from challenger.reveal import Items, RevealLeaf
from challenger.sample import SEED, sample_game, sample_parties
from challenger.turns import Game

ARITIES = (4,) * 7
TOTAL = 4**7
HINTS = {"digit": 64, "i": 64, "p": 8, "w": 8, "half": 8}


@lru_cache
def sample() -> Game:
    parties = sample_parties(2)
    return sample_game(ARITIES, parties, parties.challengers[0])


@lru_cache
def fibonacci() -> TraceProver:
    guest = find_guest("fibonacci")
    statement = (20).to_bytes(4, "big")
    return TraceProver(guest.load_image(statement), guest.honest_claim(statement), TOTAL)


@lru_cache
def blobsum() -> TraceProver:
    guest = find_guest("blobsum")
    return TraceProver(guest.load_image(), guest.honest_claim(), TOTAL, blobs=guest.blobs())


def map_step(prover: TraceProver) -> int:
    """The step in which the guest maps its blob."""
    return next(i for i in range(prover.trace.steps) if prover.step(i).is_map)


def sign(state: GameState) -> dict[str, Items]:
    """All one-time signatures of a game so far."""
    game, parties = sample(), sample_parties(2)
    game_id = GameId("weigh", parties.operator.name, parties.challengers[0])
    codes = game.keys.messages
    return {
        name: codes[name].code.sign(message_seed(SEED, game_id, name), digits) for name, digits in state.values.items()
    }


def is_spent(leaf: RevealLeaf, signed: dict[str, Items], hints: dict[str, int]) -> bool:
    """Does the kernel accept the leaf behind its signature? What nobody signed cannot be shown."""
    try:
        witness = leaf.witness(sample().keys, signed, hints)
    except KeyError:
        return False
    return accepts(leaf.tap.code[34 * leaf.signers :], witness)


def spent_leaves(state: GameState, rng: random.Random, tries: int) -> list[str]:
    """Names of the disproofs of this turn that the challenger could spend."""
    game = sample()
    signed = sign(state)
    found = []
    for disproof in game.scripts.turns[state.turn].disproofs:
        leaf = game.leaves[state.turn, disproof.name]
        for _ in range(tries if leaf.hints else 1):
            hints = {name: rng.randrange(HINTS[name]) for name in leaf.hints}
            if is_spent(leaf, signed, hints):
                found.append(disproof.name)
    return found


def play_hostile(prover: TraceProver, seed: int, tries: int, step: int | None = None) -> list[str]:
    """One game against an honest operator, to its end; all disproofs that could be spent in it.

    With `step` the search is led to that step.
    """
    rng = random.Random(seed)
    state = GameState(ARITIES, prover.image.root())
    found: list[str] = []
    while True:
        move, values = operator_move(state, prover)
        state = state.after(move, turn_after(move, ARITIES), values)
        found += [f"{state.turn}: {name}" for name in spent_leaves(state, rng, tries)]
        answer = hostile_move(state, rng, () if step is None else ("choose.0",))
        if step is not None and state.turn.startswith("choose."):
            round_ = int(state.turn.removeprefix("choose."))
            choice = step // 4 ** (len(ARITIES) - 1 - round_) % 4
            answer = Choose(f"choose.{round_}", {f"search.{round_}.choice": (choice,)})
        if not isinstance(answer, Choose):
            return found
        state = state.after(answer.move, turn_after(answer.move, ARITIES), answer.values)


@pytest.mark.parametrize("seed", range(6))
def test_no_disproof_can_be_spent_against_an_honest_operator(seed: int) -> None:
    assert play_hostile(fibonacci(), seed, tries=2) == []


@pytest.mark.parametrize("seed", range(6))
def test_no_disproof_can_be_spent_around_an_honest_map(seed: int) -> None:
    at = map_step(blobsum())
    assert play_hostile(blobsum(), seed, 2, at + seed % 3 - 1) == []


@pytest.mark.parametrize("seed", range(3))
def test_no_disproof_can_be_spent_on_the_steps_of_an_exited_machine(seed: int) -> None:
    assert play_hostile(blobsum(), seed, 2, blobsum().trace.steps + seed - 1) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6, 106))
def test_no_disproof_can_be_spent_in_many_games(seed: int) -> None:
    assert play_hostile(fibonacci(), seed, tries=6) == []
