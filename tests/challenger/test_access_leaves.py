"""Plain leaves of the access game, judged by libbitcoinkernel: they win on each false opening, never on a true one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import Control
from challenger.commit import Digits, address_digits, root_digits
from challenger.disprove.access import PlainLeaf, plain_leaves
from challenger.disprove.claim import claim_digits
from challenger.disprove.told import told_leaf
from challenger.game.challenger import find_plain_disproof
from challenger.game.kinds import CHAINS, Access
from challenger.game.prover import leaf_bytes, place_of, with_word
from challenger.game.semantics import MAP_TOLD_PLAINLY, NOT_MAP, maps
from challenger.game.state import GameState
from taproot.script import Op, encode_number, script

ACCESSES = {a.kind: a for a in CHAINS.values()}


def random_claim(rng: random.Random) -> StepClaim:
    """Any claim; addresses aligned, every fourth one a SYSCALL."""
    word = lambda: rng.getrandbits(32)  # noqa: E731
    control = lambda: Control(*(word() for _ in range(8)))  # noqa: E731
    instruction = rng.choice([0x0C, 0x4C, 0x8C, 0xCC]) if rng.random() < 0.25 else word()
    dest = rng.randrange(32)
    return StepClaim(
        control(), instruction, word(), word(), word() & ~3, word(), word(), dest, word(), control(), rng.randbytes(32)
    )


def honest_values(access: Access, claim: StepClaim, rng: random.Random) -> dict[str, Digits]:
    """What an honest operator signs for the claim and opens for the access."""
    values = {f"step.{g}": d for g, d in claim_digits(claim).items()}
    values |= {"step.key": root_digits(claim.key)} | {f"claim.{k}": root_digits(rng.randbytes(32)) for k in range(4)}
    values |= {"step.r1": root_digits(bytes(32)), "step.r2": root_digits(bytes(32))}
    address, word = place_of(access, claim)
    pre = post = rng.randbytes(32)
    if access.content == "word":
        pre = with_word(pre, word, getattr(claim, access.value))
    elif access.content == "write":
        pre = with_word(pre, word, getattr(claim, access.old)) if access.old else pre
        post = with_word(pre, word, getattr(claim, access.value))
    elif access.kind == "control":
        pre, post = leaf_bytes(claim.before), leaf_bytes(claim.after)
    elif access.content == "leaf":
        pre = claim.key
    elif access.kind == "slot":
        post = claim.key
    elif access.content == "status":
        pre = with_word(pre, 5, 0x8000_0000)
    values["path.bottom.pre"] = root_digits(pre)
    values["path.bottom.post"] = values[access.value] if access.kind.startswith("claim") else root_digits(post)
    return values | {"path.address": address_digits(address)}


def state_of(access: Access, values: dict[str, Digits]) -> GameState:
    """The state on the turn where plain leaves can be spent."""
    outside = access.kind.startswith("claim") or access.kind == "final"
    known = {k: v for k, v in values.items() if not (outside and k.startswith("step."))}
    return GameState((2, 2), bytes(32), values=known)


def wins(leaf: PlainLeaf, hints: dict[str, int], values: dict[str, Digits]) -> bool:
    """Does the kernel accept the leaf's body on these digits and hints?"""
    digits = [d for message in reversed(leaf.opens) for d in values[message]]
    code = script(*[Op.TOALTSTACK] * len(digits)) + leaf.body
    witness = [encode_number(hints[name]) for name in leaf.hints] + [encode_number(d) for d in digits]
    return accepts(code.code, witness)


def random_hints(leaf: PlainLeaf, rng: random.Random) -> dict[str, int]:
    """Hints a hostile challenger may try, some out of range."""
    limit = {"i": 64, "p": 8, "w": 8, "half": 8}
    return {name: rng.randrange(-1, limit[name] + 1) for name in leaf.hints}


@pytest.mark.parametrize("kind", ACCESSES)
def test_no_plain_leaf_wins_against_an_honest_opening(kind: str) -> None:
    rng = random.Random(kind)
    access = ACCESSES[kind]
    for _ in range(6):
        values = honest_values(access, random_claim(rng), rng)
        assert find_plain_disproof(access, state_of(access, values)) is None
        for leaf in plain_leaves(access):
            for _ in range(4):
                assert not wins(leaf, random_hints(leaf, rng), values)


@pytest.mark.parametrize("kind", ACCESSES)
def test_every_false_opening_loses_to_the_leaf_that_the_challenger_finds(kind: str) -> None:
    rng = random.Random(kind)
    access = ACCESSES[kind]
    leaves = {leaf.name: leaf for leaf in plain_leaves(access)}
    spent = set()
    for _ in range(60):
        claim = random_claim(rng)
        honest = honest_values(access, claim, rng)
        message = rng.choice(["path.address", "path.bottom.pre", "path.bottom.post"])
        digits = list(honest[message])
        word = 5 if access.content == "status" else place_of(access, claim)[1]
        at = rng.choice([rng.randrange(len(digits)), (8 * word + rng.randrange(8)) % len(digits)])
        digits[at] ^= rng.randrange(1, 16)
        values = honest | {message: tuple(digits)}
        found = find_plain_disproof(access, state_of(access, values))
        if found is None:
            continue
        spent.add(found.leaf)
        leaf = leaves[found.leaf]
        assert wins(leaf, dict(found.hints), values)
        assert not wins(leaf, dict(found.hints), honest)
    assert spent == set(leaves)


@pytest.mark.parametrize("kind", ["fetch", "memory", "rs", "rt", "register"])
def test_a_leaf_beside_the_claimed_one_is_found(kind: str) -> None:
    rng = random.Random(kind)
    access = ACCESSES[kind]
    claim = random_claim(rng)
    values = honest_values(access, claim, rng)
    address, _ = place_of(access, claim)
    values["path.address"] = address_digits(address ^ 0x20)
    found = find_plain_disproof(access, state_of(access, values))
    assert found is not None and found.leaf == "address"
    assert wins(plain_leaves(access)[0], dict(found.hints), values)


@pytest.mark.parametrize("name", [MAP_TOLD_PLAINLY, NOT_MAP])
def test_a_step_told_on_the_wrong_turn_loses(name: str) -> None:
    rng = random.Random(name)
    leaf = told_leaf(name)
    running = Control(pc=0x0001_0040, npc=0x0001_0044)
    base = replace(random_claim(rng), before=running, instruction=0x8C, a=14)
    variants = [
        base,
        replace(base, a=15),
        replace(base, a=0x100),
        replace(base, instruction=0x4C),
        replace(base, before=running._replace(status=0x8000_0000)),
        replace(base, before=running._replace(pc=0x0001_0042)),
        replace(base, before=running._replace(pc=0x0000_FFFC)),
        replace(base, before=running._replace(pc=0xFFFF_F000)),
        replace(base, before=running._replace(pc=0xFFFF_EFFC)),
    ]
    for claim in variants:
        values = {f"step.{g}": d for g, d in claim_digits(claim).items()}
        assert wins(leaf, {}, values) == (maps(claim) == (name == MAP_TOLD_PLAINLY))
