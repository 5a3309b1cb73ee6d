"""The services of compose.yaml, started through the Docker SDK as `docker compose` would, in an order of our choice.

One thing is added: the node is on the default network, too, with its port on the host's loopback interface, where the
test mines and looks at the chain.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from btc_l2.chain.rpc import RpcChain
from regtest.node.container import RPC_PORT, ContainerRun, NodeContainer
from regtest.node.engine import APIError
from regtest.node.image import PYTHON, find_image
from taproot.errors import TimedOut, Unavailable
from tests.functional.compose_file import COMPLETED, HEALTHY, ComposeFile, Service, read_compose

LIMIT = 300.0  # seconds until something happens
PAUSE = 0.1
_CHECK_PAUSE = 3.0
MOST_RESTARTS = 3
NODE, MINER = "node", "miner"
# Runs beside a watchtower, in its container, where its page can be read: each new height on a line.
_TELL_HEIGHTS = """
import json, time, urllib.request
last = -1
while True:
    try:
        height = json.load(urllib.request.urlopen("http://127.0.0.1:9481/status", timeout=5))["height"]
    except (OSError, ValueError, KeyError):  # before its first look there is no page, then one without a height
        height = -1
    if height != last:
        print(height, flush=True)
    last = height
    time.sleep(0.1)
