"""Olga claims a false execution; Alice and Bob each search for the first false step, and one hash decides.

The lie is in an operand: the claimed run goes on consistently from it, so only its end shows that something is wrong.
The winner gets a part of Olga's stake, the rest of it burns; the deposit stays in the vault of all signers.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import OPERATOR
from taproot.terms import ANCHOR


def play(network: Network) -> Outcome:
    """A dispute to the last hash."""
    stage = network.stage(small_plot(lie="operand"))
    ending = stage.play()
    books, terms = ending.books, stage.plot.terms
    expect(ending.outcome == "disproved", f"the false claim ended as {ending.outcome}")
    expect(books.vault == terms.deposit - ANCHOR, "a false claim moved the deposit")
    expect(books.accounts[ending.winner].change > terms.stakes[0] // 2, "the winner was not paid out of the stake")
    expect(books.accounts[OPERATOR].change <= -terms.stakes[0], "the liar kept his stake")
    expect(books.burned == terms.asset_burn + terms.stake_burn, "nothing was burned")
    found = f"The search ended at step {ending.first_false_step:,} of {ending.steps:,}."
    verdict = f"The claim is false; leaf {ending.leaf} gave the stake to {ending.winner}."
    return conclude(ending, stage, verdict, [found])
