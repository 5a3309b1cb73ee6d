"""`btc-l2 signer check`: what a machine with a node says of a ceremony, and its statement for machines without one.

Each doubt by itself: `tests/bridge/test_inspection.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from challenger.presign.ceremony.statement import Statement
from tests.cli.conftest import Answer
from tests.cli.paid import PaidGroup
from tests.cli.signers import call, digest_of

NAMES = ("olga", "alice")
TIP = 103  # the outputs are one block deeper


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> PaidGroup:
    """Everything is paid, everybody's keys are on the stick."""
    return PaidGroup(call, tmp_path_factory.mktemp("paid"), NAMES).set_up().pay().until_keys()


@pytest.fixture
def group(with_keys: PaidGroup, tmp_path: Path) -> PaidGroup:
    return PaidGroup(call, Path(shutil.copytree(with_keys.folder, tmp_path / "copy")), NAMES, paid=with_keys.paid)


def look(group: PaidGroup, *arguments: object, what: object = None) -> Answer:
    """By somebody who has neither keys nor home."""
    where = ("--chain", group.folder / "chain", "--home", group.folder / "nobody")
    return group.call("signer", "check", what or group.stick, *where, *arguments)


def test_paid_and_buried_outputs_raise_no_doubt_and_no_key_is_needed(group: PaidGroup) -> None:
    shown = look(group, "--json")
    assert shown.code == 0, shown.stderr
    found = shown.json()
    assert found["doubts"] == [] and found["height"] == TIP and found["depth"] == 2
    states = {f["name"]: (f["state"], f["height"]) for f in found["outputs"]["olga"]}
    assert states == dict.fromkeys(("deposit", "stake0", "bond.alice", "ticket"), ("stands", TIP - 1))
    screen = look(group).stdout
    assert "no doubt stands" in screen
    assert f"dora can take the deposit back alone from height {TIP - 1 + 144} on" in screen
    home = group.run("alice", "check", "--chain", group.folder / "chain")
    assert home.code == 0 and home.stdout == screen
    assert digest_of(group.run("alice", "review")) == found["agreed"][:16]


def test_a_doubt_ends_with_code_6_after_the_whole_screen(group: PaidGroup) -> None:
    shown = look(group, "--depth", 3)
    assert shown.code == 6 and "4 doubts stand: nobody should sign `confirm`" in shown.stderr
    assert shown.stdout.count("DOUBT: ") == 4 and "is 2 blocks deep, 3 are asked for" in shown.stdout
    assert len(look(group, "--depth", 3, "--json").json()["doubts"]) == 4
    group.mine(1)
    assert look(group, "--depth", 3).code == 0


def test_a_statement_binds_its_signer_and_is_shown_by_the_review_of_others(group: PaidGroup) -> None:
    assert "no machine with a node has looked" in group.run("olga", "review").stdout
    group.ok("alice", "check", "--chain", group.folder / "chain", "--statement", group.stick)
    path = group.stick / "check.alice.json"
    group.ok("olga", "import", group.stick)
    shown = group.run("olga", "review").stdout
    assert f"alice's machine saw all outputs at height {TIP} (block " in shown and "2 blocks deep" in shown
    assert Statement.from_bytes(path.read_bytes()).height == TIP
    changed = json.loads(path.read_text()) | {"height": 9_999}
    (group.folder / "check.alice.json").write_text(json.dumps(changed))
    refused = group.run("olga", "import", group.folder / "check.alice.json")
    assert refused.code == 4 and "not signed by alice's identity key" in refused.stderr
    group.mine(1)
    group.ok("alice", "check", "--chain", group.folder / "chain", "--statement", group.stick)
    assert "new" in group.ok("olga", "import", path).stdout and "known" in group.ok("olga", "import", path).stdout


def test_no_statement_is_made_while_a_doubt_stands_or_for_others_keys(group: PaidGroup) -> None:
    given = ("check", "--chain", group.folder / "chain", "--statement", group.stick)
    assert group.run("alice", *given, "--depth", 3).code == 6
    assert not list(group.stick.glob("check.*"))


def test_a_statement_about_other_graphs_is_shown_as_such(group: PaidGroup) -> None:
    group.ok("alice", "check", "--chain", group.folder / "chain", "--statement", group.stick)
    from btc_l2.cli.signer_desk import open_keys

    _, keys = open_keys(group.home("alice"), b"correct horse")
    seen = Statement.from_bytes((group.stick / "check.alice.json").read_bytes())
    other = Statement(seen.ceremony, "00" * 32, "alice", seen.height, seen.block, 2).signed(keys.identity)
    (group.stick / "check.alice.json").write_bytes(other.to_bytes())
    group.ok("olga", "import", group.stick)
    assert "alice's machine looked at OTHER graphs" in group.run("olga", "review").stdout


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": "btc-l2 check 1"}', b"{" * 5_000])
def test_what_is_no_statement_is_refused(group: PaidGroup, content: bytes) -> None:
    (group.folder / "check.alice.json").write_bytes(content)
    assert group.run("olga", "import", group.folder / "check.alice.json").code == 2


def test_a_folder_without_a_ceremony_or_with_missing_keys_is_said(group: PaidGroup, tmp_path: Path) -> None:
    (group.stick / "keys.0.alice.json").unlink()
    missing = look(group)
    assert missing.code == 3 and "keys of alice are not in" in missing.stderr
    (tmp_path / "empty").mkdir()
    nothing = look(group, what=tmp_path / "empty")
    assert nothing.code == 2 and "holds 0 proposals" in nothing.stderr
