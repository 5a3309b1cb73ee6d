"""Real containers: a node that keeps its chain, parties that meet nobody but the node, die, and go on."""

from __future__ import annotations

from typing import Any

import pytest

from regtest.container import RUN, ContainerRun, NodeContainer
from regtest.container_story import ContainerStory
from regtest.network import Network, small_plot
from regtest.party import OPERATOR
from regtest.scenarios import find_scenario
from regtest.story import Ending, Stage
from taproot.terms import ANCHOR

pytestmark = pytest.mark.container


def network_of(node: NodeContainer) -> Network:
    return Network(node.chain(), node.version)


def start_story(node: NodeContainer, **what: object) -> ContainerStory:
    """Operator and two watchers in containers of their own."""
    story = ContainerStory(node, Stage(node.chain(), small_plot(**what)))
    for name in (OPERATOR, *story.stage.cast.parties.challengers):
        story.start(name)
    return story


def check_won_by_challenger(ending: Ending) -> None:
    assert ending.outcome == "disproved" and ending.winner in ("alice", "bob")
    assert ending.books.vault == ending.bundle.graph.contract.terms.deposit - ANCHOR
    assert ending.books.total_before == ending.books.total_after


def test_a_node_in_a_container_keeps_its_chain_over_a_restart(node: NodeContainer) -> None:
    node.chain().mine(3)
    before = node.chain().tip()
    node.restart()
    assert node.chain().tip() == before and before.height == 3


@pytest.mark.parametrize("name", ["deposit_refund", "cooperative_payout", "challenge_won"])
def test_a_scenario_is_played_on_a_node_in_a_container(node: NodeContainer, name: str) -> None:
    outcome = find_scenario(name)(network_of(node))
    assert outcome.books.total_before == outcome.books.total_after
    assert outcome.sent


def test_parties_in_containers_are_killed_in_the_middle_of_a_dispute_and_finish_it(node: NodeContainer) -> None:
    story = ContainerStory(node, Stage(node.chain(), small_plot(lie="operand")))
    for party in (OPERATOR, "alice"):
        story.start(party)
    killed: list[str] = []

    def on_block(_height: int) -> None:
        for name, after in (("alice", "alice/choose.1"), (OPERATOR, "alice/step")):
            if name not in killed and story.stage.view.confirmed(after) is not None:
                story.kill(name)
                story.revive(name)
                killed.append(name)

    ending = story.play(on_block)
    assert killed == ["alice", OPERATOR]
    check_won_by_challenger(ending)
    assert {s.by for s in ending.sent if "/" in s.name} == {"alice", OPERATOR}


def test_a_watchtower_that_stops_does_not_matter_while_the_other_one_runs(node: NodeContainer) -> None:
    story = start_story(node, lie="operand")
    story.stop("alice")
    ending = story.play()
    assert ending.winner == "bob"
    check_won_by_challenger(ending)


def test_a_party_sees_the_node_and_nobody_else(node: NodeContainer) -> None:
    story = start_story(node)
    alice = story.parties["alice"]
    networks = alice.attrs["NetworkSettings"]["Networks"] or {}
    alice.reload()
    networks = alice.attrs["NetworkSettings"]["Networks"]
    assert len(networks) == 1
    (name,) = networks
    peers = node.run.engine.networks.get(name).attrs["Containers"].values()
    assert {p["Name"].removeprefix(f"{node.name}-") for p in peers} == {"node", "alice"}
    mounts = {m["Destination"]: m["RW"] for m in alice.attrs["Mounts"]}
    assert mounts["/var/lib/btc-l2"] and not mounts["/run/btc-l2"] and not mounts["/srv/story"]


def test_a_run_leaves_nothing_behind(engine: Any) -> None:
    run = ContainerRun(engine)
    run.network("one")
    run.volume("one")
    chosen = {"label": f"{RUN}={run.name}"}
    assert engine.networks.list(filters=chosen) and engine.volumes.list(filters=chosen)
    run.close()
    assert not engine.networks.list(filters=chosen) and not engine.volumes.list(filters=chosen)
