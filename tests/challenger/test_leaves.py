"""Every leaf of a game, with its one-time signatures, is spent once and refused once by libbitcoinkernel.

Signatures of parties are left out here (each leaf begins with them; the graph's tests have them): what remains is
the part that decides. Values are made up for each leaf: false for the spend, true for the refusal.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

import pytest

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.isa import BY_NAME, REMAINDERS
from btc_l2.zkvm.outcome import Control
from btc_l2.zkvm.tree import hash_pair
from challenger.commit import (
    Digits,
    GameId,
    address_digits,
    digits_root,
    message_seed,
    root_digits,
)
from challenger.disprove.claim import claim_digits
from challenger.game.challenger import find_plain_disproof
from challenger.game.kinds import CHAINS
from challenger.game.paths import child_is_right
from challenger.game.plan import MAP, TREE
from challenger.game.semantics import BAD_FETCH, EXITED, MAP_TOLD_PLAINLY, NOT_MAP, complete_claim
from challenger.reveal import Check, Fixed, Items, Open, RevealLeaf
from challenger.sample import SEED, sample_game, sample_parties
from challenger.turns import Game
from taproot.script import Op, drop_many, script
from tests.challenger.test_access_leaves import honest_values, random_claim, state_of
from tests.challenger.winning import any_claim, false_claim, find_win

ARITIES = (4, 4, 2)
SHORT = 160
MOST_LEAVES = 120
REMAINDER_NAMES = {row.name for row in REMAINDERS}


@lru_cache
def game(digest: int = 256) -> Game:
    parties = sample_parties(2)
    return sample_game(ARITIES, parties, parties.challengers[0], digest=digest)


def sign(values: dict[str, Digits], digest: int = 256) -> dict[str, Items]:
    """One-time signatures of these values with the sample game's keys."""
    parties = sample_parties(2)
    game_id = GameId("weigh", parties.operator.name, parties.challengers[0])
    messages = game(digest).keys.messages
    return {name: messages[name].code.sign(message_seed(SEED, game_id, name), d) for name, d in values.items()}


def wins(leaf: RevealLeaf, values: dict[str, Digits], hints: dict[str, int], digest: int = 256) -> bool:
    """Does the kernel accept the leaf behind its signature?"""
    witness = leaf.witness(game(digest).keys, sign(values, digest), hints)
    return accepts(leaf.tap.code[34 * leaf.signers :], witness)


def disproofs() -> dict[tuple[str, str], RevealLeaf]:
    """All disproofs by (turn, leaf), each leaf once."""
    once: dict[bytes, tuple[str, str]] = {}
    for (turn, name), leaf in game().leaves.items():
        if any(d.name == name for d in game().scripts.turns[turn].disproofs):
            once.setdefault(leaf.tap.hash, (turn, name))
    return {where: game().leaves[where] for where in once.values()}


HASH = sorted(where for where in disproofs() if ".hash" in where[0] and not where[1].startswith("side"))
SIDES = sorted(where for where in disproofs() if where[1].startswith("side"))
TOPS = sorted(where for where in HASH if where[0].endswith("_top") and game().leaves[where].tap.items > 400)
PLAIN = sorted(where for where in disproofs() if where[0].endswith(".cut0"))
VERDICT = sorted(where for where in disproofs() if where[0].startswith("verdict") and "MAP" not in where[1])
ABOUT_MAP = sorted(where for where in disproofs() if where[0].startswith("verdict") and "MAP" in where[1])


def hash_values(leaf: RevealLeaf, rng: random.Random) -> tuple[dict[str, Digits], str | None]:
    """A true parent (if it is signed) with its children, and all choices that the leaf asks for; the parent's name."""
    opened = [r.message for r in leaf.reveals if isinstance(r, Open)]
    parent = opened[0] if len(opened) == 4 else None
    child, sibling, side = rng.randbytes(32), rng.randbytes(32), rng.randrange(2)
    values: dict[str, Digits] = dict(zip(opened[-3:], (root_digits(child), root_digits(sibling), (side,)), strict=True))
    if parent is not None:
        values[parent] = root_digits(hash_pair(*((sibling, child) if side else (child, sibling))))
    for r in leaf.reveals:
        if isinstance(r, Fixed):
            values[f"{r.name}.copy"] = (r.value,)
    return values, parent


