"""The outputs of one game: whose turn it is, which moves he has, how the other side ends it.

A game (operator, challenger j) is a tree of turns. A turn is one output. On the operator's turn stand his moves and
the challenger's timeout; on the challenger's turn stand his moves, his disproofs and the operator's timeout. Disproofs
stand on challenger turns only: elsewhere the operator's next move could race them.

A move's leaf carries the n-of-n signature (presigned: it fixes the transaction) and the mover's one-time signatures, or
his own signature where he shows none (they make it his); see `taproot.connectors.game`. A disproof's leaf carries the
challenger's signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from taproot.hashes import tagged_hash
from taproot.script import Script, check_leaf
from taproot.tx import compact_size


class Role(Enum):
    """The two sides of a game."""

    OPERATOR = "operator"
    CHALLENGER = "challenger"

    @property
    def other(self) -> Role:
        """The opposite side."""
        return Role.CHALLENGER if self is Role.OPERATOR else Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Leaf:
    """One tapleaf: its script, how many witness items it takes (without script and control block), what it proves."""

    name: str
    script: Script
    items: int
    proves: str
    hash: bytes

    @property
    def code(self) -> bytes:
        """The script's bytes."""
        return self.script.code


def make_leaf(name: str, body: Script, items: int, proves: str) -> Leaf:
    """Check the stack bounds of a complete leaf script and hash it once (BIP 341 TapLeaf)."""
    checked = check_leaf(body, items)
    digest = tagged_hash("TapLeaf", b"\xc0" + compact_size(len(checked.code)) + checked.code)
    return Leaf(name, checked, items, proves, digest)


@dataclass(frozen=True, slots=True)
class Move:
    """A presigned transaction that spends this turn through `leaf` and makes the turn `next`."""

    name: str
    leaf: Leaf
    next: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One output of a game."""

    name: str
    mover: Role
    moves: tuple[Move, ...]
    disproofs: tuple[Leaf, ...] = ()

    def __post_init__(self) -> None:
        assert self.mover is Role.CHALLENGER or not self.disproofs, "disproof on an operator's turn"


@dataclass(frozen=True, slots=True)
class GameScripts:
    """All turns of one game by name; the game starts at `first`."""

    challenger: str
    first: str
    turns: Mapping[str, Turn]
