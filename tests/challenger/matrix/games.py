"""Games of the matrix: played by the sides' own code, decided by libbitcoinkernel on the leaf they end at."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import Endian
from challenger.commit import GameId, message_seed
from challenger.game.challenger import Choose, challenger_move
from challenger.game.hostile import hostile_move
from challenger.game.operator import operator_move
from challenger.game.prover import TraceProver
from challenger.game.rules import turn_after
from challenger.game.solver import Disproof
from challenger.game.state import GameState
from challenger.reveal import Check, Fixed, Items, RevealLeaf, Same
from challenger.sample import SEED, sample_game, sample_parties
from challenger.turns import Game
from tests.challenger.matrix.falsehoods import Around, make_falsehood
from tests.challenger.matrix.liar import Liar
from tests.challenger.matrix.scenes import CLAIM_TEXT, Scene, make_scene

ARITIES = (3, 2, 2)
TOTAL = 12
HINTS = {"digit": 64, "i": 64, "p": 8, "w": 8, "half": 8}
TRIES = 8


@dataclass(frozen=True, slots=True)
class Played:
    """One game against a falsehood: where it ended, and what the kernel said to the leaf (None: no such leaf)."""

    turn: str
    leaf: str
    accepted: bool
    lie: StepClaim

    @property
    def won(self) -> bool:
        """Did the honest challenger win, the kernel being the judge?"""
        return self.accepted


@lru_cache
def sample(endian: Endian) -> Game:
    """The scripts of a game of twelve steps."""
    parties = sample_parties(2)
    return sample_game(ARITIES, parties, parties.challengers[0], endian)


@lru_cache
def _game_id() -> GameId:
    parties = sample_parties(2)
    return GameId("weigh", parties.operator.name, parties.challengers[0])


def messages_of(leaf: RevealLeaf) -> set[str]:
    """The messages that a leaf asks for."""
    names: set[str] = set()
    for reveal in leaf.reveals:
        if isinstance(reveal, Check):
            names.add(reveal.message)
        elif isinstance(reveal, Same):
            names |= {f"{reveal.name}.choice", f"{reveal.name}.copy"}
        else:
            assert isinstance(reveal, Fixed)
            names.add(f"{reveal.name}.copy")
    return names


class Signer:
    """The one-time signatures of one game, each made when it is first asked for."""

    def __init__(self, game: Game, state: GameState) -> None:
        self.game, self.state = game, state
        self._made: dict[str, Items] = {}

    def signed(self, names: Iterable[str]) -> dict[str, Items]:
        """Signatures by message; KeyError for what nobody signed."""
        for name in set(names) - self._made.keys():
            code = self.game.keys.messages[name].code
            self._made[name] = code.sign(message_seed(SEED, _game_id(), name), self.state.values[name])
        return self._made

    def spends(self, turn: str, leaf_name: str, hints: Mapping[str, int]) -> bool:
        """Does the kernel accept the leaf behind the parties' signatures? What nobody signed cannot be shown."""
        leaf = self.game.leaves[turn, leaf_name]
        try:
            witness = leaf.witness(self.game.keys, self.signed(messages_of(leaf)), hints)
        except KeyError:
            return False
        return accepts(leaf.tap.code[34 * leaf.signers :], witness)


def follow_moves(prover: TraceProver, truth: TraceProver) -> tuple[GameState, Disproof | None]:
    """Both sides to the end: the operator as he likes, the challenger honestly."""
    state = GameState(ARITIES, prover.image.root())
    while True:
        move, values = operator_move(state, prover)
        state = state.after(move, turn_after(move, ARITIES), values)
        answer = challenger_move(state, truth)
        if not isinstance(answer, Choose):
            return state, answer
        state = state.after(answer.move, turn_after(answer.move, ARITIES), answer.values)


def around(truth: TraceProver, scene: Scene, rng: random.Random) -> Around:
    """What a liar about the scene's step can draw from."""
    other = rng.choice([i for i in range(TOTAL) if i != scene.at])
    true = truth.step(scene.at).claim
    if rng.randrange(2) or {truth.step(other).claim.before, truth.step(other).claim.after} <= {true.before, true.after}:
        strange = make_scene(rng.choice(("LW", "SW", "ADDU", "JAL", "MULT")), rng, scene.endian)
        foreign = TraceProver(strange, CLAIM_TEXT, TOTAL)
        return Around(truth.machine_at(scene.at), truth.step(scene.at), truth.root_at(scene.at + 1),
                      foreign.step(strange.at), foreign.root_at(strange.at))  # fmt: skip
    return Around(truth.machine_at(scene.at), truth.step(scene.at), truth.root_at(scene.at + 1),
                  truth.step(other), truth.root_at(other))  # fmt: skip


def play_falsehood(row: str, name: str, kind: str, rng: random.Random, endian: Endian = "big") -> Played | None:
    """One game: a falsehood of that kind about that field of a step of that row; None if no lie survives to the end.

    A falsehood that later steps heal is no false claim; another scene is tried then, at last with a lie that lasts.
    """
    for attempt in range(TRIES):
        scene = make_scene(row, rng, endian)
        truth = TraceProver(scene, CLAIM_TEXT, TOTAL)
        liar = Liar(truth, scene.at, make_falsehood(name, kind, around(truth, scene, rng), rng), rng, attempt > 2)
        if liar.zn() != truth.zn():
            return _judge(liar, truth, endian)
    return None


def _judge(liar: Liar, truth: TraceProver, endian: Endian) -> Played:
    state, disproof = follow_moves(liar, truth)
    if disproof is None:
        return Played(state.turn, "", False, liar.lie)
    known = (state.turn, disproof.leaf) in sample(endian).leaves
    won = known and Signer(sample(endian), state).spends(state.turn, disproof.leaf, disproof.hints)
    return Played(state.turn, disproof.leaf, won, liar.lie)


def play_hostile(row: str, rng: random.Random, endian: Endian = "big", tries: int = 2) -> tuple[int, list[str]]:
    """One game against an honest operator whose challenger leads to the scene's step and then picks at will.

    Every disproof on the way is tried on the kernel with hints at will: how many were, which could be spent.
    """
    scene = make_scene(row, rng, endian)
    honest, game = TraceProver(scene, CLAIM_TEXT, TOTAL), sample(endian)
    state = GameState(ARITIES, scene.root())
    tried, spent = 0, []
    while True:
        move, values = operator_move(state, honest)
        state = state.after(move, turn_after(move, ARITIES), values)
        signer = Signer(game, state)
        for disproof in game.scripts.turns[state.turn].disproofs:
            leaf = game.leaves[state.turn, disproof.name]
            for _ in range(tries if leaf.hints else 1):
                hints = {h: rng.randrange(HINTS[h]) for h in leaf.hints}
                tried += 1
                if signer.spends(state.turn, disproof.name, hints):
                    spent.append(f"{state.turn}: {disproof.name}")
        answer = hostile_move(state, rng, ("choose.0",), scene.at)
        if answer is None:
            return tried, spent
        state = state.after(answer.move, turn_after(answer.move, ARITIES), answer.values)
