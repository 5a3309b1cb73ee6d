"""A graph is relied on only when the outputs that it stands on are confirmed, unspent and as agreed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain
from challenger.agents.footing import check_footing, find_doubts, standing_outputs
from challenger.agents.wallet import Wallet
from regtest.party import fund_wallets, lock_standing, make_cast
from taproot.connectors.output import Contract
from taproot.connectors.stake import make_bond, make_stake
from taproot.errors import Refused
from taproot.graph import Funding, build_graph
from taproot.presigned import Graph
from taproot.tx import OutPoint, TxOut
from taproot.units import Sats
from tests.taproot.toy import TERMS, make_games

PAYERS = ("olga", "alice")


@pytest.fixture
def chain() -> Iterator[Chain]:
    with EmbeddedChain() as made:
        yield made


class Standing:
    """All standing outputs, paid for and confirmed."""

    def __init__(self, chain: Chain) -> None:
        cast = make_cast(1)
        contract = Contract.make(TERMS, cast.parties)
        self.wallets: dict[str, Wallet] = fund_wallets(chain, cast, TERMS)
        self.funding: Funding = lock_standing(chain, contract, self.wallets)
        self.contract, self.parties = contract, cast.parties
        fund_all(chain, [TxOut(Sats(TERMS.stakes[0] + TERMS.bond), self.wallets[n].script_pubkey) for n in PAYERS])

    def graph(self, **changed: object) -> Graph:
        funding = replace(self.funding, **changed)  # type: ignore[arg-type]
        return build_graph(TERMS, self.parties, funding, make_games(self.parties))


def test_standing_outputs_are_those_that_no_transaction_makes(chain: Chain) -> None:
    names = standing_outputs(Standing(chain).graph())
    assert set(names) == {"deposit", "stake0", "bond.alice", "bond.bob", "ticket"}


def test_confirmed_outputs_as_agreed_are_enough(chain: Chain) -> None:
    check_footing(chain, Standing(chain).graph())


def test_an_unconfirmed_stake_is_refused_until_it_is_in_a_block(chain: Chain) -> None:
    standing = Standing(chain)
    paid = standing.wallets["olga"].pay([make_stake(standing.contract, 0).tx_out], 2)
    chain.broadcast(paid)
    graph = standing.graph(stakes=(paid.outpoint(0),))
    with pytest.raises(Refused, match="stake0"):
        check_footing(chain, graph)
    chain.mine()
    check_footing(chain, graph)


def test_a_bond_of_another_amount_is_refused(chain: Chain) -> None:
    standing = Standing(chain)
    bond = make_bond(standing.contract, "alice").tx_out
    paid = standing.wallets["alice"].pay([TxOut(Sats(bond.value - 1), bond.script_pubkey)], 2)
    chain.broadcast(paid)
    chain.mine()
    graph = standing.graph(bonds={**standing.funding.bonds, "alice": paid.outpoint(0)})
    assert list(find_doubts(chain, graph)) == [
        f"bond.alice ({paid.outpoint(0)}) pays {bond.value - 1} sat to another script or amount than agreed"
    ]


def test_depth_is_asked_for(chain: Chain) -> None:
    graph = Standing(chain).graph()
    with pytest.raises(Refused, match="2 blocks deep, 3 are asked for"):
        check_footing(chain, graph, 3)
    chain.mine()
    check_footing(chain, graph, 3)


def test_an_outpoint_that_nobody_knows_is_refused(chain: Chain) -> None:
    with pytest.raises(Refused, match="ticket"):
        check_footing(chain, Standing(chain).graph(ticket=OutPoint(b"\x77" * 32, 0)))

