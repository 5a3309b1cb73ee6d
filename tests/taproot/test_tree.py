"""Script trees: names, shapes, control blocks; libbitcoinkernel judges the spends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import verify_spend
from taproot.errors import InvalidInput
from taproot.nums import H
from taproot.tree import (
    Leaf,
    LeafHash,
    LeafScript,
    Shape,
    TapTree,
    compute_branch_hash,
    compute_leaf_hash,
    compute_merkle_root,
)
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut
from taproot.units import Sats


@dataclass(frozen=True)
class Coded:
    """Stands for any class that carries a script's code."""

    code: bytes


def number_leaves(count: int) -> dict[str, LeafScript]:
    """Leaves that leave their own number on the stack, non-zero: PUSH2 number."""
    return {f"leaf {n}": b"\x02" + (n + 1).to_bytes(2, "little") for n in range(count)}


def spend(tree: TapTree, witness: tuple[bytes, ...]) -> bool:
    tx = Transaction(2, (TxIn(OutPoint(bytes(32), 0), witness=witness),), (TxOut(Sats(1_000), P2A_SCRIPT),))
    return verify_spend(tx.serialize(), 0, [(2_000, tree.script_pubkey)])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 100, 128])
def test_every_leaf_of_a_built_tree_can_be_spent(count: int) -> None:
    tree = TapTree.build(H, number_leaves(count))
    assert tree.names == tuple(number_leaves(count))
    assert all(spend(tree, tree.witness(name, ())) for name in tree.names)


def test_foreign_leaf_and_wrong_control_block_are_rejected() -> None:
    tree = TapTree.build(H, number_leaves(3))
    other = TapTree.build(H, number_leaves(4))
    assert spend(tree, tree.witness("leaf 0", ()))
    assert not spend(tree, other.witness("leaf 0", ()))
    assert not spend(tree, (tree.script("leaf 0"), tree.control_block("leaf 1")))


def test_leaf_that_wants_input_gets_it_before_script_and_control_block() -> None:
    tree = TapTree.build(H, {"equal": b"\x87", "other": b"\x51"})
    assert spend(tree, tree.witness("equal", [b"a", b"a"]))
    assert not spend(tree, tree.witness("equal", [b"a", b"b"]))


@given(st.integers(1, 128))
def test_balanced_tree_is_as_flat_as_can_be(count: int) -> None:
    tree = TapTree.build(H, number_leaves(count))
    depths = [tree.depth(name) for name in tree.names]
    assert max(depths) == (count - 1).bit_length()
    assert max(depths) - min(depths) <= 1
    assert sum(2.0**-depth for depth in depths) == 1


@pytest.mark.parametrize("count", [0, 129])
def test_tree_with_no_or_too_many_leaves_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput):
        TapTree.build(H, number_leaves(count))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(3, 5))
def test_weighted_tree_is_the_cheapest_within_its_depth(weights: list[int], limit: int) -> None:
    names = [f"leaf {n}" for n in range(len(weights))]
    tree = TapTree.build(H, number_leaves(len(weights)), dict(zip(names, weights, strict=True)), limit)
    depths = [tree.depth(name) for name in names]
    possible = [d for d in product(range(limit + 1), repeat=len(names)) if sum(2.0**-x for x in d) == 1]
    assert tuple(depths) in possible
    cost = sum(w * d for w, d in zip(weights, depths, strict=True))
    assert cost == min(sum(w * x for w, x in zip(weights, d, strict=True)) for d in possible)


@pytest.mark.parametrize(("count", "depth_of_first"), [(8, 1), (120, 4), (128, 7)])
def test_likely_leaf_stands_high_and_no_leaf_deeper_than_seven(count: int, depth_of_first: int) -> None:
    leaves = number_leaves(count)
    tree = TapTree.build(H, leaves, {name: 2.0**-n for n, name in enumerate(leaves)})
    assert tree.depth("leaf 0") == depth_of_first
    depths = [tree.depth(name) for name in leaves]
    assert depths == sorted(depths) and depths[-1] == 7
    assert spend(tree, tree.witness(f"leaf {count - 1}", ()))


