"""The hash leaf: nobody wins against a true parent, everybody wins against a false one; libbitcoinkernel decides."""

from __future__ import annotations

import hashlib
import random
from functools import cache

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from challenger.disprove.hash_leaf import HashLeaf, hash_body, hash_leaf, hash_leaf_witness
from taproot.hashes import hash160
from taproot.ots import Choice, Composition, Opening, open_constant, open_signed
from taproot.ots.code import secrets_from
from taproot.script import MAX_STACK_ITEMS, Op, Script, ScriptError, check_leaf, encode_number, script

NODE, SIDE, CHOICE = Composition(64), Choice(2), Choice(3)
SEEDS = {name: hashlib.sha256(name.encode()).digest() for name in ("parent", "child", "sibling", "side", "choice")}
SIGNED = -1  # the side is signed; 0 and 1: everybody knows it
NODES = st.binary(min_size=32, max_size=32)


def digits_of(node: bytes) -> tuple[int, ...]:
    return tuple(n for byte in node for n in (byte & 15, byte >> 4))


@cache
def opening(name: str) -> Opening:
    code = SIDE if name == "side" else NODE
    return open_signed(code, code.public(SEEDS[name]))


@cache
def leaf_for(side: int) -> HashLeaf:
    known = opening("side") if side == SIGNED else side
    return hash_leaf(opening("parent"), opening("child"), opening("sibling"), known, Script())


@cache
def signed(name: str, node: bytes) -> tuple[bytes, ...]:
    return NODE.to_open(NODE.sign(SEEDS[name], digits_of(node)))


def true_parent(child: bytes, sibling: bytes, right: int) -> bytes:
    return blake3(sibling + child if right else child + sibling).digest()


def wins(side: int, hint: int, parent: bytes, child: bytes, sibling: bytes, shown: int | None = None) -> bool:
    """`shown`: the side that the operator signed; None where everybody knows it."""
    items = () if shown is None else SIDE.sign(SEEDS["side"], [shown])
    nodes = signed("parent", parent), signed("child", child), signed("sibling", sibling)
    return accepts(leaf_for(side).script.code, hash_leaf_witness(hint, *nodes, items))


