"""Fees rise to thirtyfold right after a move was sent; its sender pays more for it, and the move confirms in time.

Moves are version 3 without a fee: a child pays, and is replaced by one that pays more. Meanwhile blocks take in nothing
that pays less than the others do.
"""

from __future__ import annotations

from regtest.network import Network, play_on, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.trouble import DearChain

NORMAL, SPIKE = 1, 30  # sat/vB
BLOCKS = 3  # that fees stay high


def play(network: Network) -> Outcome:
    """What was sent at the normal rate has to wait each time."""
    dear = DearChain(network.chain)
    stage = network.stage(small_plot(lie="operand", silent={"bob": ("fan", "challenge")}), wrap=lambda _: dear)
    left = 0

    def tick() -> None:
        nonlocal left
        names = {name: player.name for player in stage.players for name in player.tick()}
        stage.sent_by = names | stage.sent_by
        left = BLOCKS if names and not left else max(0, left - 1)
        dear.rate = SPIKE if left else NORMAL
        stage.mine()

    ending = play_on(stage, tick)
    paid, size = ending.books.fees, sum(s.tx.vbytes for s in ending.sent)
    expect(dear.passed_over > 0, "no transaction ever waited")
    expect((ending.outcome, ending.winner) == ("disproved", "alice"), f"{ending.winner} won by {ending.outcome}")
    expect(paid > 2 * NORMAL * size, "nobody paid more than the low rate")
    remark = f"Transactions were passed over {dear.passed_over} times; {paid / size:.1f} sat/vB on average."
    return conclude(ending, stage, "Fees rose in the middle of the dispute; every move came through.", [remark])
