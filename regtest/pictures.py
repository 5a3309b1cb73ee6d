"""A played story as SVG: its transactions with what they spend of each other, and the same on the axis of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from taproot.tx import Transaction

Row = Mapping[str, Any]

WIDE, HIGH, ACROSS, DOWN = 188, 46, 34, 16  # a box, and the room between boxes
MARGIN = 30
PER_LINE = 5  # a long chain of moves goes on in the next line
LANE, LEFT, BLOCK = 44, 110, 40
QUIET, CUT = 60, 12  # more blocks than that without a transaction take as much room as so many
_COLOURS = ("#e8862d", "#3b78b5", "#3f9a5a", "#8d5bb0", "#b5483b", "#5b8f95", "#9a8a3f", "#777777")
_FONT = "font-family='system-ui, sans-serif' font-size='12'"


def draw_played(rows: Sequence[Row], txs: Mapping[str, Transaction]) -> str:
    """Each transaction a box, each game a block of lines; curves lead from a box to those that spend its outputs."""
    colours = _colours(rows)
    games: dict[str, list[str]] = {}
    for row in rows:
        games.setdefault(_game(row["name"]), []).append(row["name"])
    places, titles, top = dict[str, tuple[int, int]](), list[str](), 10
    for game, members in games.items():
        titles.append(_text(MARGIN, top + 8, _title(game), "#666"))
        for k, name in enumerate(members):
            places[name] = _place(k, top + 20)
        top += 36 + (HIGH + DOWN) * -(-len(members) // PER_LINE)
    names = {txs[row["name"]].txid: row["name"] for row in rows}
    lines = [
        _line(places[names[i.prevout.txid]], places[row["name"]], colours[row["by"]])
        for row in rows for i in txs[row["name"]].inputs if i.prevout.txid in names
    ]  # fmt: skip
    boxes = [_box(places[row["name"]], row, colours[row["by"]]) for row in rows]
    return _document(PER_LINE * (WIDE + ACROSS) + MARGIN, top, [*titles, *lines, *boxes])


def draw_timeline(rows: Sequence[Row]) -> str:
    """A lane per party, an axis of blocks, a mark for each transaction; hovering over it says what it was."""
    colours = _colours(rows)
    parties = list(dict.fromkeys(row["by"] for row in rows))
    places, quiet = _scale(sorted({row["height"] for row in rows} or {0}))
    step = max(4, min(BLOCK, 1000 // (1 + max(places.values()))))
    width, bottom = LEFT + step * (1 + max(places.values())) + 60, 30 + LANE * len(parties)
    parts = [*_axis(places, quiet, step, bottom)]
    stacked: dict[tuple[str, int], int] = {}
    for k, party in enumerate(parties):
        y = 30 + LANE * k
        parts.append(_text(10, y + 18, party, colours[party], "bold"))
        parts.append(f"<path d='M{LEFT} {y + 14} H{width - 40}' stroke='#e4e4e4'/>")
    for row in rows:
        at = row["by"], row["height"]
        level = stacked[at] = stacked.get(at, -1) + 1
        x, y = LEFT + step * places[row["height"]], 30 + LANE * parties.index(row["by"]) + 14 - 7 * level
        radius = 3 + min(6, row["vbytes"] / 2000)
        title = f"block {row['height']}: {row['name']}, {row['vbytes']:,} vB. {row['told']}"
        parts.append(f"<circle cx='{x}' cy='{y}' r='{radius:.1f}' fill='{colours[row['by']]}' fill-opacity='.8'>"
                     f"<title>{escape(title, quote=True)}</title></circle>")  # fmt: skip
    return _document(max(width, 400), bottom + 40, parts)


def _scale(heights: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Where each block stands on the axis; long times in which nothing happens are cut: place → blocks left out."""
    places, quiet, at = {heights[0]: 0}, dict[int, int](), 0
    for before, height in pairwise(heights):
        if height - before > QUIET:
            quiet[at + CUT // 2], at = height - before, at + CUT
        else:
            places |= {before + k: at + k for k in range(1, height - before)}
            at += height - before
        places[height] = at
    return places, quiet


def _axis(places: Mapping[int, int], quiet: Mapping[int, int], step: int, bottom: int) -> Iterable[str]:
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100) if n * step >= 60)
    yield f"<path d='M{LEFT} {bottom} H{LEFT + step * max(places.values())}' stroke='#999'/>"
    for height, place in places.items():
        if height % every == 0:
            x = LEFT + step * place
            yield f"<path d='M{x} 20 V{bottom + 4}' stroke='#eee'/>" + _text(x - 10, bottom + 20, str(height), "#666")
    for place, blocks in quiet.items():
        yield _text(LEFT + step * place - 36, bottom - 6, f"… {blocks:,} blocks …", "#666")
    yield _text(10, bottom + 20, "block", "#666")


