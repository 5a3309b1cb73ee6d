"""Dora deposits, Olga claims truly, nobody objects, Olga is paid after the challenge delay.

The deposit goes into the vault with a transaction that all signed before. Olga's claim costs her one small transaction;
24 blocks later she takes the deposit with `take1`. Watching costs the challengers nothing.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR


def play(network: Network) -> Outcome:
    """Three transactions."""
    stage = network.stage(small_plot())
    ending = stage.play()
    books = ending.books
    expect([s.name for s in ending.sent] == ["confirm", "kickoff", "take1"], "more than three transactions")
    expect(ending.winner == OPERATOR and books.vault == 0, "the deposit did not go to the operator")
    idle = [name for name in stage.cast.parties.challengers if books.accounts[name].change != 0]
    expect(all(books.accounts[n].change == -books.accounts[n].fees for n in idle), "a challenger paid for watching")
    waited = ending.sent[-1].height - ending.sent[1].height
    return conclude(ending, stage, "The claim stood; Olga took the deposit.", [f"Olga waited {waited} blocks."])
