"""All agree that Olga burned: they pay the vault out to her live, in one small transaction, before any delay.

No claim, no ticket spent, no waiting: what everybody would confirm after 24 blocks is done in one.
"""

from __future__ import annotations

from dataclasses import replace

from challenger.presign.cooperative import Exit, ExitSigner
from regtest.cooperation import exit_together, plan, signers_of
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_early, expect
from regtest.party import DEPOSITOR, OPERATOR
from taproot.errors import Refused
from taproot.terms import ANCHOR


def play(network: Network) -> Outcome:
    """The vault is confirmed, then all sign."""
    stage = network.stage(small_plot())
    stage.confirm_vault()
    forged = replace(plan(stage, "vault", OPERATOR), tx=plan(stage, "vault", DEPOSITOR).tx)
    refusals = [name for signer in signers_of(stage, forged) if (name := refuses(signer, forged))]
    expect(len(refusals) == len(stage.bundle.graph.contract.aggregate.parties), "somebody signed another payee")
    sent = exit_together(stage, "vault", OPERATOR)
    outcome = conclude_early(
        stage, "paid", OPERATOR, "All signers agreed; Olga was paid without a claim.",
        [f"{sent.tx.vbytes} vB, one block after the vault; all {len(refusals)} cosigners refused another payee."],
        {"confirm": "moves the deposit into the vault of all signers"}, [sent],
    )  # fmt: skip
    olga, deposit = outcome.books.accounts[OPERATOR], stage.plot.terms.deposit
    expect(outcome.books.vault == 0, "the vault still holds the deposit")
    expect(olga.change >= deposit - ANCHOR - olga.fees - sent.tx.vbytes * 2, "the payout cost more than its fee")
    return outcome


def refuses(signer: ExitSigner, asked: Exit) -> str:
    """The signer's name if it does not sign."""
    try:
        signer.public_nonce(asked)
    except Refused:
        return signer.name
    return ""
