"""The back ends that the shared suite runs on: each test gets a chain of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from regtest.node.bitcoind import Bitcoind, find_bitcoind
from taproot.errors import Unavailable


class Backend(Protocol):
    """A chain that can be stopped and started again on the same folder."""

    chain: Chain

    def restart(self) -> None: ...

    def stop(self) -> None: ...


class EmbeddedBackend:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.chain: Chain = EmbeddedChain(folder)

    def restart(self) -> None:
        self.chain.close()
        self.chain = EmbeddedChain(self._folder)

    def stop(self) -> None:
        self.chain.close()


class BitcoindBackend:
    def __init__(self, folder: Path) -> None:
        self._node = Bitcoind(folder)
        self._node.start()
        self.chain: Chain = self._node.chain()

    def restart(self) -> None:
        self._node.restart()
        self.chain = self._node.chain()

    def stop(self) -> None:
        self._node.stop()


def skip_without_bitcoind() -> None:
    """Skip the running test where no node can be started, and say how to get one."""
    try:
        find_bitcoind()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(params=["embedded", pytest.param("bitcoind", marks=pytest.mark.bitcoind)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "bitcoind":
        skip_without_bitcoind()
    made: Backend = BitcoindBackend(tmp_path) if request.param == "bitcoind" else EmbeddedBackend(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def chain(backend: Backend) -> Chain:
    return backend.chain


@pytest.fixture
def embedded() -> Iterator[EmbeddedChain]:
    with EmbeddedChain() as made:
        yield made
