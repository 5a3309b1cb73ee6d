"""Olga stops answering in the middle of a search; after the move delay Alice takes her stake with a timeout.

Whether the claim was true does not matter any more: who claims has to answer.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR
from regtest.plot import silence_plot


def play(network: Network) -> Outcome:
    """Silent on the third round of the search."""
    plain = small_plot()
    stage = network.stage(silence_plot(plain.guest, plain.terms, "operator", "search.2"))
    ending = stage.play()
    terms, last = stage.plot.terms, ending.sent[-1]
    expect((ending.outcome, ending.winner) == ("timeout", "alice"), "silence was not punished")
    expect(ending.books.accounts[OPERATOR].change <= -terms.stakes[0], "the silent operator kept his stake")
    waited = last.height - ending.sent[-2].height
    expect(waited >= terms.move_delay, "the timeout came too early")
    return conclude(ending, stage, "Olga fell silent; Alice took the stake.", [f"Alice waited {waited} blocks."])
