"""Graphs with plain signers, who sign the n-of-n without MuSig2: libbitcoinkernel judges them.

Without plain signers not a byte is another than before there were any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.kernel import verify_spend
from challenger.presign.bundle import Bundle
from challenger.presign.proposal import GameKeys, Proposal
from challenger.presign.session import presign
from taproot.connectors.output import Contract
from taproot.cosigners import Cosigners
from taproot.errors import InvalidInput, VerificationFailed
from taproot.graph import Funding
from taproot.hashes import sha256
from taproot.keys import SecretKey, XOnlyKey
from taproot.parties import N_OF_N, Parties, Party
from taproot.presigned import Graph
from taproot.psbt_graph import make_psbt
from taproot.script import disassemble
from taproot.terms import Terms
from taproot.tx import OutPoint, Transaction
from tests.taproot.test_graph_stories import CHALLENGED, MATURE, MINER_SCRIPT, Story, fund
from tests.taproot.toy import (
    NAMES,
    PLAIN_SECRETS,
    SECRETS,
    TERMS,
    build_toy_games,
    make_parties,
    make_proposal,
    one_time_keys,
    play,
    presign_toy,
)

COSIGNERS = (*NAMES[:3], "operator")
CASTS = {"a challenger": ("alice",), "an operator": ("operator",), "two": ("bob", "operator"), "all": COSIGNERS}


@cache
def bundle(plain: Collection[str]) -> Bundle:
    return presign_toy(plain=plain)


def accepted(graph: Graph, name: str, tx: Transaction) -> list[bool]:
    """What libbitcoinkernel says about each input; delays are the chain's business."""
    prevouts = [(out.value, out.script_pubkey) for out in graph.planned(name).prevouts]
    return [verify_spend(tx.serialize(), index, prevouts) for index in range(len(tx.inputs))]


# ---- nobody plain: what was there before ----------------------------------------------------------------------------


def test_without_plain_signers_every_byte_is_as_before() -> None:
    """Taken from the last version that knew MuSig2 signers only."""
    graph = make_proposal().build_graph(build_toy_games)
    assert graph.digest().hex() == "3488181cb6323176b73dea2d1a171020ce520a5b97f282d4ea0090d95124db92"
    leaves = b"".join(p.leaf.hash + o.r for o in graph.outputs.values() for p in o.paths.values())
    assert sha256(leaves).hex() == "08240547bdbfd26bf27583b8a816c68345ae590ade73b950a4c47e321dbb0bf2"
    psbts = b"".join(make_psbt(graph, name).to_bytes() for name in graph.transactions)
    assert sha256(psbts).hex() == "e4ba7046ff3c271e3c564c862c371b762bc72b99cac422f38163e3a56a580660"
    assert all(len(value) == 2 for value in make_parties().to_json()["signers"])
    assert [len(signature) for signature in bundle(()).signatures.values()] == [64] * len(graph.requests())


# ---- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", CASTS.values(), ids=list(CASTS))
def test_a_leaf_checks_the_aggregate_first_and_then_each_plain_key(plain: Sequence[str]) -> None:
    graph = bundle(plain).graph
    keys = sorted(PLAIN_SECRETS[name].x_only for name in plain)
    both = [*([graph.contract.aggregate.output_key] if len(plain) < 4 else []), *keys]
    body = [part for key in both[:-1] for part in (f"<{key.hex()}>", "CHECKSIGVERIFY")]
    expected = [*body, f"<{both[-1].hex()}>", "CHECKSIG"]
    assert disassemble(graph.outputs["vault"].path(N_OF_N).leaf.code) == expected
    assert graph.outputs["alice/assert"].path("assert").signatures == len(both)


def test_all_operators_of_a_group_have_the_same_n_of_n() -> None:
    of_one = make_parties(plain=("bob", "operator"))
    alice, operator = of_one.party("alice"), of_one.operator
    of_other = replace(of_one, signers=(operator, *of_one.signers[1:]), operator=alice, challengers=("bob",))
    assert of_one.n_of_n().keys == of_other.n_of_n().keys and of_one.n_of_n().names == of_other.n_of_n().names


