"""The state tree: 2^27 leaves of 32 bytes that are not hashed, above them `H(l, r) = BLAKE3(l ‖ r)`.

Level 0 is the leaves, level 27 the root. A node is named by its level and its index from the left.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from btc_l2.zkvm.layout import LEAF_BYTES, ROOT_LEVEL


def hash_pair(left: bytes, right: bytes) -> bytes:
    """Node above two nodes of 32 bytes: one BLAKE3 compression of 64 bytes."""
    return blake3(left + right).digest()


def _zero_nodes() -> tuple[bytes, ...]:
    nodes = [bytes(LEAF_BYTES)]
    for _ in range(ROOT_LEVEL):
        nodes.append(hash_pair(nodes[-1], nodes[-1]))
    return tuple(nodes)


ZERO_NODES = _zero_nodes()  # by level: the node of a subtree that was never touched


def root_from_path(leaf: bytes, index: int, siblings: Sequence[bytes], level: int = 0) -> bytes:
    """Root over a node `leaf` at (level, index), given its siblings from `level` up to 26."""
    assert len(siblings) == ROOT_LEVEL - level, "one sibling per level below the root"
    node = leaf
    for sibling in siblings:
        node = hash_pair(sibling, node) if index & 1 else hash_pair(node, sibling)
        index >>= 1
    return node
