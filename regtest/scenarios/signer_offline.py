"""Carol's signer goes away at each round of the ceremony in turn, and for good at the last; Dora takes her coins back.

`confirm` is signed last, by all, so a ceremony that stops anywhere leaves the deposit where only Dora can move it. The
others are told who is missing; nobody of them can go on without her, and nobody loses more than fees.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from challenger.presign.ceremony.contribution import Round
from regtest.ceremony import DEADLINE, Table
from regtest.network import Network, small_plot
from regtest.outcome import Outcome, conclude_early, expect
from regtest.party import DEPOSITOR
from taproot.errors import TimedOut, Unavailable

ABSENT = "carol"
ROUNDS = (Round.KEYS, Round.NONCES, Round.PARTIALS, Round.CONFIRM_NONCES, Round.CONFIRM_PARTIALS)


def play(network: Network) -> Outcome:
    """She comes back after each round, but not after the last one."""
    eve = network.eve(small_plot(), challengers=3)
    refund = eve.make_refund()
    eve.chain.mine(eve.plot.terms.refund_delay - 1)
    with tempfile.TemporaryDirectory(prefix="btcl2-ceremony-") as scratch:
        table = Table(eve, Path(scratch))
        others = [name for name in table.desks if name != ABSENT]
        for round_ in ROUNDS:
            table.pass_on(table.make(round_, others))
            for name in others:
                missing = table.seat(name).missing()
                expect(missing is not None and missing[::2] == (round_, [ABSENT]), f"{name} waits for {missing}")
            eve.chain.check(refund)
            network.progress(f"{round_.value}: {ABSENT} is away, the others wait, the refund is valid")
            if round_ is not ROUNDS[-1]:
                table.come_back(ABSENT, round_)
        expect(ABSENT in table.complaint(others[0], Unavailable), "somebody has all signatures")
        table.now = DEADLINE + 1
        late = table.complaint(others[0], TimedOut)
    expect(ABSENT in late, "nobody is told why the ceremony ended")
    eve.chain.broadcast(refund)
    eve.chain.mine()
    outcome = conclude_early(
        eve, "refunded", DEPOSITOR, "Wherever the signer was missing, Dora could take her deposit back.",
        [f"Away at each of: {', '.join(r.value for r in ROUNDS)}.", f"What the others were told: {late}."],
        {"refund": "dora takes her deposit back: the ceremony was not finished in time"},
    )  # fmt: skip
    lost = [name for name, account in outcome.books.accounts.items() if account.change != -account.fees]
    expect(not lost, f"{', '.join(lost)} lost more than fees")
    return outcome
