"""Script trees of BIP341 whose leaves have names.

`TapTree.build(internal_key, {"take": script, ...})` gives the output key, and per name the leaf hash and the control
block. The shape is the cheapest one under a depth limit: with weights (how likely a leaf is spent) a length-limited
Huffman code, without weights a balanced tree. Depth is at most 7 unless the shape is given, because some nodes do
not relay a control block for a deeper leaf; so a built tree has at most 128 leaves.

Every script is hashed once. Large scripts need not be kept: a `LeafHash` may stand in for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from taproot.errors import InvalidInput
from taproot.hashes import tagged_hash, tagged_hasher
from taproot.keys import XOnlyKey
from taproot.tx import Witness, compact_size, p2tr_script
from taproot.units import LEAF_VERSION_TAPSCRIPT, MAX_TREE_DEPTH, RELAYED_TREE_DEPTH


class HasCode(Protocol):
    """Anything that carries a serialised script."""

    @property
    def code(self) -> bytes:
        """The script's bytes."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A script with a leaf version (an even number, BIP341); tapscript by default."""

    code: bytes
    version: int = LEAF_VERSION_TAPSCRIPT

    def __post_init__(self) -> None:
        if not 0 <= self.version <= 0xFE or self.version & 1 or self.version == 0x50:
            raise InvalidInput(f"{self.version:#x} is not a leaf version of BIP341")


@dataclass(frozen=True, slots=True)
class LeafHash:
    """The hash (32 bytes) of a leaf whose script is not at hand."""

    hash: bytes
    version: int = LEAF_VERSION_TAPSCRIPT

    def __post_init__(self) -> None:
        if len(self.hash) != 32:
            raise InvalidInput(f"a leaf hash has 32 bytes, not {len(self.hash)}")


LeafScript = bytes | HasCode | LeafHash
Shape = str | tuple["Shape", "Shape"]  # a leaf's name, or two subtrees


def compute_leaf_hash(script: bytes | HasCode, version: int = LEAF_VERSION_TAPSCRIPT) -> bytes:
    """Hash (32 bytes) of a leaf: tag "TapLeaf", version, length, script (BIP341)."""
    code = script if isinstance(script, bytes) else script.code
    hasher = tagged_hasher("TapLeaf")
    hasher.update(bytes([version]) + compact_size(len(code)))
    hasher.update(code)
    return hasher.digest()


def compute_branch_hash(left: bytes, right: bytes) -> bytes:
    """Hash (32 bytes) of an inner node; the order of its two children does not matter (BIP341)."""
    return tagged_hash("TapBranch", left + right if left < right else right + left)


@dataclass(frozen=True, slots=True)
class TapTree:
    """A finished script tree under an internal key. Make it with `build` or `from_shape`."""

    internal_key: XOnlyKey
    output_key: XOnlyKey
    parity: int  # of the output key's y, 0 even
    merkle_root: bytes
    _leaves: Mapping[str, LeafHash] = field(repr=False, hash=False)
    _paths: Mapping[str, tuple[bytes, ...]] = field(repr=False, compare=False)  # sibling hashes from the leaf up
    _codes: Mapping[str, bytes] = field(repr=False, compare=False)

    @classmethod
    def build(
        cls,
        internal_key: bytes,
        leaves: Mapping[str, LeafScript],
        weights: Mapping[str, float] | None = None,
        max_depth: int = RELAYED_TREE_DEPTH,
    ) -> TapTree:
        """The tree of least weighted depth. `weights` default to 1 for every leaf that they do not name.

        Raises InvalidInput for no leaves, more than 2**max_depth of them, a weight for an unknown leaf or below 0.
        """
        return cls.from_shape(internal_key, leaves, compute_shape(list(leaves), weights or {}, max_depth))

    @classmethod
    def from_shape(cls, internal_key: bytes, leaves: Mapping[str, LeafScript], shape: Shape) -> TapTree:
        """The tree of exactly this shape, at most 128 deep.

        Raises InvalidInput if the shape does not hold every leaf once.
        """
        hashed = {name: _hash_leaf(leaf) for name, leaf in leaves.items()}
        if sorted(_names(shape)) != sorted(leaves):
            raise InvalidInput("the shape of a tree must hold each of its leaves exactly once")
        root, paths = _fold(shape, hashed)
        if max(map(len, paths.values())) > MAX_TREE_DEPTH:
            raise InvalidInput(f"a tree can be {MAX_TREE_DEPTH} deep at most")
        key = internal_key if isinstance(internal_key, XOnlyKey) else XOnlyKey(internal_key)
        output_key, parity = key.taproot_output_key(root)
        codes = {name: _code_of(leaf) for name, leaf in leaves.items() if not isinstance(leaf, LeafHash)}
        return cls(key, output_key, parity, root, hashed, {name: paths[name] for name in leaves}, codes)

    @property
    def names(self) -> tuple[str, ...]:
        """The leaves' names in the order in which they were given."""
        return tuple(self._leaves)

    @property
    def script_pubkey(self) -> bytes:
        """Script of the output, 34 bytes."""
        return p2tr_script(self.output_key)

    def leaf_hash(self, name: str) -> bytes:
        """Hash of a leaf, for the sighash of a script path."""
        return self._leaf(name).hash

    def depth(self, name: str) -> int:
        """Number of hashes in the leaf's control block."""
        self._leaf(name)
        return len(self._paths[name])

    def control_block(self, name: str) -> bytes:
        """Version and parity, internal key, sibling hashes: 33 + 32 * depth bytes (BIP341)."""
        first = self._leaf(name).version | self.parity
        return b"".join((bytes([first]), self.internal_key, *self._paths[name]))

    def script(self, name: str) -> bytes:
        """Code of a leaf. Raises InvalidInput if the tree was given only its hash."""
        self._leaf(name)
        if name not in self._codes:
            raise InvalidInput(f"the tree knows only the hash of leaf {name!r}; build its script again")
        return self._codes[name]

    def witness(self, name: str, items: Iterable[bytes]) -> Witness:
        """Witness that spends by this leaf: its inputs (deepest first), the script, the control block."""
        return (*items, self.script(name), self.control_block(name))

    def _leaf(self, name: str) -> LeafHash:
        if name not in self._leaves:
            raise InvalidInput(f"no leaf {name!r} in this tree; it has {', '.join(self._leaves)}")
        return self._leaves[name]


