"""SVG pictures of a deposit's plan: cards for outputs with their ways out, and the leaves of one output as a tree.

Written by hand: rectangles, texts and curves need no library. Outputs of the same kind (all rounds of the search, all
accesses) share a card; `r`, `X`, `#` stand for round, access, number as in docs/costs.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from challenger.cost import arities_of, compute_cost
from challenger.game.kinds import CHAINS
from challenger.sample import sample_deposit, sample_graph, sample_terms
from taproot.connectors.output import Output
from taproot.errors import InvalidInput
from taproot.presigned import Graph, Planned
from taproot.tree import compute_branch_hash

CARD, GAP, LINE, HEAD = 330, 90, 17, 26  # pixels, as all lengths here
BAND = 5  # columns side by side; the next ones stand below
STEP = 44  # between two levels of a tree
_FONT = "font-family='ui-monospace,monospace' font-size='12'"
_COLOURS = {"operator": "#b3541e", "challenger": "#1e5fb3", "depositor": "#2f7d32", "anyone": "#555555"}
NodePath = tuple[bytes, ...]  # hashes of the nodes from below the root down to a leaf
_ACCESS = re.compile(rf"(^|\.)({'|'.join(sorted(map(re.escape, CHAINS), key=len, reverse=True))})(?=\.|$)")


@dataclass(slots=True)
class Way:
    """One kind of transaction that spends a kind of output."""

    name: str
    by: str
    delay: int
    sizes: set[int] = field(default_factory=set)
    to: set[str] = field(default_factory=set)  # kinds of outputs that it makes


@dataclass(slots=True)
class Card:
    """One kind of output."""

    name: str
    value: int
    ways: dict[str, Way] = field(default_factory=dict)
    column: int = 0
    x: int = 0
    y: int = 0

    @property
    def height(self) -> int:
        """Pixels."""
        return HEAD + LINE * max(1, len(self.ways)) + 8


def draw_deposit(steps_log2: int, arity: int) -> str:
    """All transactions and outputs of one deposit with two challengers, one of whose games is shown."""
    arities = arities_of(steps_log2, arity)
    graph = sample_graph(sample_terms(arities))
    sizes: dict[str, set[int]] = {}
    for move in compute_cost(arities, 2).moves:
        sizes.setdefault(move.name, set()).add(move.vbytes)
    cards = _cards(graph, graph.contract.parties.challengers[0], sizes)
    _place(cards)
    return _svg(cards)


def draw_turn(turn: str, steps_log2: int, arity: int) -> str:
    """The leaves of a turn's output, or of another output of the graph, as a tree from left to right."""
    graph, games = sample_deposit(sample_terms(arities_of(steps_log2, arity)))
    game = next(iter(games.values()))
    inner = f"{game.given.challenger}/{turn}"
    name = inner if inner in graph.outputs else turn
    if name not in graph.outputs:
        some = ", ".join(sorted(t for t in game.scripts.turns)[:8])
        raise InvalidInput(f"no output or turn is called {turn!r}; choose one of {some} …")
    return _tree(graph.outputs[name], turn)


# The plan


def _cards(graph: Graph, challenger: str, sizes: Mapping[str, set[int]]) -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for name, output in graph.outputs.items():
        if _is_shown(name, challenger):
            cards.setdefault(_kind(name, challenger), Card(_kind(name, challenger), output.value))
    for planned in graph.transactions.values():
        if _is_shown(planned.name, challenger):
            _add_way(cards, graph, planned, challenger, sizes.get(planned.name, set()))
    return cards


def _add_way(cards: Mapping[str, Card], graph: Graph, planned: Planned, challenger: str, sizes: set[int]) -> None:
    name = _kind(planned.name, challenger)
    for spend in planned.inputs:
        if not _is_shown(spend.output, challenger):
            continue
        card = cards[_kind(spend.output, challenger)]
        delay = graph.outputs[spend.output].path(spend.leaf).delay if spend.leaf else 0
        delay = delay or (spend.sequence if spend.sequence < 1 << 16 else 0)
        way = card.ways.setdefault(name, Way(name, _role(graph, planned.by), delay))
        way.sizes |= sizes
        made = {_kind(o, challenger) for o in planned.outputs if o is not None and _is_shown(o, challenger)}
        way.to |= made if spend is planned.inputs[0] else set()


def _role(graph: Graph, party: str) -> str:
    parties = graph.contract.parties
    if party == parties.operator.name:
        return "operator"
    if party == parties.depositor.name:
        return "depositor"
    return "challenger" if party in parties.challengers else "anyone"


def _is_shown(name: str, challenger: str) -> bool:
    """Not of another challenger's game."""
    return "/" not in name or name.startswith(f"{challenger}/")


def _kind(name: str, challenger: str) -> str:
    """The name without what differs inside a kind."""
    name = name.partition("@")[0].removeprefix(f"{challenger}/")
    name = re.sub(rf"\.{re.escape(challenger)}$|\.p\d+$", ".j", name)
    name = _ACCESS.sub(r"\1X", name)
    name = re.sub(r"^(.*\.)?(reveal|choose|search)\.\d+", lambda m: f"{m[1] or ''}{m[2]}.r", name)
    return name if name.startswith("take") else re.sub(r"\d+", "#", name)


