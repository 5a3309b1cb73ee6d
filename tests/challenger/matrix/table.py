"""Which games the matrix plays, and the table of what came of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import lcm

from btc_l2.zkvm.isa import BY_NAME
from btc_l2.zkvm.outcome import Endian
from tests.challenger.matrix.falsehoods import FIELDS, KINDS, cells
from tests.challenger.matrix.games import Played, play_falsehood, play_hostile
from tests.challenger.matrix.scenes import CLASSES


@dataclass(frozen=True, slots=True)
class Cell:
    """One game to play: `number` is its seed."""

    number: int
    row: str
    name: str
    kind: str

    @property
    def endian(self) -> Endian:
        """Every third guest is a little-endian one."""
        return "little" if self.number % 3 == 2 else "big"

    def play(self) -> Played | None:
        """See `play_falsehood`."""
        return play_falsehood(self.row, self.name, self.kind, random.Random(f"matrix/{self.number}"), self.endian)


@dataclass(slots=True)
class Tally:
    """Games and misses by (group of instructions, field, kind); leaves by how often they won; honest games apart."""

    games: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)
    missed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    leaves: Counter[str] = field(default_factory=Counter)
    honest: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    spent: list[str] = field(default_factory=list)

    def count(self, cell: Cell, played: Played | None) -> None:
        """Enter a game; one in which no lie survived counts as a miss: the cell would be empty."""
        where = group_of(cell.row), cell.name, cell.kind
        self.games[where] += 1
        if played is not None and played.won:
            self.leaves[f"{played.turn.rpartition('.')[2]} {played.leaf.partition('.')[0]}"] += 1
            return
        self.missed[where] += 1
        self.misses.append(f"game {cell.number}: {cell.row}, {cell.name}, {cell.kind}: {played}")

    def count_honest(self, row: str, tried: int, spent: list[str]) -> None:
        """Enter a game against an honest operator."""
        self.honest[group_of(row)] += 1
        self.tried[group_of(row)] += tried
        self.spent += [f"{row}: {leaf}" for leaf in spent]


def group_of(row: str) -> str:
    """The group of the instruction table, `state` for steps without an instruction."""
    return BY_NAME[row].group if row in BY_NAME else "state"


def schedule(first: int, count: int) -> Iterator[Cell]:
    """Games `first` …: each few of them meet many rows, fields and kinds, and every combination of a row with a field
    and a kind comes once before one comes again.
    """
    pairs = cells()
    period = lcm(len(pairs), len(CLASSES))
    for number in range(first, first + count):
        name, kind = pairs[number % len(pairs)]
        yield Cell(number, CLASSES[(number + number // period) % len(CLASSES)], name, kind)


def play_false(tally: Tally, games: Iterable[Cell]) -> None:
    """Play them all."""
    for cell in games:
        tally.count(cell, cell.play())


def play_honest(tally: Tally, numbers: Iterable[int]) -> None:
    """Games of hostile challengers against honest operators, one row after the other."""
    for number in numbers:
        row: str = CLASSES[number % len(CLASSES)]
        endian: Endian = "little" if number % 3 == 2 else "big"
        tally.count_honest(row, *play_hostile(row, random.Random(f"honest/{number}"), endian))


def render(tally: Tally) -> str:
    """The table: games/misses by group and field in a column per kind, then leaves, then honest games."""
    lines = [f"{'group':<11}{'field':<12}" + "".join(f"{kind:>12}" for kind in KINDS)]
    for group in sorted({group for group, _, _ in tally.games}):
        for name in FIELDS:
            lines.append(f"{group:<11}{name:<12}" + "".join(_entry(tally, group, name, kind) for kind in KINDS))
    lines += ["", f"{tally.games.total()} games against falsehoods, {len(tally.misses)} misses", *tally.misses, ""]
    lines += ["winning leaves (turn, leaf: games)"]
    lines += [f"  {leaf:<28}{count:>6}" for leaf, count in sorted(tally.leaves.items())]
    lines += ["", "honest operators, hostile challengers (group: games, spends tried on libbitcoinkernel)"]
    lines += [f"  {group:<11}{n:>6}{tally.tried[group]:>9}" for group, n in sorted(tally.honest.items())]
    lines += [f"{tally.honest.total()} games, {tally.tried.total()} spends tried, {len(tally.spent)} accepted"]
    return "\n".join([*lines, *tally.spent]) + "\n"


def _entry(tally: Tally, group: str, name: str, kind: str) -> str:
    where = group, name, kind
    return f"{f'{tally.games[where]}/{tally.missed[where]}' if tally.games[where] else '-':>12}"
