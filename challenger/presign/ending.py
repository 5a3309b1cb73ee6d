"""What a settlement ends: which transactions of a graph can never confirm once some outputs are spent otherwise.

Computed from the graph alone, as everything that a signer reads (`challenger.presign.review`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from taproot.presigned import Graph, Kind
from taproot.tx import OutPoint

TAKES = (Kind.TAKE1, Kind.TAKE2)
KILLS = (Kind.TIMEOUT, Kind.DISPROVE)


@dataclass(frozen=True, slots=True)
class Count:
    """Of one sort of transactions: how many are dead, how many are left."""

    dead: int
    left: int


@dataclass(frozen=True, slots=True)
class Ends:
    """What is over in one operator's graph."""

    operator: str
    takes: Count
    kills: Count  # they take the kill token, and a stake
    slashes: Count  # they take a bond


def find_ends(graph: Graph, spent: Collection[OutPoint]) -> Ends:
    """What is dead once these outpoints are spent by something that is not in the graph."""
    dead = find_dead(graph, spent)

    def count(*kinds: Kind) -> Count:
        names = [name for name, planned in graph.transactions.items() if planned.kind in kinds]
        gone = sum(name in dead for name in names)
        return Count(gone, len(names) - gone)

    return Ends(graph.contract.parties.operator.name, count(*TAKES), count(*KILLS), count(Kind.SLASH))


def find_dead(graph: Graph, spent: Collection[OutPoint]) -> set[str]:
    """Transactions that spend one of these outpoints, or what only a dead one would have made."""
    gone = {name for name, at in graph.outpoints.items() if at in spent}
    dead: set[str] = set()
    for name, planned in graph.transactions.items():  # parents stand before children
        if any(spend.output in gone for spend in planned.inputs):
            dead.add(name)
            gone |= {output for output in planned.outputs if output}
    return dead
