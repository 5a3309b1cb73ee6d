"""The eve of a story: coins in everybody's wallet, standing outputs locked, a proposal; nothing of the graph is signed.

For the stories that end before there is a presigned graph. `Stage` (regtest/story.py) is for those that go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from btc_l2.chain.protocol import Chain
from challenger.agents.view import View
from challenger.games import constants_of
from challenger.presign.proposal import Proposal
from regtest.ground import lay_ground
from regtest.party import DEPOSITOR
from regtest.plot import Plot
from regtest.story import one_time_keys
from regtest.workshop import Workshop
from taproot.connectors.turn import GameScripts
from taproot.graph import Funding
from taproot.keys import sign_schnorr
from taproot.presigned import Graph
from taproot.tx import Transaction

Progress = Callable[[str], None]


class Eve:
    """Parties, wallets, what they locked, and the graph that they have agreed on but not signed."""

    def __init__(self, chain: Chain, plot: Plot, progress: Progress, workshop: Workshop, challengers: int = 2) -> None:
        self.chain, self.plot, self.progress = chain, plot, progress
        self.workshop, self.began = workshop, time.perf_counter()
        (ground,) = lay_ground(chain, plot, progress, challengers)
        purses = ground.purses
        self.cast, self.wallets, self.ledger, self.start = purses.cast, purses.wallets, purses.ledger, purses.start
        self.proposal = self._propose(ground.funding)
        progress("building the leaves of all games")
        self.scripts = {name: game.scripts for name, game in workshop.games(self.proposal).items()}
        self.graph: Graph = self.proposal.build_graph(self.build_games)
        self.view = View(chain, self.graph, self.start)
        self.sent_by: dict[str, str] = {}

    def build_games(self, _proposal: Proposal) -> Mapping[str, GameScripts]:
        """The scripts that every party would make; made once here."""
        return self.scripts

    def _propose(self, funding: Funding) -> Proposal:
        terms, cast = self.plot.terms, self.cast
        image = self.plot.guest.load_image(self.plot.statement)
        keys = one_time_keys(cast, terms, funding)
        return Proposal(terms, cast.parties, funding, keys, constants_of(image))

    def make_refund(self, fee_rate: float = 1) -> Transaction:
        """The depositor's way back, signed by him alone; the chain takes it after `refund_delay` blocks."""
        key, script = self.cast.secrets[DEPOSITOR].key, self.wallets[DEPOSITOR].script_pubkey
        sign = {DEPOSITOR: lambda message: sign_schnorr(key, message)}
        return self.graph.finalize("refund", {}, sign, script, fee_rate)
