"""The nodes that a network can be made of, by name: started, asked, stopped alike."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from btc_l2.chain.rpc import RpcChain
from regtest.node.bitcoind import Bitcoind, find_core
from taproot.errors import InvalidInput

EMBEDDED = "embedded"  # no node at all: libbitcoinkernel in this process
NODES = ("bitcoind", "bitcoind-core", "container")
BACKENDS = (EMBEDDED, *NODES)


class Node(Protocol):
    """A bitcoind on regtest with a chain of its own."""

    version: str
    port: int

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(self, *_: object) -> None:
        """Stop it; a chain that has no home goes with it."""

    def start(self) -> None:
        """Until RPC answers. Raises Unavailable, TimedOut."""

    def stop(self) -> None:
        """A second call does nothing."""

    def chain(self) -> RpcChain:
        """A new connection."""


def make_node(backend: str, home: Path | None = None) -> Node:
    """A node that is not started. With a `home` its chain stays: there, or in a volume that is named after it.

    Raises InvalidInput for an unknown name, Unavailable if there is no such program or engine.
    """
    if backend == "bitcoind":
        return Bitcoind(home)
    if backend == "bitcoind-core":
        return Bitcoind(home, binary=find_core())
    if backend == "container":
        from regtest.node.container import ContainerRun, NodeContainer, name_of

        return NodeContainer(ContainerRun(name=None if home is None else name_of(home)), keeps=home is not None)
    raise InvalidInput(f"no backend is called {backend!r}; choose {', '.join(BACKENDS)}")
