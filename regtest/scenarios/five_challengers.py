"""Five challengers see the same lie, each plays a game of its own; one wins, four lose nothing but fees.

Alice falls silent late, Bob errs on purpose, Carol and Dan sleep: Erin alone is enough. What colluders do in their
games does not touch hers.
"""

from __future__ import annotations

from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.party import MORE_SIGNERS, SIGNERS
from taproot.terms import ANCHOR

ALICE, BOB, CAROL, DAN, ERIN = (*SIGNERS, *MORE_SIGNERS)[:5]
ASLEEP = ("fan", "challenge")


def play(network: Network) -> Outcome:
    """One honest challenger among five."""
    silent = {ALICE: ("verdict", "verdict_map"), CAROL: ASLEEP, DAN: ASLEEP}
    plot = small_plot(lie="operand", objectors=(BOB,), route=("pick_final",), silent=silent)
    stage = network.stage(plot, challengers=5)
    ending = stage.play()
    kills = [s.name for s in ending.sent if "/disprove." in s.name or "/timeout." in s.name]
    expect((ending.outcome, ending.winner) == ("disproved", ERIN), f"{ending.winner} won by {ending.outcome}")
    expect(len(kills) == 1, f"the claim died {len(kills)} times")
    expect(ending.books.vault == plot.terms.deposit - ANCHOR, "a false claim moved the deposit")
    for name in (ALICE, BOB, CAROL, DAN):
        account = ending.books.accounts[name]
        expect(account.change == -account.fees, f"{name} lost more than fees to a liar")
    return conclude(ending, stage, "One honest challenger of five was enough.",
                    ["Alice, Bob, Carol and Dan lost their fees and nothing else."])  # fmt: skip
