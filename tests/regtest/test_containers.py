"""What can be said about containers without an engine: what stands in which file, who refuses what."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from challenger.games import GameLibrary
from challenger.presign.bundle import Bundle
from challenger.watchtower.keys import read_secrets
from challenger.watchtower.program import BUNDLE, DEPOSIT
from challenger.watchtower.settings import resolve
from regtest import engine, standing
from regtest.bitcoind import Bitcoind
from regtest.container import NODE_OPTIONS
from regtest.network import small_plot
from regtest.process import (
    DEPOSIT_FOLDER,
    KEY_FILE,
    SECRETS,
    STORY,
    TOWER_FILE,
    make_player,
    prepare,
    read_story,
)
from regtest.story import Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput, Refused, Unavailable
from taproot.tx import P2A_SCRIPT
from tests.chain.conftest import skip_without_bitcoind

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Iterator[tuple[Path, Stage]]:
    """A story written out for parties in processes of their own."""
    folder = tmp_path_factory.mktemp("story")
    with EmbeddedChain() as chain:
        stage = Stage(chain, small_plot(lie="operand"), workshop=workshop)
        for name in ("olga", "alice"):
            (folder / name).mkdir()
        prepare(stage, folder, {n: folder / n for n in ("olga", "alice")}, "node:18443", "/run/cookie", "off")
        yield folder, stage


def test_a_party_in_a_process_of_its_own_is_the_same_as_in_the_story(told: tuple[Path, Stage]) -> None:
    folder, stage = told
    public, library = folder / DEPOSIT_FOLDER, GameLibrary()
    bundle = Bundle.load(public / BUNDLE, library.scripts)
    story = read_story(public, bundle)
    olga, alice = (make_player(n, stage.chain, bundle, library, story, folder / n) for n in ("olga", "alice"))
    assert olga.prover.z0() == stage.prover.z0() and olga.prover.zn() == stage.prover.zn()
    assert alice.objects and alice.secrets == stage.cast.secrets["alice"]
    stage.chain.mine(stage.plot.terms.confirmations)
    assert olga.tick() == ["kickoff"]
    with pytest.raises(InvalidInput, match="neither operator nor challenger"):
        (folder / "carol").mkdir()
        (folder / "carol" / SECRETS).write_bytes((folder / "alice" / SECRETS).read_bytes())
        make_player("carol", stage.chain, bundle, library, story, folder / "carol")


def test_a_watchtower_finds_its_settings_key_and_deposit(told: tuple[Path, Stage]) -> None:
    folder, stage = told
    found = resolve(folder / "alice" / TOWER_FILE, {}, {})
    orders = found.orders()
    assert (orders.party, orders.deposits) == ("alice", folder)
    assert read_secrets(folder / "alice" / KEY_FILE, None) == stage.cast.secrets["alice"]
    assert (folder / "alice" / KEY_FILE).stat().st_mode & 0o077 == 0
    assert tomllib.loads((folder / DEPOSIT_FOLDER / DEPOSIT).read_text())["guest"] == "blobsum"


def test_no_secret_is_among_the_public_files(told: tuple[Path, Stage]) -> None:
    folder, stage = told
    for name in ("olga", "alice"):
        secrets = stage.cast.secrets[name]
        for path in (folder / DEPOSIT_FOLDER).iterdir():
            content = path.read_bytes()
            for secret in (secrets.key.to_bytes(), secrets.one_time):
                assert secret not in content and secret.hex().encode() not in content, path


@pytest.mark.parametrize("broken", ["{", "{}", json.dumps({"guest": 1})])
def test_a_story_that_is_none_is_refused(told: tuple[Path, Stage], tmp_path: Path, broken: str) -> None:
    (tmp_path / STORY).write_text(broken)
    with pytest.raises(InvalidInput):
        read_story(tmp_path, told[1].bundle)


def test_compose_and_the_tests_start_the_same_node() -> None:
    """The options of compose.yaml are those of the harness, read as text: it needs no parser of YAML."""
    text = (ROOT / "compose.yaml").read_text()
    listed = set(re.findall(r"^      - (-[\w=./:-]+)$", text, re.MULTILINE))
    assert listed == {o for o in NODE_OPTIONS if not o.startswith("-natpmp")}


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