@pytest.mark.parametrize("key", [SECRETS["alice"].x_only, SECRETS["bob"].x_only, PLAIN_SECRETS["bob"].x_only])
def test_a_plain_key_that_signs_anything_else_is_refused(key: XOnlyKey) -> None:
    """With his live key, his part of a move would be his live signature of it, and everybody could play the move."""
    parties = make_parties(plain=("bob",))
    alice = replace(parties.party("alice"), plain_key=key)
    with pytest.raises(InvalidInput, match="is used twice"):
        replace(parties, signers=(alice, *parties.signers[1:]))


def test_a_depositor_is_no_cosigner_and_has_one_key() -> None:
    parties = make_parties()
    with pytest.raises(InvalidInput, match="a depositor has one key"):
        replace(parties, depositor=replace(parties.depositor, plain_key=PLAIN_SECRETS["depositor"].x_only))


def test_parties_with_plain_signers_survive_json() -> None:
    parties = make_parties(plain=("alice", "operator"))
    assert Parties.from_json(parties.to_json()) == parties
    assert [len(value) for value in parties.to_json()["signers"]] == [3, 2, 2]
    assert Contract.make(TERMS, parties).standing != Contract.make(TERMS, make_parties()).standing


def test_all_plain_signers_have_no_aggregate() -> None:
    cosigners = make_parties(plain=COSIGNERS).n_of_n()
    assert cosigners.aggregated == () and cosigners.join_nonces({}) == b""
    with pytest.raises(InvalidInput, match="no aggregate"):
        cosigners.aggregate  # noqa: B018
    with pytest.raises(InvalidInput, match="each needs one"):
        Cosigners.make(["alice", "bob"], {"alice": SECRETS["alice"].public_key}, {})


# ---- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", CASTS.values(), ids=list(CASTS))
def test_every_signature_of_the_graph_is_made_and_spends(plain: Sequence[str]) -> None:
    made = bundle(plain)
    made.graph.verify(made.signatures)
    for name in made.graph.transactions:
        assert all(accepted(made.graph, name, play(made, name))), name


SPENDS = ["take1", "leave.stake0", "challenge.alice", "alice/pick", "alice/timeout.reveal@stake0"]


@pytest.mark.parametrize("plain", [("alice",), COSIGNERS], ids=["one", "all"])
@pytest.mark.parametrize(("name", "index"), [(name, 2 if "@" in name else 0) for name in SPENDS])
def test_each_missing_or_swapped_signature_of_an_input_is_refused(plain: Sequence[str], name: str, index: int) -> None:
    made = bundle(plain)
    tx, count = play(made, name), made.graph.outputs[made.graph.planned(name).inputs[index].output]
    path = count.path(made.graph.planned(name).inputs[index].leaf or "")
    witness = tx.inputs[index].witness
    signatures = range(path.leaf.items - path.signatures, path.leaf.items)
    spoiled = {(k, b"") for k in signatures} | {(k, bytes(64)) for k in signatures}
    spoiled |= {(k, witness[other]) for k in signatures for other in signatures if k != other}
    assert path.signatures >= 2 and accepted(made.graph, name, tx)[index]
    for at, item in spoiled:
        bad = tx.with_witness(index, [*witness[:at], item, *witness[at + 1 :]])
        assert not accepted(made.graph, name, bad)[index]


@pytest.mark.parametrize("plain", [("alice",), COSIGNERS], ids=["one", "all"])
def test_a_presigned_signature_is_no_live_one(plain: Sequence[str]) -> None:
    """What everybody has in the bundle does not play alice's move or challenge, nor the operator's leave."""
    made = bundle(plain)
    known = {part for s in made.signatures.values() for part in made.graph.contract.cosigners.split(s)}
    for name, live in (("alice/pick", 0), ("challenge.alice", -3), ("leave.stake0", -3)):
        tx = play(made, name)
        witness = list(tx.inputs[0].witness)
        assert accepted(made.graph, name, tx)[0]
        for signature in known:
            witness[live] = signature
            assert not accepted(made.graph, name, tx.with_witness(0, witness))[0]


@pytest.mark.parametrize("spoil", ["short", "long", "swapped", "empty"])
def test_a_presigned_signature_with_a_part_wrong_does_not_verify(spoil: str) -> None:
    made = bundle(("alice", "operator"))
    good = made.signatures["confirm", 0]
    bad = {"short": good[:-64], "long": good + bytes(64), "swapped": good[64:] + good[:64], "empty": b""}[spoil]
    with pytest.raises(VerificationFailed, match="input 0 of confirm is missing or wrong"):
        made.graph.verify({**made.signatures, ("confirm", 0): bad})


