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
from challenger.disprove.hash_leaf import HashLeaf, PathBit, hash_body, hash_leaf, hash_leaf_witness
from taproot.hashes import hash160
from taproot.ots import Choice, Composition, Opening, Winternitz, open_constant, open_signed
from taproot.ots.code import secrets_from
from taproot.script import MAX_STACK_ITEMS, Op, Script, ScriptError, check_leaf, encode_number, script

NODE, PATH, CHOICE = Composition(64), Winternitz(7), Choice(3)
SEEDS = {name: hashlib.sha256(name.encode()).digest() for name in ("parent", "child", "sibling", "path", "choice")}
ADDRESS = 0x8C5A_93E0
NODES = st.binary(min_size=32, max_size=32)


def digits_of(node: bytes) -> tuple[int, ...]:
    return tuple(n for byte in node for n in (byte & 15, byte >> 4))


def path_digits(address: int) -> tuple[int, ...]:
    return tuple(address >> 4 * i & 15 for i in range(1, 8))


@cache
def opening(name: str) -> Opening:
    code = PATH if name == "path" else NODE
    return open_signed(code, code.public(SEEDS[name]))


@cache
def leaf_for(bit: PathBit) -> HashLeaf:
    path = None if isinstance(bit, int) else opening("path")
    return hash_leaf(opening("parent"), opening("child"), opening("sibling"), path, bit, Script())


@cache
def signed(name: str, node: bytes) -> tuple[bytes, ...]:
    return NODE.to_open(NODE.sign(SEEDS[name], digits_of(node)))


def place(address_bit: int) -> tuple[int, int]:
    return address_bit // 4 - 1, address_bit % 4


def true_parent(child: bytes, sibling: bytes, right: int) -> bytes:
    return blake3(sibling + child if right else child + sibling).digest()


def wins(bit: PathBit, hint: int, parent: bytes, child: bytes, sibling: bytes, address: int = ADDRESS) -> bool:
    path = () if isinstance(bit, int) else PATH.sign(SEEDS["path"], path_digits(address))
    nodes = signed("parent", parent), signed("child", child), signed("sibling", sibling)
    return accepts(leaf_for(bit).script.code, hash_leaf_witness(hint, *nodes, path))


