"""What must hold at the end of every story: nobody honest is poorer than by the fees of his own transactions.

These are the documented fees: those of the party's own transactions (each with the child that pays for a version 3
move) and of the payment that locked its standing outputs, at the fee rate of the chain.
"""

from __future__ import annotations

from collections.abc import Collection

from challenger.agents.wallet import CHILD_VBYTES
from regtest.party import DEPOSITOR, OPERATOR
from regtest.story import Ending, Stage
from taproot.terms import ANCHOR
from taproot.units import TRUC_VERSION

LOCKING_VBYTES = 120 + 43 * 8  # Wallet.pay with at most eight outputs


def documented_fees(ending: Ending, name: str, rate: int = 1) -> int:
    """What the party's own transactions cost, in sat."""
    own = [s.tx for s in ending.sent if s.by == name]
    children = sum(CHILD_VBYTES for tx in own if tx.version == TRUC_VERSION)
    return rate * (LOCKING_VBYTES + sum(tx.vbytes for tx in own) + children) + len(own)


def honest_parties(stage: Stage) -> set[str]:
    """Who plays by the rules: not the liar, not who objects without reason, not who falls silent."""
    honest = {DEPOSITOR, *(set(stage.cast.parties.challengers) - set(stage.plot.objectors) - set(stage.plot.silent))}
    if not stage.is_false and OPERATOR not in stage.plot.silent:
        honest.add(OPERATOR)
    return honest


def check_invariant(stage: Stage, ending: Ending, dishonest: Collection[str] = (), rate: int = 1) -> None:
    """No satoshi is lost, no honest party pays more than its documented fees, no false claim moves the deposit."""
    books, terms = ending.books, stage.plot.terms
    assert books.total_before == books.total_after
    honest = honest_parties(stage) - set(dishonest)
    for name in honest - {DEPOSITOR}:
        account = books.accounts[name]
        assert account.fees <= documented_fees(ending, name, rate), name
        bought = terms.deposit if name == OPERATOR else 0  # with coins of the second layer
        ticket = terms.ticket_value(len(stage.cast.parties.challengers)) if name == OPERATOR else 0
        assert account.change >= bought - ticket - ANCHOR - account.fees, name
    if stage.is_false and honest & set(stage.cast.parties.challengers):
        assert books.vault == terms.deposit - ANCHOR
        assert ending.outcome in ("disproved", "timeout")
    if not stage.is_false and OPERATOR in honest:
        assert ending.outcome == "paid"