def test_a_bundle_with_plain_signers_is_read_back_and_not_if_a_part_is_another() -> None:
    made = bundle(("alice", "operator"))
    content = made.to_bytes()
    again = Bundle.from_bytes(content, build_toy_games)
    assert again.signatures == made.signatures and again.proposal == made.proposal
    first = made.graph.requests()[0].key
    spoiled = Bundle(made.proposal, made.graph, {**made.signatures, first: made.signatures[first][:128] + bytes(64)})
    with pytest.raises(VerificationFailed, match="is missing or wrong"):
        Bundle.from_bytes(spoiled.to_bytes(), build_toy_games)


# ---- any group ------------------------------------------------------------------------------------------------------


def secret(*words: object) -> SecretKey:
    return SecretKey(sha256(" ".join(map(str, words)).encode()))


def group(size: int, plain: Collection[int]) -> Parties:
    """Signers p1, p2 …, operator p0; the first signer challenges."""
    party = [
        Party(f"p{k}", secret("key", k).public_key, secret("plain", k).x_only if k in plain else None)
        for k in range(size)
    ]
    return Parties(tuple(party[1:]), party[0], ("p1",), Party("depositor", SECRETS["depositor"].public_key))


def presign_group(size: int, plain: Collection[int]) -> Bundle:
    points = [OutPoint(sha256(bytes([k])), k) for k in range(4)]
    funding = Funding(points[0], (points[1],), {"p1": points[2]}, points[3])
    keys = {"p1": GameKeys(**one_time_keys("p1"))}
    secrets = {f"p{k}": secret("plain" if k in plain else "key", k) for k in range(size)}
    return presign(Proposal(TERMS, group(size, plain), funding, keys), secrets, build_toy_games)


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 15).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_any_group_with_any_plain_signers_signs_a_graph_that_spends(drawn: tuple[int, set[int]]) -> None:
    size, plain = drawn
    made = presign_group(size, plain)
    made.graph.verify(made.signatures)
    cosigners = made.graph.contract.cosigners
    assert len(cosigners.keys) == len(plain) + (len(plain) < size) == made.proposal.parties.n_of_n_keys
    for name in ("confirm", "take1"):
        assert all(accepted(made.graph, name, made.graph.assemble(name, made.signatures)))
    others = {f"p{k}": secret("key", k) for k in plain}
    for name in others:  # the key of his live signatures does not cosign
        assert others[name].x_only != made.proposal.parties.party(name).cosigning_key


def test_terms_refuse_more_plain_signers_than_a_version_3_move_bears_and_name_the_numbers() -> None:
    Contract.make(TERMS, group(48, range(48)))
    with pytest.raises(InvalidInput, match=r"49 keys; 48 at most: with 25 vB for each .* the largest move, 8820"):
        Contract.make(TERMS, group(49, range(49)))


@pytest.mark.parametrize(("field", "value"), [("penalty", 83_000), ("stakes", (5_025_240,))])
def test_terms_that_pay_for_a_dispute_without_plain_signers_only_are_refused_with_them(field: str, value: Any) -> None:
    tight = Terms(exit_delay=20_000, **{field: value})
    Contract.make(tight, make_parties())
    with pytest.raises(InvalidInput, match="cost of one game"):
        Contract.make(tight, make_parties(plain=("alice",)))


# ---- on a chain -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[("alice",), COSIGNERS], ids=["one", "all"])
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    with EmbeddedChain() as chain:
        chain.mine(MATURE, MINER_SCRIPT)
        plain = request.param
        yield Story(chain, presign_toy(funding=fund(chain, plain), plain=plain))


def test_an_undisputed_claim_is_paid(story: Story) -> None:
    story.plays("confirm", "kickoff")
    story.wait(TERMS.challenge_delay - 1)
    story.plays("take1")
    assert not story.unspent("vault")


def test_a_whole_dispute_ends_with_a_kill_that_takes_the_stake(story: Story) -> None:
    story.plays(*CHALLENGED, "alice/assert", "alice/pick", "alice/reveal")
    story.plays("alice/disprove.verdict@stake0")
    assert not story.unspent("stake0") and not story.unspent("asset")
    story.wait(TERMS.total_delay)
    assert {story.refuses(take) for take in ("take1", "take2")} == {"bad-txns-inputs-missingorspent"}
