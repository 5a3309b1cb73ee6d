"""Containers through the Docker SDK: a node, and the volumes, networks and containers of a run.

Everything that is made here carries a label with the name of its run, and goes with it: containers, volumes, networks.
The node's login is its cookie, in a volume of its own that parties read; the node's data they never see.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from pathlib import Path
from typing import Any

from btc_l2.chain.bitcoinlib_rpc import NodeRpc
from btc_l2.chain.rpc import RpcChain, connect
from regtest.node.bitcoind import COMMON_OPTIONS, KNOTS_OPTIONS, Running
from regtest.node.engine import APIError, NotFound, connect_engine
from regtest.node.image import LABEL, find_image
from taproot.errors import TimedOut, Unavailable
from taproot.hashes import sha256

RUN = f"{LABEL}.run"
RPC_PORT, ZMQ_PORT = 18443, 28332
DATA, LOGIN = "/var/lib/btc-l2", "/run/btc-l2"
COOKIE = f"{LOGIN}/cookie"
CLIENT = "/opt/bitcoind/bin/bitcoin-cli"  # in the node's image
NODE = "node"
START_LIMIT = 60.0  # seconds until RPC answers
STOP_LIMIT = 60  # seconds until it has written out what it holds
_PAUSE = 0.05
_LOCAL_ONLY = ("-rpcbind=", "-rpcallowip=", "-printtoconsole=", "-regtest", "-server=")
# The network between containers is not the host's: whoever is on it may ask, with the cookie.
NODE_OPTIONS = (
    *(option for option in COMMON_OPTIONS if not option.startswith(_LOCAL_ONLY)),
    *KNOTS_OPTIONS,
    "-rpcbind=0.0.0.0",
    "-rpcallowip=0.0.0.0/0",
    f"-rpccookiefile={COOKIE}",
    f"-zmqpubhashblock=tcp://0.0.0.0:{ZMQ_PORT}",
)


class ContainerRun:
    """What one run has made in an engine, by label; `close` removes all of it."""

    def __init__(self, engine: Any | None = None, name: str | None = None) -> None:
        """A new run, or the one of that name. Raises Unavailable without an engine."""
        self.engine = engine or connect_engine()
        self.name = name or f"{LABEL}-{secrets.token_hex(4)}"
        self.labels = {RUN: self.name}

    def network(self, name: str) -> str:
        """A network with no way out of the machine."""
        made = self.engine.networks.create(f"{self.name}-{name}", driver="bridge", internal=True, labels=self.labels)
        return str(made.name)

    def volume(self, name: str) -> str:
        """An empty volume, or that of the run as it is."""
        return str(self.engine.volumes.create(f"{self.name}-{name}", labels=self.labels).name)

    def create(self, name: str, image: str, **what: Any) -> Any:
        """A container that is not started: read-only but for its volumes, without capabilities."""
        return self.engine.containers.create(
            image, name=f"{self.name}-{name}", hostname=name, labels=self.labels, cap_drop=["ALL"],
            security_opt=["no-new-privileges"], **what,
        )  # fmt: skip

    def close(self) -> None:
        """Remove containers, volumes, networks of this run; a second call does nothing."""
        remove_run(self.engine, self.name)


def name_of(home: Path) -> str:
    """The run whose volumes belong to a folder of this machine."""
    return f"{LABEL}-{sha256(str(home.resolve()).encode())[:4].hex()}"


def remove_run(engine: Any, name: str, volumes: bool = True) -> None:
    """Everything that carries the label of a run; without `volumes` what is in them stays, written out in peace."""
    chosen = {"label": f"{RUN}={name}"}
    for container in engine.containers.list(all=True, filters=chosen):
        if not volumes:
            container.stop(timeout=STOP_LIMIT)
        container.remove(force=True, v=volumes)
    for volume in engine.volumes.list(filters=chosen) if volumes else ():
        volume.remove(force=True)
    for network in engine.networks.list(filters=chosen):
        network.remove()


class NodeContainer(Running):
    """A bitcoind in a container of its own, asked from the host by RPC."""

    def __init__(self, run: ContainerRun | None = None, keeps: bool = False) -> None:
        """`keeps`: the chain outlives the container. Raises Unavailable without an engine or an image."""
        self.run, self._keeps = run or ContainerRun(), keeps
        self.login = self.user = self.password = self.version = ""
        self.port = 0
        self._container: Any = None

    @property
    def name(self) -> str:
        """Of the run: what `remove_run` takes."""
        return self.run.name

    @property
    def client(self) -> str:
        """How a person asks it."""
        return f"docker exec {self.name}-{NODE} {CLIENT} -datadir={DATA} -regtest -rpccookiefile={COOKIE}"

    def start(self) -> None:
        """Make volumes and container, start, wait until RPC answers. Raises Unavailable, TimedOut."""
        image = find_image(self.run.engine, "node")
        if self._keeps:
            self.stop()  # what an engine that was switched off has left
        self.login = self.run.volume("login")
        volumes = {self.run.volume("node"): {"bind": DATA}, self.login: {"bind": LOGIN}}
        try:
            self._container = self.run.create(
                NODE, image, command=list(NODE_OPTIONS), volumes=volumes, read_only=True,
                ports={f"{RPC_PORT}/tcp": ("127.0.0.1", None)},
            )  # fmt: skip
            self._container.start()
            self._wait()
        except (APIError, OSError) as error:
            self.stop()
            raise Unavailable(f"the node's container does not start: {error}; look at `docker logs`") from error
        except BaseException:
            self.stop()
            raise

    def attach(self) -> None:
        """Find the node that another process has started. Raises Unavailable if it does not run."""
        try:
            self._container = self.run.engine.containers.get(f"{self.name}-{NODE}")
            self._read_login()
        except (NotFound, KeyError, IndexError, ValueError) as error:
            raise Unavailable(f"no container {self.name}-{NODE} runs; start it with `regtest up`") from error

    def stop(self) -> None:
        """Remove all of the run, but for a chain that is kept."""
        remove_run(self.run.engine, self.name, volumes=not self._keeps)

    def forget(self) -> None:
        """Remove a chain that is kept, too."""
        self.run.close()

    def restart(self) -> None:
        """The node ends cleanly and starts again on its volume; a new cookie, maybe another port."""
        self._container.restart(timeout=STOP_LIMIT)
        self._wait()

    def chain(self) -> RpcChain:
        """A new connection from the host."""
        return connect("regtest", port=self.port, user=self.user, password=self.password)

    def join(self, network: str) -> None:
        """Become `node` on another network."""
        self.run.engine.networks.get(network).connect(self._container, aliases=[NODE])

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                self._read_login()
                info = NodeRpc("127.0.0.1", self.port, self.user, self.password).call("getnetworkinfo")
                self.version = f"{info['subversion']} in a container"
                return
            except (NotFound, Unavailable, KeyError, IndexError, ValueError) as error:
                self._container.reload()
                if self._container.status == "exited":
                    words = self._container.logs(tail=3).decode(errors="replace").strip()
                    raise Unavailable(f"the node's container ended: {words}; see its options") from error
                if time.monotonic() > deadline:
                    raise TimedOut(f"the node's container did not answer within {START_LIMIT:.0f} s") from error
                time.sleep(_PAUSE)

    def _read_login(self) -> None:
        self._container.reload()
        self.port = int(self._container.ports[f"{RPC_PORT}/tcp"][0]["HostPort"])
        stream, _facts = self._container.get_archive(COOKIE)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.next() or "")
            assert member is not None
            self.user, _, self.password = member.read().decode().strip().partition(":")