def with_changed(node: bytes, at: int, xor: int = 1) -> bytes:
    changed = bytearray(node)
    changed[at // 2] ^= xor << 4 * (at % 2)
    return bytes(changed)


CHILD, SIBLING = hashlib.sha256(b"left").digest(), hashlib.sha256(b"right").digest()


@settings(deadline=None, max_examples=40)
@given(NODES, NODES, st.integers(0, 1), st.integers(-2, 66))
def test_no_hint_wins_against_a_true_parent(child: bytes, sibling: bytes, right: int, hint: int) -> None:
    assert not wins(SIGNED, hint, true_parent(child, sibling, right), child, sibling, right)


def test_all_hints_fail_against_a_true_parent() -> None:
    parent = true_parent(CHILD, SIBLING, 0)
    assert not any(wins(0, hint, parent, CHILD, SIBLING) for hint in range(64))


@settings(deadline=None, max_examples=40)
@given(NODES, NODES, st.integers(0, 1), st.integers(0, 63), st.integers(1, 15))
def test_a_false_digit_wins_with_its_index(child: bytes, sibling: bytes, right: int, at: int, xor: int) -> None:
    parent = with_changed(true_parent(child, sibling, right), at, xor)
    assert wins(SIGNED, at, parent, child, sibling, right)
    assert not wins(SIGNED, (at + 1) % 64, parent, child, sibling, right)


def test_a_false_parent_wins_exactly_with_the_differing_digits() -> None:
    true, shown = true_parent(CHILD, SIBLING, 0), hashlib.sha256(b"false parent").digest()
    differs = [a != b for a, b in zip(digits_of(true), digits_of(shown), strict=True)]
    assert [wins(0, hint, shown, CHILD, SIBLING) for hint in range(64)] == differs
    assert 0 < differs.count(False) < 64


@pytest.mark.parametrize("right", [0, 1])
def test_the_signed_side_says_which_child_is_right(right: int) -> None:
    parent, exchanged = true_parent(CHILD, SIBLING, right), true_parent(CHILD, SIBLING, 1 - right)
    pairs = zip(digits_of(parent), digits_of(exchanged), strict=True)
    hint = next(i for i, (a, b) in enumerate(pairs) if a != b)
    assert not wins(SIGNED, hint, parent, CHILD, SIBLING, right)
    assert wins(SIGNED, hint, parent, CHILD, SIBLING, 1 - right)
    assert not wins(SIGNED, hint, parent, SIBLING, CHILD, 1 - right)


@pytest.mark.parametrize("right", [0, 1])
def test_a_known_side_is_not_signed(right: int) -> None:
    parent = true_parent(CHILD, SIBLING, right)
    assert not wins(right, 17, parent, CHILD, SIBLING)
    assert wins(right, 17, with_changed(parent, 17), CHILD, SIBLING)


@pytest.mark.parametrize("hint", [-(1 << 31) + 1, -65, -64, -1, 64, 65, 127, 128, 255, 600, (1 << 31) - 1])
def test_hints_out_of_range_are_refused(hint: int) -> None:
    everything_false = bytes(b ^ 0xFF for b in true_parent(CHILD, SIBLING, 0))
    assert wins(0, 0, everything_false, CHILD, SIBLING)
    assert wins(0, 63, everything_false, CHILD, SIBLING)
    assert not wins(0, hint, everything_false, CHILD, SIBLING)


def test_digits_written_longer_win_nothing() -> None:
    """Consensus lets the challenger write 03 as 0300: a true parent stays true."""
    parent, leaf = true_parent(CHILD, SIBLING, 0), leaf_for(0)
    items = list(signed("parent", parent))
    items = [(item or b"\x00") + b"\x00" if len(item) < 20 else item for item in items]
    child, sibling = signed("child", CHILD), signed("sibling", SIBLING)
    assert not any(accepts(leaf.script.code, hash_leaf_witness(h, items, child, sibling)) for h in range(0, 64, 7))
    false = signed("parent", with_changed(parent, 7))
    assert accepts(leaf.script.code, hash_leaf_witness(7, false, child, sibling))


def test_a_parent_signed_in_a_way_that_no_honest_signer_does_still_loses() -> None:
    """The operator may sign any arrangement, classes out of order, ranks with more bits than a group carries."""
    rng, shape = random.Random(1), NODE.shape
    secrets = secrets_from(SEEDS["parent"], f"composition/{NODE.digits}", shape.chains)
    for _ in range(5):
        hints = [rng.randrange(shape.chains - slot) for slot in range(len(shape.depths))]
        items: list[bytes] = []
        for hint, chain, depth in zip(hints, shape.positions(hints), shape.depths, strict=True):
            item = secrets[chain]
            for _ in range(len(shape.classes) - depth):
                item = hash160(item)
            items += [encode_number(hint), item]
        public = NODE.public(SEEDS["parent"])
        shown = NODE.read(public, items)
        true = digits_of(true_parent(CHILD, SIBLING, 0))
        hint = next(i for i in range(64) if shown[i] != true[i])
        opened = NODE.to_open(items)
        witness = hash_leaf_witness(hint, opened, signed("child", CHILD), signed("sibling", SIBLING))
        assert accepts(NODE.check(public).code + b"\x51", tuple(items))
        assert accepts(leaf_for(0).script.code, witness)


def test_the_challenger_cannot_change_what_was_signed() -> None:
    parent = true_parent(CHILD, SIBLING, 0)
    honest = hash_leaf_witness(3, signed("parent", parent), signed("child", CHILD), signed("sibling", SIBLING))
    false = hash_leaf_witness(
        3, signed("parent", with_changed(parent, 3)), signed("child", CHILD), signed("sibling", SIBLING)
    )
    assert accepts(leaf_for(0).script.code, false)
    at = next(i for i, (a, b) in enumerate(zip(honest, false, strict=True)) if a != b and len(a) < 2)
    assert not accepts(leaf_for(0).script.code, (*honest[:at], false[at], *honest[at + 1 :]))
    assert not accepts(leaf_for(0).script.code, honest[1:])
    assert not accepts(leaf_for(0).script.code, (b"\x01", *false))  # an item too many is no clean stack


def test_the_prefix_runs_first() -> None:
    prefix = CHOICE.check_is(CHOICE.public(SEEDS["choice"]), 2)
    leaf = hash_leaf(opening("parent"), opening("child"), opening("sibling"), opening("side"), prefix)
    parent = with_changed(true_parent(CHILD, SIBLING, 1), 40)
    nodes = signed("parent", parent), signed("child", CHILD), signed("sibling", SIBLING)
    side = SIDE.sign(SEEDS["side"], [1])
    chosen = [CHOICE.sign(SEEDS["choice"], [k]) for k in range(3)]
    assert leaf.items == leaf_for(SIGNED).items + 1
    assert accepts(leaf.script.code, hash_leaf_witness(40, *nodes, side, chosen[2]))
    assert not accepts(leaf.script.code, hash_leaf_witness(40, *nodes, side, chosen[1]))
    assert not accepts(leaf.script.code, hash_leaf_witness(41, *nodes, side, chosen[2]))


@pytest.mark.parametrize("digits", [40, 48])
def test_of_a_shortened_parent_only_the_signed_digits_count(digits: int) -> None:
    code, right = Composition(digits), 1
    parent = open_signed(code, code.public(SEEDS["parent"]))
    leaf = hash_leaf(parent, opening("child"), opening("sibling"), right, Script())
    children = signed("child", CHILD), signed("sibling", SIBLING)
    true = digits_of(true_parent(CHILD, SIBLING, right))[:digits]

    def wins_with(shown: tuple[int, ...], hint: int) -> bool:
        items = code.to_open(code.sign(SEEDS["parent"], shown))
        return accepts(leaf.script.code, hash_leaf_witness(hint, items, *children))

    for at in (0, 31, 32, digits - 1):
        false = (*true[:at], true[at] ^ 8, *true[at + 1 :])
        assert wins_with(false, at) and not wins_with(true, at) and not wins_with(false, (at + 1) % digits)
    everything_false = tuple(d ^ 15 for d in true)
    assert not any(wins_with(everything_false, hint) for hint in (-1, digits, digits + 1, 63))


def test_constants_can_stand_for_signed_nodes() -> None:
    true = true_parent(CHILD, SIBLING, 0)
    false, child = with_changed(true, 12), open_constant(digits_of(CHILD))
    for parent, hint, won in ((true, 12, False), (false, 12, True), (false, 13, False)):
        leaf = hash_leaf(open_constant(digits_of(parent)), child, opening("sibling"), 0, Script())
        assert accepts(leaf.script.code, hash_leaf_witness(hint, (), (), signed("sibling", SIBLING))) == won


def test_the_body_alone_takes_a_constant_parent() -> None:
    true = true_parent(CHILD, SIBLING, 1)
    opened = opening("child").script + opening("sibling").script + open_constant([1]).script
    items = (*signed("sibling", SIBLING), *signed("child", CHILD))
    false = with_changed(true, 50)
    for parent, hint, won in ((true, 50, False), (false, 50, True), (false, 49, False)):
        leaf = check_leaf(opened + hash_body(parent), len(items) + 1)
        assert accepts(leaf.code, (encode_number(hint), *items)) == won


def test_size_items_and_peak_of_a_leaf() -> None:
    leaf = leaf_for(SIGNED)
    assert leaf.items == 3 * 180 + 1 + 1
    assert leaf.items + leaf.script.effect.peak == 908 <= MAX_STACK_ITEMS
    assert len(leaf.script) == 60_032  # a game's own share the tables of their decoding: below 60,000
    assert (leaf.script.effect.delta, leaf.script.effect.alt_delta) == (1 - leaf.items, 0)


def test_leaves_that_cannot_work_are_not_built() -> None:
    node, side = opening("parent"), opening("side")
    with pytest.raises(ScriptError):
        hash_leaf(node, side, node, side, Script())
    with pytest.raises(ScriptError):
        hash_leaf(node, node, node, node, Script())
    with pytest.raises(ScriptError):
        hash_leaf(node, node, node, side, script(*[Op.DUP] * 600, *[Op.DROP] * 600))
