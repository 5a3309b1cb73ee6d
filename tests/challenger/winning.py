"""For each leaf of a game: signed values with which it can be spent.

Relations need a false claim of their own row. Every other disproof compares signed values with each other or with a
constant, so any values will do: they contradict each other. Moves take any values.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.isa import BY_NAME, REMAINDERS
from btc_l2.zkvm.layout import SLOTS
from btc_l2.zkvm.outcome import MASK, Control
from challenger.commit import Digits, GameId, message_seed
from challenger.disprove.claim import claim_digits
from challenger.game.semantics import BAD_FETCH, EXITED, MAP_TOLD_PLAINLY, MAP_WORD, NOT_MAP, complete_claim
from challenger.reveal import Check, Fixed, Items, RevealLeaf, Same
from challenger.sample import SEED
from challenger.turns import Game
from taproot.ots import Choice

HINTS = {"digit": 64, "i": 64, "p": 8, "w": 8, "half": 8}
TRIES = 24  # two bits that must differ do so every second time
_LEFT_OVER = frozenset(row.name for row in REMAINDERS)


@dataclass(frozen=True, slots=True)
class Win:
    """What spends a leaf: the items below the parties' signatures."""

    leaf: RevealLeaf
    items: Items


def find_win(game: Game, operator: str, turn: str, name: str, rng: random.Random) -> Win:
    """Values and hints with which the kernel accepts the leaf; AssertionError if none is found."""
    leaf = game.leaves[turn, name]
    game_id = GameId("weigh", operator, game.given.challenger)
    codes = game.keys.messages
    for _ in range(TRIES):
        values = false_values(game, leaf, turn, name, rng)
        signed = {m: codes[m].code.sign(message_seed(SEED, game_id, m), d) for m, d in values.items()}
        for hints in _hints(leaf, rng):
            items = leaf.witness(game.keys, signed, hints)
            if accepts(leaf.tap.code[34 * leaf.signers :], items):
                return Win(leaf, items)
    raise AssertionError(f"nothing spends {name} on {turn}")


def _hints(leaf: RevealLeaf, rng: random.Random) -> Iterator[dict[str, int]]:
    options = list(product(*(range(HINTS[h]) for h in leaf.hints)))
    rng.shuffle(options)
    return (dict(zip(leaf.hints, option, strict=True)) for option in options)


def false_values(game: Game, leaf: RevealLeaf, turn: str, name: str, rng: random.Random) -> dict[str, Digits]:
    """Digits by message: any, choices as the leaf wants them, and for a relation a false claim of its row."""
    values: dict[str, Digits] = {}
    for reveal in leaf.reveals:
        if isinstance(reveal, Check):
            values[reveal.message] = any_digits(game, reveal.message, rng)
        elif isinstance(reveal, Same):
            copied = any_digits(game, f"{reveal.name}.choice", rng)
            values |= {f"{reveal.name}.choice": copied, f"{reveal.name}.copy": copied}
        else:
            assert isinstance(reveal, Fixed)
            values[f"{reveal.name}.copy"] = (reveal.value,)
    if turn.startswith("verdict") and name in {d.name for d in game.scripts.turns[turn].disproofs}:
        values |= {f"step.{g}": d for g, d in claim_digits(false_claim(name, turn == "verdict_map", rng)).items()}
    return values


def any_digits(game: Game, message: str, rng: random.Random) -> Digits:
    """Any value of a message."""
    code = game.keys.messages[message].code
    base = code.options if isinstance(code, Choice) else 16
    return tuple(rng.randrange(base) for _ in range(code.digits))


def any_claim(row: str, rng: random.Random) -> StepClaim:
    """An honest claim of a row."""
    words = [rng.getrandbits(32) for _ in range(16)]
    before = Control(*words[:8])._replace(status=0, pc=0x0004_0000 + 4 * rng.randrange(1 << 16))
    if row == EXITED:
        before = before._replace(status=0x8000_0000)
    if row == BAD_FETCH:
        before = before._replace(pc=before.pc | 2)
    word = words[8]
    if row in BY_NAME:
        word = BY_NAME[row].match | word & ~BY_NAME[row].mask & MASK
    while row in _LEFT_OVER and decode(word).name != row:
        word = BY_NAME[row].match | rng.getrandbits(32) & ~BY_NAME[row].mask & MASK
    return complete_claim(StepClaim(before, word, words[9], words[10], 0, words[11], 0, 0, 0, before), "big")


def false_claim(row: str, told_as_map: bool, rng: random.Random) -> StepClaim:
    """A claim that falls under the relation and is false; for MAP and NOT_MAP one told on the wrong turn."""
    running = any_claim("SYNC", rng)
    if row == MAP_TOLD_PLAINLY:
        return replace(running, instruction=MAP_WORD, a=rng.randrange(SLOTS))
    if row == NOT_MAP:
        return running
    if row == "SYSCALL_MAP":
        a = rng.randrange(SLOTS) if told_as_map else SLOTS + rng.randrange(1 << 16)
        honest = complete_claim(replace(running, instruction=MAP_WORD, a=a, key=bytes(31) + b"\x01"), "big")
        return replace(honest, address=honest.address ^ 0x100, key=b"")
    honest = any_claim(row, rng)
    return replace(honest, after=honest.after._replace(npc=honest.after.npc ^ 0x100))
