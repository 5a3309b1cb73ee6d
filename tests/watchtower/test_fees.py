"""What a tower pays: a market that goes from 1 to 500 sat/vB in the middle of a dispute, hard caps, poor wallets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain.protocol import Coin
from challenger.agents.budget import Budget, CapReached, Limits
from challenger.agents.calibration import calibrate
from challenger.agents.wallet import MOST_COINS, child_vbytes, choose_coins
from challenger.presign.vetting import check_relayable
from taproot.errors import InvalidInput, Refused
from taproot.terms import Terms
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import DUST_P2TR, TRUC_CHILD_MAX_VBYTES, Sats
from tests.regtest.test_agents import check_single_use
from tests.watchtower.conftest import MakeScene, Scene
from tests.watchtower.test_tower import alarms

SPIKE = 500  # sat/vB


def rate_paid(scene: Scene, name: str) -> float:
    """sat/vB of a confirmed transaction of the graph with the child in its block."""
    seen = scene.stage.view.confirmed(name)
    assert seen is not None
    block = scene.stage.chain.block(seen.height).transactions
    family = [seen.tx, *(t for t in block if any(i.prevout.txid == seen.tx.txid for i in t.inputs))]
    outputs = {t.outpoint(k): o for s in scene.stage.chain.sent for t in [s] for k, o in enumerate(t.outputs)}
    graph = scene.stage.bundle.graph
    outputs |= {graph.outpoints[n]: o.tx_out for n, o in graph.outputs.items()}
    fund = {c.outpoint: c.output for h in range(scene.stage.chain.tip().height + 1)
            for c in coins_of(scene.stage.chain.block(h).transactions)}  # fmt: skip
    spent = sum((outputs.get(i.prevout) or fund[i.prevout]).value for t in family for i in t.inputs)
    return (spent - sum(o.value for t in family for o in t.outputs)) / sum(t.vbytes for t in family)


def coins_of(txs: tuple[Transaction, ...]) -> list[Coin]:
    return [Coin(t.outpoint(k), o, 0, False) for t in txs for k, o in enumerate(t.outputs)]


def test_a_spike_in_the_middle_of_a_dispute_is_survived(make_scene: MakeScene) -> None:
    """A move of each side waits at 1 sat/vB when blocks begin to ask for 500; both bid again, and so to the end."""
    scene = make_scene(limits=Limits(rate=600, patience=3))
    scene.until(lambda: scene.confirmed("alice/choose.1"))
    scene.until(lambda: any(scene.look()))
    waits = scene.sent[-1]
    scene.stage.chain.rate = SPIKE
    scene.until(lambda: scene.confirmed(waits))
    assert rate_paid(scene, waits) >= SPIKE
    scene.play()
    ending = scene.stage.end()
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    kill = ending.sent[-1].name
    assert "/disprove." in kill and rate_paid(scene, kill) >= SPIKE
    books = ending.books
    assert books.total_before == books.total_after and books.accounts["alice"].change > 0  # 500 < 528.8, docs/fees.md
    check_single_use(scene.stage, scene.stage.chain.sent)
    assert not alarms(scene)


def test_a_spike_above_the_cap_waits_calls_once_and_goes_on_when_it_is_over(make_scene: MakeScene) -> None:
    scene = make_scene(limits=Limits(move=100_000, patience=3), stuck=3)
    scene.until(lambda: scene.confirmed("alice/choose.1"))
    scene.until(lambda: any(scene.look()))
    waits = scene.sent[-1]
    scene.stage.chain.rate = SPIKE
    for _ in range(4):
        scene.block()
    assert not scene.confirmed(waits)
    assert set(alarms(scene)) >= {"fee.cap", "move.stuck"}
    case = scene.tower.cases[1]
    assert case.agent is not None and max(case.agent.budget.offered.values()) <= 100_000
    scene.stage.chain.rate = 1
    scene.until(lambda: scene.confirmed("alice/choose.3"))
    scene.look()
    assert not alarms(scene)


def test_the_cap_of_a_deposit_holds_over_a_restart(make_scene: MakeScene) -> None:
    scene = make_scene(limits=Limits(dispute=1_500))
    for _ in range(20):
        scene.block()
    scene.restart()
    scene.look()
    case = scene.tower.cases[1]
    assert case.agent is not None and 0 < case.agent.budget.total <= 1_500
    assert alarms(scene)["fee.cap"] == 1


def test_what_waits_doubles_its_bid_until_the_cap() -> None:
    limits = Limits(rate=50, patience=3)
    assert [limits.bid(10, waited) for waited in (0, 2, 3, 6, 9, 1000)] == [10, 10, 20, 40, 50, 50]
    assert Limits().bid(10, 1000) == 10


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2_000), st.integers(1, 2_000)), max_size=30))
def test_no_run_of_offers_exceeds_a_cap(offers: list[tuple[str, int, int]]) -> None:
    budget = Budget(Limits(move=1_000, dispute=2_000))
    for name, wanted, least in offers:
        try:
            granted = budget.grant(name, max(wanted, least), least)
        except CapReached:
            continue
        assert least <= granted <= 1_000
        budget.record(name, granted)
        assert budget.total <= 2_000


def test_caps_out_of_range_are_refused() -> None:
    for bad in ({"rate": 0}, {"rate": 20_000}, {"move": 0}, {"patience": -1}):
        with pytest.raises(InvalidInput):
            Limits(**bad)


def coins(values: list[int]) -> list[Coin]:
    return [Coin(OutPoint(bytes(32), k), TxOut(Sats(v), b""), 1, False) for k, v in enumerate(sorted(values))]


@given(st.lists(st.integers(330, 50_000), max_size=40), st.integers(0, 200_000), st.integers(0, 500))
def test_chosen_coins_suffice_and_fit_into_a_child(values: list[int], base: int, rate: int) -> None:
    def needed(count: int) -> int:
        return base + rate * child_vbytes(count)

    chosen = choose_coins(coins(values), needed)
    if chosen:
        assert sum(c.output.value for c in chosen) >= needed(len(chosen)) + DUST_P2TR
        assert child_vbytes(len(chosen)) <= TRUC_CHILD_MAX_VBYTES
    else:
        largest = sorted(values, reverse=True)[:MOST_COINS]
        assert all(sum(largest[:n]) < needed(n) + DUST_P2TR for n in range(1, len(largest) + 1))


def test_a_wallet_splits_itself_once_into_coins_for_moves_under_way_at_once(make_scene: MakeScene) -> None:
    scene = make_scene(coins=30, coin=60_000)
    scene.until(lambda: len([c for c in scene.tower.wallet.coins() if c.output.value >= 60_000]) >= 30)
    before = len(scene.stage.chain.sent)
    scene.look()
    assert len(scene.stage.chain.sent) == before


def test_terms_that_the_node_would_not_relay_are_refused_at_set_up(make_scene: MakeScene) -> None:
    scene = make_scene(confirmed=False)
    graph = scene.stage.bundle.graph
    check_relayable(graph, 1_000)
    with pytest.raises(Refused, match=r"made for 1 sat/vB and nodes relay nothing below 2.*sign again") as refused:
        check_relayable(graph, 1_001)
    assert refused.value.exit_code == 6


def test_a_deposit_under_such_terms_is_not_taken_up_but_a_vault_is_watched_all_the_same(make_scene: MakeScene) -> None:
    for confirmed, taken in ((False, 0), (True, 1)):
        scene = make_scene(confirmed=confirmed)
        scene.stage.chain.relay_rate = lambda: 5_000
        scene.block()
        assert len(scene.tower.store.deposits()) == taken
        assert alarms(scene)["case.failed"] == 1 - taken
        if confirmed:
            scene.until(lambda: bool(alarms(scene)["relay.fee"]))  # noqa: B023


def test_the_rates_of_the_default_terms_are_those_of_the_page() -> None:
    rates = {row.what: round(row.rate, 1) for row in calibrate(Terms())}
    assert rates == {
        "kill without a stake": 1.0, "kill with a stake": 601.0, "a challenger's whole dispute": 528.8,
        "an operator's whole defence": 58.2,
    }  # fmt: skip
