"""What the stories of one process can share: the leaves of a game, a presigned graph, an execution are each made once
for the same input. Keys come from a seed and a test chain gives the same outpoints each time, so stories that differ in
their plot only have all of it in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from btc_l2.zkvm.image import Image
from challenger.game.prover import Blobs, TraceProver
from challenger.games import GameLibrary, craft_of
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Craft
from challenger.presign.proposal import Proposal
from challenger.presign.session import presign
from challenger.turns import Game
from taproot.connectors.turn import GameScripts
from taproot.keys import SecretKey

TruthOf = Callable[[bytes], TraceProver]


class Workshop:
    """Games, bundles and honest executions by what they are made from."""

    def __init__(self) -> None:
        self._library = GameLibrary()
        self._bundles: list[Bundle] = []
        self._truths: dict[tuple[bytes, bytes, int], TraceProver] = {}

    def games(self, proposal: Proposal) -> dict[str, Game]:
        """The games of a proposal by challenger."""
        return self._library.games(proposal)

    def scripts(self, proposal: Proposal) -> Mapping[str, GameScripts]:
        """What a graph needs of them."""
        return self._library.scripts(proposal)

    def craft(self) -> Craft:
        """What a signing ceremony needs to know about the game."""
        return craft_of(self._library)

    def presign(self, proposal: Proposal, secrets: Mapping[str, SecretKey]) -> Bundle:
        """The signing ceremony, once per proposal."""
        known = next((b for b in self._bundles if b.proposal == proposal), None)
        if known is None:
            known = presign(proposal, secrets, self._library.scripts)
            self._bundles.append(known)
        return known

    def truth(self, image: Image, claim: bytes, total: int, blobs: Blobs | None = None) -> TraceProver:
        """What is true about the program run on a claim."""
        key = image.root(), claim, total
        if key not in self._truths:
            self._truths[key] = TraceProver(image, claim, total, blobs=blobs)
        return self._truths[key]
