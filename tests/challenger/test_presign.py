"""The signing ceremony and the bundle: who is honest ends with every signature, who lies is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenger.presign.bundle import Bundle
from challenger.presign.policy import Policy, split_requests
from challenger.presign.proposal import GameKeys, Proposal
from challenger.presign.session import Participant, presign, run_ceremony
from challenger.presign.signer import Signer
from taproot.connectors.turn import GameScripts
from taproot.errors import InvalidInput, Misbehaviour, Refused, Unavailable, VerificationFailed
from taproot.graph import Graph
from taproot.keys import SecretKey
from taproot.musig2 import aggregate_nonces
from taproot.presigned import Request, Signatures
from taproot.terms import Terms
from tests.taproot.toy import NAMES, SECRETS, TERMS, build_toy_games, make_parties, make_proposal, one_time_keys

PROPOSAL = make_proposal()
COSIGNERS = tuple(party.name for party in PROPOSAL.parties.cosigners)
Own = Mapping[str, Mapping[str, bytes]]


def own_keys(name: str) -> Own:
    """One-time keys that the party really has."""
    if name == "operator":
        return {j: one_time_keys(j)["operator"] for j in ("alice", "bob")}
    return {name: one_time_keys(name)["challenger"]} if name in ("alice", "bob") else {}


def signer(name: str, proposal: Proposal = PROPOSAL, own: Own | None = None) -> Signer:
    return Signer(name, SECRETS[name], proposal, build_toy_games, own_keys(name) if own is None else own)


def everybody() -> list[Participant]:
    return [signer(name) for name in COSIGNERS]


@cache
def graph() -> Graph:
    return PROPOSAL.build_graph(build_toy_games)


@cache
def bundle() -> Bundle:
    return presign(PROPOSAL, SECRETS, build_toy_games)


@cache
def content() -> bytes:
    return bundle().to_bytes()


# ---- ceremony --------------------------------------------------------------------------------------------------------


def test_ceremony_of_separate_parties_makes_every_signature() -> None:
    graph().verify(run_ceremony(graph(), everybody()))


def test_presign_makes_a_bundle_whose_signatures_all_check() -> None:
    bundle().graph.verify(bundle().signatures)


def test_only_cosigners_need_a_secret() -> None:
    secrets = {name: SECRETS[name] for name in COSIGNERS}
    assert presign(PROPOSAL, secrets, build_toy_games).proposal is PROPOSAL
    assert "depositor" not in COSIGNERS


class Liar:
    """A signer who bends some of his answers."""

    def __init__(self, name: str) -> None:
        self.honest = signer(name)
        self.name = name

    def digest(self) -> bytes:
        return self.honest.digest()

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        return self.honest.public_nonces(requests)

    def partial_signatures(self, requests: Sequence[Request], aggregate: Sequence[bytes]) -> list[bytes]:
        return self.honest.partial_signatures(requests, aggregate)

    def see_signatures(self, signatures: Signatures) -> None:
        self.honest.see_signatures(signatures)


class OtherGraph(Liar):
    def digest(self) -> bytes:
        return bytes(32)


class BadNonce(Liar):
    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        return [*super().public_nonces(requests)[:-1], bytes(66)]


class FewNonces(Liar):
    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        return super().public_nonces(requests)[1:]


class BadPartial(Liar):
    """His part of one signature, in the middle, belongs to another one."""

    def partial_signatures(self, requests: Sequence[Request], aggregate: Sequence[bytes]) -> list[bytes]:
        parts = super().partial_signatures(requests, aggregate)
        middle = len(parts) // 2
        return [*parts[:middle], parts[middle - 1], *parts[middle + 1 :]]


class NoScalar(Liar):
    def partial_signatures(self, requests: Sequence[Request], aggregate: Sequence[bytes]) -> list[bytes]:
        return [b"\xff" * 32, *super().partial_signatures(requests, aggregate)[1:]]


class FewPartials(Liar):
    def partial_signatures(self, requests: Sequence[Request], aggregate: Sequence[bytes]) -> list[bytes]:
        return super().partial_signatures(requests, aggregate)[:-1]


LIARS: list[Callable[[str], Participant]] = [OtherGraph, BadNonce, FewNonces, BadPartial, NoScalar, FewPartials]


@pytest.mark.parametrize("lie", LIARS)
@pytest.mark.parametrize("name", ["alice", "operator"])
def test_a_lying_party_is_named(lie: Callable[[str], Participant], name: str) -> None:
    participants = [lie(name) if p.name == name else p for p in everybody()]
    with pytest.raises(Misbehaviour) as found:
        run_ceremony(graph(), participants)
    assert found.value.party == name


def test_a_party_in_the_place_of_another_is_named() -> None:
    alice, bob, *others = everybody()
    with pytest.raises(Misbehaviour, match="bob misbehaved: answers in the place of alice"):
        run_ceremony(graph(), [bob, alice, *others])


class Withholding(Liar):
    """Shows nothing of the first round to the others, but would like to have `confirm` signed."""

    def see_signatures(self, signatures: Signatures) -> None:
        return


def test_a_party_that_skips_the_check_does_not_sign_confirm() -> None:
    participants = [Withholding("bob") if p.name == "bob" else p for p in everybody()]
    with pytest.raises(Refused, match="confirm is signed last"):
        run_ceremony(graph(), participants)


# ---- what a signer does not sign -------------------------------------------------------------------------------------


def foreign_requests() -> list[Request]:
    first = split_requests(graph())[0][0]
    return [
        replace(first, message=bytes(32)),
        replace(first, index=first.index + 1),
        replace(first, tx="somewhere"),
        replace(first, tx="take1", index=0),  # a right message in the wrong place
    ]


@pytest.mark.parametrize("request_", foreign_requests())
def test_a_signer_signs_nothing_but_his_own_graph(request_: Request) -> None:
    alice = signer("alice")
    with pytest.raises(Refused, match="not in the agreed graph"):
        alice.public_nonces([request_])
    with pytest.raises(Refused, match="not in the agreed graph"):
        alice.partial_signatures([request_], [bytes(66)])


def test_a_signer_of_other_terms_refuses_exactly_what_they_change() -> None:
    later = replace(PROPOSAL, terms=replace(TERMS, challenge_delay=TERMS.challenge_delay + 1))
    policy = Policy(later.build_graph(build_toy_games))
    refused = set()
    for request in split_requests(graph())[0]:
        try:
            policy.check([request])
        except Refused:
            refused.add(request.tx)
    slashes = {name for name in graph().transactions if "/slash." in name}  # they spend receipts of take2
    assert refused == {"take1", "take2", *slashes}


def test_a_nonce_signs_once() -> None:
    participants, request = everybody(), split_requests(graph())[0][0]
    joined = aggregate_nonces([p.public_nonces([request])[0] for p in participants])
    participants[0].partial_signatures([request], [joined])
    with pytest.raises(Refused, match="no unused nonce"):
        participants[0].partial_signatures([request], [joined])


def test_a_request_that_comes_twice_in_a_batch_gets_one_nonce_and_one_part() -> None:
    alice, request = signer("alice"), split_requests(graph())[0][0]
    first, second = alice.public_nonces([request, request])
    assert first == second
    with pytest.raises(Refused, match="no unused nonce"):
        alice.partial_signatures([request, request], [aggregate_nonces([first, first])] * 2)


def test_a_signer_without_a_nonce_does_not_sign() -> None:
    request = split_requests(graph())[0][0]
    with pytest.raises(Refused, match="no unused nonce"):
        signer("bob").partial_signatures([request], [bytes(66)])


def test_a_new_round_has_new_nonces() -> None:
    alice, requests = signer("alice"), split_requests(graph())[0]
    before, after = alice.public_nonces(requests), alice.public_nonces(requests)
    assert len({*before, *after}) == 2 * len(requests)


def test_a_coordinator_who_sends_too_few_nonces_is_named() -> None:
    with pytest.raises(Misbehaviour, match="coordinator"):
        signer("alice").partial_signatures(split_requests(graph())[0][:2], [bytes(66)])


def test_confirm_is_signed_last() -> None:
    alice, (first, last) = signer("alice"), split_requests(graph())
    assert [r.tx for r in last] == ["confirm"] and len(first) + 1 == len(graph().requests())
    with pytest.raises(Refused, match="confirm is signed last"):
        alice.public_nonces(last)
    with pytest.raises(VerificationFailed):
        alice.see_signatures({r.key: bundle().signatures[r.key] for r in first[1:]})
    with pytest.raises(Refused, match="confirm is signed last"):
        alice.public_nonces(last)
    alice.see_signatures({r.key: bundle().signatures[r.key] for r in first})
    assert len(alice.public_nonces(last)) == 1


def test_a_signer_refuses_a_proposal_with_another_key_in_his_name() -> None:
    with pytest.raises(Refused, match="another key in the name of carol"):
        Signer("carol", SecretKey.generate(), PROPOSAL, build_toy_games)


@pytest.mark.parametrize("name", ["depositor", "eve"])
def test_who_is_no_cosigner_does_not_sign(name: str) -> None:
    with pytest.raises(Refused, match="no cosigner"):
        Signer(name, SECRETS["depositor"], PROPOSAL, build_toy_games)


@pytest.mark.parametrize("name", ["alice", "operator"])
@pytest.mark.parametrize("side", ["operator", "challenger"])
def test_a_player_refuses_one_time_keys_that_are_not_his(name: str, side: str) -> None:
    keys = PROPOSAL.one_time["alice"]
    changed = {message: bytes(20) for message in getattr(keys, side)}
    proposal = replace(PROPOSAL, one_time={**PROPOSAL.one_time, "alice": replace(keys, **{side: changed})})
    if (side == "operator") is (name == "operator"):
        with pytest.raises(Refused, match=f"in the name of {name} in alice's game"):
            signer(name, proposal)
    else:
        assert signer(name, proposal).name == name  # the other side looks at its own


def test_a_player_without_known_keys_does_not_sign() -> None:
    with pytest.raises(Refused, match="in the name of bob"):
        signer("bob", own={})


def test_one_false_key_of_a_player_stops_presign() -> None:
    with pytest.raises(Refused, match="another key in the name of bob"):
        presign(PROPOSAL, {**SECRETS, "bob": SecretKey.generate()}, build_toy_games)


# ---- bundle ----------------------------------------------------------------------------------------------------------


def test_a_bundle_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    path = tmp_path / "deposit.bundle"
    bundle().save(path)
    loaded = Bundle.load(path, build_toy_games)
    assert loaded.proposal == PROPOSAL and dict(loaded.signatures) == dict(bundle().signatures)
    assert loaded.graph.digest() == graph().digest()
    assert loaded.proposal.constants == PROPOSAL.constants
    assert loaded.to_bytes() == content() == path.read_bytes()


def test_a_bundle_is_readable_by_its_owner_only_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "deposit.bundle"
    path.write_text("old")
    path.chmod(0o644)
    bundle().save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["deposit.bundle"]


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    taken = tmp_path / "deposit.bundle"
    taken.mkdir()
    with pytest.raises(Unavailable, match="cannot write bundle"):
        bundle().save(taken)
    with pytest.raises(Unavailable, match="cannot write bundle"):
        bundle().save(tmp_path / "nowhere" / "deposit.bundle")
    assert [p.name for p in tmp_path.iterdir()] == ["deposit.bundle"]


def test_an_incomplete_bundle_is_not_saved(tmp_path: Path) -> None:
    partial = {k: s for k, s in bundle().signatures.items() if k != ("fan", 0)}
    with pytest.raises(VerificationFailed, match="no signature for input 0 of fan"):
        replace(bundle(), signatures=partial).save(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot read bundle .*nothing"):
        Bundle.load(tmp_path / "nothing", build_toy_games)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content()) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(content())
    changed[at] ^= 1 << bit
    with pytest.raises(VerificationFailed, match="digest does not fit"):
        Bundle.from_bytes(bytes(changed), build_toy_games)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_a_cut_bundle_is_refused(length: int) -> None:
    with pytest.raises(VerificationFailed, match="digest does not fit"):
        Bundle.from_bytes(content()[: min(length, len(content()) - 1)], build_toy_games)


def resealed(body: bytes) -> bytes:
    """Bytes with the digest of whoever changed them."""
    return body + hashlib.sha256(body).digest()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_under_a_new_digest_is_refused_or_changes_nothing_that_is_signed(data: st.DataObject) -> None:
    body = bytearray(content()[:-32])
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    try:
        loaded = Bundle.from_bytes(resealed(bytes(body)), build_toy_games)
    except (VerificationFailed, Refused):
        return
    # what no signature covers: names of parties and unused messages, constants that the toy does not read, and the two
    # numbers of the terms that no transaction depends on
    assert loaded.graph.digest() == graph().digest()
    terms = replace(loaded.proposal.terms, confirmations=TERMS.confirmations, fee_rate=TERMS.fee_rate)
    assert terms == TERMS and loaded.proposal.funding == PROPOSAL.funding


@pytest.mark.parametrize("index", [0, 1, -1])
def test_a_changed_signature_under_a_new_digest_is_named(index: int) -> None:
    request = graph().requests()[index]
    signature = bundle().signatures[request.key]
    body = content()[:-32].replace(signature, bytes(64))
    with pytest.raises(VerificationFailed, match=f"input {request.index} of {request.tx} is missing or wrong"):
        Bundle.from_bytes(resealed(body), build_toy_games)


def test_bundles_with_a_signature_too_few_or_too_many_are_refused() -> None:
    for body in (content()[:-96], content()[:-32] + bytes(64)):
        with pytest.raises(VerificationFailed, match="signatures, the graph needs"):
            Bundle.from_bytes(resealed(body), build_toy_games)
    with pytest.raises(VerificationFailed, match="header is not understood"):
        Bundle.from_bytes(resealed(content()[:-33]), build_toy_games)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"bundle 1\n", b"bundle 2\n", "not a bundle of version 1"),
        (b'"asset":35000', b'"asset":34999', "header is not understood: asset"),
        (b'"margin":6', b'"margin":7', "missing or wrong"),
        (b'"margin"', b'"nigram"', "missing or unknown field"),
        (b'"games":["alice"', b'"games":["carol"', "no graph can be made"),
        (b'"games":["alice"', b'"games":[["lice]', "header is not understood"),
    ],
)
def test_a_changed_header_under_a_new_digest_is_refused(old: bytes, new: bytes, reason: str) -> None:
    assert old in content()
    with pytest.raises(VerificationFailed, match=reason):
        Bundle.from_bytes(resealed(content()[:-32].replace(old, new)), build_games_or_refuse)


def build_games_or_refuse(proposal: Proposal) -> Mapping[str, GameScripts]:
    if set(proposal.one_time) != set(proposal.parties.challengers):
        raise InvalidInput("games do not fit the challengers")
    return build_toy_games(proposal)


def test_a_bundle_for_other_scripts_is_refused() -> None:
    def other(proposal: Proposal) -> Mapping[str, GameScripts]:
        keys = {j: GameKeys({**k.operator, "reveal": bytes(20)}, k.challenger) for j, k in proposal.one_time.items()}
        return build_toy_games(replace(proposal, one_time=keys))

    with pytest.raises(VerificationFailed, match="missing or wrong"):
        Bundle.from_bytes(content(), other)


def test_an_error_of_loading_is_one_line_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "deposit.bundle"
    path.write_bytes(content()[:-1])
    with pytest.raises(VerificationFailed) as error:
        Bundle.load(path, build_toy_games)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_toy_parties_are_complete() -> None:
    assert {*COSIGNERS, "depositor"} == set(NAMES) and make_parties() == PROPOSAL.parties
    assert isinstance(PROPOSAL.terms, Terms)
