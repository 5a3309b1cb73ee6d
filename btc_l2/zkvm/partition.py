"""Which words belong to which row of the instruction table, as sets: a proof that the rows share out all 2^32 words.

A cube is the set of words with `word & mask == match`: it holds 2^(number of bits that the mask leaves free) words.
The words of one cube outside another are at most 32 disjoint cubes, so complements are exact and counting is a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from btc_l2.zkvm.isa import INSTRUCTIONS, RESERVED, SYSCALL_OTHER, Instruction

WORDS = 1 << 32


@dataclass(frozen=True, slots=True)
class Cube:
    """The words with `word & mask == match`."""

    mask: int
    match: int

    @property
    def size(self) -> int:
        """Number of words."""
        return 1 << 32 - self.mask.bit_count()

    def meets(self, other: Cube) -> bool:
        """Whether some word is in both: no bit that both fix is fixed differently."""
        return (self.match ^ other.match) & self.mask & other.mask == 0

    def without(self, other: Cube) -> list[Cube]:
        """The words that the other does not have, as disjoint cubes: split at each bit that only the other fixes."""
        if not self.meets(other):
            return [self]
        parts, mask, match = [], self.mask, self.match
        for bit in (1 << k for k in reversed(range(32))):
            if other.mask & bit and not mask & bit:
                mask |= bit
                parts.append(Cube(mask, match | ~other.match & bit))
                match |= other.match & bit
        return parts


EVERY_WORD = Cube(0, 0)


def cube_of(row: Instruction) -> Cube:
    """The words that match a row."""
    return Cube(row.mask, row.match)


def complement(cubes: Iterable[Cube], within: Cube = EVERY_WORD) -> list[Cube]:
    """The words of `within` that none of the cubes has, as disjoint cubes."""
    rest = [within]
    for cube in cubes:
        rest = [part for old in rest for part in old.without(cube)]
    return rest


def partition() -> dict[str, tuple[Cube, ...]]:
    """The words of every row by name, the two remainders included."""
    rows = {row.name: (cube_of(row),) for row in INSTRUCTIONS}
    known = [cube for (cube,) in rows.values()]
    other = complement(known, cube_of(SYSCALL_OTHER))
    reserved = complement((*known, cube_of(SYSCALL_OTHER)))
    return {**rows, SYSCALL_OTHER.name: tuple(other), RESERVED.name: tuple(reserved)}


def count_words(cubes: Iterable[Cube]) -> int:
    """Number of words in disjoint cubes."""
    return sum(cube.size for cube in cubes)


def find_overlaps(parts: Mapping[str, Sequence[Cube]]) -> list[tuple[str, str]]:
    """Pairs of rows with a word in common, a row with itself if two of its cubes have one; empty for a partition."""
    named = [(name, cube) for name, cubes in parts.items() for cube in cubes]
    return [(left, right) for (left, a), (right, b) in combinations(named, 2) if a.meets(b)]