def _colours(rows: Iterable[Row]) -> dict[str, str]:
    parties = list(dict.fromkeys(row["by"] for row in rows))
    return {party: _COLOURS[min(k, len(_COLOURS) - 1)] for k, party in enumerate(parties)}


def _game(name: str) -> str:
    """Whose game it belongs to: `alice/step`, `challenge.alice`; empty for what is about all.

    What stands before a colon (`old: alice/step`) is the deposit, where a story has several.
    """
    deposit, colon, rest = name.rpartition(": ")
    head, slash, _ = rest.partition("/")
    kind, dot, whose = rest.partition(".")
    game = head if slash else whose if dot and kind in ("challenge", "veto") else ""
    return f"{deposit}{colon}{game}"


def _title(game: str) -> str:
    deposit, colon, whose = game.rpartition(": ")
    return f"{deposit}{colon}{whose}'s game" if whose else f"{deposit}{colon}deposit and claim"


def _place(index: int, top: int) -> tuple[int, int]:
    return MARGIN + (index % PER_LINE) * (WIDE + ACROSS), top + (index // PER_LINE) * (HIGH + DOWN)


def _line(start: tuple[int, int], end: tuple[int, int], colour: str) -> str:
    """From the right side of a box to the left one of another: straight on, or through the gaps between lines."""
    x1, y1, x2, y2 = start[0] + WIDE, start[1] + HIGH // 2, end[0], end[1] + HIGH // 2
    half, gap = ACROSS // 2, end[1] - DOWN // 2
    is_next = y1 == y2 and x2 - x1 == ACROSS
    way = f"H{x2}" if is_next else f"H{x1 + half} V{gap} H{x2 - half} V{y2} H{x2}"
    faint = ".8" if is_next or end[1] - start[1] == HIGH + DOWN else ".4"
    return f"<path d='M{x1} {y1} {way}' fill='none' stroke='{colour}' stroke-opacity='{faint}'/>"


def _box(place: tuple[int, int], row: Row, colour: str) -> str:
    x, y = place
    title = escape(f"{row['txid']}: {row['told']}", quote=True)
    facts = f"{row['by']}, block {row['height']}, {row['vbytes']:,} vB"
    name = row["name"] if len(row["name"]) <= 24 else row["name"][:23] + "…"
    return (
        f"<g><title>{title}</title><rect x='{x}' y='{y}' width='{WIDE}' height='{HIGH}' rx='5' fill='white' "
        f"stroke='{colour}' stroke-width='1.6'/>{_text(x + 8, y + 18, name, '#222', 'bold')}"
        f"{_text(x + 8, y + 36, facts, '#555')}</g>"
    )


def _text(x: int, y: int, text: str, colour: str = "#222", weight: str = "normal") -> str:
    return f"<text x='{x}' y='{y}' fill='{colour}' font-weight='{weight}'>{escape(text)}</text>"


def _document(width: int, height: int, parts: Iterable[str]) -> str:
    size = f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}>" + "\n".join(parts) + "</svg>"
