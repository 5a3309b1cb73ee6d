"""Two deposits on one pool of stakes; Olga claims both at once, one of them falsely, and one stake pays for that.

Each claim has a graph and a game of its own, stakes and bonds stand once for both. The lie costs her the first stake;
the true claim is paid all the same, and any other would find the second stake standing.
"""

from __future__ import annotations

from dataclasses import replace

from btc_l2.bridge.capital import STANDING, survey
from regtest.network import MOST_BLOCKS, TERMS, Network, small_plot
from regtest.outcome import Outcome, conclude_together, expect
from regtest.party import OPERATOR
from taproot.terms import ANCHOR

POOL = replace(TERMS, stakes=TERMS.stakes * 2, move_delay=20)


def play(network: Network) -> Outcome:
    """Both from the vault on, block by block."""
    honest, lying = replace(small_plot(), terms=POOL), replace(small_plot(lie="operand"), terms=POOL)
    grounds = network.grounds(honest, deposits=2)
    stages = {
        name: network.part(name).stage(plot, ground=ground)
        for name, plot, ground in zip(("true", "false"), (honest, lying), grounds, strict=True)
    }
    for stage in stages.values():
        stage.confirm_vault()
    for _ in range(MOST_BLOCKS):
        for stage in stages.values():
            stage.act()
        network.chain.mine()
        for stage in stages.values():
            stage.observe()
        if all(stage.is_over() for stage in stages.values()):
            break
    graphs = {name: stage.bundle.graph for name, stage in stages.items()}
    positions = survey(network.chain, graphs).positions
    standing = [p.name for p in positions if p.name.startswith("stake") and p.state == STANDING]
    expect(stages["true"].view.spent["asset"].name == "take1", "the true claim was not paid at once")
    expect(standing == ["stake1"], f"of two stakes {standing} stand after one lie")
    outcome = conclude_together(
        stages, "false", "The lie cost one stake of two; the true claim beside it was paid.",
        ["The second stake stands for the deposits that are left."],
    )  # fmt: skip
    books = outcome.books
    olga, winner = books.accounts[OPERATOR], books.accounts[outcome.winner]
    expect(outcome.outcome == "disproved" and books.vault == POOL.deposit - ANCHOR, "a false claim moved the deposit")
    expect(winner.change > POOL.stakes[0] // 2, "the winner was not paid out of a stake")
    expect(olga.change > POOL.deposit - POOL.stakes[0] - POOL.stakes[1] // 2, "the lie cost more than one stake")
    return outcome
