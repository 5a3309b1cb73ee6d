"""The daemon as a user starts it, against a real node: settings, pages, ZMQ, signals; and a fee spike there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from challenger.presign.ceremony.agreement import CEREMONY
from challenger.watchtower.announcement import Announcement
from challenger.watchtower.notice import Notices
from challenger.watchtower.settings import resolve
from regtest.node.bitcoind import Bitcoind, find_bitcoind, free_port
from regtest.party import OPERATOR
from regtest.story import Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from tests.regtest.conftest import blobsum_plot
from tests.watchtower.conftest import CLAIM, NAME, MakeScene, Market, Scene, fraud

COMMAND = [sys.executable, "-c", "from btc_l2.cli.main import run; run()"]
LIMIT = 60.0
SPIKE = 500


@pytest.fixture
def node() -> Iterator[Bitcoind]:
    try:
        find_bitcoind()
    except Unavailable as error:
        pytest.skip(str(error))
    with Bitcoind(options=(f"-zmqpubhashblock=tcp://127.0.0.1:{free_port()}",)) as running:
        yield running


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def write_settings(scene: Scene, node: Bitcoind | None) -> Path:
    key = scene.folder / "key"
    key.write_text(f"{scene.secrets.key.to_bytes().hex()}\n{scene.secrets.one_time.hex()}\n")
    key.chmod(0o600)
    (scene.orders.deposits / "d1" / "deposit.toml").write_text('guest = "blobsum"\n')
    path = scene.folder / "watchtower.toml"
    path.write_text(
        f'party = "{scene.watched}"\nkey_file = "key"\n'
        + (f'node_port = {node.port}\nnode_cookie = "{node.cookie}"\n' if node else "")
        + f'http_port = {free_port()}\npoll = 30\nlog = "json"\nstate = "daemon"\n'
    )
    return path


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    run = [*COMMAND, "watchtower", *arguments]
    return subprocess.run(run, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.bitcoind
def test_the_daemon_challenges_on_a_real_node_and_ends_at_sigterm(
    node: Bitcoind, workshop: Workshop, library: object, tmp_path: Path
) -> None:
    stage = Stage(Market(node.chain()), fraud(), workshop=workshop)  # type: ignore[arg-type]
    scene = Scene(stage, tmp_path / "tower", "alice", library)  # type: ignore[arg-type]
    config = str(write_settings(scene, node))
    checked = call("check", "--config", config, "--json")
    assert checked.returncode == 0, checked.stderr
    told = json.loads(checked.stdout)
    assert told["deposits"] == {"d1": "challenger"} and told["doubts"] == []
    assert call("status", "--config", config).returncode == 3
    stage.confirm_vault()
    daemon = subprocess.Popen([*COMMAND, "watchtower", "run", "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        port = resolve(Path(config), {}, {}).settings.http_port
        wait_until(lambda: is_open(port), "the pages do not open")
        for name in ("fan", "challenge.alice", "veto.alice"):  # poll is 30 s: it is ZMQ that makes it so quick
            while stage.view.confirmed("kickoff") is None or stage.view.depth("kickoff") < 2:
                next(p for p in stage.players if p.name == OPERATOR).tick()
                stage.mine()
            if stage.view.confirmed(name) is None:
                wait_until(lambda: bool(stage.chain.mempool()), f"{name} is not sent")
                stage.mine()
        assert stage.view.confirmed("challenge.alice") is not None
        document = json.loads(call("status", "--config", config, "--json").stdout)
        assert document["deposits"][0]["phase"] == "claimed"
    finally:
        daemon.send_signal(signal.SIGTERM)
        _, log = daemon.communicate(timeout=60)
    assert daemon.returncode == 0
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events[0] == "daemon.started" and lines[0]["zmq"] == "yes" and events[-1] == "daemon.stopped"
    assert "move.sent" in events


@pytest.mark.bitcoind
@pytest.mark.long
def test_a_spike_on_a_real_node_is_survived(
    node: Bitcoind, workshop: Workshop, library: object, tmp_path: Path
) -> None:
    """The node's mempool judges packages and replacements; blocks take what pays 500 sat/vB."""
    stage = Stage(Market(node.chain()), fraud(), workshop=workshop)  # type: ignore[arg-type]
    scene = Scene(stage, tmp_path / "tower", "alice", library)  # type: ignore[arg-type]
    stage.confirm_vault()
    scene.until(lambda: scene.confirmed("alice/choose.1"))
    scene.until(lambda: any(scene.look()))
    waits = scene.sent[-1]
    stage.chain.rate = SPIKE  # type: ignore[attr-defined]
    scene.until(lambda: scene.confirmed(waits))
    scene.play()
    ending = stage.end()
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    assert ending.books.accounts["alice"].change > 0


