"""Alice objects and then stops moving; Olga is paid late, but in full, with the penalty out of Alice's bond.

Until the longest dispute is over nobody knows whether Alice still moves, so `take2` waits that long.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.plot import silence_plot


def play(network: Network) -> Outcome:
    """Silent when she should choose a part of the third round."""
    plain = small_plot()
    stage = network.stage(silence_plot(plain.guest, plain.terms, "challenger", "choose.2"))
    ending = stage.play()
    alice, terms = ending.books.accounts["alice"], stage.plot.terms
    expect(ending.outcome == "paid", "the silence of a challenger kept the operator from his deposit")
    expect(alice.change == -alice.fees - terms.penalty, "the silent challenger lost another sum than agreed")
    bob = ending.books.accounts["bob"]
    expect(bob.change == -bob.fees, "a challenger who did nothing lost something")
    at = {s.name: s.height for s in ending.sent}
    remark = f"take2 came {at['take2'] - at['kickoff']} blocks after the claim: the longest dispute fits."
    return conclude(ending, stage, "Alice fell silent; Olga was paid, the penalty included.", [remark])
