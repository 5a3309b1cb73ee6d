"""A watchtower in a dispute: it wins alone, whatever happens to its node, its disk, its clock or the chain."""

from __future__ import annotations

import time
from collections import Counter
from itertools import count

import pytest

from challenger.agents.player import Player
from challenger.watchtower.phase import Phase, find_phase
from regtest.party import OPERATOR
from taproot.errors import Unavailable
from tests.challenger.test_journal import full_disk
from tests.regtest.conftest import check_books
from tests.regtest.test_agents import check_single_use
from tests.watchtower.conftest import BOB_SLEEPS, MakeScene, Scene, blobsum_plot


def check_victory(scene: Scene) -> None:
    """The tower's party has won, every key signed one value, no satoshi is lost."""
    ending = scene.stage.end()
    check_books(ending, scene.stage.plot.terms)
    check_single_use(scene.stage, scene.stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")


def check_progress(scene: Scene) -> None:
    """It goes on with the next moves, and every key signed one value."""
    scene.until(lambda: scene.confirmed("alice/choose.1"))
    check_single_use(scene.stage, scene.stage.chain.sent)


def alarms(scene: Scene) -> Counter[str]:
    return Counter(kind for _, kind, _ in scene.tower.board.standing)


def test_a_challengers_tower_wins_a_dispute_alone_and_then_rests(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.play()
    check_victory(scene)
    scene.stage.mine()
    assert scene.look() == [] and scene.tower.cases == {}
    assert find_phase(scene.tower.store.events(1))[0] is Phase.KILLED
    assert not alarms(scene)


def test_an_operators_tower_claims_and_is_paid(make_scene: MakeScene) -> None:
    scene = make_scene(blobsum_plot(), watched=OPERATOR)
    scene.play()
    assert scene.stage.end().outcome == "paid"
    assert {"kickoff", "take1"} <= set(scene.sent)


def test_an_operators_tower_defends_a_true_claim_and_takes_the_bond(make_scene: MakeScene) -> None:
    plot = blobsum_plot(objectors=("alice",), route=("choose.0", "ask.memory"), silent=BOB_SLEEPS)
    scene = make_scene(plot, watched=OPERATOR)
    scene.play()
    ending = scene.stage.end()
    assert (ending.outcome, ending.winner) == ("paid", OPERATOR)
    assert any("/slash." in s.name for s in ending.sent)
    check_books(ending, plot.terms)


def test_a_tower_accepts_a_true_claim_without_a_word(make_scene: MakeScene) -> None:
    scene = make_scene(blobsum_plot())
    scene.play()
    assert scene.sent == [] and scene.stage.end().outcome == "paid"


@pytest.mark.parametrize(
    "last", ["alice/choose.1", pytest.param("alice/disprove.rs.hash@stake0", marks=pytest.mark.long)]
)
def test_every_block_reorganised_changes_nothing_but_heights(make_scene: MakeScene, last: str) -> None:
    scene = make_scene()
    chain = scene.stage.chain
    while not scene.confirmed(last):
        scene.block()
        scene.look()
        chain.invalidate(chain.tip().hash)
        scene.look()
        chain.mine_block([])
        scene.stage.mine()
    check_single_use(scene.stage, scene.stage.chain.sent)
    assert scene.tower.metrics.registry.get_sample_value("btcl2_watchtower_blocks_rewound_total") > 7


def test_a_node_that_is_away_costs_nothing_but_time(make_scene: MakeScene) -> None:
    scene = make_scene(outage=3)
    down = Unavailable("the node at 127.0.0.1:1 does not answer (Connection refused)")
    scene.until(lambda: scene.confirmed("alice/assert"))
    for away in range(1, 5):
        scene.stage.chain.down = down
        assert scene.look() == []
        scene.stage.chain.down = None
        assert alarms(scene)["node.down"] == (away >= 3)
        assert scene.tower.last_error
    scene.block()
    assert not alarms(scene) and not scene.tower.last_error
    check_progress(scene)
    assert scene.tower.metrics.registry.get_sample_value(
        "btcl2_watchtower_alarms_raised_total", {"kind": "node.down"}) == 1  # fmt: skip


def test_a_full_disk_stops_every_new_move_and_space_cures_it(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.until(lambda: scene.confirmed("alice/assert"))
    scene.stage.mine()
    with full_disk():
        for _ in range(3):
            assert scene.look() == []
            assert alarms(scene) == {"disk.unwritable": 1}
    scene.block()
    assert not alarms(scene)
    check_progress(scene)


def test_a_wall_clock_that_jumps_means_nothing(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names at the same heights as on a good clock; the clock is the tower's only, blocks keep theirs."""
    told: list[list[tuple[str, int]]] = []
    for jumps in ((0,), (10**9, -(10**9), 3600, -7200)):
        scene = make_scene()
        look, begin = scene.tower.tick, scene.stage.start
        beats = iter(range(10**6))

        def tick(look=look, jumps=jumps, beats=beats) -> list[str]:  # type: ignore[no-untyped-def]
            real = time.time
            with monkeypatch.context() as patch:
                patch.setattr(time, "time", lambda: real() + jumps[next(beats) % len(jumps)])
                return look()

        scene.tower.tick = tick  # type: ignore[method-assign]
        scene.until(lambda scene=scene: scene.confirmed("alice/choose.1"))
        told.append(sorted((c.name, c.height - begin) for c in scene.stage.view.by_name.values()))
    assert told[0] == told[1] and len(told[0]) > 7


@pytest.mark.long
def test_a_restart_every_few_blocks_forgets_nothing(make_scene: MakeScene) -> None:
    scene, rounds = make_scene(), count()

    def again() -> bool:
        if next(rounds) % 7 == 0:
            scene.restart()
        return scene.stage.is_over()

    scene.until(again)
    check_victory(scene)


def test_a_deposit_that_is_added_in_the_middle_of_its_dispute_is_taken_up(make_scene: MakeScene) -> None:
    scene = make_scene()
    away = scene.folder / "away"
    (scene.orders.deposits / "d1").rename(away)
    for _ in range(6):
        scene.block()
    assert scene.confirmed("kickoff") and not scene.sent
    away.rename(scene.orders.deposits / "d1")
    check_progress(scene)


def test_a_dry_run_decides_and_sends_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(dry_run=True)
    scene.until(lambda: "fan" in scene.sent)
    assert scene.stage.chain.find_spend(scene.stage.bundle.graph.outpoints["fan"]) is None
    assert all(tx.txid != scene.stage.bundle.graph.planned("fan").tx.txid for tx in scene.stage.chain.mempool())


@pytest.mark.long
def test_agents_of_a_tower_decide_like_those_of_the_stories(make_scene: MakeScene) -> None:
    """One party as tower and, beside it, as the stories' agent with a view of its own: the same plan at each block."""
    scene = make_scene()
    twin = next(p for p in scene.stage.players if p.name == "alice")
    assert isinstance(twin, Player)
    compared = 0
    while not scene.confirmed("alice/step"):
        scene.look()
        twin.view.refresh()
        case = scene.tower.cases.get(1)
        if case is not None and case.agent is not None:
            assert [s.name for s in case.agent.plan()] == [s.name for s in twin.plan()]
            compared += 1
        scene.block()
    assert compared > 15
