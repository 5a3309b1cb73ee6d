"""Ceremonies in which some, or all, sign without MuSig2: in one process, by files, live; who lies is named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from btclib_wallet.psbt import Psbt as OtherPsbt
from btclib_wallet.psbt import sign as other_sign

from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.card import declare_plain, declared_plain, make_card, read_card
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Round, pack
from challenger.presign.ceremony.elsewhere import read_signed, to_sign
from challenger.presign.ceremony.evidence import verify_evidence
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.result import make_bundles
from challenger.presign.ceremony.store import CEREMONIES, EVIDENCE, Files
from challenger.presign.session import run_ceremony
from challenger.presign.settlement import approve_payment, plan_exit_of_all, sign_together
from challenger.presign.signer import Signer
from taproot.connectors.output import payout_script
from taproot.errors import InvalidInput, Misbehaviour, Refused, Unavailable, VerificationFailed
from taproot.keys import SecretKey, is_valid_schnorr, sign_schnorr
from taproot.presigned import Request
from taproot.psbt import Psbt
from taproot.psbt_graph import make_psbt
from taproot.sighash import SighashType
from taproot.terms import Terms
from taproot.units import Sats
from tests.challenger.signers import (
    DEADLINE,
    DEPOSIT,
    DEPOSITOR,
    NAMES,
    TOY,
    Table,
    changed,
    keys_of,
    of,
    outpoints_of,
    policy_of,
)
from tests.challenger.test_presign import own_keys
from tests.taproot.test_psbt_graph import OneKey
from tests.taproot.toy import (
    PLAIN_SECRETS,
    SECRETS,
    build_toy_games,
    cosigning_secrets,
    make_proposal,
    presign_toy,
)

COSIGNERS = ("alice", "bob", "carol", "operator")
ONE, TWO = ("alice",), ("bob", "operator")


def signer(name: str, plain: Collection[str]) -> Signer:
    proposal = make_proposal(plain=plain)
    return Signer(name, cosigning_secrets(plain)[name], proposal, build_toy_games, own_keys(name))


@cache
def bundle(plain: Collection[str]) -> Bundle:
    return presign_toy(plain=plain)


# ---- in one process -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [ONE, TWO, COSIGNERS])
def test_separate_parties_make_every_signature(plain: Sequence[str]) -> None:
    graph = make_proposal(plain=plain).build_graph(build_toy_games)
    parties = [signer(name, plain) for name in graph.contract.cosigners.names]
    graph.verify(run_ceremony(graph, parties))


class OfAnother(Signer):
    """His signatures are those of his live key."""

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        return [sign_schnorr(SECRETS[self.name], r.message) for r in requests]


class WithNonces(Signer):
    """He sends nonces nobody needs."""

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        return [bytes(66)] * len(requests)


class TooFew(Signer):
    """One signature is missing."""

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        return super().partial_signatures(requests, aggregate_nonces)[1:]


class Short(Signer):
    """His signatures are as long as a part of MuSig2."""

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        return [s[:32] for s in super().partial_signatures(requests, aggregate_nonces)]


@pytest.mark.parametrize("plain", [ONE, COSIGNERS])
@pytest.mark.parametrize(
    ("liar", "found"),
    [(OfAnother, "does not check"), (WithNonces, "sends nonces"), (TooFew, "answers to"), (Short, "does not check")],
)
def test_a_plain_signer_who_lies_is_named(plain: Sequence[str], liar: type[Signer], found: str) -> None:
    proposal = make_proposal(plain=plain)
    graph = proposal.build_graph(build_toy_games)
    honest = {name: signer(name, plain) for name in COSIGNERS}
    lying = liar("alice", PLAIN_SECRETS["alice"], proposal, build_toy_games, own_keys("alice"))
    with pytest.raises(Misbehaviour, match=f"alice misbehaved: .*{found}"):
        run_ceremony(graph, [lying if name == "alice" else honest[name] for name in graph.contract.cosigners.names])


def test_a_plain_signer_signs_confirm_last_and_nothing_but_his_graph() -> None:
    alice = signer("alice", ONE)
    graph = alice.graph
    last = [r for r in graph.requests() if r.tx == "confirm"]
    with pytest.raises(Refused, match="confirm is signed last"):
        alice.partial_signatures(last, [b""])
    with pytest.raises(Refused, match="is not in the agreed graph"):
        alice.partial_signatures([Request("take1", 0, bytes(32))], [b""])
    with pytest.raises(Misbehaviour, match="2 nonces for 1 signatures"):
        alice.partial_signatures([r for r in graph.requests() if r.tx == "take1"][:1], [b"", b""])


def test_the_secret_of_a_plain_signer_is_that_of_his_second_key() -> None:
    for secret, plain in ((SECRETS["alice"], ONE), (PLAIN_SECRETS["alice"], ())):
        with pytest.raises(Refused, match="another key in the name of alice"):
            Signer("alice", secret, make_proposal(plain=plain), build_toy_games, own_keys("alice"))


@pytest.mark.parametrize("plain", [ONE, COSIGNERS])
def test_plain_signers_take_part_in_what_is_signed_live(plain: Sequence[str]) -> None:
    """A settlement of one output, and of several; who refuses has signed nothing."""
    graph, secrets = bundle(plain).graph, cosigning_secrets(plain)
    script = payout_script(graph.contract, "operator")
    alone = plan_exit_of_all(graph, "payout", ("vault",), script, 2)
    tx = sign_together(alone, secrets, approve_payment(script, 1))
    assert len(tx.inputs[0].witness) == len(graph.contract.cosigners.keys) + 2
    settlement = plan_exit_of_all(graph, "payout", ("vault", "asset"), script, 2)
    done = sign_together(settlement, secrets, approve_payment(script, 1))
    assert done.vbytes * 2 <= sum(o.value for o in settlement.planned("payout").prevouts) - done.outputs[0].value
    with pytest.raises(Refused, match="does not pay the agreed party alone"):
        sign_together(settlement, secrets, approve_payment(payout_script(graph.contract, "alice"), 1))


# ---- cards and policies ---------------------------------------------------------------------------------------------


def test_a_card_of_a_plain_signer_names_his_second_key(tmp_path: Path) -> None:
    assert declared_plain(tmp_path) is None
    declare_plain(tmp_path, keys_of("alice").plain.x_only)
    card = make_card("alice", keys_of("alice"), declared_plain(tmp_path))
    member = read_card(card)
    assert member.party.plain_key == keys_of("alice").plain.x_only
    assert read_card(make_card("alice", keys_of("alice"))).party.plain_key is None
    with pytest.raises(Refused, match="another content"):
        declare_plain(tmp_path, keys_of("bob").plain.x_only)
    with pytest.raises(VerificationFailed, match="not signed by its own keys"):
        read_card(card.replace(member.party.cosigning_key.hex().encode(), keys_of("bob").plain.x_only.hex().encode()))


def test_a_policy_says_who_is_plain_and_without_them_is_what_it_was() -> None:
    """The digest is that of the last version that knew MuSig2 signers only."""
    before = policy_of(3)
    assert before.digest().hex() == "02841980bde9cc875a69d6b4936f3f1523912946087408251019ae3c3248cd70"
    policy = policy_of(3, plain=("bob",))
    assert Registered.from_json(policy.to_json()) == Registered(
        policy.terms, tuple(policy.member(n) for n in policy.names), policy.operators, policy.constants
    )
    assert before.differences(policy) == [
        f"key of bob without MuSig2: registered nothing, here {keys_of('bob').plain.x_only.hex()}"
    ]
    assert policy.n_of_n().names == policy.names and list(policy.n_of_n().plain) == ["bob"]


def test_a_policy_whose_terms_do_not_pay_for_its_plain_signers_is_refused() -> None:
    tight = Terms(arities=(2,), exit_delay=500, penalty=Sats(83_000))
    policy_of(3, terms=tight)
    with pytest.raises(InvalidInput, match="penalty is 83000 sat, must be at least"):
        policy_of(3, terms=tight, plain=("bob",))


def test_a_policy_in_which_a_plain_key_is_another_key_too_is_refused() -> None:
    policy = policy_of(3, plain=("bob",))
    bob = policy.member("bob")
    for key in (bob.party.x_only, policy.member("alice").party.x_only, bob.identity):
        twice = replace(bob, party=replace(bob.party, plain_key=key))
        with pytest.raises(InvalidInput, match="is used twice"):
            replace(policy, members=(policy.member("alice"), twice, policy.member("carol")))


# ---- by files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [("bob",), ("alice", "carol"), NAMES[:3]])
def test_a_ceremony_by_files_ends_with_the_same_bundles_for_all(tmp_path: Path, plain: Sequence[str]) -> None:
    table = Table(tmp_path, 3, 2, plain=plain).open()
    signed = table.finish()
    assert len({tuple(sorted(s.items())) for s in signed.values()}) == 1
    seat = table.seat("carol")
    bundles = make_bundles(seat.proposals(), seat.graphs(), signed["carol"])
    assert set(bundles) == {"alice", "bob"}
    sent = {c.sender: c for c in seat.files.of(Round.NONCES, 1).values()}
    assert all((sent[name].body["nonces"] == "") == (name in plain) for name in sent)
    assert not list((tmp_path / plain[0] / "outside").glob("*"))  # he has no nonce that could be used twice


@pytest.mark.parametrize("stage", [Round.PARTIALS, Round.CONFIRM_PARTIALS])
@pytest.mark.parametrize("plain", [("carol",), NAMES[:3]])
def test_a_wrong_signature_of_a_plain_signer_names_him_with_evidence(
    tmp_path: Path, plain: Sequence[str], stage: Round
) -> None:
    table = Table(tmp_path, 3, plain=plain).open()
    while (made := table.sign()) and stage not in {c.round for c in made}:
        table.pass_on(made)
    bad = of(made, stage, "carol")
    count = len(bad.body["partials"]) * 3 // 4 // 64
    others = [c for c in made if c is not bad]
    table.pass_on([*others, changed(bad, partials=pack([bytes(64)] * count))], to=["bob"])
    with pytest.raises(Misbehaviour, match=r"carol misbehaved: signature 00.* does not check"):
        table.seat("bob").signatures()
    check_evidence(table, "carol")


def test_nonces_of_a_plain_signer_name_him_with_evidence(tmp_path: Path) -> None:
    table = Table(tmp_path, 3, plain=("carol",)).open()
    (made,) = table.sign("carol")
    table.pass_on([*table.sign("alice"), changed(made, nonces=pack([bytes(66)]))], to=["bob"])
    with pytest.raises(Misbehaviour, match="carol misbehaved: sends nonces although he signs without MuSig2"):
        table.sign("bob")
    check_evidence(table, "carol")


def check_evidence(table: Table, guilty: str) -> None:
    (path,) = (table.desks["bob"].home / EVIDENCE).glob("*.json")
    assert verify_evidence(path.read_bytes(), TOY).party == guilty


def test_a_plain_signer_sends_the_same_file_again_after_a_restored_folder(tmp_path: Path) -> None:
    """No nonce is lost with a folder: his signatures of an attempt are the same bytes whoever makes them again."""
    table = Table(tmp_path, 3, plain=("carol",)).open()
    table.round()
    seat = table.seat("carol")
    sent = of(seat.sign(), Round.PARTIALS, "carol")
    (seat.files.folder / sent.file_name).unlink()
    assert of(table.seat("carol").sign(), Round.PARTIALS, "carol").to_bytes() == sent.to_bytes()


def test_who_is_plain_and_has_signed_confirm_signs_no_second_graph_of_the_deposit(tmp_path: Path) -> None:
    """His signature of `confirm` has no nonce that would bind it to the first one."""
    table = Table(tmp_path, 3, plain=("carol",)).open()
    first = next((table.desks["alice"].home / CEREMONIES).iterdir()).name
    while Round.CONFIRM_PARTIALS not in {c.round for c in table.round()}:
        pass
    again = begin(table.desks["alice"], DEPOSITOR, DEPOSIT, DEADLINE, "11" * 16)
    table.pass_on([again.proposed])
    seats = {name: second_seat(table, name, first) for name in table.desks}
    table.pass_on([seat.give_keys(outpoints_of(table.policy, name)) for name, seat in seats.items()])
    for name in seats:
        seats[name] = second_seat(table, name, first)
        seats[name].agree(Messages.of(seats[name].graphs()))
    table.pass_on([c for name in seats for c in second_seat(table, name, first).sign()])
    assert {c.round for c in second_seat(table, "bob", first).sign()} >= {Round.PARTIALS}
    with pytest.raises(Refused, match=f"have your signature of `confirm` from ceremony {first[:8]}"):
        second_seat(table, "carol", first).sign()


def second_seat(table: Table, name: str, first: str) -> Ceremony:
    folders = (table.desks[name].home / CEREMONIES).iterdir()
    return Ceremony(table.desks[name], Files(next(f for f in folders if f.name != first)))


# ---- a key elsewhere ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 2])
def test_a_key_that_is_not_in_the_keystore_signs_psbts_and_its_signatures_are_taken(
    tmp_path: Path, version: int
) -> None:
    """carol's key is in other software (btclib), which is handed PSBTs of each stage and nothing else."""
    table, elsewhere = Table(tmp_path, 3, 2, plain=("carol",)), keys_of("carol").plain
    table.desks["carol"] = replace(table.desks["carol"], keys=replace(keys_of("carol"), plain=keys_of("dave").plain))
    table.open()
    table.round()
    stages = []
    while pending := table.seat("carol").pending():
        with pytest.raises(Unavailable, match=f"{len(pending)} signatures of your key .* are missing"):
            table.sign("carol")
        graphs = table.seat("carol").graphs()
        out = to_sign(graphs, pending, version)
        stages.append(sorted(out))
        back = [sign_by_btclib(psbt, elsewhere) for psbt in out.values()]
        signed = read_signed(back, graphs, "carol")
        assert set(signed) == set(pending)
        table.desks["carol"] = replace(table.desks["carol"], elsewhere=signed)
        table.round()
        table.desks["carol"] = replace(table.desks["carol"], elsewhere={})
    assert stages[-1] == ["alice.confirm.psbt"] and len(stages) == 2 and "alice.confirm.psbt" not in stages[0]
    assert len({tuple(table.seat(name).signatures().items()) for name in table.desks}) == 1


