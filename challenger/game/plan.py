"""How a path through the state tree is searched: in rounds, each cutting the stretch that is left into equal parts.

A path has `edges` edges; edge e joins the node at depth e (the root is depth 0) with its child at depth e + 1. In
round r the operator shows the nodes at the cut points, the challenger names a part. After the last round one edge is
left, the operator shows the sibling of its child, and one hash decides. Two plans: leaves lie 27 levels below the
root and are searched 3 · 3 · 3; the node that MAP replaces lies 6 levels below, searched 3 · 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

TREE_LEVELS = 27
SLOT_LEVEL = 21


@dataclass(frozen=True, slots=True)
class Plan:
    """`splits[r]` parts in round r (from 0); the product is the number of edges."""

    name: str
    splits: tuple[int, ...]

    @property
    def edges(self) -> int:
        """Levels between root and bottom."""
        return prod(self.splits)

    @property
    def bottom_level(self) -> int:
        """Tree level of the bottom (0 = leaves)."""
        return TREE_LEVELS - self.edges

    @property
    def rounds(self) -> int:
        """Rounds of choices."""
        return len(self.splits)

    def part_size(self, round_: int) -> int:
        """Edges of one part after the choice of that round."""
        return prod(self.splits[round_ + 1 :])

    def cuts(self, choices: tuple[int, ...]) -> tuple[int, ...]:
        """Depths of the nodes shown in round len(choices), given the choices before it."""
        start = self.start(choices)
        size = self.part_size(len(choices))
        return tuple(start + k * size for k in range(1, self.splits[len(choices)]))

    def start(self, choices: tuple[int, ...]) -> int:
        """Depth of the upper end of the stretch that the choices left."""
        return sum(c * self.part_size(r) for r, c in enumerate(choices))

    def choices_to(self, edge: int) -> tuple[int, ...]:
        """The choices that lead to an edge."""
        return tuple(edge // self.part_size(r) % self.splits[r] for r in range(self.rounds))

    def shown_at(self, depth: int) -> tuple[int, int] | None:
        """(round, k): the node of that depth is the k-th cut (from 1) of that round; None for root and bottom."""
        if depth in (0, self.edges):
            return None
        for r in range(self.rounds):
            if depth % self.part_size(r) == 0:
                return r, depth // self.part_size(r) % self.splits[r]
        raise AssertionError("every depth is cut in the last round")

    def path_bit(self, edge: int) -> int:
        """Which bit of the byte address says whether the child of that edge is the right one."""
        return TREE_LEVELS - 1 - edge + 5


TREE = Plan("tree", (3, 3, 3))
MAP = Plan("map", (3, 2))