@pytest.mark.parametrize("weights", [{"leaf 9": 1.0}, {"leaf 0": -1.0}])
def test_weights_of_unknown_leaves_or_below_zero_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        TapTree.build(H, number_leaves(2), weights)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_control_block_proves_its_leaf_hash(scripts: list[bytes]) -> None:
    tree = TapTree.build(H, {str(n): script for n, script in enumerate(scripts)})
    for n, script in enumerate(scripts):
        block = tree.control_block(str(n))
        assert len(block) == 33 + 32 * tree.depth(str(n))
        assert tree.leaf_hash(str(n)) == compute_leaf_hash(script)
        assert compute_merkle_root(compute_leaf_hash(script), block) == tree.merkle_root
        assert compute_merkle_root(compute_leaf_hash(script + b"\x61"), block) != tree.merkle_root


def test_output_key_is_the_internal_key_tweaked_with_the_root() -> None:
    tree = TapTree.build(H, number_leaves(5))
    assert (tree.output_key, tree.parity) == H.taproot_output_key(tree.merkle_root)
    assert tree.control_block("leaf 0")[0] == 0xC0 | tree.parity
    assert tree.control_block("leaf 0")[1:33] == H


def test_scripts_can_come_as_bytes_as_objects_with_code_or_as_hashes() -> None:
    whole = TapTree.build(H, {"a": b"\x51", "b": Coded(b"\x52"), "c": Leaf(b"\x53")})
    hashed = TapTree.build(
        H, {"a": b"\x51", "b": LeafHash(compute_leaf_hash(b"\x52")), "c": LeafHash(compute_leaf_hash(b"\x53"))}
    )
    assert hashed.output_key == whole.output_key
    assert hashed.control_block("b") == whole.control_block("b")
    assert hashed.witness("a", ()) == whole.witness("a", ())
    assert whole.script("b") == b"\x52"
    with pytest.raises(InvalidInput, match="only the hash"):
        hashed.script("b")


def test_branch_hash_does_not_depend_on_the_order() -> None:
    a, b = compute_leaf_hash(b"\x51"), compute_leaf_hash(b"\x52")
    assert compute_branch_hash(a, b) == compute_branch_hash(b, a) != compute_branch_hash(a, a)


def chain_shape(names: list[str]) -> Shape:
    shape: Shape = names[0]
    for name in names[1:]:
        shape = (name, shape)
    return shape


def test_given_shape_may_be_128_deep_but_not_129() -> None:
    leaves = number_leaves(130)
    names = list(leaves)
    fits = names[:129]
    tree = TapTree.from_shape(H, {name: leaves[name] for name in fits}, chain_shape(fits))
    assert tree.depth(names[0]) == 128
    assert spend(tree, tree.witness(names[0], ()))
    with pytest.raises(InvalidInput):
        TapTree.from_shape(H, leaves, chain_shape(names))


@pytest.mark.parametrize("shape", ["a", ("a", "a"), ("a", ("b", "b")), ("a", "c")])
def test_shape_must_hold_every_leaf_once(shape: Shape) -> None:
    leaves: dict[str, LeafScript] = {"a": b"\x51", "b": b"\x52"}
    assert TapTree.from_shape(H, leaves, ("a", "b")).names == ("a", "b")
    with pytest.raises(InvalidInput):
        TapTree.from_shape(H, leaves, shape)


def test_unknown_leaf_is_refused_with_the_names_there_are() -> None:
    tree = TapTree.build(H, {"take": b"\x51"})
    assert tree.merkle_root == tree.leaf_hash("take")
    for ask in (tree.leaf_hash, tree.control_block, tree.depth, tree.script):
        with pytest.raises(InvalidInput, match="take"):
            ask("give")


@pytest.mark.parametrize("version", [0x50, 0xC1, 0x100, -2])
def test_impossible_leaf_versions_are_refused(version: int) -> None:
    assert Leaf(b"", 0xFA).version == 0xFA
    with pytest.raises(InvalidInput):
        Leaf(b"", version)


def test_leaf_hash_of_wrong_size_is_refused() -> None:
    with pytest.raises(InvalidInput):
        LeafHash(bytes(31))