def test_an_operator_announces_what_a_challenger_believes_and_nothing_false(make_scene: MakeScene) -> None:
    scene = make_scene(blobsum_plot(), watched=OPERATOR, confirmed=False)
    config, path = str(write_settings(scene, None)), scene.orders.deposits / NAME / CLAIM
    announced = path.read_text()
    path.unlink()
    claim = scene.stage.plot.guest.honest_claim()
    false = bytes([claim[0] ^ 1]) + claim[1:]
    refused = call("announce", "d1", "--claim", false.hex(), "--config", config)
    assert refused.returncode == 6 and "does not accept" in refused.stderr and not path.exists()
    done = call("announce", "d1", "--claim", claim.hex(), "--config", config)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["zn"] == json.loads(announced)["zn"]
    proposal = scene.stage.bundle.proposal
    Announcement.load(path).verify(proposal)
    another = replace(proposal, constants={**proposal.constants, CEREMONY: bytes(32)})
    with pytest.raises(VerificationFailed):
        Announcement.load(path).verify(another)


@pytest.mark.bitcoind
def test_a_notice_ends_the_waiting_when_a_block_comes(node: Bitcoind) -> None:
    chain = node.chain()
    notices = Notices(chain.block_source())
    assert notices.by_zmq
    wait_until(lambda: _noticed(chain.mine, notices), "no message comes")  # a subscription takes a moment
    notices.stop()
    assert not notices.wait(30)
    notices.close()


def _noticed(mine: Callable[[], object], notices: Notices) -> bool:
    mine()
    begin = time.monotonic()
    return notices.wait(2) and time.monotonic() - begin < 1


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_text('party = "alice"\npoll = 7\nstuck = 9\n')
    around = {"BTCL2_WATCHTOWER_POLL": "8", "BTCL2_WATCHTOWER_DEADLINE": "11", "HOME": "/"}
    found = resolve(file, {"poll": None, "deadline": 12}, around)
    s = found.settings
    assert (s.party, s.poll, s.stuck, s.deadline, s.outage) == ("alice", 8, 9, 12, 3)
    origins = [found.origins[name] for name in ("party", "poll", "stuck", "deadline", "outage")]
    assert origins == ["file", "environment", "file", "flag", "default"]
    assert found.path("x") == tmp_path / "x"


@pytest.mark.parametrize(
    ("text", "around", "says"),
    [
        ("pol = 7", {}, "unknown setting 'pol' in the file"),
        ('poll = "7"', {}, "give a value of type int"),
        ("poll = 7", {"BTCL2_WATCHTOWER_POLL": "soon"}, "in the environment is 'soon'"),
        ("poll = ", {}, "no TOML"),
    ],
)
def test_settings_that_are_not_understood_are_refused(
    tmp_path: Path, text: str, around: dict[str, str], says: str
) -> None:
    file = tmp_path / "w.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=re.escape(says)):
        resolve(file, {}, around)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config, key = tmp_path / "watchtower.toml", tmp_path / "key"
    key.write_text("11" * 32 + "\n" + "22" * 32 + "\n")
    key.chmod(0o644)
    config.write_text('party = "alice"\nkey_file = "key"\nnode_port = 1\nnode_cookie = "cookie"\n')
    (tmp_path / "cookie").write_text("user:password")
    done = call("check", "--config", str(config))
    assert done.returncode in (3, 6) and done.stderr.startswith("error: ")
    from challenger.watchtower.keys import read_secrets
    from taproot.errors import Refused

    with pytest.raises(Refused, match="can be read by others"):
        read_secrets(key, None)
    key.chmod(0o600)
    assert read_secrets(key, None).one_time == b"\x22" * 32


def test_the_commands_print_settings_with_origins_and_rates() -> None:
    rows = json.loads(call("settings", "--json", BTCL2_WATCHTOWER_POLL="9").stdout)
    assert {"setting": "poll", "value": "9", "origin": "environment"} in rows
    assert len(json.loads(call("fees", "--json").stdout)) == 4


