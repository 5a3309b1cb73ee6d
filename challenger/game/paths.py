"""Paths through state trees: what an honest party shows in an access, and where a false path breaks.

A path has the node at each depth before and (for a write) after, from the root (depth 0) to the bottom, and the
sibling of the child of each edge. Honest paths of a write share their siblings: only the addressed bottom changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.tree import hash_pair
from challenger.game.plan import TREE_LEVELS, Plan


@dataclass(frozen=True, slots=True)
class OpenedPath:
    """`pre[d]`, `post[d]`: nodes at depth d; `siblings[e]`: sibling of the child of edge e."""

    address: int
    pre: tuple[bytes, ...]
    post: tuple[bytes, ...] | None
    siblings: tuple[bytes, ...]


def child_is_right(plan: Plan, address: int, edge: int) -> bool:
    """Is the child of that edge, on the way to `address`, the right one?"""
    return bool(address >> plan.path_bit(edge) & 1)


def parent_of(plan: Plan, address: int, edge: int, child: bytes, sibling: bytes) -> bytes:
    """The hash that the upper end of an edge must be."""
    if child_is_right(plan, address, edge):
        return hash_pair(sibling, child)
    return hash_pair(child, sibling)


def nodes_above(plan: Plan, address: int, bottom: bytes, siblings: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """All nodes of a path, root first, computed from its bottom."""
    nodes = [bottom]
    for edge in reversed(range(plan.edges)):
        nodes.append(parent_of(plan, address, edge, nodes[-1], siblings[edge]))
    return tuple(reversed(nodes))


def open_path(plan: Plan, before: Machine, address: int, bottom_after: bytes | None) -> OpenedPath:
    """The true path to `address` in `before`; with `bottom_after` also the path after that write."""
    index = address >> (5 + plan.bottom_level)
    siblings = tuple(reversed(before.siblings(index, plan.bottom_level)))
    bottom = before.node(plan.bottom_level, index)
    pre = nodes_above(plan, address, bottom, siblings)
    post = None if bottom_after is None else nodes_above(plan, address, bottom_after, siblings)
    assert len(siblings) == plan.edges and plan.bottom_level + plan.edges == TREE_LEVELS
    return OpenedPath(address, pre, post, siblings)

