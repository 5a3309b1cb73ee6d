"""Who breaks a rule of the ceremony is named, with evidence that somebody else can check."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round, pack
from challenger.presign.ceremony.evidence import verify_evidence
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.store import EVIDENCE
from taproot.errors import BtcL2Error, InvalidInput, Misbehaviour, VerificationFailed
from taproot.hashes import sha256
from taproot.tx import OutPoint
from tests.challenger.signers import DEPOSIT, TOY, Table, changed, keys_of, of, outpoints_of


def evidence_of(table: Table, name: str) -> list[Path]:
    return sorted((table.desks[name].home / EVIDENCE).glob("*.json"))


def check_named(table: Table, judge: str, guilty: str) -> None:
    """The evidence names the guilty to somebody who has nothing but the file; changed, it proves nothing."""
    (path,) = evidence_of(table, judge)
    assert verify_evidence(path.read_bytes(), TOY).party == guilty
    document = json.loads(path.read_bytes())
    innocent = next(name for name in table.desks if name != guilty)
    with pytest.raises(VerificationFailed, match="proves nothing"):
        verify_evidence(json.dumps({**document, "party": innocent}).encode(), TOY)


def test_two_different_files_of_one_round_name_their_sender(tmp_path: Path) -> None:
    table = Table(tmp_path, 3)
    table.propose()
    keys = table.seat("carol").give_keys(outpoints_of(table.policy, "carol"))
    table.pass_on([keys], to=["bob"])
    other = changed(keys, bonds={"alice": str(OutPoint(sha256(b"elsewhere"), 0))})
    with pytest.raises(Misbehaviour, match=r"carol misbehaved: signed two different files keys\.0\.carol\.json"):
        table.pass_on([other], to=["bob"])
    check_named(table, "bob", "carol")


@pytest.mark.parametrize(
    "body", [{"bonds": {}}, {"stakes": [str(DEPOSIT)]}, {"keys": {}}, {"keys": None}, {"ticket": "x"}]
)
def test_keys_that_do_not_fit_name_their_sender(tmp_path: Path, body: dict[str, object]) -> None:
    table = Table(tmp_path, 3)
    table.propose()
    keys = table.seat("carol").give_keys(outpoints_of(table.policy, "carol"))
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        table.pass_on([changed(keys, **body)], to=["bob"])
    check_named(table, "bob", "carol")


def test_different_files_for_different_people_stop_the_ceremony_and_their_exchange_names_the_sender(
    tmp_path: Path,
) -> None:
    table = Table(tmp_path, 3)
    table.propose()
    alice, bob = (table.seat(n).give_keys(outpoints_of(table.policy, n)) for n in ("alice", "bob"))
    carol = table.seat("carol").give_keys(outpoints_of(table.policy, "carol"))
    other = changed(carol, bonds={"alice": str(OutPoint(sha256(b"elsewhere"), 0))})
    table.pass_on([alice, bob])
    table.pass_on([carol], to=["alice"])
    table.pass_on([other], to=["bob"])
    for name in ("alice", "bob"):
        table.seat(name).agree(Messages.of(table.seat(name).graphs()))
    table.pass_on(table.sign("alice"), to=["bob"])
    with pytest.raises(VerificationFailed, match=r"alice got another keys\.0\.carol\.json than you"):
        table.sign("bob")
    with pytest.raises(Misbehaviour, match="carol"):
        table.pass_on([carol], to=["bob"])


def test_nonces_for_another_graph_name_their_sender(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("carol")
    table.pass_on([changed(made, graphs={"alice": bytes(32).hex()})], to=["bob"])
    with pytest.raises(Misbehaviour, match="carol misbehaved: made other graphs from the same files"):
        table.sign("bob")
    check_named(table, "bob", "carol")


@pytest.mark.parametrize("nonces", ["", pack([bytes(66)]), 7, "no base64"])
def test_bad_nonces_name_their_sender(tmp_path: Path, nonces: object) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("carol")
    table.pass_on([*table.sign("alice"), changed(made, nonces=nonces)], to=["bob"])
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        table.sign("bob")
    check_named(table, "bob", "carol")


def test_a_nonce_that_is_no_point_names_its_sender(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("carol")
    count = len(made.body["nonces"]) * 3 // 4 // 66
    table.pass_on([*table.sign("alice"), changed(made, nonces=pack([bytes(66)] * count))], to=["bob"])
    with pytest.raises(Misbehaviour, match=r"carol misbehaved: public nonce .* is not two points"):
        table.sign("bob")
    check_named(table, "bob", "carol")


@pytest.mark.parametrize("guilty", ["alice", "carol"])
@pytest.mark.parametrize("stage", [Round.PARTIALS, Round.CONFIRM_PARTIALS])
def test_a_wrong_part_of_a_signature_names_its_sender(tmp_path: Path, guilty: str, stage: Round) -> None:
    table = Table(tmp_path, 3).open()
    while (made := table.sign()) and stage not in {c.round for c in made}:
        table.pass_on(made)
    bad = of(made, stage, guilty)
    size = len(bad.body["partials"]) * 3 // 4 // 32
    others = [c for c in made if c is not bad]
    table.pass_on([*others, changed(bad, partials=pack([bytes(31) + b"\1"] * size))], to=["bob"])
    with pytest.raises(Misbehaviour, match=f"{guilty} misbehaved: partial signature"):
        table.seat("bob").signatures()
    check_named(table, "bob", guilty)


def test_after_a_wrong_part_a_new_attempt_ends_well(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    table.round()
    made = table.sign()
    bad = of(made, Round.PARTIALS, "carol")
    size = len(bad.body["partials"]) * 3 // 4 // 32
    spoiled = [changed(c, partials=pack([bytes(31) + b"\1"] * size)) if c is bad else c for c in made]
    table.pass_on(spoiled, to=["alice", "bob"])
    with pytest.raises(Misbehaviour, match="carol"):
        table.sign("bob")
    table.pass_on(table.seat("bob").sign(again=True), to=["alice", "bob"])
    table.pass_on(table.sign("alice"), to=["alice", "bob"])
    assert table.seat("alice").files.attempts(Round.NONCES) == 2


def test_a_party_twice_signs_once(tmp_path: Path) -> None:
    """Two machines with one keystore make different nonces: the second one's are two files of one sender."""
    table = Table(tmp_path, 3).open()
    twin = Table(tmp_path, 3)
    twin.desks = {"bob": table.desk("bob", home="twin", outside="twin-outside")}
    table.pass_on(table.sign("alice", "bob", "carol"))
    twin.pass_on([table.seat("alice").proposed, *(table.seat(n).files.sent_by(n)[0] for n in ("bob", "carol"))])
    twin.pass_on([c for c in table.seat("alice").own_files() if c.round is Round.KEYS])
    twin.agree()
    (made,) = twin.sign("bob")
    with pytest.raises(Misbehaviour, match=r"bob misbehaved: signed two different files nonces\.1\.bob\.json"):
        table.pass_on([made], to=["alice"])


