"""compose.yaml in real containers: a ceremony without a dealer, then the dispute; whoever is killed goes on.

The first tests of this module are acts of one story and come in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from challenger.agents.view import View
from challenger.games import GameLibrary
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.card import read_card
from regtest.books import Ledger
from taproot.connectors.stake import bond_name, stake_name
from taproot.keys import x_only_of
from taproot.terms import ANCHOR
from taproot.tx import OutPoint, TxOut, p2tr_script
from tests.functional.composed import MINER, Composed, lines_of

pytestmark = pytest.mark.container

OPERATOR, WATCHERS = "olga", ("alice", "bob")
NAMES = (OPERATOR, *WATCHERS)
SIGNERS = tuple(f"{name}-signer" for name in NAMES)
DEPOSIT = "/srv/hand/deposits/d1"
COMPILED = "/srv/btc-l2/btc_l2/zkvm/__pycache__"  # by the image, a copy for each container
MOST_BLOCKS = 300


@pytest.fixture(scope="module")
def composed(engine: Any) -> Iterator[Composed]:
    """Everything of the ceremony is started; a block comes twice a second."""
    story = Composed(engine, {"LIE": "operand", "EVERY": "0.5"})
    try:
        yield story
    finally:
        story.run.close()


def test_a_ceremony_in_containers_survives_the_death_of_a_signer_and_of_the_coordinator(composed: Composed) -> None:
    composed.up("node", "coordinator", *SIGNERS, "dora", MINER)
    composed.wait_for_file("bob-signer", "keys.0.bob.json")
    composed.pause("bob-signer")  # while he makes the graph: so nobody can sign yet
    in_time = not has_sent(composed, "bob", "nonces.1.bob.json")
    composed.wait_for_file("alice-signer", "nonces.1.alice.json")
    composed.kill("alice-signer")
    composed.kill("coordinator")
    composed.revive("alice-signer")
    composed.wait_until("a lost coordinator", lambda: misses_coordinator(composed, "olga"))
    composed.revive("coordinator")
    composed.go_on("bob-signer")
    composed.wait_until("the end", lambda: all(composed.has_ended(name) for name in (*SIGNERS, "dora")))
    assert has_sent(composed, "alice", "nonces.2.alice.json") or not in_time  # half of the first died with her memory
    for event in ("card", "registered", "agreed", "done"):
        words = [{line["words"] for line in lines_of(composed.said(name), event)} for name in SIGNERS]
        assert words[0] and words[0] == words[1] == words[2], event


def test_a_container_sees_the_node_or_the_coordinator_and_shares_with_its_own_signer_only(composed: Composed) -> None:
    composed.up(*NAMES)
    for name in composed.file.services:
        for network, there in composed.peers(name).items():
            assert name in ("node", "coordinator") or there - {name} <= {"node", "coordinator"}, network
    assert composed.reaches("alice", "node", 18443)
    for one, other, port in (("alice", "coordinator", 8745), ("coordinator", "node", 18443)):
        assert not composed.reaches(one, other, port), (one, other)
    volumes = {n: {m["Name"].removeprefix(f"{composed.run.name}-") for m in c.attrs["Mounts"]}
               for n, c in composed.containers.items()}  # fmt: skip
    for one, other in combinations(volumes, 2):
        shared = volumes[one] & volumes[other] - {"board", "login"}
        assert shared == ({f"{other}-hand"} if one == f"{other}-signer" else set()), (one, other)
    for name in WATCHERS:
        mounts = {m["Destination"]: m["RW"] for m in composed.containers[name].attrs["Mounts"]}
        assert {folder for folder, may_write in mounts.items() if may_write} == {"/var/lib/btc-l2", COMPILED}


def test_the_lie_is_killed_although_operator_and_watchtower_are_killed_in_the_middle(composed: Composed) -> None:
    composed.containers[MINER].stop(timeout=1)
    chain = composed.chain()
    bundle = Bundle.from_bytes(composed.read("alice", f"{DEPOSIT}/olga.bundle"), GameLibrary().scripts)
    ledger, view = LateLedger(chain, owners_of(composed, bundle)), View(chain, bundle.graph, 0)
    for name in NAMES:
        composed.listen(name)
    deaths = {"alice": "alice/choose.1", OPERATOR: "alice/step", "bob": "bob/step"}
    for _ in range(MOST_BLOCKS):
        composed.wait_for_looks(chain.tip().height, *NAMES)
        chain.mine()
        view.refresh()
        for name in [name for name, after in deaths.items() if view.confirmed(after) is not None]:
            del deaths[name]
            composed.kill(name)
            composed.revive(name)
        if view.is_spent("asset"):
            break
    killer, _, move = view.spent["asset"].name.partition("/")
    assert killer in WATCHERS and move.startswith("disprove.") and len(deaths) <= 1
    graph, terms = bundle.graph, bundle.proposal.terms
    own = {graph.outpoints[bond_name(name)]: name for name in WATCHERS} | {graph.outpoints["ticket"]: OPERATOR}
    own |= {graph.outpoints[stake_name(k)]: OPERATOR for k in range(len(terms.stakes))}
    by = {c.tx.txid: graph.planned(c.name).by for c in view.by_name.values()}
    books = ledger.close(own, graph.outpoints["vault"], by)
    assert books.total_before == books.total_after
    assert books.vault == terms.deposit - ANCHOR
    assert books.accounts[killer].change > terms.stakes[0] // 2
    assert books.accounts[OPERATOR].change <= -terms.stakes[0]


def has_sent(composed: Composed, name: str, file: str) -> bool:
    return any(line["file"] == file for line in lines_of(composed.said(f"{name}-signer"), "sent"))


def misses_coordinator(composed: Composed, name: str) -> bool:
    return any("no coordinator" in line["why"] for line in lines_of(composed.said(f"{name}-signer"), "waits"))


def owners_of(composed: Composed, bundle: Bundle) -> dict[bytes, str]:
    """Whose scripts are whose, by what is public."""
    keys = {name: read_card(composed.read("olga", f"/srv/board/cards/{name}")).party.public_key for name in NAMES}
    keys["dora"] = bundle.proposal.parties.depositor.public_key
    return {p2tr_script(x_only_of(key).taproot_output_key()[0]): name for name, key in keys.items()}


class LateLedger(Ledger):
    """The books of a story that is over: it begins with what came to the parties from coins of nobody of them."""

    def __init__(self, chain: Any, owners: dict[bytes, str]) -> None:
        self._chain, self._owners, self._start = chain, owners, 0
        self._first: dict[OutPoint, TxOut] = {}
        known: set[OutPoint] = set()
        for height in range(chain.tip().height + 1):
            for tx in chain.block(height).transactions:
                mine = {tx.outpoint(k): o for k, o in enumerate(tx.outputs) if o.script_pubkey in owners}
                if known.isdisjoint(i.prevout for i in tx.inputs):
                    self._first |= mine
                    known |= mine.keys()
                else:
                    known |= {tx.outpoint(k) for k in range(len(tx.outputs))}


@pytest.mark.long
def test_an_honest_operator_is_paid_and_nobody_objects(engine: Any) -> None:
    """`LIE= docker compose up`: everything that stands in the file, and nothing else."""
    story = Composed(engine, {"LIE": "", "EVERY": "0.5"})
    try:
        story.up()
        bundle = Bundle.from_bytes(story.read("bob", f"{DEPOSIT}/olga.bundle"), GameLibrary().scripts)
        view = View(story.chain(), bundle.graph, 0)
        story.wait_until("a take", lambda: bool(view.refresh()) and view.is_spent("asset"))
        assert view.spent["asset"].name == "take1" and set(view.by_name) == {"confirm", "kickoff", "take1"}
    finally:
        story.run.close()
