"""Parties of a test network that act by themselves, as processes on a node: what compose.yaml starts, in containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.guests import find_guest
from challenger.keystore import open_keystore
from challenger.presign.ceremony.card import make_card
from challenger.presign.ceremony.result import MANIFEST
from challenger.presign.ceremony.store import POLICY
from regtest.network import GUEST, TERMS
from regtest.node.bitcoind import Bitcoind, free_port
from regtest.signing.attendant import DEPOSITS, Attendant, check_network
from regtest.signing.board import Board
from regtest.signing.enrolment import CARDS, DIGESTS, PASSPHRASE, Group, compare_digests, enrol, open_home, silent
from taproot.errors import Refused, TimedOut, VerificationFailed
from tests.chain.conftest import skip_without_bitcoind
from tests.cli.signers import call

COMMAND = [sys.executable, "-c", "from btc_l2.cli.main import run; run()"]
NAMES = ("olga", "alice")
LIMIT = 300


def start(folder: Path, node: Bitcoind, *arguments: str) -> subprocess.Popen[str]:
    around = {
        **os.environ, "BTCL2_NODE": f"http://127.0.0.1:{node.port}", "BTCL2_COOKIE": str(node.cookie),
        "BTCL2_GUEST": GUEST, "BTCL2_MEMBERS": " ".join(NAMES), "BTCL2_OPERATORS": NAMES[0],
        "BTCL2_BOARD": str(folder / "board"), "BTCL2_NONCES": str(folder / "nonces" / arguments[2]),
    }  # fmt: skip
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=around)


def command(folder: Path, name: str, port: int) -> list[str]:
    """What compose.yaml says."""
    if name == "dora":
        return ["regtest", "depositor", name, "--home", f"{folder}/{name}"]
    where = ["--home", f"{folder}/{name}", "--hand", f"{folder}/{name}.hand"]
    return ["regtest", "signer", name, *where, "--coordinator", f"http://127.0.0.1:{port}"]


def read_lines(process: subprocess.Popen[str]) -> list[dict[str, str]]:
    """What it said until its end."""
    return [json.loads(line) for line in process.communicate(timeout=LIMIT)[0].splitlines()]


@pytest.fixture
def node() -> Iterator[Bitcoind]:
    skip_without_bitcoind()
    with Bitcoind() as running:
        yield running


@pytest.mark.bitcoind
def test_signers_in_processes_come_from_nothing_to_bundles_without_a_dealer(node: Bitcoind, tmp_path: Path) -> None:
    port, board = free_port(), tmp_path / "board"
    mailbox = start(
        tmp_path, node, "coordinator", "run", "--policy", f"{board}/policy/policy.json", "--folder", f"{tmp_path}/mail",
        "--port", str(port), "--wait", str(LIMIT), "--key-out", f"{board}/coordinator/key",
    )  # fmt: skip
    miner = start(tmp_path, node, "regtest", "mine", "--every", "0.3")
    people = {name: start(tmp_path, node, *command(tmp_path, name, port)) for name in (*NAMES, "dora")}
    try:
        said = {name: read_lines(process) for name, process in people.items()}
        assert {p.returncode for p in people.values()} == {0}
        posted = Board(board).read(DEPOSITS, "d1")
        for name in ("olga", "dora"):  # once more: everything is done already, nothing is paid twice
            people["again"] = start(tmp_path, node, *command(tmp_path, name, port))
            events = [line["event"] for line in read_lines(people["again"]) if line["event"] != "card"]
            assert events == (["registered", "done"] if name == "olga" else [])
            assert people["again"].returncode == 0
        assert Board(board).read(DEPOSITS, "d1") == posted
    finally:
        for process in (mailbox, miner, *people.values()):
            process.kill()
            process.communicate()
    del said["dora"]
    for event in ("card", "registered", "agreed", "done"):
        words = [[line["words"] for line in lines if line["event"] == event] for lines in said.values()]
        assert words[0] == words[1] and words[0], event
    manifests = {(tmp_path / f"{name}.hand" / "deposits" / "d1" / MANIFEST).read_bytes() for name in NAMES}
    assert len(manifests) == 1
    for name in NAMES:
        hand = tmp_path / f"{name}.hand"
        assert open_keystore(hand / "keystore.json", (hand / PASSPHRASE).read_bytes())[0] == name


def group() -> Group:
    return Group(NAMES, NAMES[:1], find_guest(GUEST), TERMS)


def test_signers_who_have_other_cards_in_view_register_nothing(tmp_path: Path) -> None:
    """Somebody exchanged alice's card on the board, after she had looked at it."""
    board, mine = Board(tmp_path / "board", patience=5), tmp_path / "alice"
    for name in NAMES:
        board.post(CARDS, name, make_card(name, open_home(tmp_path / name, name)))
    true = group().draft(board.wait(CARDS, NAMES))
    board.place(CARDS, "alice").write_bytes(make_card("alice", open_home(tmp_path / "mallory", "alice")))
    board.post(DIGESTS, "olga", group().draft(board.wait(CARDS, NAMES)).digest().hex().encode())
    with pytest.raises(Refused, match="already with another content"):
        enrol(mine, "alice", group(), board, silent)
    board.post(DIGESTS, "alice", true.digest().hex().encode())
    with pytest.raises(Refused, match="olga has another policy in view"):
        compare_digests(true, group(), board)
    assert not (mine / POLICY).exists()


def test_a_card_in_another_name_is_no_card(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", patience=0)
    for name in NAMES:
        board.post(CARDS, name, make_card("olga", open_home(tmp_path / name, "olga")))
    with pytest.raises(VerificationFailed, match="posted as alice is of olga"):
        group().draft(board.wait(CARDS, NAMES))
    with pytest.raises(TimedOut, match="deposits of d1 not posted"):
        board.wait(DEPOSITS, ["d1"])


def test_nobody_signs_without_a_person_off_regtest(tmp_path: Path) -> None:
    with EmbeddedChain() as chain:
        check_network(chain)
        chain.network = "signet"
        with pytest.raises(Refused, match="for regtest, not for signet"):
            Attendant.sit_down(chain, tmp_path / "home", tmp_path, "olga", group(), Board(tmp_path / "board"))
    assert not (tmp_path / "home").exists()


def test_nobody_claims_without_a_person_off_regtest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTCL2_WATCHTOWER_NETWORK", "signet")
    refused = call("regtest", "party", "--lie", "operand")
    assert refused.code == 6 and "for regtest, not for signet" in refused.stderr
