"""Which arity is cheapest: a dispute's fees against the coins and the time that it locks, and a picture of both.

A search with few parts per round shows fewer roots, so it costs less; one with many parts has fewer rounds, so it is
over sooner. What is compared: fees of the worst dispute at a fee rate, and interest on deposit and stake for the
longest dispute (`Terms.total_delay`). The picture is SVG, written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape

from challenger.cost import arities_of, compute_ways
from taproot.errors import InvalidInput
from taproot.terms import DIGESTS, Terms

BLOCKS_A_DAY, DAYS_A_YEAR = 144, 365
ARITIES = (2, 3, 4, 8)
_LONG = 60_000  # exit delay, blocks: no bound here
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 760, 460, 70, 60  # pixels
_COLOURS = {256: "#b3541e", 192: "#1e5fb3", 160: "#2f7d32"}
_FONT = "font-family='ui-monospace,monospace' font-size='12'"


@dataclass(frozen=True, slots=True)
class Option:
    """One way to search: its worst dispute (vB, transactions) and the longest one (blocks); costs in satoshis."""

    arities: tuple[int, ...]
    digest: int
    worst_vbytes: int
    transactions: int
    relation_vbytes: int
    blocks: int
    fees: int
    interest: int

    @property
    def total(self) -> int:
        """What is compared."""
        return self.fees + self.interest

    @property
    def days(self) -> float:
        """Calendar time of the longest dispute."""
        return self.blocks / BLOCKS_A_DAY

    def to_json(self) -> dict[str, object]:
        """The fields as JSON values, with what follows from them."""
        return {**asdict(self), "label": label_of(self.arities), "total": self.total, "days": round(self.days, 1)}


def label_of(arities: Sequence[int]) -> str:
    """`4^16`, `4 · 8^10`: rounds of the same arity together."""
    parts: list[list[int]] = []
    for arity in arities:
        if parts and parts[-1][0] == arity:
            parts[-1][1] += 1
        else:
            parts.append([arity, 1])
    return " · ".join(f"{arity}^{count}" if count > 1 else str(arity) for arity, count in parts)


def parse_arities(text: str) -> tuple[int, ...]:
    """`4,8,8` as rounds. Raises InvalidInput for anything but numbers between commas."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInput(f"arities {text!r}; give numbers between commas, for example 4,8,8,2") from error


def candidates(steps_log2: int) -> tuple[tuple[int, ...], ...]:
    """The same arity in all rounds, and half the bits in rounds of 4, the others in rounds of 2."""
    uniform = [arities_of(steps_log2, arity) for arity in ARITIES]
    fours = (4,) * (steps_log2 // 4)
    return tuple(dict.fromkeys([*uniform, (*fours, *(2,) * (steps_log2 - 2 * len(fours)))]))


def weigh(arities: tuple[int, ...], digest: int, fee_rate: float, interest: float) -> Option:
    """`fee_rate` in sat/vB, `interest` in percent a year."""
    ways, terms = compute_ways(arities, digest), Terms(arities=arities, digest=digest, exit_delay=_LONG)
    locked = terms.deposit + terms.stakes[0]
    paid = locked * interest / 100 * terms.total_delay / BLOCKS_A_DAY / DAYS_A_YEAR
    return Option(
        arities, digest, ways.worst.vbytes, ways.worst.transactions, ways.relation.vbytes, terms.total_delay,
        round(ways.worst.vbytes * fee_rate), round(paid),
    )  # fmt: skip


def choose(options: Sequence[Option], most_rounds: int | None, most_days: float | None) -> Option:
    """The cheapest option within the bounds. Raises InvalidInput if there is none."""
    fits = [
        o for o in options
        if (most_rounds is None or len(o.arities) <= most_rounds) and (most_days is None or o.days <= most_days)
    ]  # fmt: skip
    if not fits:
        fewest, soonest = min(len(o.arities) for o in options), min(o.days for o in options)
        raise InvalidInput(
            f"no arity fits the bounds; the fewest rounds are {fewest}, the shortest dispute takes {soonest:.1f} days"
        )
    return min(fits, key=lambda o: (o.total, len(o.arities)))


def draw(by_digest: dict[int, Sequence[Option]]) -> str:
    """Worst dispute (vB) over its longest duration (days), one line for each digest."""
    options = [o for row in by_digest.values() for o in row]
    most = max(o.worst_vbytes for o in options) * 1.1
    longest = max(o.days for o in options) * 1.15
    shapes = [*_axes(most, longest)]
    for n, (digest, row) in enumerate(by_digest.items()):
        shapes += _line(digest, n, sorted(row, key=lambda o: o.days), most, longest)
    size = f"viewBox='0 0 {_WIDTH} {_HEIGHT}' width='{_WIDTH}' height='{_HEIGHT}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *shapes, "</svg>\n"])


def draw_all(steps_log2: int, fee_rate: float, interest: float) -> str:
    """The picture for every digest and candidate."""
    return draw({d: [weigh(a, d, fee_rate, interest) for a in candidates(steps_log2)] for d in reversed(DIGESTS)})


def _x(days: float, longest: float) -> float:
    return _LEFT + days / longest * (_WIDTH - _LEFT - 30)


def _y(vbytes: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - vbytes / most * (_HEIGHT - _BOTTOM - 30)


def _axes(most: float, longest: float) -> Iterable[str]:
    for thousands in range(0, int(most) // 1000 + 1, 20):
        y = _y(thousands * 1000, most)
        yield f"<line x1='{_LEFT}' x2='{_WIDTH - 30}' y1='{y:.1f}' y2='{y:.1f}' stroke='#ddd'/>"
        yield f"<text x='{_LEFT - 8}' y='{y + 4:.1f}' text-anchor='end'>{thousands}k</text>"
    for day in range(int(longest) + 1):
        x = _x(day, longest)
        yield f"<text x='{x:.1f}' y='{_HEIGHT - _BOTTOM + 18}' text-anchor='middle'>{day}</text>"
    yield f"<text x='{_WIDTH / 2}' y='{_HEIGHT - 18}' text-anchor='middle'>days of the longest dispute</text>"
    yield f"<text x='{_LEFT}' y='18'>vB of the worst dispute, by bits of a signed root</text>"


def _line(digest: int, n: int, row: Sequence[Option], most: float, longest: float) -> Iterable[str]:
    colour = _COLOURS[digest]
    points = [(_x(o.days, longest), _y(o.worst_vbytes, most)) for o in row]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.5'/>"
    for (x, y), option in zip(points, row, strict=True):
        yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>"
        if n == 0:
            yield f"<text x='{x:.1f}' y='{y - 10:.1f}' text-anchor='middle'>{escape(label_of(option.arities))}</text>"
    yield f"<text x='{_WIDTH - 40}' y='{36 + 16 * n}' text-anchor='end' fill='{colour}'>{digest} bits</text>"
