"""What a deposit stands on before anything of its graph is signed: wallets, their ledger, the locked outputs.

Several deposits of the same parties stand on one pool of stakes and one set of bonds; each has a ticket of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from btc_l2.chain.protocol import Chain
from challenger.agents.wallet import Wallet
from regtest.books import Ledger
from regtest.party import DEPOSITOR, OPERATOR, Cast, fund_wallets, lock_standing, make_cast
from regtest.plot import Plot
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.graph import Funding

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Purses:
    """`ledger` begins with nothing but these wallets; `start`: the first block that can hold something of the story."""

    cast: Cast
    wallets: Mapping[str, Wallet]
    ledger: Ledger
    start: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What one deposit stands on."""

    purses: Purses
    funding: Funding


def fill_purses(chain: Chain, plot: Plot, progress: Progress, challengers: int = 2, deposits: int = 1) -> Purses:
    """Coins for everybody who takes part; nothing is locked yet."""
    cast = make_cast(plot.key_seed, challengers)
    progress("funding wallets")
    wallets = fund_wallets(chain, cast, plot.terms, deposits)
    ledger = Ledger(chain, {w.script_pubkey: name for name, w in wallets.items()})
    return Purses(cast, wallets, ledger, chain.tip().height + 1)


def lay_ground(
    chain: Chain, plot: Plot, progress: Progress, challengers: int = 2, deposits: int = 1
) -> tuple[Ground, ...]:
    """One for each deposit. All of them share purses, stakes, bonds; everything is confirmed."""
    purses = fill_purses(chain, plot, progress, challengers, deposits)
    progress("locking deposit, stake, bonds, ticket")
    contract = Contract.make(plot.terms, purses.cast.parties)
    first = lock_standing(chain, contract, purses.wallets)
    others = [_lock_another(chain, contract, purses.wallets, first) for _ in range(1, deposits)]
    return tuple(Ground(purses, funding) for funding in (first, *others))


def _lock_another(chain: Chain, contract: Contract, wallets: Mapping[str, Wallet], first: Funding) -> Funding:
    """A deposit and a ticket more, over the same stakes and bonds."""
    deposit = wallets[DEPOSITOR].pay([make_deposit(contract).tx_out], chain.estimate_fee())
    ticket = wallets[OPERATOR].pay([make_ticket(contract).tx_out], chain.estimate_fee())
    for tx in (deposit, ticket):
        chain.broadcast(tx)
    chain.mine()
    return Funding(deposit.outpoint(0), first.stakes, first.bonds, ticket.outpoint(0))
