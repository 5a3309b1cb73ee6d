"""The L2 never credited Dora's deposit; all sign the vault back to her, and a signer who sees no reason can refuse.

First Bob refuses: nothing happens, the vault stays. Then he is convinced, and one transaction ends it.
"""

from __future__ import annotations

from challenger.presign.settlement import sign_settlement
from regtest.cooperation import exit_together, plan, signers_of
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_early, expect
from regtest.party import DEPOSITOR
from taproot.errors import Refused
from taproot.tx import Transaction


def play(network: Network) -> Outcome:
    """One refusal, then agreement."""
    stage = network.stage(small_plot())
    stage.confirm_vault()
    asked = plan(stage, "vault", DEPOSITOR)
    try:
        sign_settlement(asked, signers_of(stage, asked, DEPOSITOR, {"bob": refuse}))
        answer = ""
    except Refused as error:
        answer = str(error)
    expect("bob" in answer, "an exit was signed against a signer's will")
    sent = exit_together(stage, "vault", DEPOSITOR)
    outcome = conclude_early(
        stage, "cancelled", DEPOSITOR, "All signers agreed; Dora has her deposit back from the vault.",
        [f"First answer: {answer}."], {"confirm": "moves the deposit into the vault of all signers"}, [sent],
    )  # fmt: skip
    dora = outcome.books.accounts[DEPOSITOR]
    expect(outcome.books.vault == 0, "the vault still holds the deposit")
    expect(-dora.change < 2_000, "the depositor lost more than fees and an anchor")
    return outcome


def refuse(_tx: Transaction) -> None:
    """A signer who has not looked at L2 yet."""
    raise Refused("bob sees no reason for this exit yet; show him the L2 state")
