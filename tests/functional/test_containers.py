"""A node in a real container: it keeps its chain and leaves nothing behind; and what compose.yaml says."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from regtest.node.container import NODE_OPTIONS, RUN, ContainerRun, NodeContainer
from tests.functional.compose_file import FILE, read_compose


@pytest.mark.container
def test_a_node_in_a_container_keeps_its_chain_over_a_restart(node: NodeContainer) -> None:
    node.chain().mine(3)
    before = node.chain().tip()
    node.restart()
    assert node.chain().tip() == before and before.height == 3


@pytest.mark.container
def test_a_run_leaves_nothing_behind(engine: Any) -> None:
    run = ContainerRun(engine)
    run.network("one")
    run.volume("one")
    chosen = {"label": f"{RUN}={run.name}"}
    assert engine.networks.list(filters=chosen) and engine.volumes.list(filters=chosen)
    run.close()
    assert not engine.networks.list(filters=chosen) and not engine.volumes.list(filters=chosen)


def test_compose_and_the_harness_start_the_same_node() -> None:
    command = read_compose({}).services["node"].command
    assert set(command) == {option for option in NODE_OPTIONS if not option.startswith("-natpmp")}


def test_compose_gives_every_service_no_more_than_it_needs() -> None:
    """Nobody may write to what is another's, nothing secret is in the environment, nothing is open to the machine."""
    file = read_compose({})
    for service in file.services.values():
        assert service.read_only and service.cap_drop == ("ALL",)
        assert service.security_opt == ("no-new-privileges:true",)
        assert not [name for name in service.environment if "SECRET" in name or name.endswith("PASSPHRASE")]
        for folder, (volume, mode) in service.volumes.items():
            may = volume == service.name or volume.removesuffix("-hand") == service.name.removesuffix("-signer")
            assert mode == "ro" or may or volume in ("board", "login"), (service.name, folder)
            assert (volume, mode) != ("login", "rw") or service.name == "node"
    assert {s.volumes["/srv/board"][1] for s in (file.services["alice"], file.services["bob"])} == {"ro"}


def test_a_dealer_is_nowhere() -> None:
    """Each home of a signer is on one service; what he gives away goes to one other."""
    where: dict[str, set[str]] = {}
    for service in read_compose({}).services.values():
        for volume, _mode in service.volumes.values():
            where.setdefault(volume, set()).add(service.name)
    for name in ("olga", "alice", "bob"):
        assert where[f"{name}-signer"] == {f"{name}-signer"} and where[name] == {name}
        assert where[f"{name}-hand"] == {f"{name}-signer", name}


def test_docker_compose_reads_the_same_in_the_file_as_the_tests() -> None:
    """Where the plug-in is installed (Debian 12 has none)."""
    command = ["docker", "compose", "--file", str(FILE), "config", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LIE": "", "EVERY": "7"})
    except OSError as error:
        pytest.skip(f"no docker: {error}")
    if done.returncode:
        pytest.skip("no plug-in `docker compose` here: compose.yaml is read by our own reader only")
    read, told = read_compose({"LIE": "", "EVERY": "7"}), json.loads(done.stdout)
    assert set(told["services"]) == set(read.services)
    assert (set(told["volumes"]), set(told["networks"])) == (set(read.volumes), set(read.networks))
    for name, ours in read.services.items():
        service = told["services"][name]
        mounts = {v["target"]: (v["source"], "ro" if v.get("read_only") else "rw") for v in service.get("volumes", [])}
        conditions = {on: what["condition"] for on, what in service.get("depends_on", {}).items()}
        assert (tuple(service["command"]), mounts) == (ours.command, ours.volumes), name
        assert (service.get("environment") or {}, conditions) == (ours.environment, ours.depends_on), name
        assert (set(service["networks"]), service["build"]["target"]) == (set(ours.networks), ours.target), name
