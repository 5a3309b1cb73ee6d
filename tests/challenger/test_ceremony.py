"""The signing ceremony by files: who keeps the rules ends with every signature, who does not is named with evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenger.commit import GameId
from challenger.presign.ceremony.agreement import Messages, Outpoints, Plan
from challenger.presign.ceremony.ceremony import begin
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.nonces import NonceHalves, Slot, check_outside, make_nonces
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.result import MANIFEST, make_bundles, verify_folder, write_folder
from challenger.presign.policy import split_requests
from taproot.connectors.turn import Role
from taproot.errors import InvalidInput, Refused, TimedOut, Unavailable, VerificationFailed
from taproot.hashes import sha256
from taproot.musig2 import Session
from taproot.tx import OutPoint
from tests.challenger.signers import (
    DEADLINE,
    DEPOSIT,
    DEPOSITOR,
    NOW,
    Table,
    another_policy,
    keys_of,
    member,
    of,
    outpoints_of,
    policy_of,
    toy_keys,
)
from tests.taproot.toy import build_toy_games

# ---- the way through -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "operators"), [(2, 1), (2, 2), (3, 1), (5, 2)])
def test_everybody_ends_with_the_same_valid_bundles(tmp_path: Path, count: int, operators: int) -> None:
    table = Table(tmp_path, count, operators).open()
    found = table.finish()
    assert len({frozenset(s.items()) for s in found.values()}) == 1
    manifests = []
    for name in table.desks:
        seat = table.seat(name)
        folder = tmp_path / f"bundles.{name}"
        write_folder(folder, seat.plan, make_bundles(seat.proposals(), seat.graphs(), found[name]))
        manifest, bundles = verify_folder(folder, build_toy_games)
        assert set(bundles) == set(table.policy.operators)
        assert all(len(b.signatures) == len(b.graph.requests()) for b in bundles.values())
        manifests.append(manifest)
    assert all(m == manifests[0] for m in manifests)


def test_all_graphs_share_the_vault_and_confirm(tmp_path: Path) -> None:
    table = Table(tmp_path, 3, 3)
    table.propose()
    table.give_keys()
    graphs = table.seat("alice").graphs()
    assert len({g.planned("confirm").tx.txid for g in graphs.values()}) == 1
    assert len({g.outpoints["ticket"] for g in graphs.values()}) == 3
    assert len(Messages.of(graphs).confirm) == 1


def test_files_in_any_order_and_twice_change_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    made = table.sign()
    for name in table.desks:
        for each in (*reversed(made), *made):
            receive(table.desks[name], each.to_bytes())
    assert table.finish()["alice"]


def test_the_last_to_come_sends_nonces_and_parts_at_once(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    table.pass_on(table.sign("alice", "bob"))
    assert [c.round for c in table.sign("carol")] == [Round.NONCES, Round.PARTIALS, Round.CONFIRM_NONCES]


def test_signing_twice_sends_nothing_new(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    assert table.sign("alice") and not table.sign("alice")
    table.pass_on(table.sign("bob", "carol"))
    table.pass_on(table.seat("alice").own_files())
    assert table.sign("alice") and not table.sign("alice")


def test_who_is_missing_is_named(tmp_path: Path) -> None:
    table = Table(tmp_path, 3)
    table.propose()
    table.pass_on([table.seat("alice").give_keys(outpoints_of(table.policy, "alice"))])
    assert table.seat("bob").missing() == (Round.KEYS, 0, ["carol", "bob"])
    with pytest.raises(Unavailable, match="keys of carol, bob not here yet"):
        table.seat("bob").graphs()
    with pytest.raises(Refused, match="run `btc-l2 signer review` first"):
        table.seat("bob").sign()


def test_parts_of_confirm_leave_only_when_all_other_signatures_are_on_the_disk(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    table.round()
    made = table.sign()
    assert {c.round for c in made} == {Round.PARTIALS, Round.CONFIRM_NONCES}
    table.pass_on([c for c in made if c.round is Round.CONFIRM_NONCES])
    table.pass_on([of(made, Round.PARTIALS, "alice"), of(made, Round.PARTIALS, "bob")])
    assert not table.sign("alice", "bob")
    assert not list(table.folder.rglob("signatures.bin"))
    table.pass_on([of(made, Round.PARTIALS, "carol")], to=["alice"])
    assert [c.round for c in table.sign("alice", "bob")] == [Round.CONFIRM_PARTIALS]
    assert [p.relative_to(table.folder).parts[0] for p in table.folder.rglob("signatures.bin")] == ["alice"]


def test_a_new_attempt_of_one_is_followed_by_all(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    table.round()
    table.pass_on(table.seat("bob").sign(again=True))
    assert table.finish()["carol"]
    assert table.seat("alice").files.attempts(Round.NONCES) == 2


def test_lost_nonces_begin_a_new_attempt(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    table.pass_on(table.sign("bob"))
    for half in table.desks["bob"].outside.glob("*.half"):  # type: ignore[union-attr]
        half.unlink()  # the machine was switched off
    table.pass_on(table.sign("alice", "carol"))
    made = table.sign("bob")
    assert [c.file_name for c in made] == ["nonces.2.bob.json"]
    table.pass_on(made)
    assert table.finish()["bob"]


def test_another_ceremony_for_the_same_deposit_has_other_one_time_keys(tmp_path: Path) -> None:
    table = Table(tmp_path, 2)
    first, second = (begin(table.desks["alice"], DEPOSITOR, DEPOSIT, DEADLINE) for _ in range(2))
    games = [seat.give_keys(outpoints_of(table.policy, "alice")).body["keys"] for seat in (first, second)]
    assert games[0].keys() == games[1].keys()
    keys = [{key for game in g.values() for key in game.values()} for g in games]
    assert not keys[0] & keys[1]


# ---- policy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"penalty": 4_000_000}, {"challenge_delay": 25}, {"fee_rate": 2, "asset": 60_000}])
def test_a_proposal_with_another_parameter_is_refused_and_the_parameter_named(
    tmp_path: Path, change: dict[str, int]
) -> None:
    table = Table(tmp_path, 3)
    other = replace(table.desks["alice"], policy=another_policy(table.policy, **change))
    proposed = begin(other, DEPOSITOR, DEPOSIT, DEADLINE).proposed
    with pytest.raises(Refused, match=rf"cannot be overridden; .*{next(iter(change))}: registered"):
        receive(table.desks["bob"], proposed.to_bytes())


def test_a_proposal_with_an_exchanged_key_is_refused(tmp_path: Path) -> None:
    table = Table(tmp_path, 3)
    stranger = replace(member("dave"), party=replace(member("dave").party, name="carol"))
    policy = replace(table.policy, members=(*table.policy.members[:2], stranger))
    proposed = begin(replace(table.desks["alice"], policy=policy), DEPOSITOR, DEPOSIT, DEADLINE).proposed
    with pytest.raises(Refused, match="key of carol: registered"):
        receive(table.desks["bob"], proposed.to_bytes())


def test_a_keystore_that_the_policy_does_not_name_signs_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path, 3)
    with pytest.raises(Refused, match="other keys in the name of alice"):
        begin(replace(table.desks["alice"], keys=keys_of("bob")), DEPOSITOR, DEPOSIT, DEADLINE)


@pytest.mark.parametrize("count", [1, 16])
def test_a_policy_has_two_to_fifteen_signers(count: int) -> None:
    members = tuple(member(f"m{k}") for k in range(count))
    with pytest.raises(InvalidInput, match="2 to 15 can sign together"):
        Registered(policy_of(2).terms, members, ("m0",), {})


@pytest.mark.parametrize("operators", [(), ("zoe",), ("alice", "alice")])
def test_a_policy_refuses_operators_that_are_no_signers(operators: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="operator"):
        replace(policy_of(3), operators=operators)


def test_a_policy_survives_json() -> None:
    policy = policy_of(5, 2)
    read = Registered.from_json(json.loads(json.dumps(policy.to_json())))
    assert read.digest() == policy.digest() and not read.differences(policy)


# ---- files that do not belong ----------------------------------------------------------------------------------------


def test_a_file_of_another_ceremony_is_not_taken(tmp_path: Path) -> None:
    table, other = Table(tmp_path / "one", 3).open(), Table(tmp_path / "two", 3)
    (alice, *_) = other.desks
    seat = begin(other.desks[alice], DEPOSITOR, OutPoint(sha256(b"another"), 0), DEADLINE)
    with pytest.raises(InvalidInput, match="not known here; import its proposal first"):
        receive(table.desks["bob"], seat.give_keys(outpoints_of(other.policy, alice)).to_bytes())


@pytest.mark.parametrize("field", ["ceremony", "round", "attempt", "sender", "policy", "body"])
def test_a_file_whose_head_was_changed_is_not_taken(tmp_path: Path, field: str) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("alice")
    other = {
        "ceremony": bytes(32).hex(), "round": "confirm-nonces", "attempt": 2, "sender": "bob",
        "policy": bytes(32).hex(), "body": {**made.body, "messages": ""},
    }  # fmt: skip
    content = json.dumps({**made.to_json(), field: other[field]}).encode()
    with pytest.raises(VerificationFailed, match="identity key"):
        receive(table.desks["bob"], content)


def test_a_file_of_a_stranger_is_not_taken(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("alice")
    forged = Contribution.make(
        keys_of("dave").identity, "dave", made.round, 1, made.policy, made.body, made.ceremony
    )
    with pytest.raises(InvalidInput, match="'dave' is no signer"):
        receive(table.desks["bob"], forged.to_bytes())


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_file_are_not_taken(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        Contribution.from_bytes(content)


@pytest.mark.parametrize("attempt", ['"attempt":1.0', '"attempt":1,"attempt":1', '"attempt":65', '"attempt":true'])
def test_json_that_could_be_read_in_two_ways_is_not_taken(tmp_path: Path, attempt: str) -> None:
    table = Table(tmp_path, 2).open()
    text = table.sign("alice")[0].to_bytes().decode()
    assert Contribution.from_bytes(text.encode()).attempt == 1
    with pytest.raises(InvalidInput):
        Contribution.from_bytes(text.replace('"attempt":1', attempt).encode())


def test_after_the_deadline_nothing_is_taken_or_signed_and_who_is_missing_is_named(tmp_path: Path) -> None:
    table = Table(tmp_path, 3).open()
    (made,) = table.sign("alice")
    table.now = DEADLINE + 1
    with pytest.raises(TimedOut, match="missing: nonces of carol, alice, bob"):
        receive(table.desks["bob"], made.to_bytes())
    with pytest.raises(TimedOut):
        table.sign("bob")
    table.now = float(NOW)
    table.pass_on([made])


def test_what_is_complete_can_be_combined_after_the_deadline(tmp_path: Path) -> None:
    table = Table(tmp_path, 2).open()
    found = table.finish()
    table.now = DEADLINE + 1
    assert table.seat("bob").signatures() == found["bob"]


# ---- nonces ----------------------------------------------------------------------------------------------------------


def halves(folder: Path) -> NonceHalves:
    inside = folder / "inside"
    inside.mkdir(exist_ok=True)
    return NonceHalves(inside, folder / "outside", sha256(b"ceremony"), bytes(32))


SLOT = Slot(Round.NONCES, 1, sha256(b"messages"))


def test_a_seed_is_given_once(tmp_path: Path) -> None:
    made = halves(tmp_path)
    seed = made.open(SLOT)
    assert made.is_there(SLOT) and made.take(SLOT) == seed and not made.is_there(SLOT)
    with pytest.raises(Refused, match="used or lost"):
        made.take(SLOT)
    assert made.open(SLOT) != seed


@pytest.mark.parametrize("part", ["inside", "outside"])
def test_one_half_alone_is_no_seed(tmp_path: Path, part: str) -> None:
    made = halves(tmp_path)
    made.open(SLOT)
    for path in (tmp_path / part).iterdir():
        path.unlink()
    with pytest.raises(Refused, match="used or lost"):
        made.take(SLOT)


@pytest.mark.parametrize(
    "other",
    [replace(SLOT, round=Round.CONFIRM_NONCES), replace(SLOT, attempt=2), replace(SLOT, messages=sha256(b"others"))],
)
def test_the_same_halves_mean_another_seed_elsewhere(tmp_path: Path, other: Slot) -> None:
    made = halves(tmp_path)
    seed = made.open(SLOT)
    for path in [*(tmp_path / "inside").iterdir(), *(tmp_path / "outside").iterdir()]:
        path.rename(path.with_name(path.name.replace("nonces.1.", f"{other.round.value}.{other.attempt}.")))
    assert made.take(other) != seed


def test_halves_in_one_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="both halves"):
        check_outside(tmp_path / "home" / "nonces", tmp_path / "home")
    assert check_outside(tmp_path / "nonces", tmp_path / "home") == tmp_path / "nonces"


def test_nonces_are_those_of_their_message_and_no_message_gets_two() -> None:
    aggregate, key = policy_of(2).aggregate(), keys_of("alice").key
    messages = [sha256(b"%d" % k) for k in range(3)]
    first, again = (make_nonces(bytes(32), key, messages, aggregate) for _ in range(2))
    assert [n.public for n in first] == [n.public for n in again] and len({n.public for n in first}) == 3
    with pytest.raises(Refused, match="another message"):
        Session(aggregate, first[0].public, messages[1]).partial_sign(first[0], key)
    with pytest.raises(InvalidInput, match="twice"):
        make_nonces(bytes(32), key, [*messages, messages[0]], aggregate)


# ---- bundles ---------------------------------------------------------------------------------------------------------


def test_a_manifest_binds_the_bundles(tmp_path: Path) -> None:
    table = Table(tmp_path, 3, 2).open()
    found, seat = table.finish()["alice"], table.seat("alice")
    folder = tmp_path / "bundles"
    write_folder(folder, seat.plan, make_bundles(seat.proposals(), seat.graphs(), found))
    write_folder(folder, seat.plan, make_bundles(seat.proposals(), seat.graphs(), found))
    bundles = {name: (folder / f"{name}.bundle").read_bytes() for name in ("alice", "bob")}
    (folder / "alice.bundle").write_bytes(bundles["bob"])
    with pytest.raises(VerificationFailed, match="not the one that the manifest names"):
        verify_folder(folder, build_toy_games)
    (folder / "alice.bundle").write_bytes(bundles["alice"][:-1])
    with pytest.raises(VerificationFailed, match="digest does not fit"):
        verify_folder(folder, build_toy_games)
    (folder / "alice.bundle").write_bytes(bundles["alice"])
    manifest = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(manifest.replace('"domain":"', '"domain":"x'))
    with pytest.raises(VerificationFailed, match="was changed"):
        verify_folder(folder, build_toy_games)


def test_a_folder_keeps_the_bundles_of_one_ceremony(tmp_path: Path) -> None:
    table = Table(tmp_path, 2).open()
    found, seat = table.finish()["alice"], table.seat("alice")
    made = make_bundles(seat.proposals(), seat.graphs(), found)
    write_folder(tmp_path / "bundles", seat.plan, made)
    other = replace(seat.plan, ceremony=bytes(32))
    with pytest.raises(Refused, match="another ceremony"):
        write_folder(tmp_path / "bundles", other, made)


def test_the_domain_of_the_manifest_gives_the_one_time_keys_of_the_bundle(tmp_path: Path) -> None:
    table = Table(tmp_path, 2)
    table.propose()
    table.give_keys()
    seat = table.seat("bob")
    plan: Plan = seat.plan
    proposal = seat.proposals()["alice"]
    game = GameId(plan.domain, "alice", "bob")
    assert dict(proposal.one_time["bob"].challenger) == toy_keys(
        keys_of("bob").one_time, game, Role.CHALLENGER, plan.policy.terms
    )
    assert proposal.constants["ceremony"] == plan.ceremony
    assert len(split_requests(seat.graphs()["alice"])[1]) == 1


@pytest.mark.parametrize("outpoints", [Outpoints(), Outpoints((DEPOSIT,), None, {}), Outpoints((), DEPOSIT, {})])
def test_an_operator_gives_stakes_and_ticket(tmp_path: Path, outpoints: Outpoints) -> None:
    table = Table(tmp_path, 2)
    table.propose()
    with pytest.raises(InvalidInput, match="stakes and a ticket are needed"):
        table.seat("alice").give_keys(outpoints)
