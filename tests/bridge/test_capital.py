"""The capital report: what is locked, counted once for many deposits, and what works after a stake or bond has gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from btc_l2.bridge.capital import GONE, LEAVING, SPENT, STANDING, CapitalReport, examine, survey
from btc_l2.bridge.skeleton import build_skeleton
from btc_l2.cli.standing import status_screen
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.graph import Funding
from taproot.presigned import Graph
from taproot.terms import ANCHOR
from tests.bridge.conftest import CONTRACT, Bridge
from tests.taproot.toy import play

TERMS = CONTRACT.terms
TICKET = TERMS.ticket_value(2)


def report(bridge: Bridge, *more: Graph) -> CapitalReport:
    graphs = [bridge.bundle.graph, *more]
    return survey(bridge.chain, {f"deposit{k}": graph for k, graph in enumerate(graphs)})


def second(bridge: Bridge) -> Graph:
    """Another deposit with a ticket of its own and the same stakes and bonds."""
    deposit, ticket = bridge.stand(make_deposit(CONTRACT).tx_out, make_ticket(CONTRACT).tx_out)
    funding = bridge.bundle.proposal.funding
    return build_skeleton(TERMS, CONTRACT.parties, Funding(deposit, funding.stakes, funding.bonds, ticket))


def test_stakes_and_bonds_are_counted_once_for_all_deposits(bridge: Bridge) -> None:
    found = report(bridge, second(bridge))
    assert found.locked("operator") == TERMS.stakes[0] + 2 * TICKET
    assert found.locked("alice") == found.locked("bob") == TERMS.bond
    assert found.parties == ("operator", "alice", "bob")


def test_for_one_deposit_an_operator_locks_a_ticket_and_nobody_else_anything(bridge: Bridge) -> None:
    found = report(bridge, second(bridge))
    for deposit in ("deposit0", "deposit1"):
        assert found.locked_for("operator", deposit) == TICKET
        assert [found.locked_for(name, deposit) for name in ("alice", "bob", "carol")] == [0, 0, 0]
    assert next(p for p in found.positions if p.name == "stake0").deposits == ("deposit0", "deposit1")


def test_all_works_while_all_stands(bridge: Bridge) -> None:
    bridge.plays("confirm")
    works = report(bridge).works[0]
    assert works.takes and works.claim == STANDING and works.slashes == {"alice": True, "bob": True}
    assert set(works.kills) == {"bare", "stake0"} and not works.faults and not works.needs_refresh


def test_before_the_vault_there_is_nothing_to_take_and_nothing_to_refresh(bridge: Bridge) -> None:
    works = report(bridge).works[0]
    assert not works.takes and not works.vault and not works.needs_refresh


def test_leaving_stake_is_shown_with_the_height_at_which_it_is_free(bridge: Bridge) -> None:
    bridge.plays("confirm", "leave.stake0")
    found = report(bridge)
    stake = next(p for p in found.positions if p.name == "stake0")
    assert (stake.state, stake.sats) == (LEAVING, TERMS.stakes[0] - ANCHOR)
    assert stake.free_at == bridge.chain.tip().height + TERMS.exit_delay
    works = found.works[0]
    assert set(works.kills) == {"bare", "leaving0"} and works.faults == ("stake 0 is leaving",) and works.needs_refresh


def test_after_a_stake_has_gone_the_bare_kill_is_left_in_every_deposit(bridge: Bridge) -> None:
    bridge.plays("confirm", "leave.stake0")
    bridge.chain.mine(TERMS.exit_delay)
    bridge.plays("exit.stake0")
    found = report(bridge, second(bridge))
    assert [set(w.kills) for w in found.works] == [{"bare"}, {"bare"}]
    assert found.works[0].needs_refresh and found.locked("operator") == 2 * TICKET
    assert next(p for p in found.positions if p.name == "stake0").state == GONE


@pytest.mark.parametrize("variant", ["stake0", "leaving0", "bare"])
def test_the_rewards_shown_are_those_of_the_kills(bridge: Bridge, variant: str) -> None:
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    if variant == "leaving0":
        bridge.plays("leave.stake0")
    shown = report(bridge).works[0].kills[variant]
    kill = play(bridge.bundle, f"alice/timeout.assert@{variant}", fee_rate=1)
    bridge.chain.mine(TERMS.move_delay)
    bridge.chain.mine_block([kill])
    turn = bridge.bundle.graph.outputs["alice/assert"].value
    assert kill.outputs[0].value == shown + turn - kill.vbytes


def test_stake_of_one_claim_spent_by_a_kill_shows_in_the_other_deposits(bridge: Bridge) -> None:
    other = second(bridge)
    bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    bridge.chain.mine(TERMS.move_delay)
    bridge.chain.mine_block([play(bridge.bundle, "alice/timeout.assert@stake0")])
    killed, waiting = report(bridge, other).works
    assert (killed.takes, killed.claim, killed.kills) == (False, GONE, {}) and killed.needs_refresh
    assert "the ticket is gone: the operator cannot claim" in killed.faults
    assert (waiting.claim, set(waiting.kills)) == (STANDING, {"bare"})


def test_ticket_of_an_open_claim_is_kicked_off_and_still_takes(bridge: Bridge) -> None:
    bridge.plays("confirm", "kickoff")
    works = report(bridge).works[0]
    assert (works.claim, works.takes) == (SPENT, True) and works.claimed_at == bridge.chain.tip().height
    bridge.chain.mine(TERMS.challenge_delay)
    bridge.plays("take1")
    assert report(bridge).works[0].claimed_at is None


def test_bond_that_has_left_pays_no_slash(bridge: Bridge) -> None:
    bridge.plays("confirm", "leave.bond.bob")
    assert examine(bridge.chain, "d", bridge.bundle.graph).slashes == {"alice": True, "bob": True}
    bridge.chain.mine(TERMS.exit_delay)
    bridge.plays("exit.bond.bob")
    works = examine(bridge.chain, "d", bridge.bundle.graph)
    assert works.slashes == {"alice": True, "bob": False} and works.faults == ("bond of bob is gone",)


def test_many_deposits_share_one_pool(bridge: Bridge) -> None:
    many = [second(bridge) for _ in range(5)]
    found = report(bridge, *many)
    assert found.locked("operator") == TERMS.stakes[0] + 6 * TICKET
    assert replace(found, works=()).locked("bob") == TERMS.bond


def test_the_screen_of_an_open_claim_says_until_when_at_the_latest(bridge: Bridge) -> None:
    def screen() -> str:
        found, graphs = report(bridge), {"deposit0": bridge.bundle.graph}
        return "\n".join(status_screen(bridge.chain.tip().height, found, None, graphs))

    assert "takes wait for the vault" in screen() and "OPEN CLAIM" not in screen()
    bridge.plays("confirm", "kickoff")
    at = bridge.chain.tip().height
    shown = " ".join(screen().split())
    paid, over = at + TERMS.total_delay, at + TERMS.total_delay + TERMS.slash_delay
    assert f"OPEN CLAIM since height {at}: without a challenge paid from {at + TERMS.challenge_delay} on" in shown
    assert f"else from {paid} on; stakes and bonds answer for it until {over} at the latest" in shown
    assert "ticket kicked off; takes work" in shown
