"""The harness around bitcoind: where it finds one, and what it says when it cannot start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from btc_l2.chain.protocol import Rejected
from regtest.node import debian, knots_install
from regtest.node.bitcoind import Bitcoind, find_bitcoind, find_version
from taproot.errors import Unavailable
from tests.chain.conftest import skip_without_bitcoind
from tests.chain.spends import EQUAL, lock_coins


def program(path: Path, lines: str) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def test_bitcoind_is_named_by_the_environment_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "mine", "true")
    program(tmp_path / "bitcoind", "true")
    monkeypatch.delenv("BITCOIND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_bitcoind() == tmp_path / "bitcoind"
    monkeypatch.setenv("BITCOIND", str(mine))
    assert find_bitcoind() == mine
    monkeypatch.setenv("BITCOIND", str(tmp_path / "absent"))
    with pytest.raises(Unavailable, match="cannot be run"):
        find_bitcoind()


def test_no_bitcoind_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BITCOIND", raising=False)
    monkeypatch.setattr("regtest.node.bitcoind.DEFAULT_FOLDER", tmp_path)
    with pytest.raises(Unavailable, match="make bitcoind"):
        find_bitcoind()


def test_a_program_that_is_no_bitcoind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not run"):
        find_version(program(tmp_path / "broken", "exit 1"))
    with pytest.raises(Unavailable, match="does not run"):
        find_version(tmp_path / "absent")


def test_a_node_that_dies_is_quoted(tmp_path: Path) -> None:
    lines = 'if [ "$1" = --version ]; then echo "Bitcoin Core"; else echo "Error: no room" >&2; exit 1; fi'
    node = Bitcoind(tmp_path / "data", binary=program(tmp_path / "dies", lines))
    with pytest.raises(Unavailable, match="did not start: Error: no room"):
        node.start()


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    binary = program(tmp_path / "fine", 'echo "Bitcoin Core"')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} is in use"):
            Bitcoind(tmp_path / "data", binary=binary, port=port).start()


@pytest.mark.bitcoind
def test_a_folder_in_use_is_one_line(tmp_path: Path) -> None:
    skip_without_bitcoind()
    with Bitcoind(tmp_path), pytest.raises(Unavailable, match=r"did not start: .*lock"):
        Bitcoind(tmp_path).start()


@pytest.mark.bitcoind
def test_a_node_stops_cleanly_and_its_temporary_folder_goes() -> None:
    skip_without_bitcoind()
    node = Bitcoind()
    node.start()
    chain = node.chain()
    chain.mine(1)
    node.stop()
    node.stop()
    assert not node.folder.exists()
    with pytest.raises(Unavailable, match="does not answer"):
        chain.tip()


@pytest.mark.bitcoind
def test_numbers_that_are_not_minimal_are_valid_but_not_relayed() -> None:
    """What our policy cannot see without running a script (MINIMALDATA): the embedded chain would relay it."""
    skip_without_bitcoind()
    with Bitcoind() as node:
        chain = node.chain()
        lock = lock_coins(chain, b"\x8b\x52" + EQUAL)  # add one, compare with two
        with pytest.raises(Rejected) as refused:
            chain.broadcast(lock.spend(b"\x01\x00"))
        assert refused.value.is_script_failure
        chain.check(lock.spend(b"\x01"))
        chain.mine_block([lock.spend(b"\x01\x00")])


# ---- make bitcoind ----------------------------------------------------------------------------------------


def test_the_mirror_is_that_of_the_system() -> None:
    targets = [
        "stable main https://packages.example.org/debian-tools",
        "bookworm-security main http://mirror.example.net/debian-security",
        "bookworm contrib http://contrib.example.net/debian",
        "bookworm main http://mirror.example.net/debian",
        "",
    ]
    assert debian.find_mirror(targets, knots_install.BITCOIND) == "http://mirror.example.net/debian"
    with pytest.raises(Unavailable, match="no Debian mirror"):
        debian.find_mirror(targets[:3], knots_install.BITCOIND)


def test_apt_is_kept_inside_its_folder(tmp_path: Path) -> None:
    text = debian.apt_configuration(tmp_path)
    for option in ("Dir::State ", "Dir::State::status ", "Dir::Cache ", "Dir::Etc::sourceparts "):
        assert f'{option}"{tmp_path}/' in text


def test_without_apt_the_installer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"apt-get and dpkg-deb not found.*BITCOIND"):
        knots_install.install(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_failing_apt_is_quoted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = 'if [ "$1" = indextargets ]; then echo "bookworm main http://localhost/debian"; exit; fi'
    script = f'{targets}; echo "E: no route" >&2; exit 100'
    program(tmp_path / "apt-get", script)
    program(tmp_path / "dpkg-deb", "true")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "apt-get")
    with pytest.raises(Unavailable, match="apt-get failed while fetching bitcoin-knots: E: no route"):
        knots_install.install(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