def sign_by_btclib(psbt: Psbt, secret: SecretKey) -> Psbt:
    theirs = OtherPsbt.parse(psbt.to_bytes())
    back, _ = other_sign(theirs, OneKey(secret), allowed_sig_hash_types={SighashType.SINGLE})
    return Psbt.from_bytes(back.serialize())


def test_a_settlement_goes_to_a_key_elsewhere_too() -> None:
    graph = bundle(TWO).graph
    settlement = plan_exit_of_all(graph, "payout", ("vault", "asset"), payout_script(graph.contract, "operator"), 2)
    asked = [r.message for r in settlement.requests()]
    (name, psbt), = to_sign({"payout": settlement}, asked).items()
    signed = read_signed([sign_by_btclib(psbt, PLAIN_SECRETS["bob"])], {"payout": settlement}, "bob")
    assert name == "payout.payout.psbt" and set(signed) == set(asked) and len(asked) == 2
    assert all(is_valid_schnorr(PLAIN_SECRETS["bob"].x_only, message, signed[message]) for message in asked)


def test_signatures_of_another_key_or_transaction_are_not_taken(tmp_path: Path) -> None:
    table = Table(tmp_path, 2, plain=("bob",))
    table.desks["bob"] = replace(table.desks["bob"], keys=replace(keys_of("bob"), plain=keys_of("dave").plain))
    table.open()
    table.round()
    seat = table.seat("bob")
    pending, graphs = seat.pending(), seat.graphs()
    unsigned = to_sign(graphs, pending)
    assert read_signed(unsigned.values(), graphs, "bob") == {}
    with pytest.raises(InvalidInput, match="which is none of what is signed here"):
        read_signed([make_psbt(bundle(()).graph, "confirm")], graphs, "bob")
    wrong = {message: sign_schnorr(keys_of("dave").plain, message) for message in pending}
    table.desks["bob"] = replace(table.desks["bob"], elsewhere=wrong)
    with pytest.raises(VerificationFailed, match="a signature is not of your key"):
        table.sign("bob")
