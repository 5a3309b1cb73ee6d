"""Every alarm begins once, stands, ends when its cause is gone; a restart does not tell it again. The pages say it."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from challenger.watchtower.alarms import KINDS, Alarm, Board
from challenger.watchtower.announcement import Announcement
from challenger.watchtower.daemon import describe
from challenger.watchtower.pages import Pages, PageServer
from challenger.watchtower.program import DataUnavailable
from challenger.watchtower.store import Store
from challenger.watchtower.structured import JsonLines
from taproot.errors import InvalidInput, Unavailable
from taproot.tx import Transaction, TxIn, TxOut
from taproot.units import Sats
from tests.challenger.test_journal import full_disk
from tests.watchtower.conftest import CLAIM, NAME, MakeScene, Scene
from tests.watchtower.test_tower import alarms

ROOT = Path(__file__).resolve().parents[2]


def raised(caplog: pytest.LogCaptureFixture, kind: str) -> int:
    return sum(r.getMessage().startswith(f"alarm.raised kind={kind} ") for r in caplog.records)


def cleared(caplog: pytest.LogCaptureFixture, kind: str) -> int:
    return sum(r.getMessage().startswith(f"alarm.cleared kind={kind} ") for r in caplog.records)


def look_often(scene: Scene) -> None:
    for _ in range(3):
        scene.look()


def check_once(scene: Scene, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """It stands, was told once, and a restart tells nothing."""
    look_often(scene)
    assert alarms(scene)[kind] == 1 and raised(caplog, kind) == 1
    scene.restart()
    look_often(scene)
    assert alarms(scene)[kind] == 1 and raised(caplog, kind) == 1 and cleared(caplog, kind) == 0


def test_a_spend_that_no_graph_knows_is_called_out_once(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    """The refund leaf by the depositor is known; the same leaf in another shape (two inputs) is not."""
    scene = make_scene(confirmed=False)
    graph, chain, stage = scene.stage.bundle.graph, scene.stage.chain, scene.stage
    chain._chain.mine(graph.contract.terms.refund_delay)
    look_often(scene)
    assert not alarms(scene)
    dora, wallet = stage.cast.secrets["dora"], stage.wallets["dora"]
    planned = graph.planned("refund")
    coin = wallet.coins()[0]
    value = Sats(planned.prevouts[0].value + coin.output.value - 1_000)
    tx = Transaction(2, (*planned.tx.inputs, TxIn(coin.outpoint)), (TxOut(value, wallet.script_pubkey),))
    chain.mine_block([sign_refund(scene, tx, [planned.prevouts[0], coin.output], dora.key)])
    check_once(scene, caplog, "spend.unknown")


def sign_refund(scene: Scene, tx: Transaction, prevouts: list[TxOut], key: object) -> Transaction:
    from taproot.keys import sign_schnorr
    from taproot.sighash import SighashCache

    output = scene.stage.bundle.graph.outputs["deposit"]
    path, cache = output.path("refund"), SighashCache(tx, prevouts)
    signature = sign_schnorr(key, cache.script_path(0, path.leaf.hash))  # type: ignore[arg-type]
    own = sign_schnorr(key.taproot_tweaked(), cache.key_path(1))  # type: ignore[attr-defined]
    return tx.with_witnesses({0: (signature, path.leaf.code, output.tree.control_block("refund")), 1: (own,)})


def test_data_that_is_not_there_is_called_out_once_and_objected_to_in_time(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene()
    (scene.orders.deposits / NAME / CLAIM).unlink()
    scene.until(lambda: scene.confirmed("kickoff"))
    check_once(scene, caplog, "data.unavailable")
    assert not scene.sent
    scene.until(lambda: scene.confirmed("alice/choose.0"))  # she judges what stands on chain since it was challenged


def test_a_forged_announcement_counts_as_none(make_scene: MakeScene) -> None:
    scene = make_scene()
    path = scene.orders.deposits / NAME / CLAIM
    announced = json.loads(path.read_text())
    path.write_text(json.dumps(announced | {"signature": "00" * 64}))
    scene.until(lambda: scene.confirmed("kickoff"))
    scene.look()
    assert alarms(scene) == {"data.unavailable": 1}


@pytest.mark.parametrize("content", [b"\xff", b"{}", b"[" * 100_000], ids=["no text", "no fields", "deep"])
def test_what_is_no_announcement_counts_as_none_and_is_objected_to_in_time(
    make_scene: MakeScene, content: bytes
) -> None:
    """Found by `make fuzz`: an operator who sends such a file must not keep the challenger from his move."""
    scene = make_scene()
    (scene.orders.deposits / NAME / CLAIM).write_bytes(content)
    scene.until(lambda: scene.confirmed("kickoff"))
    scene.look()
    assert alarms(scene) == {"data.unavailable": 1}
    scene.until(lambda: scene.confirmed("challenge.alice"))


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_an_announcement_where_others_write_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "operator.claim.json"
    make: dict[str, Callable[[], None]] = {
        "pipe": lambda: os.mkfifo(path), "endless": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir,
    }  # fmt: skip
    make[kind]()
    with pytest.raises((InvalidInput, Unavailable)):
        Announcement.load(path)


def test_a_missing_blob_is_missing_data(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.program = lambda *_: (_ for _ in ()).throw(DataUnavailable("no blob"))  # type: ignore[method-assign]
    scene.restart()
    scene.until(lambda: scene.confirmed("kickoff"))
    scene.look()
    assert alarms(scene) == {"data.unavailable": 1}


def test_a_move_that_does_not_confirm_and_its_deadline_are_called_out_once(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene(stuck=3, deadline=18)
    scene.until(lambda: scene.confirmed("fan"))
    for _ in range(5):  # blocks without anything
        scene.look()
        scene.stage.chain.mine_block([])
    for kind in ("move.stuck", "deadline.near"):
        check_once(scene, caplog, kind)
    scene.until(lambda: scene.confirmed("veto.alice"))
    scene.look()
    assert not {"move.stuck", "deadline.near"} & set(alarms(scene))
    assert cleared(caplog, "move.stuck") == raised(caplog, "move.stuck") >= 1
    assert cleared(caplog, "deadline.near") == raised(caplog, "deadline.near") >= 1


def test_a_reorganisation_as_deep_as_what_agents_answer_is_called_out(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene()
    scene.until(lambda: scene.confirmed("fan"))
    chain = scene.stage.chain
    scene.look()
    depth = scene.stage.plot.terms.confirmations
    for blocks, calls in ((depth - 1, 0), (depth, 1)):
        chain.invalidate(chain.block(chain.tip().height - blocks + 1).hash)
        for _ in range(blocks + 1):
            chain.mine_block([])
        scene.look()
        assert raised(caplog, "reorg.deep") == calls


def test_a_poor_fee_wallet_is_called_out(make_scene: MakeScene, caplog: pytest.LogCaptureFixture) -> None:
    scene = make_scene()
    scene.until(lambda: scene.confirmed("kickoff"))
    scene.stage.mine()
    scene.stage.chain.rate = 9_000
    scene.look()
    assert alarms(scene)["wallet.low"] == 1


def test_a_full_disk_is_called_out_although_nothing_can_be_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "tower.db", "alice")
    told: list[tuple[str, bool]] = []
    board = Board(store, lambda kind, begins: told.append((kind, begins)))
    alarm = Alarm("d", "disk.unwritable", "", "x" * 100_000)
    with full_disk():
        board.update([alarm], 5)
        board.update([alarm], 6)
    board.update([], 7)
    assert told == [("disk.unwritable", True), ("disk.unwritable", False)]


def test_an_alarm_that_comes_back_is_told_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "tower.db", "alice")
    told: list[tuple[str, bool]] = []
    alarm = Alarm("d", "fee.cap", "move", "text")
    for _ in range(2):
        board = Board(store, lambda kind, begins: told.append((kind, begins)))  # as after a restart
        board.update([alarm], 5)
        board.update([alarm], 6)
        board.update([], 7)
    assert told == [("fee.cap", True), ("fee.cap", False)] * 2


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_pages_say_what_is_the_matter(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.until(lambda: scene.confirmed("veto.alice"))
    scene.stage.chain.down = Unavailable("the node does not answer")
    look_often(scene)
    pages = Pages(60)
    server = PageServer(pages, "127.0.0.1", 0)
    try:
        assert get(server.port, "/healthz")[0] == 503
        for healthy in (False, True):
            if healthy:
                scene.stage.chain.down = None
                scene.look()
            pages.show(scene.tower.metrics.render(), describe(scene.tower), scene.tower.last_error)
            code, body = get(server.port, "/healthz")
            assert (code, json.loads(body)["healthy"]) == ((200, True) if healthy else (503, False))
        families = {f.name: f for f in text_string_to_metric_families(get(server.port, "/metrics")[1])}
        height = families["btcl2_watchtower_height"].samples[0].value
        assert height == scene.stage.chain.tip().height
        samples = families["btcl2_watchtower_moves_sent"].samples
        sent = {s.labels["kind"]: s.value for s in samples if s.name.endswith("_total")}
        assert sent["fan"] == sent["veto"] == 1
        status = json.loads(get(server.port, "/status")[1])
        assert status["deposits"][0]["phase"] == "claimed" and status["alarms"] == []
        assert get(server.port, "/secrets")[0] == 404
    finally:
        server.close()


def test_log_lines_are_objects_with_stable_names() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 1, "move.waits name=%s by=%s reason=%s",
                               ("alice/choose.0", "alice", "rejected: insufficient fee, 1 < 2"), None)  # fmt: skip
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["level"], line["name"]) == ("move.waits", "warning", "alice/choose.0")
    assert line["reason"] == "rejected: insufficient fee, 1 < 2"


def test_the_page_about_the_watchtower_names_every_alarm_event_and_metric() -> None:
    page = (ROOT / "docs" / "watchtower.md").read_text()
    sources = [*(ROOT / "challenger" / "watchtower").glob("*.py"), ROOT / "challenger" / "agents" / "player.py"]
    text = "\n".join(path.read_text() for path in sources)
    events = set(re.findall(r'"([a-z]+\.[a-z_]+) [a-z]+=%', text))
    metrics = set(re.findall(r'(?:gauge|counter)\("(\w+)"', text))
    assert len(events) > 12 and len(metrics) > 12
    assert [name for name in (*KINDS, *events, *metrics) if f"`{name}" not in page] == []
