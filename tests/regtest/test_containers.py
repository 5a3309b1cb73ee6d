"""What can be said about containers without an engine: what stands in which file, who refuses what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regtest.node import engine, standing
from regtest.node.bitcoind import Bitcoind
from regtest.node.container import NODE_OPTIONS
from taproot.errors import InvalidInput, Refused, Unavailable
from taproot.tx import P2A_SCRIPT
from tests.chain.conftest import skip_without_bitcoind


def test_the_node_in_a_container_takes_standard_transactions_only_and_logs_in_by_cookie() -> None:
    assert "-acceptnonstdtxn=0" in NODE_OPTIONS
    assert not any(o.startswith(("-rpcuser", "-rpcpassword", "-rpcauth")) for o in NODE_OPTIONS)


def test_without_an_engine_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(Unavailable, match="start dockerd"):
        engine.connect_engine()


@pytest.mark.bitcoind
def test_a_node_that_stays_keeps_its_chain_until_it_is_forgotten(tmp_path: Path) -> None:
    skip_without_bitcoind()
    folder = tmp_path / "state"
    standing.start(folder, "bitcoind")
    try:
        standing.open_standing(folder).mine(2)
        with pytest.raises(Refused, match="runs already"):
            standing.start(folder, "bitcoind")
    finally:
        standing.stop(folder)
    assert standing.start(folder, "bitcoind")["height"] == 2
    standing.stop(folder, forget=True)
    assert not folder.exists()


def test_a_node_that_was_not_started_has_no_status(tmp_path: Path) -> None:
    for act in (standing.status, standing.stop):
        with pytest.raises(Unavailable, match="regtest up"):
            act(tmp_path)
    with pytest.raises(InvalidInput, match="stays"):
        standing.start(tmp_path, "embedded")


@pytest.mark.bitcoind
def test_parties_that_look_for_their_coins_at_the_same_time_all_find_them() -> None:
    """A node makes one scan of its coins at a time, and tells others so."""
    skip_without_bitcoind()
    with Bitcoind() as node:
        node.chain().mine(120)
        chains = [node.chain() for _ in range(4)]
        with ThreadPoolExecutor(len(chains)) as pool:
            found = pool.map(lambda chain: {len(chain.find_coins(P2A_SCRIPT)) for _ in range(20)}, chains)
            assert list(found) == [{120}] * len(chains)