def with_changed(node: bytes, at: int, xor: int = 1) -> bytes:
    changed = bytearray(node)
    changed[at // 2] ^= xor << 4 * (at % 2)
    return bytes(changed)


CHILD, SIBLING = hashlib.sha256(b"left").digest(), hashlib.sha256(b"right").digest()


@settings(deadline=None, max_examples=40)
@given(NODES, NODES, st.integers(0, 2**32 - 1), st.integers(5, 31), st.integers(-2, 66))
def test_no_hint_wins_against_a_true_parent(child: bytes, sibling: bytes, address: int, bit: int, hint: int) -> None:
    parent = true_parent(child, sibling, address >> bit & 1)
    assert not wins(place(bit), hint, parent, child, sibling, address)


def test_all_hints_fail_against_a_true_parent() -> None:
    parent = true_parent(CHILD, SIBLING, 0)
    assert not any(wins(0, hint, parent, CHILD, SIBLING) for hint in range(64))


@settings(deadline=None, max_examples=40)
@given(NODES, NODES, st.integers(0, 2**32 - 1), st.integers(5, 31), st.integers(0, 63), st.integers(1, 15))
def test_a_false_digit_wins_with_its_index(
    child: bytes, sibling: bytes, address: int, bit: int, at: int, xor: int
) -> None:
    parent = with_changed(true_parent(child, sibling, address >> bit & 1), at, xor)
    assert wins(place(bit), at, parent, child, sibling, address)
    assert not wins(place(bit), (at + 1) % 64, parent, child, sibling, address)


def test_a_false_parent_wins_exactly_with_the_differing_digits() -> None:
    true, shown = true_parent(CHILD, SIBLING, 0), hashlib.sha256(b"false parent").digest()
    differs = [a != b for a, b in zip(digits_of(true), digits_of(shown), strict=True)]
    assert [wins(0, hint, shown, CHILD, SIBLING) for hint in range(64)] == differs
    assert 0 < differs.count(False) < 64


@pytest.mark.parametrize("bit", range(5, 32))
def test_every_bit_of_the_address_says_which_child_is_right(bit: int) -> None:
    right = ADDRESS >> bit & 1
    parent, exchanged = true_parent(CHILD, SIBLING, right), true_parent(CHILD, SIBLING, 1 - right)
    pairs = zip(digits_of(parent), digits_of(exchanged), strict=True)
    hint = next(i for i, (a, b) in enumerate(pairs) if a != b)
    assert not wins(place(bit), hint, parent, CHILD, SIBLING)
    assert wins(place(bit), hint, parent, CHILD, SIBLING, ADDRESS ^ 1 << bit)
    assert not wins(place(bit), hint, parent, SIBLING, CHILD, ADDRESS ^ 1 << bit)


@pytest.mark.parametrize("right", [0, 1])
def test_a_known_bit_needs_no_path(right: int) -> None:
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
    leaf = hash_leaf(opening("parent"), opening("child"), opening("sibling"), opening("path"), place(9), prefix)
    parent = with_changed(true_parent(CHILD, SIBLING, ADDRESS >> 9 & 1), 40)
    nodes = signed("parent", parent), signed("child", CHILD), signed("sibling", SIBLING)
    path = PATH.sign(SEEDS["path"], path_digits(ADDRESS))
    chosen = [CHOICE.sign(SEEDS["choice"], [k]) for k in range(3)]
    assert leaf.items == leaf_for(place(9)).items + 1
    assert accepts(leaf.script.code, hash_leaf_witness(40, *nodes, path, chosen[2]))
    assert not accepts(leaf.script.code, hash_leaf_witness(40, *nodes, path, chosen[1]))
    assert not accepts(leaf.script.code, hash_leaf_witness(41, *nodes, path, chosen[2]))


def test_constants_can_stand_for_signed_nodes() -> None:
    true = true_parent(CHILD, SIBLING, 0)
    false, child = with_changed(true, 12), open_constant(digits_of(CHILD))
    for parent, hint, won in ((true, 12, False), (false, 12, True), (false, 13, False)):
        leaf = hash_leaf(open_constant(digits_of(parent)), child, opening("sibling"), None, 0, Script())
        assert accepts(leaf.script.code, hash_leaf_witness(hint, (), (), signed("sibling", SIBLING))) == won


def test_the_body_alone_takes_a_constant_parent() -> None:
    path, bit = open_constant(path_digits(ADDRESS)), 31
    true = true_parent(CHILD, SIBLING, ADDRESS >> bit & 1)
    opened = opening("child").script + opening("sibling").script + path.script
    items = (*signed("sibling", SIBLING), *signed("child", CHILD))
    false = with_changed(true, 50)
    for parent, hint, won in ((true, 50, False), (false, 50, True), (false, 49, False)):
        leaf = check_leaf(opened + hash_body(bit, parent), len(items) + 1)
        assert accepts(leaf.code, (encode_number(hint), *items)) == won


def test_size_items_and_peak_of_a_leaf() -> None:
    leaf = leaf_for(place(20))
    assert leaf.items == 3 * 180 + 18 + 1
    assert leaf.items + leaf.script.effect.peak == 908 <= MAX_STACK_ITEMS
    assert len(leaf.script) == 61_697
    assert (leaf.script.effect.delta, leaf.script.effect.alt_delta) == (1 - leaf.items, 0)


def test_leaves_that_cannot_work_are_not_built() -> None:
    node, path = opening("parent"), opening("path")
    with pytest.raises(ScriptError):
        hash_leaf(node, node, node, None, (1, 2), Script())
    with pytest.raises(ScriptError):
        hash_leaf(node, node, node, path, 1, Script())
    with pytest.raises(ScriptError):
        hash_leaf(node, path, node, path, (1, 2), Script())
    with pytest.raises(ScriptError):
        hash_leaf(node, node, node, path, (1, 2), script(*[Op.DUP] * 600, *[Op.DROP] * 600))
    for bit in (3, 32):
        with pytest.raises(ScriptError):
            hash_body(bit)
