"""What the parties sign a graph for: everything public that the graph is made from.

The scripts of the games are not part of it. Everybody makes them himself with a `BuildGames` function, from the
one-time public keys and the constants (opaque here, for example the image root of the program).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from taproot.connectors.turn import GameScripts
from taproot.graph import Funding, Graph, build_graph
from taproot.parties import Parties
from taproot.terms import Terms


@dataclass(frozen=True, slots=True)
class GameKeys:
    """One-time public keys of one game, of both sides, by message."""

    operator: Mapping[str, bytes]
    challenger: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Terms, parties, outpoints, one-time keys by challenger, constants of the games."""

    terms: Terms
    parties: Parties
    funding: Funding
    one_time: Mapping[str, GameKeys]
    constants: Mapping[str, bytes] = field(default_factory=dict)

    def build_graph(self, build_games: BuildGames) -> Graph:
        """The graph. Raises InvalidInput as `taproot.graph.build_graph` does."""
        return build_graph(self.terms, self.parties, self.funding, build_games(self))


BuildGames = Callable[[Proposal], Mapping[str, GameScripts]]
