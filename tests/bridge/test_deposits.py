"""The record of deposits: what may happen when, once, on the disk; and what the chain says happened."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.bridge.deposits import Deposit, DepositStore
from btc_l2.bridge.follow import find_event, find_remarks, follow, is_backed
from btc_l2.bridge.refund_kit import make_refund, own_script
from btc_l2.bridge.skeleton import build_skeleton, find_vault
from btc_l2.bridge.states import FINAL, TRANSITIONS, Event, State, allowed
from btc_l2.database import IN_MEMORY
from challenger.presign.refresh import Standing, plan_refresh, sign_refresh
from challenger.presign.session import presign
from challenger.presign.settlement import approve_payment, plan_exit_of_all, sign_together
from taproot.connectors.output import payout_script
from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.tx import OutPoint, TxOut
from taproot.units import Sats
from tests.bridge.conftest import CONTRACT, Bridge
from tests.taproot.toy import SECRETS, build_toy_games, make_proposal

PARTIES = CONTRACT.parties
ROADS = {
    State.ANNOUNCED: (),
    State.FUNDED: (Event.FUND,),
    State.PRESIGNED: (Event.FUND, Event.PRESIGN),
    State.VAULT: (Event.FUND, Event.PRESIGN, Event.CONFIRM),
    State.CREDITED: (Event.FUND, Event.PRESIGN, Event.CONFIRM, Event.CREDIT),
    State.CLAIMED: (Event.FUND, Event.PRESIGN, Event.CONFIRM, Event.CREDIT, Event.CLAIM),
    State.REFUNDED: (Event.FUND, Event.REFUND),
    State.CANCELLED: (Event.CANCEL,),
}


@pytest.fixture
def store() -> DepositStore:
    return DepositStore(IN_MEMORY)


def announce(store: DepositStore) -> Deposit:
    return store.announce(CONTRACT.terms, PARTIES, 100)


def go(store: DepositStore, *events: Event) -> Deposit:
    deposit = announce(store)
    for event in events:
        deposit = store.apply(deposit.id, event, 101)
    return deposit


# ---- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_an_event_happens_exactly_where_the_table_says(store: DepositStore, state: State, event: Event) -> None:
    deposit = go(store, *ROADS[state])
    assert deposit.state is state
    if event in allowed(state):
        assert store.apply(deposit.id, event, 102).state is TRANSITIONS[event][state]
    else:
        with pytest.raises(Refused, match=state.value):
            store.apply(deposit.id, event, 102)
        assert store.get(deposit.id) == deposit


def test_nothing_happens_after_an_end_and_every_other_state_can_end() -> None:
    assert {state for state in State if not allowed(state)} == FINAL
    for state in set(State) - FINAL:
        assert Event.CANCEL in allowed(state)


def test_no_refund_is_recorded_of_what_the_l2_may_have_credited() -> None:
    assert not {State.VAULT, State.CREDITED} & set(TRANSITIONS[Event.REFUND])


@given(st.lists(st.sampled_from(list(Event)), max_size=8))
def test_history_is_what_happened(events: list[Event]) -> None:
    store = DepositStore(IN_MEMORY)
    deposit, happened = announce(store), ["announce"]
    for event in events:
        try:
            deposit = store.apply(deposit.id, event, 101, "why")
            happened.append(event.value)
        except Refused:
            pass
    steps = store.history(deposit.id)
    assert [s.event for s in steps] == happened and steps[-1].after == deposit.state.value
    assert all(one.after == two.before for one, two in itertools.pairwise(steps))
    store.close()


# ---- record ----------------------------------------------------------------------------------------------------------


def test_record_survives_the_process(tmp_path: Path) -> None:
    path, at = tmp_path / "deposits.sqlite", OutPoint(bytes(32), 3)
    first = DepositStore(path)
    deposit = announce(first)
    first.apply(deposit.id, Event.FUND, 107, "seen", at)
    del first
    again = DepositStore(path).get(deposit.id[:6])
    assert (again.state, again.outpoint, again.height, again.detail) == (State.FUNDED, at, 107, "seen")
    assert again.kit.outpoint == at and os.stat(path).st_mode & 0o077 == 0


def test_one_address_is_announced_once(store: DepositStore) -> None:
    announce(store)
    with pytest.raises(Refused, match="new key"):
        announce(store)


def test_many_that_see_the_same_event_record_it_once(tmp_path: Path) -> None:
    path = tmp_path / "deposits.sqlite"
    name = announce(DepositStore(path)).id

    def record(_: int) -> bool:
        try:
            DepositStore(path).apply(name, Event.FUND, 101)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(record, range(8))) == [False] * 7 + [True]
    assert len(DepositStore(path).history(name)) == 2


def test_a_killed_process_leaves_the_change_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deposits.sqlite"
    name = announce(DepositStore(path)).id
    program = (
        "import os, sys; from btc_l2.bridge.deposits import DepositStore; from btc_l2.bridge.states import Event\n"
        "s = DepositStore(sys.argv[1]); s._db.execute('BEGIN'); s.apply(sys.argv[2], Event.FUND, 1); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path), name], check=False)
    assert done.returncode == 9
    store = DepositStore(path)
    assert store.get(name).state is State.ANNOUNCED and len(store.history(name)) == 1
    store.apply(name, Event.FUND, 1)
    assert DepositStore(path).get(name).state is State.FUNDED


def test_id_of_none_or_of_several_is_refused(store: DepositStore) -> None:
    for prefix in ("", "zz"):
        with pytest.raises(InvalidInput):
            store.get(prefix)


def test_damaged_or_foreign_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"x" * 4096)
    with pytest.raises(VerificationFailed, match="damaged"):
        DepositStore(tmp_path / "rubbish")
    DepositStore(tmp_path / "newer").close()
    with closing(sqlite3.connect(tmp_path / "newer", isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = '9' WHERE name = 'version'")
    with pytest.raises(VerificationFailed, match="version 9"):
        DepositStore(tmp_path / "newer")
    with pytest.raises(Unavailable):
        DepositStore(tmp_path / "nowhere" / "deposits.sqlite")


# ---- chain -----------------------------------------------------------------------------------------------------------


def followed(store: DepositStore, bridge: Bridge, deposit: Deposit) -> Deposit:
    bridge.chain.mine(deposit.terms.confirmations)
    return follow(store, bridge.chain, deposit.id)


def test_skeleton_has_the_outputs_of_the_whole_graph_where_they_are(bridge: Bridge) -> None:
    graph, p = bridge.bundle.graph, bridge.bundle.proposal
    skeleton = build_skeleton(p.terms, p.parties, p.funding)
    shared = [name for name in skeleton.outpoints if "/" not in name and not name.startswith("token")]
    assert {"vault", "asset", "stake0.leaving", "bond.bob.leaving", "ticket", "receipt.alice"} <= set(shared)
    for name in shared:
        assert skeleton.output(name)[:2] == graph.output(name)[:2]
    for name in ("confirm", "kickoff", "take1", "take2", "leave.stake0"):
        assert skeleton.planned(name).tx == graph.planned(name).tx
    assert find_vault(CONTRACT, p.funding.deposit) == graph.outpoints["vault"]


def test_deposit_is_followed_from_payment_to_the_operators_take(store: DepositStore, bridge: Bridge) -> None:
    deposit = announce(store)
    assert followed(store, bridge, deposit).outpoint == bridge.bundle.graph.outpoints["deposit"]
    store.apply(deposit.id, Event.PRESIGN, 0)
    bridge.plays("confirm")
    assert follow(store, bridge.chain, deposit.id).state is State.PRESIGNED  # not deep enough
    assert followed(store, bridge, deposit).vault == bridge.bundle.graph.outpoints["vault"]
    store.apply(deposit.id, Event.CREDIT, 0)
    bridge.plays("kickoff")
    bridge.chain.mine(CONTRACT.terms.challenge_delay)
    bridge.plays("take1")
    assert followed(store, bridge, deposit).state is State.CLAIMED
    events = [s.event for s in store.history(deposit.id)]
    assert events == ["announce", "fund", "presign", "confirm", "credit", "claim"]


def test_payment_and_confirm_are_found_together_if_nobody_looked_in_between(
    store: DepositStore, bridge: Bridge
) -> None:
    deposit = announce(store)
    bridge.chain.mine(deposit.terms.confirmations)
    bridge.plays("confirm")
    assert followed(store, bridge, deposit).vault == bridge.bundle.graph.outpoints["vault"]
    assert [s.event for s in store.history(deposit.id)] == ["announce", "fund", "confirm"]


def test_second_payment_does_not_stand_in_for_the_deposit_that_is_in_the_vault(
    store: DepositStore, bridge: Bridge
) -> None:
    deposit = announce(store)
    bridge.stand(TxOut(CONTRACT.terms.deposit, deposit.kit.output.script_pubkey))
    bridge.plays("confirm")
    found = followed(store, bridge, deposit)
    assert (found.state, found.outpoint) == (State.VAULT, bridge.bundle.graph.outpoints["deposit"])


def test_refund_and_cancel_are_told_apart(bridge: Bridge) -> None:
    one = DepositStore(IN_MEMORY)
    deposit = followed(one, bridge, announce(one))
    bridge.chain.mine(CONTRACT.terms.refund_delay)
    assert find_remarks(deposit, bridge.chain) == ["the refund delay is over: `btc-l2 bridge refund` takes it back"]
    bridge.send(make_refund(deposit.kit, SECRETS["depositor"], own_script(deposit.kit), 1))
    assert followed(one, bridge, deposit).state is State.REFUNDED


@pytest.mark.parametrize("source", ["deposit", "vault"])
def test_cancel_by_all_is_seen(store: DepositStore, bridge: Bridge, source: str) -> None:
    deposit = followed(store, bridge, announce(store))
    if source == "vault":
        bridge.plays("confirm")
        followed(store, bridge, deposit)
    to = payout_script(CONTRACT, "depositor")
    settlement = plan_exit_of_all(bridge.bundle.graph, "cancel", [source], to, 1)
    bridge.send(sign_together(settlement, SECRETS, approve_payment(to, 1)))
    assert followed(store, bridge, deposit).state is State.CANCELLED


def test_refresh_is_followed_to_the_new_vault_and_its_claim(store: DepositStore, bridge: Bridge) -> None:
    deposit = followed(store, bridge, announce(store))
    bridge.plays("confirm")
    followed(store, bridge, deposit)
    funding, toy = bridge.bundle.proposal.funding, make_proposal()
    agreed = plan_refresh(bridge.bundle.graph, Standing(funding.stakes, funding.bonds, funding.ticket))
    bundle = presign(agreed.propose(toy.one_time, toy.constants), SECRETS, build_toy_games)
    bridge.send(sign_refresh(agreed, bundle, SECRETS))
    bridge.bundle = bundle
    bridge.plays("confirm")
    assert followed(store, bridge, deposit).vault == bundle.graph.outpoints["vault"]
    bridge.plays("kickoff")
    bridge.chain.mine(CONTRACT.terms.challenge_delay)
    bridge.plays("take1")
    assert followed(store, bridge, deposit).state is State.CLAIMED


def test_payment_of_another_amount_is_no_payment_but_said(store: DepositStore, bridge: Bridge) -> None:
    deposit = store.announce(replace(CONTRACT.terms, deposit=Sats(5_000_000)), PARTIES, 0)
    assert followed(store, bridge, deposit).state is State.ANNOUNCED
    assert "can only be refunded" in find_remarks(deposit, bridge.chain)[0]


def test_second_payment_to_the_address_is_said(store: DepositStore, bridge: Bridge) -> None:
    deposit = followed(store, bridge, announce(store))
    bridge.stand(TxOut(CONTRACT.terms.deposit, deposit.kit.output.script_pubkey))
    assert any("second payment" in remark for remark in find_remarks(deposit, bridge.chain))


def test_reorganisation_takes_a_vault_and_a_payment_back(store: DepositStore, bridge: Bridge) -> None:
    paid_in = bridge.chain.confirmations(bridge.bundle.graph.outpoints["deposit"].txid)
    paid_at = bridge.chain.tip().height - paid_in + 1
    deposit = followed(store, bridge, announce(store))
    store.apply(deposit.id, Event.PRESIGN, 0)
    height = bridge.chain.tip().height + 1
    bridge.plays("confirm")
    confirmed = followed(store, bridge, deposit)
    assert confirmed.state is State.VAULT and is_backed(confirmed, bridge.chain)
    bridge.chain.invalidate(bridge.chain.block(height).hash)
    assert not is_backed(confirmed, bridge.chain)
    lost = follow(store, bridge.chain, deposit.id)
    assert (lost.state, lost.outpoint, lost.vault) == (State.PRESIGNED, deposit.outpoint, None)
    assert find_event(replace(confirmed, state=State.CREDITED), bridge.chain) is None
    bridge.chain.invalidate(bridge.chain.block(paid_at).hash)
    lost = follow(store, bridge.chain, deposit.id)
    assert (lost.state, lost.outpoint) == (State.ANNOUNCED, None)
