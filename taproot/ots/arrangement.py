"""Values as arrangements: which chains of a composition code are opened how deep, and what number that is.

A shape has `chains` chains and classes of sizes k₁, k₂, …: class i takes kᵢ of the chains that the classes before it
left. Its choice has a rank in the combinatorial number system (Knuth, TAOCP 4A, 7.2.1.3): with the chosen chains in
ascending order, let the hint hⱼ be the number of chains left that stand before the j-th. Then h₁ ≤ h₂ ≤ … and

    rank = Σⱼ C(hⱼ + j − 1, j)        0 ≤ rank < C(chains left, k)

Consecutive classes form a group with one rank in mixed radix (first class most significant), below 2³¹ so that Script
can compute it. A group carries as many whole bits as its ranks allow; ranks beyond are taken modulo 2^bits. So every
arrangement means a value and every value has an arrangement.

The digits, digit 0 first and each most significant bit first, are one row of bits, dealt to the groups in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import comb, prod

from taproot.errors import InvalidInput

DIGIT_BITS = 4
_MAX_RANKS = 1 << 31  # a script number that is computed with further is below this
# digits → chains, sizes of the classes in the order in which they are checked, a blank between groups.
# Found by search for the fewest bytes of `check` with its witness, see docs/spec/one_time_codes.md.
_SHAPES = {
    8: (17, "21111 31"),
    40: (52, "111 211 222 2111 22 11111 331"),
    48: (60, "1111 1111 11111 211 222 32 33 33"),
    58: (68, "11111 11111 2111 31 33 222 32 33 33"),
    64: (76, "2111 211 2111 33 111 321 211 2211 32 33"),
}

Hints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChainClass:
    """`size` chains of `left` are opened `depth` hashes below their ends; their slots begin with `slot`."""

    size: int
    left: int
    depth: int
    slot: int

    @property
    def ranks(self) -> int:
        """How many choices there are."""
        return comb(self.left, self.size)

    @property
    def slots(self) -> range:
        """The numbers of its opened chains."""
        return range(self.slot, self.slot + self.size)


@dataclass(frozen=True, slots=True)
class Group:
    """Classes with a common rank; `bits` of it from bit `start` of the value on; `pieces` are their widths.

    The bits are cut where a digit ends.
    """

    classes: tuple[ChainClass, ...]
    start: int
    bits: int

    @property
    def pieces(self) -> tuple[int, ...]:
        """Widths of the parts of digits, most significant first."""
        end = self.start + self.bits
        borders = [self.start, *(b for b in range(0, end, DIGIT_BITS) if b > self.start), end]
        return tuple(b - a for a, b in pairwise(borders))


@dataclass(frozen=True, slots=True)
class Shape:
    """Chains, their classes, and the groups of the classes."""

    chains: int
    groups: tuple[Group, ...]

    @property
    def classes(self) -> tuple[ChainClass, ...]:
        """All classes in the order in which they are checked."""
        return tuple(c for g in self.groups for c in g.classes)

    @property
    def depths(self) -> tuple[int, ...]:
        """The depth of each slot."""
        return tuple(c.depth for c in self.classes for _ in c.slots)

    def positions(self, hints: Sequence[int]) -> list[int]:
        """The chains that the slots open, given how many chains stand before each. Raises IndexError out of range."""
        if min(hints) < 0:
            raise IndexError("a hint below zero")
        left = list(range(self.chains))
        return [left.pop(h) for h in hints]

    def hints_of(self, positions: Sequence[int]) -> Hints:
        """How many of the chains left stand before each."""
        left = list(range(self.chains))
        return tuple(_take(left, p) for p in positions)

    def canonical_order(self, positions: Sequence[int]) -> list[int]:
        """The slots, those of one class in ascending order of their chains."""
        return [slot for c in self.classes for slot in sorted(c.slots, key=positions.__getitem__)]

    def ranks(self, hints: Hints) -> list[int]:
        """The ranks of the groups; `hints` in canonical order."""
        return [_group_rank(group, hints) for group in self.groups]

    def digits_of(self, ranks: Sequence[int]) -> tuple[int, ...]:
        """The digits that ranks of groups mean."""
        value = 0
        for group, rank in zip(self.groups, ranks, strict=True):
            value = value << group.bits | rank % (1 << group.bits)
        count = sum(group.bits for group in self.groups) // DIGIT_BITS
        return tuple(value >> DIGIT_BITS * i & 15 for i in reversed(range(count)))

    def hints_for(self, digits: Sequence[int]) -> Hints:
        """The canonical hints that mean `digits`."""
        value, below = 0, len(digits) * DIGIT_BITS
        for digit in digits:
            value = value << DIGIT_BITS | digit
        hints: list[int] = []
        for group in self.groups:
            below -= group.bits
            hints += _group_hints(group, value >> below & (1 << group.bits) - 1)
        return tuple(hints)


def split_rank(group: Group, rank: int) -> tuple[int, ...]:
    """What a rank has above the group's bits, then the pieces of digits."""
    lower = list(accumulate(reversed(group.pieces), initial=0))
    pieces = zip(group.pieces, reversed(lower[:-1]), strict=True)
    return (rank >> group.bits, *(rank >> below & (1 << width) - 1 for width, below in pieces))


def subsets_below(hint: int, size: int) -> int:
    """C(hint + size − 1, size): the term of the `size`-th hint in a rank."""
    return comb(hint + size - 1, size)


@lru_cache(maxsize=8)
def shape_for(digits: int) -> Shape:
    """The shape for so many digits of base 16. Raises InvalidInput where there is none."""
    if digits not in _SHAPES:
        raise InvalidInput(f"no composition code for {digits} digits; there are {', '.join(map(str, _SHAPES))}")
    chains, text = _SHAPES[digits]
    sizes = [[int(size) for size in group] for group in text.split()]
    flat = [size for group in sizes for size in group]
    by_size = sorted(range(len(flat)), key=lambda i: -flat[i])  # the largest class needs the fewest hashes
    slots = list(accumulate(flat, initial=0))
    classes = iter([ChainClass(k, chains - slots[i], by_size.index(i) + 1, slots[i]) for i, k in enumerate(flat)])
    groups: list[Group] = []
    for group in sizes:
        members = tuple(next(classes) for _ in group)
        ranks = prod(c.ranks for c in members)
        assert ranks <= _MAX_RANKS
        groups.append(Group(members, sum(g.bits for g in groups), ranks.bit_length() - 1))
    assert sum(g.bits for g in groups) == DIGIT_BITS * digits
    return Shape(chains, tuple(groups))


def _take(left: list[int], position: int) -> int:
    hint = left.index(position)
    left.pop(hint)
    return hint


def _group_rank(group: Group, hints: Hints) -> int:
    rank = 0
    for c in group.classes:
        terms = (subsets_below(hints[slot], j) for j, slot in enumerate(c.slots, 1))
        rank = rank * c.ranks + sum(terms)
    return rank


def _group_hints(group: Group, rank: int) -> list[int]:
    hints: list[int] = []
    for c in reversed(group.classes):
        rank, own = divmod(rank, c.ranks)
        hints = _class_hints(c.size, own) + hints
    return hints


def _class_hints(size: int, rank: int) -> list[int]:
    """The hints of a rank, by the greedy algorithm of the combinatorial number system."""
    hints: list[int] = []
    for j in range(size, 0, -1):
        hint = _last_below(rank, j)
        hints.insert(0, hint)
        rank -= subsets_below(hint, j)
    return hints


def _last_below(rank: int, size: int) -> int:
    hint = 0
    while subsets_below(hint + 1, size) <= rank:
        hint += 1
    return hint
