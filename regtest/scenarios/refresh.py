"""Olga takes her stake away; all move the vault under a new graph with a new stake, and that one pays for her lie.

Signatures cannot be mended: they name the stake that is gone. So all presign a graph over an output that does not exist
yet, check every signature, and only then sign `move`, which makes it. Until then the old graph is in force.
"""

from __future__ import annotations

from dataclasses import replace

from btc_l2.bridge.capital import survey
from challenger.presign.refresh import Standing, plan_refresh, sign_refresh
from regtest.ground import Ground
from regtest.leaving import take_out
from regtest.network import TERMS, Network, small_plot
from regtest.outcome import Outcome, conclude_together, expect
from regtest.party import DEPOSITOR, OPERATOR
from regtest.story import Sent
from taproot.connectors.output import Contract
from taproot.connectors.stake import make_stake
from taproot.terms import ANCHOR
from taproot.units import COIN, Sats

BEFORE = replace(TERMS, exit_delay=1_000)
AFTER = replace(BEFORE, stakes=(Sats(19 * COIN // 100),))  # what came back, less fees


def play(network: Network) -> Outcome:
    """The stake leaves, the vault moves, a lie is told."""
    old = network.part("old").stage(replace(small_plot(), terms=BEFORE))
    old.confirm_vault()
    take_out(old, OPERATOR, "stake0")
    chain, graph, funding = network.chain, old.bundle.graph, old.bundle.proposal.funding
    without = sorted(survey(chain, {"old": graph}).works[0].kills)
    stake = old.wallets[OPERATOR].pay([make_stake(Contract.make(AFTER, old.cast.parties), 0).tx_out], 1)
    chain.broadcast(stake)
    chain.mine()

    agreed = plan_refresh(graph, Standing((stake.outpoint(0),), funding.bonds, funding.ticket), AFTER)
    plot = replace(small_plot(lie="operand"), terms=agreed.terms)
    ground = Ground(replace(old.purses, cast=replace(old.cast, parties=agreed.parties)), agreed.funding)
    new = network.part("new").stage(plot, ground=ground)
    move = sign_refresh(agreed, new.bundle, old.cast.keys())
    chain.broadcast([move, old.wallets[DEPOSITOR].fee_child(move, chain.estimate_fee())])
    chain.mine()
    told = "all signers move the vault under the new graph: every signature of it is there"
    moved = Sent("move", move, chain.tip().height, DEPOSITOR, told)
    kills = sorted(survey(chain, {"new": new.bundle.graph}).works[0].kills)
    expect((without, kills) == (["bare"], ["bare", "stake0"]), f"kills: {without} before, {kills} after")

    new.play()
    outcome = conclude_together(
        {"old": old, "new": new}, "new", "The vault was moved under a new stake; the lie after it was paid for.",
        [f"Kills before the move of {move.vbytes} vB: {', '.join(without)}; after it: {', '.join(kills)}."], [moved],
    )  # fmt: skip
    books = outcome.books
    expect(outcome.outcome == "disproved" and books.vault == plot.terms.deposit - ANCHOR, "the lie moved the deposit")
    expect(books.accounts[outcome.winner].change > plot.terms.stakes[0] // 2, "the new stake did not pay the winner")
    return outcome