def _place(cards: Mapping[str, Card]) -> None:
    """Columns by the longest way from the start, kinds that lead back to themselves counted once."""
    made = {to for card in cards.values() for way in card.ways.values() for to in way.to}
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        cards[name].column = max(cards[name].column, len(above))
        if name not in order:
            order.append(name)
        for way in cards[name].ways.values():
            for to in sorted(way.to - {*above, name}):
                visit(to, (*above, name))

    for name in cards:
        if name not in made:
            visit(name, ())
    top = 20
    for band in range(max(card.column for card in cards.values()) // BAND + 1):
        heights = dict.fromkeys(range(BAND), top)
        for card in (cards[name] for name in order if cards[name].column // BAND == band):
            column = card.column % BAND
            card.x, card.y = 20 + column * (CARD + GAP), heights[column]
            heights[column] += card.height + 24
        top = max(heights.values()) + GAP


def _svg(cards: Mapping[str, Card]) -> str:
    width = max(card.x for card in cards.values()) + CARD + 20
    height = max(card.y + card.height for card in cards.values()) + 20
    arrows = [_arrow(card, row, cards[to]) for card in cards.values() for row, way in enumerate(card.ways.values())
              for to in sorted(way.to)]  # fmt: skip
    return _document(width, height, [*arrows, *(_card(card) for card in cards.values())])


def _card(card: Card) -> str:
    box = f"<rect x='{card.x}' y='{card.y}' width='{CARD}' height='{card.height}' rx='5' fill='#fffdf8' stroke='#444'/>"
    title = _text(card.x + 8, card.y + 17, f"{card.name}", weight="bold")
    value = _text(card.x + CARD - 8, card.y + 17, f"{card.value:,} sat", anchor="end")
    lines = [_way(card, row, way) for row, way in enumerate(card.ways.values())]
    return "".join((box, title, value, *lines))


def _way(card: Card, row: int, way: Way) -> str:
    y = card.y + HEAD + LINE * row + 12
    after = f" after {way.delay}" if way.delay else ""
    sizes = f"{_range(way.sizes)} vB" if way.sizes else ""
    return _text(card.x + 8, y, f"▸ {way.name}{after}", colour=_COLOURS[way.by]) + _text(
        card.x + CARD - 8, y, sizes, anchor="end"
    )


def _arrow(card: Card, row: int, to: Card) -> str:
    x1, y1 = card.x + CARD, card.y + HEAD + LINE * row + 8
    x2, y2 = to.x, to.y + 13
    bend = GAP // 2 if x2 > x1 else GAP * 2 // 3
    return (f"<path d='M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}' fill='none' stroke='#999' "
            "marker-end='url(#head)'/>")  # fmt: skip


# The leaves of an output


def _tree(output: Output, title: str) -> str:
    """Each leaf is a line on its own; its depth is how far right it stands, the lines join at the root."""
    ways = {_way_down(output, name): path for name, path in output.paths.items()}
    places = {way: 50 + LINE * row for row, way in enumerate(_in_order(list(ways)))}
    right = 60 + STEP * (max(map(len, ways)) + 1)
    parts = [_text(20, 24, f"{title}: {output.value:,} sat, {len(ways)} leaves", weight="bold"), *_branches(places)]
    for way, path in ways.items():
        x, y = 40 + STEP * len(way), places[way]
        after = f", after {path.delay} blocks" if path.delay else ""
        facts = f"{len(path.leaf.code):,} B, {path.leaf.items} items, {' + '.join(path.parties)}{after}"
        parts.append(f"<path d='M{x} {y} H{right}' stroke='#ccc' stroke-dasharray='2 3'/>")
        parts.append(_text(right + 6, y + 4, path.leaf.name, weight="bold") + _text(right + 240, y + 4, facts))
    return _document(right + 760, 70 + LINE * len(ways), parts)


def _way_down(output: Output, leaf: str) -> NodePath:
    """Where a leaf lies."""
    node = output.tree.leaf_hash(leaf)
    siblings = output.tree.control_block(leaf)[33:]
    nodes = [node]
    for at in range(0, len(siblings), 32):
        node = compute_branch_hash(node, siblings[at : at + 32])
        nodes.append(node)
    return tuple(reversed(nodes[:-1]))


def _in_order(ways: list[NodePath]) -> list[NodePath]:
    """The leaves as given, but those of a subtree together."""
    first: dict[NodePath, int] = {}
    for row, way in enumerate(ways):
        for depth in range(len(way) + 1):
            first.setdefault(way[:depth], row)
    return sorted(ways, key=lambda way: [first[way[:depth]] for depth in range(len(way) + 1)])


def _branches(places: Mapping[NodePath, int]) -> Iterable[str]:
    """The joints of the tree; a node stands in the middle of its two children."""
    at = dict(places)
    for depth in range(max(map(len, places)), 0, -1):
        here = [way for way in at if len(way) == depth]
        for parent in dict.fromkeys(way[:-1] for way in here):
            pair = [way for way in here if way[:-1] == parent]
            at[parent] = sum(at[way] for way in pair) // len(pair)
            x = 40 + STEP * (depth - 1)
            for way in pair:
                yield f"<path d='M{x} {at[parent]} V{at[way]} H{x + STEP}' fill='none' stroke='#444'/>"


def _text(x: int, y: int, text: str, anchor: str = "start", weight: str = "normal", colour: str = "#222") -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}' font-weight='{weight}' fill='{colour}'>{escape(text)}</text>"


def _range(sizes: set[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low:,}" if low == high else f"{low:,}…{high:,}"


_ARROW = (
    "<defs><marker id='head' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    "<path d='M0 0 L8 4 L0 8 z' fill='#999'/></marker></defs>"
)


def _document(width: int, height: int, parts: Sequence[str]) -> str:
    size = f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}><rect width='100%' height='100%' fill='white'/>"
    return "\n".join((head, _ARROW, *parts, "</svg>\n"))
