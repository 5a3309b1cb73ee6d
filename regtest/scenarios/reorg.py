"""Every block of a dispute is reorganised away and its transactions confirm again later; nobody signs anything twice.

The agents answer a move only when it is as deep as the terms say, send the same bytes again, and come to the same end.
"""

from __future__ import annotations

from challenger.agents.view import UNKNOWN
from regtest.network import Network, play_on, small_plot
from regtest.outcome import Outcome, conclude, expect
from regtest.story import Stage
from regtest.trouble import replace_last_block


def play(network: Network) -> Outcome:
    """After each block: one back, two on."""
    stage = network.stage(small_plot(lie="operand", silent={"bob": ("fan", "challenge")}))
    before: dict[str, bytes] = {}

    def tick() -> None:
        stage.tick()
        seen = {c.name: c.tx.serialize() for c in stage.view.by_name.values() if c.name != UNKNOWN}
        moved = [name for name, raw in seen.items() if "/" in name and before.setdefault(name, raw) != raw]
        expect(not moved, f"{moved} confirmed with other bytes after a reorganisation")
        replace_last_block(stage, lambda: look(stage))

    ending = play_on(stage, tick)
    expect((ending.outcome, ending.winner) == ("disproved", "alice"), f"{ending.winner} won by {ending.outcome}")
    return conclude(ending, stage, "Every block was replaced once; Alice won all the same.",
                    [f"{len(before)} moves kept their bytes."])  # fmt: skip


def look(stage: Stage) -> None:
    """All agents see the chain without its last block, and act on it."""
    for player in stage.players:
        player.tick()
