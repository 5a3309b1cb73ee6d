"""A ceremony's files read without keys, what its first stage has signed, and statements of those who have a node."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.durable import make_folder
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.reading import first_signatures, read_graphs
from challenger.presign.ceremony.statement import Statement, keep_statement, statements
from challenger.presign.ceremony.store import Files
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from tests.challenger.signers import TOY, Table, changed, keys_of

SEEN = Statement("ab" * 32, "cd" * 32, "alice", 812, "00" * 32, 3).signed(keys_of("alice").identity)


def stick(table: Table, folder: Path) -> Files:
    """All that has been sent, on a medium."""
    make_folder(folder)
    for name in table.desks:
        for sent in table.seat("bob").files.sent_by(name):
            (folder / sent.file_name).write_bytes(sent.to_bytes())
    return Files(folder)


@pytest.mark.parametrize(("operators", "plain"), [(1, ()), (2, ()), (1, ("bob",))])
def test_a_stranger_makes_the_graphs_of_the_members(tmp_path: Path, operators: int, plain: tuple[str, ...]) -> None:
    table = Table(tmp_path, 3, operators, plain=plain)
    table.propose()
    table.give_keys()
    plan, graphs = read_graphs(stick(table, tmp_path / "stick"), TOY)
    own = table.seat("carol")
    assert plan == own.plan and Messages.of(graphs).digest() == Messages.of(own.graphs()).digest()


@pytest.mark.parametrize("plain", [(), ("bob",)])
def test_what_was_signed_before_confirm_is_there_for_leave(tmp_path: Path, plain: tuple[str, ...]) -> None:
    table = Table(tmp_path, 3, plain=plain).open()
    files = table.seat("bob").files
    graphs = read_graphs(files, TOY)[1]
    with pytest.raises(Unavailable, match="first stage is not signed"):
        first_signatures(files, graphs)
    while files.read("signatures.bin") is None:
        table.round()
    found = first_signatures(files, graphs)["alice"]
    requests = [r for r in graphs["alice"].requests() if r.tx != "confirm"]
    graphs["alice"].verify_some(found, requests)
    assert len(found) == len(requests) and ("leave.stake0", 0) in found


def test_files_that_their_senders_did_not_sign_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path, 2)
    table.propose()
    table.give_keys()
    files = stick(table, tmp_path / "stick")
    path = files.folder / "keys.0.bob.json"
    document = json.loads(path.read_text())
    document["body"]["bonds"]["alice"] = "77" * 32 + ":0"
    path.write_text(json.dumps(document))
    with pytest.raises(VerificationFailed, match="not signed by bob's identity key"):
        read_graphs(Files(files.folder), TOY)
    path.unlink()
    with pytest.raises(Unavailable, match="keys of bob are not in"):
        read_graphs(Files(files.folder), TOY)


def test_keys_of_another_ceremony_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path, 2)
    table.propose()
    table.give_keys()
    files = stick(table, tmp_path / "stick")
    own = files.find(Round.KEYS, 0, "bob")
    assert own is not None
    other = Contribution.make(keys_of("bob").identity, "bob", Round.KEYS, 0, own.policy, own.body, bytes(32))
    (files.folder / other.file_name).write_bytes(other.to_bytes())
    with pytest.raises(InvalidInput, match="another ceremony or policy"):
        read_graphs(Files(files.folder), TOY)


def test_two_proposals_on_one_stick_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path, 2)
    table.propose()
    files = stick(table, tmp_path / "stick")
    proposed = files.find(Round.PROPOSE, 0, "alice")
    assert proposed is not None
    second = Contribution.make(
        keys_of("bob").identity, "bob", Round.PROPOSE, 0, proposed.policy, changed(proposed, salt="11" * 16).body
    )
    (files.folder / second.file_name).write_bytes(second.to_bytes())
    with pytest.raises(InvalidInput, match="holds 2 proposals"):
        read_graphs(Files(files.folder), TOY)


# ---- statements ------------------------------------------------------------------------------------------------------


def test_a_statement_survives_its_file_and_binds_every_field() -> None:
    identity = keys_of("alice").identity.x_only
    read = Statement.from_bytes(SEEN.to_bytes())
    assert read == SEEN
    read.verify(identity)
    other = {"height": 813, "depth": 4, "agreed": "ce" * 32, "block": "01" * 32, "signer": "bob", "ceremony": "ac" * 32}
    for name, value in other.items():
        with pytest.raises(VerificationFailed):
            replace(SEEN, **{name: value}).verify(identity)  # type: ignore[arg-type]
    with pytest.raises(VerificationFailed):
        SEEN.verify(keys_of("bob").identity.x_only)


def test_the_newest_statement_of_a_signer_is_kept(tmp_path: Path) -> None:
    newer = replace(SEEN, height=900).signed(keys_of("alice").identity)
    assert keep_statement(tmp_path, SEEN) and keep_statement(tmp_path, newer)
    assert not keep_statement(tmp_path, SEEN) and list(statements(tmp_path)) == [newer]


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_statement_or_end_otherwise_than_by_a_reason(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="no file of format"):
        Statement.from_bytes(content)


@given(
    st.sampled_from(["format", "ceremony", "agreed", "signer", "height", "block", "depth", "signature"]),
    st.one_of(st.none(), st.booleans(), st.integers(max_value=-1), st.floats(), st.lists(st.text()),
              st.just("AB" * 32), st.just("ab " * 32), st.just("ab" * 31)),
)  # fmt: skip
def test_a_field_of_another_kind_is_refused(name: str, value: object) -> None:
    if name == "signer" and isinstance(value, str):
        return
    with pytest.raises(InvalidInput, match="no file of format"):
        Statement.from_bytes(json.dumps(SEEN.to_json() | {name: value}).encode())
