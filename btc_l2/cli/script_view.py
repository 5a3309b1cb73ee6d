"""A leaf as a text to read: its parts, its opcodes, the named stack beside them; with a witness, the values too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from challenger.reveal import Keys, Reveal, RevealLeaf
from challenger.sample import sample_game, sample_parties
from taproot.connectors.turn import Leaf
from taproot.debugger import Failed, Item, Moment, walk
from taproot.script import Script
from taproot.script.script import parse

SHOWN_ITEMS = 6  # of the top of the stack


@dataclass(frozen=True, slots=True)
class Found:
    """A leaf of a sample game: the turns it stands on, the names of its witness items (bottom first)."""

    leaf: Leaf
    turns: tuple[str, ...]
    items: tuple[str, ...]

    def unknown(self) -> list[Item]:
        """The witness without values."""
        return [Item(name) for name in self.items]

    def known(self, stack: Iterable[bytes]) -> list[Item]:
        """The witness with the values of a spend."""
        return [Item(name, value) for name, value in zip(self.items, stack, strict=True)]


def find_leaves(arities: tuple[int, ...], little_endian: bool = False) -> list[Found]:
    """Each distinct leaf of a game whose keys everybody knows."""
    parties = sample_parties(2)
    game = sample_game(arities, parties, parties.challengers[0], "little" if little_endian else "big")
    places: dict[bytes, tuple[RevealLeaf, list[str]]] = {}
    for (turn, _), spec in game.leaves.items():
        places.setdefault(spec.tap.hash, (spec, []))[1].append(turn)
    return [Found(spec.tap, tuple(turns), _item_names(spec, game.keys)) for spec, turns in places.values()]


def same_shape(one: bytes, other: bytes) -> bool:
    """Whether two scripts differ at most in the bytes of keys and hashes that they push."""
    return len(one) == len(other) and _shape(one) == _shape(other)


def tell_moments(leaf: Script, items: list[Item]) -> Iterator[str]:
    """One line per opcode; a heading where another function of the builder begins. The last line says how it ends."""
    title: tuple[str, str] | None = None
    try:
        for moment in walk(leaf, items):
            if moment.note is not None and (moment.note.function, moment.note.effect) != title:
                title = moment.note.function, moment.note.effect
                yield _heading(*title)
            yield _line(moment)
    except Failed as failed:
        yield f"FAILS: {failed}"


def _item_names(spec: RevealLeaf, keys: Keys) -> tuple[str, ...]:
    revealed = [f"{_message(r)}[{k}]" for r in reversed(spec.reveals) for k in range(r.items(keys))]
    signatures = [f"signature{k}" for k in reversed(range(spec.signers))]
    return (*spec.hints, *revealed, *signatures)


def _message(reveal: Reveal) -> str:
    return getattr(reveal, "message", "") or str(getattr(reveal, "name", ""))


def _shape(code: bytes) -> list[tuple[int, int]]:
    return [(op, -1 if pushed is None else len(pushed)) for _, op, pushed in parse(code)]


def _heading(function: str, effect: str) -> str:
    return f"── {function}" + (f"   {effect}" if effect else "")


def _line(moment: Moment) -> str:
    hidden = len(moment.main) - SHOWN_ITEMS
    shown = " ".join(map(str, moment.main[-SHOWN_ITEMS:]))
    stack = f"[{hidden} more] {shown}" if hidden > 0 else shown
    alt = f"   alt: {len(moment.alt)}, top {moment.alt[-1]}" if moment.alt else ""
    return f"{moment.offset:>6}  {moment.opcode:<20} {stack}{alt}"
