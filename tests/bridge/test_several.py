"""Many deposits and several claims at once on one pool of stakes: what a kill in one claim leaves to the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from btc_l2.bridge.capital import survey
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Rejected
from challenger.agents.wallet import Wallet
from challenger.presign.bundle import Bundle
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract, payout_script
from taproot.connectors.stake import make_stake, stake_name
from taproot.graph import Funding
from taproot.terms import ANCHOR
from taproot.units import COIN, Sats
from tests.bridge.conftest import PAYER, Bridge, fund_standing, give_coins
from tests.taproot.toy import TERMS, make_parties, play, presign_toy

POOL = replace(TERMS, stakes=(Sats(COIN // 5), Sats(COIN // 4)), move_delay=25, exit_delay=900)
CONTRACT = Contract.make(POOL, make_parties())


@pytest.fixture
def claims(chain: EmbeddedChain) -> list[Bridge]:
    """Three deposits with tickets of their own, two stakes, one pair of bonds; all claimed and challenged."""
    payer = Wallet(chain, PAYER)
    give_coins(chain, payer.script_pubkey, [COIN // 100] * 24)
    first = fund_standing(chain, CONTRACT)
    fundings = [first]
    for _ in range(2):
        view = Bridge(chain, presign_toy(POOL, first), payer)
        deposit, ticket = view.stand(make_deposit(CONTRACT).tx_out, make_ticket(CONTRACT).tx_out)
        fundings.append(Funding(deposit, first.stakes, first.bonds, ticket))
    made = [Bridge(chain, presign_toy(POOL, funding), payer) for funding in fundings]
    for bridge in made:
        bridge.plays("confirm", "kickoff", "fan", "challenge.alice")
    chain.mine(POOL.move_delay)
    return made


def kill(bridge: Bridge, variant: str) -> int:
    """The challenger's reward."""
    tx = play(bridge.bundle, f"alice/timeout.assert@{variant}")
    bridge.chain.mine_block([tx])
    return tx.outputs[0].value


def test_each_claim_is_killed_with_a_stake_of_its_own_and_the_last_one_bare(claims: list[Bridge]) -> None:
    chain = claims[0].chain
    graphs = {str(k): b.bundle.graph for k, b in enumerate(claims)}
    assert [sorted(w.kills) for w in survey(chain, graphs).works] == [["bare", "stake0", "stake1"]] * 3
    rewards = [kill(claims[0], "stake0")]
    with pytest.raises(Rejected, match="missingorspent"):
        kill(claims[1], "stake0")
    rewards.append(kill(claims[1], "stake1"))
    with pytest.raises(Rejected, match="missingorspent"):
        kill(claims[2], "stake1")
    assert sorted(survey(chain, graphs).works[2].kills) == ["bare"]
    rewards.append(kill(claims[2], "bare"))
    assert rewards[1] > rewards[0] > rewards[2] > 0
    after = survey(chain, graphs)
    assert not any(w.takes for w in after.works) and after.locked("operator") == 0
    assert all(w.needs_refresh for w in after.works)


def test_an_honest_claim_beside_a_killed_one_is_paid(claims: list[Bridge]) -> None:
    kill(claims[0], "stake0")
    chain = claims[0].chain
    for name in ("alice/assert", "alice/pick", "alice/reveal"):
        claims[1].plays(name)
    before = claims[1].value_of(payout_script(CONTRACT, "operator"))
    chain.mine(POOL.total_delay)
    claims[1].plays("take2")
    gained = claims[1].value_of(payout_script(CONTRACT, "operator")) - before
    receipts = 2 * claims[1].bundle.graph.outputs["receipt.alice"].value
    assert gained == POOL.deposit - ANCHOR + POOL.asset - ANCHOR - receipts


def test_every_stake_leaves_slowly_and_in_sight_of_all_deposits(claims: list[Bridge]) -> None:
    chain = claims[0].chain
    graphs = {str(k): b.bundle.graph for k, b in enumerate(claims)}
    claims[0].plays("leave.stake1")
    assert all("leaving1" in w.kills and "stake1" not in w.kills for w in survey(chain, graphs).works)
    with pytest.raises(Rejected, match="bad-txns-nonfinal"):
        chain.mine_block([play(claims[0].bundle, "exit.stake1")])
    kill(claims[2], "leaving1")
    chain.mine(POOL.exit_delay)
    with pytest.raises(Rejected, match="missingorspent"):
        chain.mine_block([play(claims[0].bundle, "exit.stake1")])


def test_stakes_of_a_pool_differ_by_name_and_share_the_key(claims: list[Bridge]) -> None:
    bundle: Bundle = claims[0].bundle
    assert {stake_name(k) for k in (0, 1)} <= bundle.graph.outputs.keys()
    assert make_stake(CONTRACT, 0).tree.script_pubkey != make_stake(CONTRACT, 1).tree.script_pubkey