"""
# Exit code 0 if one of the addresses answers.
_TRY = """
import concurrent.futures, socket, sys
def reach(address):
    try:
        socket.create_connection((address, int(sys.argv[1])), 3).close()
        return True
    except OSError:
        return False
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    sys.exit(not any(pool.map(reach, sys.argv[2:])))
"""


class Composed:
    """Containers of one run; `run.close` removes all of them."""

    def __init__(self, engine: Any, around: Mapping[str, str]) -> None:
        self.run = ContainerRun(engine)
        self.file: ComposeFile = read_compose(around)
        self.containers: dict[str, Any] = {}
        self.heights: dict[str, int] = {}  # of watchtowers
        self._networks = {name: self.run.network(name) for name in self.file.networks}
        self._volumes = {name: self.run.volume(name) for name in self.file.volumes}

    def up(self, *names: str) -> None:
        """Make and start these services, or all, each when what it depends on is as it should be."""
        for name in names or sorted(self.file.services, key=self._waits_for_an_end):
            service = self.file.services[name]
            for on, condition in service.depends_on.items():
                if on not in self.containers:
                    self.up(on)
                self._wait_for(on, condition)
            if name not in self.containers:
                self.containers[name] = self._create(service)
                self.containers[name].start()

    def chain(self) -> RpcChain:
        """From the host, beside everything."""
        node = NodeContainer(self.run)
        node.attach()
        return node.chain()

    def kill(self, name: str) -> None:
        """SIGKILL: what is not on its volumes is gone."""
        self.containers[name].kill()

    def revive(self, name: str) -> None:
        """The same container again."""
        self.containers[name].start()
        if name in self.heights:
            self.listen(name)

    def pause(self, name: str) -> None:
        """Nothing of it runs, until it goes on."""
        self.containers[name].pause()

    def go_on(self, name: str) -> None:
        """The end of a pause."""
        self.containers[name].unpause()

    def read(self, name: str, path: str) -> bytes:
        """A file that a container sees."""
        stream, _facts = self.containers[name].get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.next() or "")
            assert member is not None
            return member.read()

    def said(self, name: str) -> list[dict[str, Any]]:
        """The lines of JSON on its stdout, over all its lives."""
        text = self.containers[name].logs(stdout=True, stderr=False).decode()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Raises TimedOut; Unavailable if a container that should run has ended otherwise than well."""
        deadline, checked = time.monotonic() + LIMIT, time.monotonic()
        while not holds():
            if time.monotonic() - checked > _CHECK_PAUSE:
                for name, container in self.containers.items():
                    self._check(name, container)
                checked = time.monotonic()
            if time.monotonic() > deadline:
                raise TimedOut(f"{what} did not come within {LIMIT:.0f} s")
            time.sleep(PAUSE)

    def wait_for_file(self, name: str, file: str) -> None:
        """Until a signer says that a file of the ceremony has left."""
        self.wait_until(f"{file} of {name}", lambda: any(line.get("file") == file for line in self.said(name)))

    def has_ended(self, name: str) -> bool:
        """Whether a service is through, and well."""
        container = self.containers[name]
        container.reload()
        return bool(container.status == "exited" and container.attrs["State"]["ExitCode"] == 0)

    def listen(self, name: str) -> None:
        """Note how far a watchtower has seen, from now on."""
        self.heights[name] = -1
        threading.Thread(target=self._note_heights, args=(name,), daemon=True).start()

    def wait_for_looks(self, height: int, *names: str) -> None:
        """Until these watchtowers have seen the block and done what follows from it."""
        self.wait_until(f"a look at {height}", lambda: all(self.heights[name] >= height for name in names))

    def peers(self, name: str) -> dict[str, set[str]]:
        """By network, who can be met there."""
        found = {}
        for network in self.file.services[name].networks:
            there = self.run.engine.networks.get(self._networks[network]).attrs["Containers"].values()
            found[network] = {c["Name"].removeprefix(f"{self.run.name}-") for c in there}
        return found

    def reaches(self, name: str, host: str, port: int) -> bool:
        """Whether a container can open a connection to any address of another."""
        self.containers[host].reload()
        networks = self.containers[host].attrs["NetworkSettings"]["Networks"].values()
        addresses = [network["IPAddress"] for network in networks if network["IPAddress"]]
        assert addresses, f"{host} does not run"
        return bool(self.containers[name].exec_run([PYTHON, "-c", _TRY, str(port), *addresses]).exit_code == 0)

    def _waits_for_an_end(self, name: str) -> bool:
        return COMPLETED in self.file.services[name].depends_on.values()

    def _note_heights(self, name: str) -> None:
        with suppress(APIError, OSError, ValueError):
            _code, said = self.containers[name].exec_run([PYTHON, "-c", _TELL_HEIGHTS], stream=True)
            for line in said:
                self.heights[name] = int(line.split()[-1])

    def _create(self, service: Service) -> Any:
        engine, name = self.run.engine, service.name
        networks = [self._networks[n] for n in service.networks]
        first, rest = ("bridge", networks) if name == NODE else (networks[0], networks[1:])
        container = engine.containers.create(
            find_image(engine, service.target), list(service.command), name=f"{self.run.name}-{name}", hostname=name,
            labels=self.run.labels, network=first, environment=dict(service.environment), read_only=service.read_only,
            tmpfs=dict.fromkeys(service.tmpfs, ""), cap_drop=list(service.cap_drop),
            security_opt=list(service.security_opt), restart_policy={"Name": service.restart},
            volumes={self._volumes[v]: {"bind": folder, "mode": mode} for folder, (v, mode) in service.volumes.items()},
            ports={f"{RPC_PORT}/tcp": ("127.0.0.1", None)} if name == NODE else None, **self._named(name, first),
        )  # fmt: skip
        for network in rest:
            engine.networks.get(network).connect(container, aliases=[name])
        return container

    def _named(self, name: str, network: str) -> dict[str, Any]:
        if network == "bridge":
            return {}
        return {"networking_config": {network: self.run.engine.api.create_endpoint_config(aliases=[name])}}

    def _wait_for(self, name: str, condition: str) -> None:
        if condition == COMPLETED:
            self.wait_until(f"the end of {name}", lambda: self.has_ended(name))
        else:
            assert condition == HEALTHY
            test = list(self.file.services[name].healthcheck[1:])
            self.wait_until(f"{name} in health", lambda: self.containers[name].exec_run(test).exit_code == 0)

    def _check(self, name: str, container: Any) -> None:
        container.reload()
        state = container.attrs["State"]
        ended_badly = state["Status"] == "exited" and state["ExitCode"] not in (0, 137)  # 137: killed, by the test
        if ended_badly or container.attrs["RestartCount"] > MOST_RESTARTS:
            words = container.logs(tail=5).decode(errors="replace").strip()
            raise Unavailable(f"the container of {name} ended: {words or 'without a word'}")


def lines_of(said: list[dict[str, Any]], event: str) -> Iterator[dict[str, Any]]:
    """Those of one kind."""
    return (line for line in said if line["event"] == event)
