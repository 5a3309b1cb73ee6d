"""Alice objects to a true claim and plays a full game; she finds no false step, and pays Olga's costs out of her bond.

Olga answers every move with the truth. When Alice has no move left that Bitcoin takes, her time runs out; Olga takes
the deposit with `take2`, later than without the objection, and the penalty with it.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR


def play(network: Network) -> Outcome:
    """An unfounded challenge, to its end."""
    stage = network.stage(small_plot(objectors=("alice",), route=("choose.0", "ask.memory")))
    ending = stage.play()
    accounts, terms = ending.books.accounts, stage.plot.terms
    slashes = [s.name for s in ending.sent if "/slash." in s.name]
    expect(ending.outcome == "paid" and ending.winner == OPERATOR, "an honest operator was not paid")
    expect([name.partition("/")[0] for name in slashes] == ["alice"], "who objected without reason was not slashed")
    expect(accounts["alice"].change == -accounts["alice"].fees - terms.penalty, "she lost another sum than agreed")
    expect(accounts[OPERATOR].change > terms.deposit, "the penalty does not cover the operator's costs")
    profit = accounts[OPERATOR].change - terms.deposit
    remark = f"Olga's costs are covered: {profit:+,} sat beside the deposit."
    return conclude(ending, stage, "The claim was true; Alice paid for the dispute.", [remark])