def test_evidence_that_was_made_up_proves_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path, 3)
    table.propose()
    keys = table.seat("carol").give_keys(outpoints_of(table.policy, "carol"))
    with pytest.raises(Misbehaviour):
        table.pass_on([changed(keys, bonds={})], to=["bob"])
    (path,) = evidence_of(table, "bob")
    document = json.loads(path.read_bytes())
    document["files"][1]["body"]["bonds"] = {"alice": str(DEPOSIT)}
    with pytest.raises(VerificationFailed, match="identity key"):
        verify_evidence(json.dumps(document).encode(), TOY)
    document["files"][1] = keys.to_json()
    with pytest.raises(VerificationFailed, match="his files keep the rules"):
        verify_evidence(json.dumps(document).encode(), TOY)
    with pytest.raises(InvalidInput, match="unknown kind"):
        verify_evidence(json.dumps({**document, "kind": "gossip"}).encode(), TOY)


@cache
def _whole() -> tuple[Table, list[Contribution]]:
    """A ceremony that was played to its end, and all of its files."""
    table = Table(Path(tempfile.mkdtemp()), 2).open()
    table.finish()
    files = [c for name in table.desks for c in table.seat(name).own_files()]
    return table, files


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_spoiled_file_is_refused_with_a_reason_whoever_signed_it(data: st.DataObject) -> None:
    table, files = _whole()
    chosen = data.draw(st.sampled_from(files))
    body = dict(chosen.body)
    field = data.draw(st.sampled_from(sorted(body)))
    body[field] = data.draw(st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
                            | st.dictionaries(st.text(max_size=3), st.none(), max_size=2))  # fmt: skip
    ceremony = b"" if chosen.round is Round.PROPOSE else chosen.ceremony
    identity = keys_of(chosen.sender).identity
    spoiled = Contribution.make(
        identity, chosen.sender, chosen.round, chosen.attempt, chosen.policy, body, ceremony
    )
    if spoiled.digest != chosen.digest:
        with pytest.raises(BtcL2Error):
            _, _, is_new = receive(table.desks["bob"], spoiled.to_bytes())
            assert is_new and field == "salt"  # another ceremony
            raise InvalidInput("taken")


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_flipped_bit_anywhere_in_a_file_is_refused_or_means_the_same(data: st.DataObject) -> None:
    table, files = _whole()
    content = bytearray(data.draw(st.sampled_from(files)).to_bytes())
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        _, _, is_new = receive(table.desks["bob"], bytes(content))
    except BtcL2Error:
        return
    assert not is_new  # hexadecimal in capitals: the very same contribution
