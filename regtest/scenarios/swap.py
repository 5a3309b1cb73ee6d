"""Dora sells L2 coins to Olga for Bitcoin, hash and timelock on both sides; then each of them leaves the other waiting.

Whoever goes away costs the other time, never coins: Olga takes her Bitcoin back when Dora does not claim it, Dora takes
her L2 coins back when Olga does not pay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from btc_l2.bridge.swap import claim_bitcoin, refund_bitcoin, refund_coins, take_coins
from regtest.network import Network
from regtest.outcome import Outcome, expect
from regtest.party import OPERATOR
from regtest.trading import COINS, DELAY, PRICE, USER, Trade
from taproot.errors import Refused


def play(network: Network) -> Outcome:
    """Finished by both, left by the user, left by the operator."""
    trade = Trade(network, swaps=3)
    chain, ledger = trade.chain, trade.ledger
    terms = trade.lock(1)
    at = trade.pay(1, terms)
    claim = claim_bitcoin(terms, chain, trade.key(USER), trade.preimage(1), trade.script(USER))
    trade.send("claim.1", claim, USER, "claims the Bitcoin and shows the secret with it")
    take_coins(terms, ledger, chain, at)

    terms = trade.lock(2)
    at = trade.pay(2, terms)
    back = partial(refund_bitcoin, terms, chain, at, trade.key(OPERATOR), trade.script(OPERATOR))
    expect(refused(back), "the operator's refund came too early")
    chain.mine(DELAY - terms.confirmations)
    trade.send("refund.2", back(), OPERATOR, "takes her Bitcoin back: the user never claimed it")
    chain.mine(terms.expiry - chain.tip().height)
    refund_coins(terms, ledger)

    terms = trade.lock(3)
    expect(refused(partial(refund_coins, terms, ledger)), "the user's refund came too early")
    chain.mine(terms.expiry - chain.tip().height)
    refund_coins(terms, ledger)

    expect((ledger.balance(USER), ledger.balance(OPERATOR)) == (2 * COINS, COINS), "L2 coins went astray")
    outcome = trade.conclude(
        "One swap gave each what the other had; two that one side left gave everything back.",
        [f"{COINS:,} L2 coins for {PRICE:,} sat, once; refused: a refund of either side before its time."],
    )
    user = outcome.books.accounts[USER]
    expect(user.change == PRICE - user.fees, "the user got another sum than agreed")
    return outcome


def refused(act: Callable[[], object]) -> bool:
    """Whether it is not possible yet."""
    try:
        act()
    except Refused:
        return True
    return False
