"""Clock zones: sets of ages of outputs, as bounds on ages and on their differences (difference bound matrices).

A zone stands for all whole-number ages that satisfy `x - y <= b` for each pair of clocks, where the clock 0 is always
zero. Bounds are closed, so letting time pass, asking for an age and forgetting a clock are exact, and one zone holds
every height at which the same transactions are confirmed. Source: Bengtsson, Yi, "Timed Automata: Semantics,
Algorithms and Tools" (2004), section 4; whole-number clocks see the same states for closed bounds (Henzinger, Manna,
Pnueli 1992).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

INFINITE = 1 << 40
_Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """`clocks` in alphabetical order; `bounds[i][j]` is the most that clock i can exceed clock j by (0 is zero)."""

    clocks: tuple[str, ...] = ()
    bounds: _Matrix = ((0,),)

    def _index(self, clock: str) -> int:
        return self.clocks.index(clock) + 1

    def after_any_time(self) -> Zone:
        """All ages that are reached when time passes and nothing happens."""
        first, *rows = self.bounds
        return Zone(self.clocks, (first, *((INFINITE, *row[1:]) for row in rows)))

    def at_most(self, clock: str, age: int) -> Zone | None:
        """The part in which the clock shows at most `age`; None if there is none."""
        return self._tighten(self._index(clock), 0, age)

    def at_least(self, clock: str, age: int) -> Zone | None:
        """The part in which the clock shows at least `age`; None if there is none."""
        return self._tighten(0, self._index(clock), -age)

    def restart(self, gone: Iterable[str], new: Iterable[str]) -> Zone:
        """Forget the clocks `gone`, start the clocks `new` at zero."""
        forget = set(gone)
        source = {clock: n for n, clock in enumerate(self.clocks, 1) if clock not in forget} | dict.fromkeys(new, 0)
        clocks = tuple(sorted(source))
        order = (0, *(source[clock] for clock in clocks))
        return Zone(clocks, tuple(tuple(self.bounds[i][j] for j in order) for i in order))

    def contains(self, other: Zone) -> bool:
        """Whether every point of `other`, a zone of the same clocks, lies in this one."""
        return all(
            mine >= theirs
            for row, row_other in zip(self.bounds, other.bounds, strict=True)
            for mine, theirs in zip(row, row_other, strict=True)
        )

    def joined(self, other: Zone) -> Zone:
        """The smallest zone that contains this one and `other`, a zone of the same clocks."""
        pairs = zip(self.bounds, other.bounds, strict=True)
        return Zone(self.clocks, tuple(tuple(map(max, mine, theirs)) for mine, theirs in pairs))

    def most(self, clock: str) -> int:
        """The greatest age that the clock can show; INFINITE if it has none."""
        return self.bounds[self._index(clock)][0]

    def least(self, clock: str) -> int:
        """The smallest age that the clock can show."""
        return -self.bounds[0][self._index(clock)]

    def lead(self, clock: str, other: str) -> int:
        """The most by which `clock` can exceed `other`; time does not change it."""
        return self.bounds[self._index(clock)][self._index(other)]

    @property
    def lasts_forever(self) -> bool:
        """Whether nothing bounds the time that passes in it."""
        return all(row[0] >= INFINITE for row in self.bounds[1:])

    def _tighten(self, i: int, j: int, bound: int) -> Zone | None:
        """Intersect with `x_i - x_j <= bound`, all other bounds following from it."""
        old = self.bounds
        if bound >= old[i][j]:
            return self
        if old[j][i] + bound < 0:
            return None
        from_j = old[j]
        rows = []
        for row in old:
            base = row[i] + bound
            rows.append(tuple(min(b, base + c) for b, c in zip(row, from_j, strict=True)) if base < INFINITE else row)
        return Zone(self.clocks, tuple(rows))