@pytest.mark.parametrize("where", HASH, ids=".".join)
def test_a_hash_leaf_wins_on_a_false_parent_only(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf = disproofs()[where]
    values, parent = hash_values(leaf, rng)
    if parent is None:  # the image root (32 zero bytes here) is a constant: the leaf wins where the hash is not zero
        child, sibling, side = (values[r.message] for r in leaf.reveals if isinstance(r, Open))
        pair = (digits_root(child), digits_root(sibling))
        true = root_digits(hash_pair(*(pair[::-1] if side == (1,) else pair)))
        assert [wins(leaf, values, {"digit": i}) for i in range(64)] == [d != 0 for d in true]
        return
    at = rng.randrange(64)
    digits = list(values[parent])
    digits[at] ^= rng.randrange(1, 16)
    assert wins(leaf, values | {parent: tuple(digits)}, {"digit": at})
    assert not wins(leaf, values | {parent: tuple(digits)}, {"digit": (at + 1) % 64})
    assert not wins(leaf, values, {"digit": at})


@pytest.mark.parametrize("where", TOPS, ids=".".join)
def test_a_shortened_root_is_compared_as_far_as_it_was_signed(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf = game(SHORT).leaves[where]
    values, parent = hash_values(leaf, rng)
    assert parent is not None
    true = values[parent][: SHORT // 4]
    at = rng.randrange(len(true))
    false = (*true[:at], true[at] ^ rng.randrange(1, 16), *true[at + 1 :])
    assert wins(leaf, values | {parent: false}, {"digit": at}, SHORT)
    assert not wins(leaf, values | {parent: true}, {"digit": at}, SHORT)
    assert not wins(leaf, values | {parent: false}, {"digit": len(true)}, SHORT)


@pytest.mark.parametrize("where", SIDES, ids=".".join)
def test_the_other_side_than_the_addresss_loses(where: tuple[str, str]) -> None:
    leaf, plan = disproofs()[where], CHAINS[where[0].partition(".")[0]].plan
    edge = int(where[1].partition(".")[2])
    values: dict[str, Digits] = {f"{r.name}.copy": (r.value,) for r in leaf.reveals if isinstance(r, Fixed)}
    for address in (0, 1 << plan.path_bit(edge), 0xFFFF_FFE0, 0xFFFF_FFE0 ^ 1 << plan.path_bit(edge)):
        right = int(child_is_right(plan, address, edge))
        opened = values | {"path.address": address_digits(address)}
        assert wins(leaf, opened | {"path.side": (1 - right,)}, {})
        assert not wins(leaf, opened | {"path.side": (right,)}, {})


@pytest.mark.parametrize("where", HASH[:: max(1, len(HASH) // 8)], ids=".".join)
def test_a_hash_leaf_refuses_another_choice_than_its_own(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf = disproofs()[where]
    values, parent = hash_values(leaf, rng)
    fixed = next(r for r in leaf.reveals if isinstance(r, Fixed))
    false = values if parent is None else values | {parent: root_digits(rng.randbytes(32))}
    options = game().keys.choice(f"{fixed.name}.copy").options
    other = {f"{fixed.name}.copy": ((fixed.value + 1) % options,)}
    assert not any(wins(leaf, false | other, {"digit": i}) for i in range(8))


@pytest.mark.parametrize("where", PLAIN, ids=".".join)
def test_a_plain_leaf_with_its_signatures_wins_on_a_false_opening_only(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf, access = disproofs()[where], CHAINS[where[0].partition(".")[0]]
    for _ in range(400):
        honest = honest_values(access, random_claim(rng), rng)
        message = rng.choice(["path.address", "path.bottom.pre", "path.bottom.post"])
        digits = list(honest[message])
        digits[rng.randrange(len(digits))] ^= rng.randrange(1, 16)
        found = find_plain_disproof(access, state_of(access, honest | {message: tuple(digits)}))
        if found is not None and found.leaf == where[1]:
            assert wins(leaf, honest | {message: tuple(digits)}, dict(found.hints))
            assert not wins(leaf, honest, dict(found.hints))
            return
    raise AssertionError("no false opening of this kind was made")


def claim_for(row: str, rng: random.Random) -> StepClaim:
    """An honest claim that falls under a relation."""
    base = random_claim(rng)
    before = base.before._replace(status=0, pc=0x0004_0000 + 4 * rng.randrange(1 << 16))
    if row == EXITED:
        before = before._replace(status=0x8000_0000)
    if row == BAD_FETCH:
        before = before._replace(pc=before.pc | 2)
    word = rng.getrandbits(32)
    if row in BY_NAME:
        word = BY_NAME[row].match | word & ~BY_NAME[row].mask & 0xFFFF_FFFF
    while row in REMAINDER_NAMES and decode(word).name != row:
        word = BY_NAME[row].match | rng.getrandbits(32) & ~BY_NAME[row].mask & 0xFFFF_FFFF
    return complete_claim(replace(base, before=before, instruction=word, key=b""), "big")


@pytest.mark.parametrize("where", VERDICT, ids=".".join)
def test_a_relation_leaf_wins_on_a_false_claim_only(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf = disproofs()[where]
    for _ in range(3):
        honest = claim_for(where[1], rng)
        after = Control(*(w ^ (0x10 if i == rng.randrange(8) else 0) for i, w in enumerate(honest.after)))
        lies = [
            replace(honest, result=honest.result ^ 1 << rng.randrange(32)),
            replace(honest, after=after._replace(npc=after.npc ^ 0x100)),
            replace(honest, address=0xFFFF_F080, old=honest.before.pc, new=honest.before.pc),
        ]
        assert not wins(leaf, groups(honest), {})
        for lie in lies:
            assert wins(leaf, groups(lie), {})


@pytest.mark.parametrize("where", ABOUT_MAP, ids=".".join)
def test_a_leaf_about_map_wins_on_a_false_claim_only(where: tuple[str, str]) -> None:
    rng = random.Random(repr(where))
    leaf, mapping = disproofs()[where], false_claim(MAP_TOLD_PLAINLY, False, rng)
    honest = {
        MAP_TOLD_PLAINLY: any_claim("SYNC", rng),
        NOT_MAP: mapping,
        "SYSCALL_MAP": replace(complete_claim(replace(mapping, key=rng.randbytes(32)), "big"), key=b""),
    }[where[1]]
    assert wins(leaf, groups(false_claim(where[1], where[0] == "verdict_map", rng)), {})
    assert not wins(leaf, groups(honest), {})


def test_every_leaf_is_spent_once_and_refused_with_a_false_one_time_signature() -> None:
    """Moves and disproofs; the leaves without one-time signatures are refused by the relay tests, with false ones."""
    rng, met = random.Random(0), set()
    turns = game().scripts.turns
    for turn, name in game().leaves:
        leaf = game().leaves[turn, name]
        if leaf.tap.hash in met:
            continue
        met.add(leaf.tap.hash)
        win = find_win(game(), sample_parties(2).operator.name, turn, name, rng)
        if leaf.reveals:
            assert not accepts(leaf.tap.code[34 * leaf.signers :], spoiled(win.items, rng))
    assert met == {leaf.hash for t in turns.values() for leaf in (*(m.leaf for m in t.moves), *t.disproofs)}


def spoiled(items: Items, rng: random.Random) -> Items:
    """One hash preimage is another one."""
    at = rng.choice([i for i, item in enumerate(items) if len(item) == 20])
    return (*items[:at], bytes([items[at][0] ^ 1]) + items[at][1:], *items[at + 1 :])


def groups(claim: StepClaim) -> dict[str, Digits]:
    return {f"step.{g}": d for g, d in claim_digits(claim).items()}


def fits_with(leaf: RevealLeaf, witness: Items, foreign: int) -> bool:
    """Does the kernel accept the leaf behind its signature, with so many items below that a tail drops?"""
    tail = script(Op.TOALTSTACK) + drop_many(foreign) + script(Op.FROMALTSTACK)
    return accepts(leaf.tap.code[34 * leaf.signers :] + tail.code, (b"",) * foreign + witness)


@pytest.mark.parametrize("what", ["assert", "hash", "relation"])
def test_the_computed_peak_is_where_the_judge_stops(what: str) -> None:
    rng = random.Random(what)
    keys = game().keys
    if what == "hash":
        leaf = game().leaves["memory.hash", "post.9"]
        values, parent = hash_values(leaf, rng)
        assert parent is not None
        values[parent] = tuple(d ^ 15 for d in values[parent])
    elif what == "relation":
        leaf = game().leaves["verdict", "ADDU"]
        values = groups(replace(claim_for("ADDU", rng), dest=0, result=1))
    else:
        leaf = game().leaves["assert", "assert"]
        values = {r.message: root_digits(rng.randbytes(32)) for r in leaf.reveals if isinstance(r, Check)}
    witness = leaf.witness(keys, sign(values), dict.fromkeys(leaf.hints, 3))
    room = 1000 - leaf.tap.items - leaf.tap.script.effect.peak
    assert room >= 0
    assert fits_with(leaf, witness, room)
    assert not fits_with(leaf, witness, room + 1)


def test_every_leaf_of_a_game_stays_below_the_relay_limits() -> None:
    leaves = [1 + len(turn.moves) + len(turn.disproofs) for turn in game().scripts.turns.values()]
    assert max(leaves) <= MOST_LEAVES
    for leaf in disproofs().values():
        assert len(leaf.tap.code) < 60_000
        assert leaf.tap.items + leaf.tap.script.effect.peak <= 1000
    assert {p.name for p in (TREE, MAP)} == {c.plan.name for c in CHAINS.values()}