def compute_shape(names: list[str], weights: Mapping[str, float], max_depth: int) -> Shape:
    """Shape of least weighted depth with no leaf deeper than `max_depth`. Raises InvalidInput as `TapTree.build`."""
    if not 1 <= len(names) <= 1 << max_depth:
        raise InvalidInput(f"{len(names)} leaves do not fit a tree of depth {max_depth}: 1 to {1 << max_depth} do")
    unknown = [name for name in weights if name not in names]
    if unknown or any(weight < 0 for weight in weights.values()):
        raise InvalidInput(f"weights must be 0 or more and name leaves of the tree; unknown: {unknown}")
    return _join_by_depth(names, _limited_depths(tuple(weights.get(name, 1.0) for name in names), max_depth))


def compute_merkle_root(leaf_hash: bytes, control_block: bytes) -> bytes:
    """Root that a control block proves for a leaf hash (BIP341 "Script validation rules")."""
    root = leaf_hash
    for offset in range(33, len(control_block), 32):
        root = compute_branch_hash(root, control_block[offset : offset + 32])
    return root


@lru_cache(maxsize=256)
def _limited_depths(weights: tuple[float, ...], limit: int) -> tuple[int, ...]:
    """Depth of each leaf in an optimal tree of at most `limit` levels: package-merge (Larmore, Hirschberg 1990)."""
    coins = sorted((weight, (index,)) for index, weight in enumerate(weights))
    packages: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(limit):
        row = sorted(coins + packages, key=lambda package: package[0])
        pairs = zip(row[0::2], row[1::2], strict=False)
        packages = [(left[0] + right[0], left[1] + right[1]) for left, right in pairs]
    depths = [0] * len(weights)
    for _weight, members in packages[: len(weights) - 1]:
        for index in members:
            depths[index] += 1
    return tuple(depths)


def _join_by_depth(names: list[str], depths: Sequence[int]) -> Shape:
    """Join the deepest nodes in pairs, level by level; the depths fill a binary tree exactly."""
    level: list[Shape] = []
    for depth in range(max(depths), 0, -1):
        level = [*(name for name, d in zip(names, depths, strict=True) if d == depth), *level]
        level = [(left, right) for left, right in zip(level[0::2], level[1::2], strict=True)]
    return level[0] if level else names[0]


def _fold(shape: Shape, leaves: Mapping[str, LeafHash]) -> tuple[bytes, dict[str, tuple[bytes, ...]]]:
    """Hash of a subtree and the sibling path of each of its leaves, from the leaf up."""
    if isinstance(shape, str):
        return leaves[shape].hash, {shape: ()}
    left, left_paths = _fold(shape[0], leaves)
    right, right_paths = _fold(shape[1], leaves)
    paths = {name: (*path, right) for name, path in left_paths.items()}
    paths.update({name: (*path, left) for name, path in right_paths.items()})
    return compute_branch_hash(left, right), paths


def _names(shape: Shape) -> Iterator[str]:
    if isinstance(shape, str):
        yield shape
    else:
        yield from _names(shape[0])
        yield from _names(shape[1])


def _hash_leaf(leaf: LeafScript) -> LeafHash:
    if isinstance(leaf, LeafHash):
        return leaf
    version = leaf.version if isinstance(leaf, Leaf) else LEAF_VERSION_TAPSCRIPT
    return LeafHash(compute_leaf_hash(leaf, version), version)


def _code_of(leaf: bytes | HasCode) -> bytes:
    return leaf if isinstance(leaf, bytes) else leaf.code
