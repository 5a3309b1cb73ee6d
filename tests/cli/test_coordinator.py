"""`btc-l2 coordinator` as processes: three signers' files go by mail, the mailbox is killed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from challenger.presign.coordinator.client import Log, Mail
from challenger.presign.coordinator.wire import Head
from taproot.errors import Refused
from taproot.hashes import sha256
from taproot.keys import XOnlyKey
from tests.challenger.signers import keys_of, member, policy_of

COMMAND = [sys.executable, "-c", "from btc_l2.cli.main import run; run()", "coordinator"]
CEREMONY = sha256(b"by a process")


class Process:
    """A coordinator of its own process."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        policy = folder / "policy.json"
        policy.write_text(json.dumps(policy_of(3).to_json()))
        options = ["run", "--policy", str(policy), "--folder", str(folder / "mail"), "--port", str(port), "--json"]
        self.process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url, self.key = said["url"], XOnlyKey(bytes.fromhex(said["key"]))

    def mail(self, name: str) -> Mail:
        members = {bytes(member(n).identity) for n in policy_of(3).names}
        return Mail(self.url, self.key, keys_of(name).identity, members)

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def test_a_killed_mailbox_has_all_that_it_confirmed(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(Process(tmp_path))
    log = processes[0].mail("alice").post(Log.empty(CEREMONY), b"one")
    assert processes[0].end(signal.SIGKILL) == -signal.SIGKILL
    processes.append(Process(tmp_path))
    again = processes[1]
    assert again.key == processes[0].key
    assert [e.content for e in again.mail("alice").post(log, b"two").entries] == [b"one", b"two"]
    assert again.mail("bob").fetch(Log.empty(CEREMONY)).head.number == 2
    assert (tmp_path / "mail" / "coordinator.key").stat().st_mode & 0o777 == 0o600
    assert again.end(signal.SIGTERM) == 0


def test_it_opens_no_port_to_others_by_itself(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(policy_of(3).to_json()))
    options = ["run", "--policy", str(tmp_path / "policy.json"), "--folder", str(tmp_path), "--host", "0.0.0.0"]
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (Refused.exit_code, "") and "--public" in done.stderr


def test_evidence_that_proves_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(policy_of(3).to_json()))
    head = Head.of_nothing(CEREMONY).to_bytes().hex()
    evidence = {"format": "btc-l2 coordinator evidence 1", "kind": "two-logs", "what": "", "coordinator": "",
                "ceremony": CEREMONY.hex(), "entries": [], "heads": [head, head]}  # fmt: skip
    (tmp_path / "evidence.json").write_text(json.dumps(evidence))
    options = ["verify", str(tmp_path / "evidence.json"), "--policy", str(tmp_path / "policy.json"), "--key",
               keys_of("alice").identity.x_only.hex()]  # fmt: skip
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "proves nothing" in done.stderr
