"""All agree that Olga burned: they pay the vault out to her live, in one small transaction, before any delay.

No claim, no ticket spent, no waiting: what everybody would confirm after 24 blocks is done in one.
"""

from __future__ import annotations

from challenger.presign.settlement import LiveSigner
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
    forged = plan(stage, "vault", DEPOSITOR)
    refusals = [signer.name for signer in signers_of(stage, forged, OPERATOR) if refuses(signer)]
    expect(len(refusals) == len(forged.contract.cosigners.names), "somebody signed another payee")
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


def refuses(signer: LiveSigner) -> bool:
    """Whether it makes no nonce for what it is asked to sign."""
    try:
        signer.public_nonces(signer.graph.requests())
    except Refused:
        return True
    return False
