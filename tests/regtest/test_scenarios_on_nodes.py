"""Every back end plays the same story: verdict, transactions, vbytes; stories follow each other on one chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from regtest.comparison import Row, differences, main, play, render
from regtest.network import Network, small_plot
from regtest.node.backends import NODES, make_node
from regtest.party import make_cast
from regtest.scenarios import NAMES
from regtest.workshop import Workshop
from tests.regtest.conftest import skip_without_node

# What differs most between nodes: delays, packages and fees, blocks that are replaced, live signatures.
QUICK = {
    "bitcoind": ("deposit_refund", "swap", "reorg"),
    "bitcoind-core": ("swap",),
    "container": ("deposit_claim", "swap", "fee_spike"),
}
MARKS = {"container": pytest.mark.container}

On = Callable[[str], Network]


def cases() -> Iterator[object]:
    for backend in NODES:
        for name in NAMES:
            marks = [MARKS.get(backend, pytest.mark.bitcoind)]
            marks += [] if name in QUICK[backend] else [pytest.mark.long]
            yield pytest.param(backend, name, marks=marks, id=f"{backend}-{name}")


@pytest.fixture(scope="module")
def embedded(workshop: Workshop) -> Callable[[str], Row]:
    """A scenario on libbitcoinkernel, played once."""
    known: dict[str, Row] = {}

    def row(name: str) -> Row:
        if name not in known:
            with EmbeddedChain() as chain:
                known[name] = play(name, "embedded", Network(chain, "libbitcoinkernel", workshop=workshop))
        return known[name]

    return row


@pytest.fixture(scope="module")
def network_on() -> Iterator[On]:
    """The next story on the node of a back end; one node for all of them."""
    with ExitStack() as stack:
        open_nodes: dict[str, Network] = {}
        runs = count(1)

        def on(backend: str) -> Network:
            if backend not in open_nodes:
                skip_without_node(backend)
                node = stack.enter_context(make_node(backend))
                open_nodes[backend] = Network(node.chain(), node.version)
            return replace(open_nodes[backend], run=next(runs))

        yield on


@pytest.mark.parametrize(("backend", "name"), cases())
def test_a_scenario_is_the_same_story_on_every_back_end(
    network_on: On, embedded: Callable[[str], Row], backend: str, name: str
) -> None:
    row = play(name, backend, network_on(backend))
    assert not row.failed, row.failed
    assert row.story == embedded(name).story
    assert row.judge != "libbitcoinkernel"


def test_a_table_says_which_scenario_failed_or_differs() -> None:
    row = Row("swap", "embedded", "kernel", 0.1, 0.1, "fine.", ("pay.1",), 154)
    same, other = replace(row, backend="bitcoind"), replace(row, backend="container", vbytes=155)
    failed = replace(row, backend="container", failed="nobody was paid")
    assert differences([row, same]) == [] and "are the same on all back ends" in render([row, same], ["no engine"])
    assert "no engine" in render([row], ["no engine"])
    assert differences([row, other]) == ["swap is another story on container than on embedded"]
    assert "swap failed on container: nobody was paid" in render([row, failed], [])


def test_the_table_is_written_and_names_what_could_not_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BITCOIND_CORE", str(tmp_path / "nowhere"))
    table = tmp_path / "out" / "scenarios.txt"
    given = ["--backend", "embedded", "--backend", "bitcoind-core", "--scenario", "swap", "--out", str(table)]
    assert main(given) == 0
    assert table.read_text() == capsys.readouterr().out
    assert "swap                 embedded          4      600" in table.read_text()
    assert "not played on bitcoind-core: BITCOIND_CORE is" in table.read_text()


def test_stories_that_follow_each_other_share_no_key() -> None:
    casts = [make_cast(replace(small_plot(), run=run).key_seed).secrets for run in (0, 1, 2)]
    keys = {key for secrets in casts for s in secrets.values() for key in (s.key.public_key, s.one_time)}
    assert len(keys) == 3 * 2 * len(casts[0])
