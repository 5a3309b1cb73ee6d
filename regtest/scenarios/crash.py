"""Every agent's process dies at each move it sends, once; from its journal it goes on and signs nothing twice.

A one-time key that signs two values gives its owner's game away. So the bytes are on disk before they leave, and a
restarted agent sends those, whether the first sending reached the network or not.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from regtest.network import Network, play_on, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR
from regtest.story import Stage
from regtest.trouble import KillingChain, tick_with_restarts


def play(network: Network) -> Outcome:
    """Killed right before each sending."""
    with tempfile.TemporaryDirectory(prefix="btcl2-journals-") as scratch:
        place = network if network.folder is not None else replace(network, folder=Path(scratch))
        killing = KillingChain(place.chain, before=True)
        stage = place.stage(small_plot(lie="operand", silent={"bob": ("fan", "challenge")}), wrap=lambda _: killing)
        ending = play_on(stage, partial(tick, stage, killing))
        expect((ending.outcome, ending.winner) == ("disproved", "alice"), f"{ending.winner} won by {ending.outcome}")
        kept = {p.name: p.journal for p in stage.players}
        for sent in ending.sent:
            if "/" in sent.name and sent.by in (OPERATOR, "alice") and "@" not in sent.name:
                expect(kept[sent.by].move(sent.name) == sent.tx.serialize(), f"{sent.name} is not what {sent.by} kept")
        for player in stage.players:
            player.journal.close()
    remark = f"{killing.deaths} deaths; every confirmed move is byte for byte the one in its journal."
    return conclude(ending, stage, "Agents died at every move and went on from their journals.", [remark])


def tick(stage: Stage, killing: KillingChain) -> None:
    """Deaths begin with the agents' first block: the depositor's own transaction comes before."""
    killing.armed = True
    tick_with_restarts(stage)
