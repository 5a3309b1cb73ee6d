"""Dora deposits, the signers never sign; after the refund delay she takes her coins back by herself.

Nobody's signature but her own is needed, and nothing that the signers could do later brings the deposit into a vault.
"""

from __future__ import annotations

from btc_l2.chain.protocol import Rejected
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_early, expect
from regtest.party import DEPOSITOR


def play(network: Network) -> Outcome:
    """One transaction, refused a block too early."""
    eve = network.eve(small_plot())
    chain, delay, refund = eve.chain, eve.plot.terms.refund_delay, eve.make_refund()
    chain.mine(delay - 2)  # the deposit is one block deep already
    try:
        chain.check(refund)
        early = "taken"
    except Rejected as error:
        early = error.reason
    expect(early == "non-BIP68-final", f"the refund one block too early was {early}")
    chain.mine()
    chain.broadcast(refund)
    chain.mine()
    told = {"refund": f"dora takes her deposit back: {delay} blocks passed and it was never signed for"}
    outcome = conclude_early(
        eve, "refunded", DEPOSITOR, "The signers stayed away; Dora has her deposit back.",
        [f"One block earlier the chain answered: {early}."], told,
    )  # fmt: skip
    dora = outcome.books.accounts[DEPOSITOR]
    expect(dora.change == -dora.fees, "the depositor lost more than her fees")
    return outcome
