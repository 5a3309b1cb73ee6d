"""Carol's signer dies at each call of a ceremony in one process; each time all begin anew, with fresh nonces.

Once she stays, it succeeds, but too late: Dora has not waited for that. `signer_offline` is the same by files, where a
round that was begun can go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from challenger.presign.session import run_ceremony
from challenger.presign.signer import Signer
from regtest.eve import Eve
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_early, expect
from regtest.party import DEPOSITOR
from regtest.trouble import Offline
from taproot.errors import Unavailable

ABSENT = "carol"


def play(network: Network) -> Outcome:
    """As many broken ceremonies as there are calls to a signer, then a whole one, then the refund."""
    eve = network.eve(small_plot())
    calls = list(Offline.CALLS)
    for at, call in enumerate(calls):
        signers = [Offline(s, at) if s.name == ABSENT else s for s in make_signers(eve)]
        try:
            run_ceremony(eve.graph, signers)
            stopped = ""
        except Unavailable as error:
            stopped = str(error)
        expect(ABSENT in stopped, f"the ceremony went on without an answer to {call}")
        network.progress(f"ceremony stopped: {stopped}")
    eve.graph.verify(run_ceremony(eve.graph, make_signers(eve)))
    eve.chain.mine(eve.plot.terms.refund_delay - 1)
    eve.chain.broadcast(eve.make_refund())
    eve.chain.mine()
    outcome = conclude_early(
        eve, "refunded", DEPOSITOR, "A signer who dies begins anew with fresh nonces; Dora did not wait for it.",
        [f"The ceremony was broken off at: {', '.join(calls)}.", "With the signer back it succeeded, fresh nonces."],
        {"refund": "dora takes her deposit back: the ceremony was never finished in time"},
    )  # fmt: skip
    lost = [name for name, account in outcome.books.accounts.items() if account.change != -account.fees]
    expect(not lost, f"{', '.join(lost)} lost more than fees")
    return outcome


def make_signers(eve: Eve) -> Sequence[Signer]:
    """Fresh signers, in the order of the n-of-n key; each builds the graph himself."""
    own = {eve.cast.parties.operator.name: {j: keys.operator for j, keys in eve.proposal.one_time.items()}}
    own |= {j: {j: keys.challenger} for j, keys in eve.proposal.one_time.items()}
    secrets = eve.cast.keys()
    names = eve.graph.contract.aggregate.parties
    return [Signer(n, secrets[n], eve.proposal, eve.build_games, own.get(n, {})) for n in names]
