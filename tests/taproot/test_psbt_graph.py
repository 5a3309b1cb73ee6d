"""PSBTs of the presigned graph: what btclib's wallet and real nodes read in them, rounds of the ceremony in and out."""

from __future__ import annotations

from functools import cache, partial

import pytest
from btclib_wallet.psbt import Psbt as OtherPsbt
from btclib_wallet.psbt import musig2 as other_musig2
from btclib_wallet.psbt import sign as other_sign
from btclib_wallet.psbt import taproot_sig_hash
from ecc.ecc import ssa

from challenger.presign.bundle import Bundle
from challenger.presign.session import presign
from regtest.node.bitcoind import Bitcoind
from taproot import psbt_fields as f
from taproot.errors import InvalidInput, Misbehaviour
from taproot.graph import Graph, build_graph
from taproot.keys import SecretKey, sign_schnorr
from taproot.musig2 import SecretNonce, Session, aggregate_nonces
from taproot.parties import N_OF_N
from taproot.psbt import Psbt, combine
from taproot.psbt_graph import (
    add_nonces,
    add_parts,
    add_signature,
    depth_first,
    export_round,
    finalize,
    import_round,
    join_parts,
    make_psbt,
    read_nonces,
    read_parts,
)
from taproot.sighash import SighashType
from taproot.tree import TapTree, compute_branch_hash, compute_leaf_hash
from tests.taproot.toy import (
    PLAIN_SECRETS,
    SECRETS,
    TERMS,
    build_toy_games,
    cosigning_secrets,
    make_funding,
    make_proposal,
    play,
)

SHOWN = ("confirm", "kickoff", "leave.stake0", "challenge.alice", "take1", "take2", "veto.alice", "alice/assert",
         "alice/timeout.reveal@stake0", "alice/disprove.pick@stake0", "alice/slash.pick@bond")  # fmt: skip


@cache
def graph() -> Graph:
    return make_proposal().build_graph(build_toy_games)


@cache
def bundle() -> Bundle:
    return presign(make_proposal(), SECRETS, build_toy_games)


def shown(name: str, version: int = 0) -> Psbt:
    return make_psbt(graph(), name, version, find_leaf(name))


def find_leaf(name: str) -> str | None:
    spend = graph().planned(name).inputs[0]
    if spend.leaf is not None:
        return None
    paths = graph().outputs[spend.output].paths
    return next(leaf for leaf, path in paths.items() if path.parties == (spend.slots[0].party,))


def sign_live(name: str, index: int, party: str) -> bytes:
    return sign_schnorr(SECRETS[party], graph().sighash(name, index), bytes(32))


def presigned_inputs(name: str) -> list[int]:
    return [i for i, spend in enumerate(graph().planned(name).inputs) if any(s.presigned for s in spend.slots)]


def message(name: str, index: int) -> bytes:
    return next(r.message for r in graph().requests() if r.key == (name, index))


def with_round(name: str, index: int, version: int = 0, spoil: str | None = None) -> Psbt:
    """Nonces and parts of all cosigners, each in a PSBT of his own; one part is changed."""
    aggregate, asked = graph().contract.aggregate, message(name, index)
    made = {n: SecretNonce.generate(SECRETS[n], asked, aggregate) for n in aggregate.parties}
    given = [add_nonces(shown(name, version), graph(), name, index, {n: made[n].public}) for n in made]
    first = combine(given)
    joined = aggregate_nonces(list(read_nonces(first, graph(), name, index).values()), aggregate.parties)
    session = Session(aggregate, joined, asked)
    parts = {n: session.partial_sign(made[n], SECRETS[n]) for n in made}
    if spoil is not None:
        parts[spoil] = bytes(31) + b"\x07"
    return combine([add_parts(first, graph(), name, index, {n: part}) for n, part in parts.items()])


# ---- our own round ---------------------------------------------------------------------------------------------------


def test_every_transaction_of_the_graph_has_a_psbt_of_both_versions() -> None:
    for name, planned in graph().transactions.items():
        old = shown(name)
        assert Psbt.from_bytes(old.to_bytes()) == old and old.tx == planned.tx
        new = shown(name, 2)
        assert Psbt.from_bytes(new.to_bytes()) == new and new.to_version(0) == old and old.to_version(2) == new
        assert [old.spent(i) for i in range(len(planned.inputs))] == list(planned.prevouts)


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", ["confirm", "take1", "alice/timeout.reveal@stake0"])
def test_parts_in_psbts_become_the_presigned_signature(name: str, version: int) -> None:
    for index in presigned_inputs(name):
        psbt = Psbt.from_base64(with_round(name, index, version).to_base64())
        signature = join_parts(psbt, graph(), name, index)
        request = next(r for r in graph().requests() if r.key == (name, index))
        graph().verify_some({(name, index): signature}, [request])


def test_a_wrong_part_names_its_cosigner() -> None:
    with pytest.raises(Misbehaviour, match="bob misbehaved"):
        read_parts(with_round("confirm", 0, spoil="bob"), graph(), "confirm", 0)


def test_a_nonce_that_is_no_point_names_its_cosigner() -> None:
    spoiled = add_nonces(shown("confirm"), graph(), "confirm", 0, {"carol": b"\x02" + bytes(65)})
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        read_nonces(spoiled, graph(), "confirm", 0)


def test_missing_nonces_and_parts_are_named() -> None:
    whole = with_round("confirm", 0)
    with pytest.raises(InvalidInput, match="lacks a part of"):
        join_parts(whole.without(0, f.IN_MUSIG2_PARTIAL_SIG), graph(), "confirm", 0)
    with pytest.raises(InvalidInput, match="lacks a nonce of"):
        join_parts(whole.without(0, f.IN_MUSIG2_PUB_NONCE), graph(), "confirm", 0)


def test_two_nonces_of_one_cosigner_are_refused() -> None:
    with pytest.raises(InvalidInput, match="two values"):
        combine([with_round("confirm", 0), with_round("confirm", 0)])


def test_a_psbt_of_another_transaction_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is not of take2"):
        read_nonces(shown("take1"), graph(), "take2", 0)


def test_who_does_not_sign_an_input_adds_nothing() -> None:
    with pytest.raises(InvalidInput, match="alice does not sign input 0 of confirm"):
        add_signature(shown("confirm"), graph(), "confirm", 0, "alice", bytes(64))


@pytest.mark.parametrize("name", ["confirm", "kickoff", "leave.stake0", "challenge.alice", "take1", "veto.alice"])
def test_a_finalized_psbt_holds_the_witnesses_of_the_assembled_transaction(name: str) -> None:
    psbt, planned = shown(name), graph().planned(name)
    for index, spend in enumerate(planned.inputs):
        for slot in spend.slots:
            made = bundle().signatures[name, index] if slot.presigned else sign_live(name, index, slot.party)
            psbt = add_signature(psbt, graph(), name, index, slot.party, made)
    done = finalize(psbt, graph(), name)
    signing = {party: partial(sign_schnorr, secret, aux=bytes(32)) for party, secret in SECRETS.items()}
    whole = graph().assemble(name, bundle().signatures, signing)
    for index, txin in enumerate(whole.inputs):
        assert f.parse_witness(done.find(index, f.IN_FINAL_WITNESS) or b"") == txin.witness
    with pytest.raises(InvalidInput, match="lacks a signature"):
        finalize(shown(name), graph(), name)


def test_leaves_stand_depth_first_and_hash_to_the_root() -> None:
    for output in graph().outputs.values():
        rows = [(d, compute_leaf_hash(output.paths[n].leaf.code)) for n, d in depth_first(output.tree)]
        stack: list[tuple[int, bytes]] = []
        for row in rows:
            stack.append(row)
            while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
                (depth, right), (_, left) = stack.pop(), stack.pop()
                stack.append((depth - 1, compute_branch_hash(left, right)))
        assert stack == [(0, output.tree.merkle_root)]


def test_an_uneven_tree_stands_depth_first() -> None:
    key = graph().outputs["vault"].tree.internal_key
    tree = TapTree.build(key, {str(k): bytes([0x51, k]) for k in range(5)}, {"0": 9.0})
    assert sorted(depth for _, depth in depth_first(tree)) == sorted(tree.depth(name) for name in tree.names)


def test_a_whole_round_goes_out_and_comes_back_as_psbts() -> None:
    """All requests of the graph, by message as the ceremony has them."""
    aggregate = graph().contract.aggregate
    asked = [r.message for r in graph().requests()]
    secret = {m: {n: SecretNonce.generate(SECRETS[n], m, aggregate) for n in aggregate.parties} for m in asked}
    nonces = {m: {n: nonce.public for n, nonce in made.items()} for m, made in secret.items()}
    sent = {name: psbt.to_bytes() for name, psbt in export_round(graph(), nonces, {}, 2).items()}
    read, none = import_round(graph(), {name: Psbt.from_bytes(data) for name, data in sent.items()})
    assert read == nonces and not any(none.values())
    sessions = {m: Session(aggregate, aggregate_nonces(list(read[m].values()), aggregate.parties), m) for m in asked}
    parts = {m: {n: sessions[m].partial_sign(made[n], SECRETS[n]) for n in made} for m, made in secret.items()}
    again = {name: Psbt.from_bytes(psbt.to_bytes()) for name, psbt in export_round(graph(), read, parts).items()}
    assert import_round(graph(), again) == (nonces, parts)
    assert set(again) == {r.tx for r in graph().requests()} and "refund" not in again
    spoiled = {m: {**given, "carol": bytes(32)} for m, given in parts.items()}
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        import_round(graph(), export_round(graph(), read, spoiled))


# ---- btclib ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", SHOWN)
def test_btclib_reads_the_same(name: str, version: int) -> None:
    mine, planned = shown(name, version), graph().planned(name)
    theirs = OtherPsbt.parse(mine.to_bytes())
    assert theirs.version == version and theirs.tx.serialize(include_witness=False) == planned.tx.serialize(False)
    for index, spend in enumerate(planned.inputs):
        read, output = theirs.inputs[index], graph().outputs[spend.output]
        assert read.taproot_internal_key == output.tree.internal_key
        assert read.taproot_merkle_root == output.tree.merkle_root
        assert read.witness_utxo.serialize() == output.tx_out.serialize()
    assert Psbt.from_bytes(theirs.serialize()) == mine


@pytest.mark.parametrize("name", ["confirm", "take1", "alice/timeout.reveal@stake0", "challenge.alice"])
def test_btclib_signs_the_same_messages(name: str) -> None:
    theirs = OtherPsbt.parse(shown(name, 2).to_bytes())
    for index in presigned_inputs(name):
        leaf = graph().outputs[graph().planned(name).inputs[index].output]
        path = leaf.path(graph().planned(name).inputs[index].leaf or "")
        assert taproot_sig_hash(theirs, index, leaf_hash=path.leaf.hash) == message(name, index)


@pytest.mark.parametrize("version", [0, 2])
def test_btclib_joins_our_parts_to_our_signature(version: int) -> None:
    for index in presigned_inputs("take1"):
        psbt = with_round("take1", index, version)
        theirs = OtherPsbt.parse(psbt.to_bytes())
        output = graph().outputs[graph().planned("take1").inputs[index].output]
        leaf_hash = output.path(N_OF_N).leaf.hash
        aggregate = graph().contract.aggregate.plain_key
        other_musig2.partial_sigs_agg(theirs, index, aggregate, leaf_hash=leaf_hash)
        (signature,) = theirs.inputs[index].taproot_script_spend_signatures.values()
        assert signature == join_parts(psbt, graph(), "take1", index)


def test_a_signer_of_btclib_takes_part_with_our_signers() -> None:
    """carol uses the other library for nonce and part; ours check and join them."""
    aggregate, name = graph().contract.aggregate, "confirm"
    leaf_hash = graph().outputs["deposit"].path(N_OF_N).leaf.hash
    theirs = OtherPsbt.parse(shown(name, 2).to_bytes())
    secret = other_musig2.nonce_gen(
        theirs, 0, int.from_bytes(SECRETS["carol"].to_bytes(), "big"), aggregate.plain_key, leaf_hash=leaf_hash
    )
    psbt = Psbt.from_bytes(theirs.serialize())
    ours = {n: SecretNonce.generate(SECRETS[n], message(name, 0), aggregate) for n in aggregate.parties if n != "carol"}
    psbt = add_nonces(psbt, graph(), name, 0, {n: nonce.public for n, nonce in ours.items()})
    theirs = OtherPsbt.parse(psbt.to_bytes())
    other_musig2.partial_sign(
        theirs, 0, secret, int.from_bytes(SECRETS["carol"].to_bytes(), "big"), aggregate.plain_key, leaf_hash=leaf_hash
    )
    psbt = Psbt.from_bytes(theirs.serialize())
    nonces = read_nonces(psbt, graph(), name, 0)
    joined = aggregate_nonces([nonces[n] for n in aggregate.parties], aggregate.parties)
    session = Session(aggregate, joined, message(name, 0))
    parts = {n: session.partial_sign(nonce, SECRETS[n]) for n, nonce in ours.items()}
    signature = join_parts(add_parts(psbt, graph(), name, 0, parts), graph(), name, 0)
    request = next(r for r in graph().requests() if r.key == (name, 0))
    graph().verify_some({(name, 0): signature}, [request])


# ---- plain signers --------------------------------------------------------------------------------------------------

PLAIN = ("carol", "operator")


class OneKey:
    """A signer of btclib with one BIP 340 key: all that he knows stands in the PSBT."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret, self._x_only = secret.to_bytes(), bytes(secret.x_only)

    def sign_ecdsa(self, _key: bytes, _origin: object, _message: bytes) -> None:
        """He has no such key."""

    def sign_schnorr(self, _key: bytes, _origin: object, _message: bytes, _root: bytes) -> None:
        """He has no such key."""

    def sign_schnorr_script_path(self, key: bytes, _origin: object, message: bytes, _leaf: bytes) -> bytes | None:
        if key != self._x_only:
            return None
        return bytes(ssa.sign_(message, int.from_bytes(self._secret, "big")).serialize())


@cache
def plain_graph() -> Graph:
    return make_proposal(plain=PLAIN).build_graph(build_toy_games)


def signed_by_btclib(name: str, who: str, version: int) -> Psbt:
    """What comes back of a PSBT that went out."""
    theirs = OtherPsbt.parse(make_psbt(plain_graph(), name, version).to_bytes())
    back, _ = other_sign(theirs, OneKey(PLAIN_SECRETS[who]), allowed_sig_hash_types={SighashType.SINGLE})
    return Psbt.from_bytes(back.serialize())


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", ["confirm", "take1", "alice/pick", "alice/timeout.reveal@stake0", "leave.stake0"])
def test_btclib_signs_as_a_plain_signer_from_the_psbt_alone(name: str, version: int) -> None:
    """Two signatures of its, the others' MuSig2 parts: together the presigned signature."""
    graph, cosigners = plain_graph(), plain_graph().contract.cosigners
    psbt = combine([signed_by_btclib(name, who, version) for who in PLAIN])
    for request in [r for r in graph.requests() if r.tx == name]:
        made = {n: SecretNonce.generate(SECRETS[n], request.message, cosigners.aggregate) for n in cosigners.aggregated}
        psbt = add_nonces(psbt, graph, name, request.index, {n: nonce.public for n, nonce in made.items()})
        joined = cosigners.join_nonces(read_nonces(psbt, graph, name, request.index))
        session = Session(cosigners.aggregate, joined, request.message)
        parts = {n: session.partial_sign(nonce, SECRETS[n]) for n, nonce in made.items()}
        psbt = Psbt.from_bytes(add_parts(psbt, graph, name, request.index, parts).to_bytes())
        assert set(read_parts(psbt, graph, name, request.index)) == set(cosigners.names)
        graph.verify_some({request.key: join_parts(psbt, graph, name, request.index)}, [request])


def test_a_wrong_signature_of_a_plain_signer_names_him_and_so_does_another_hash_type() -> None:
    graph, request = plain_graph(), next(r for r in plain_graph().requests() if r.tx == "confirm")
    given = read_parts(signed_by_btclib("confirm", "carol", 0), graph, "confirm", 0)
    assert set(given) == {"carol"} and graph.contract.cosigners.share_bytes("carol") == len(given["carol"])
    wrong = add_parts(make_psbt(graph, "confirm"), graph, "confirm", 0, {"operator": given["carol"]})
    with pytest.raises(Misbehaviour, match=r"operator misbehaved: signature .* does not check"):
        read_parts(wrong, graph, "confirm", 0)
    typed = add_parts(make_psbt(graph, "confirm"), graph, "confirm", 0, {"carol": given["carol"] + b"\x01"})
    with pytest.raises(Misbehaviour, match="carol misbehaved: signs input 0 of confirm with another hash type"):
        read_parts(typed, graph, "confirm", 0)
    with pytest.raises(InvalidInput, match="lacks a nonce of"):
        join_parts(signed_by_btclib("confirm", "carol", 0), graph, "confirm", 0)
    assert request.message == graph.sighash("confirm", 0)


def test_a_finalized_psbt_with_plain_signers_holds_their_signatures_in_the_order_of_the_leaf() -> None:
    made = presign(make_proposal(plain=PLAIN), cosigning_secrets(PLAIN), build_toy_games)
    for name in ("confirm", "take1", "challenge.alice"):
        psbt = make_psbt(made.graph, name)
        for index, spend in enumerate(made.graph.planned(name).inputs):
            for slot in spend.slots:
                live = sign_schnorr(SECRETS["alice"], made.graph.sighash(name, index), bytes(32))
                signature = made.signatures[name, index] if slot.presigned else live
                psbt = add_signature(psbt, made.graph, name, index, slot.party, signature)
        done = finalize(psbt, made.graph, name)
        alice = partial(sign_schnorr, SECRETS["alice"], aux=bytes(32))
        whole = made.graph.assemble(name, made.signatures, {"alice": alice})
        for index, txin in enumerate(whole.inputs):
            assert f.parse_witness(done.find(index, f.IN_FINAL_WITNESS) or b"") == txin.witness


def test_a_round_of_plain_signers_alone_goes_out_and_comes_back() -> None:
    everybody = ("alice", "bob", "carol", "operator")
    graph = make_proposal(plain=everybody).build_graph(build_toy_games)
    asked = [r.message for r in graph.requests()]
    parts = {m: {n: sign_schnorr(PLAIN_SECRETS[n], m) for n in everybody} for m in asked}
    sent = {name: Psbt.from_bytes(psbt.to_bytes()) for name, psbt in export_round(graph, {}, parts, 2).items()}
    nonces, read = import_round(graph, sent)
    assert read == parts and not any(nonces.values())
    joined = {r.key: join_parts(sent[r.tx], graph, r.tx, r.index) for r in graph.requests()}
    graph.verify(joined)


# ---- real nodes ------------------------------------------------------------------------------------------------------


@pytest.mark.bitcoind
def test_a_node_reads_every_psbt_of_the_graph(real_node: Bitcoind) -> None:
    call = real_node.chain()._rpc.call
    for name in SHOWN:
        said = call("decodepsbt", shown(name).to_base64())
        assert said["tx"]["txid"] == graph().planned(name).tx.txid_hex
        for index, spend in enumerate(graph().planned(name).inputs):
            read, tree = said["inputs"][index], graph().outputs[spend.output].tree
            assert read["taproot_internal_key"] == tree.internal_key.hex()
            assert read["taproot_merkle_root"] == tree.merkle_root.hex()
            assert len(read["taproot_scripts"]) == 1 and read["taproot_bip32_derivs"]


@pytest.mark.bitcoind
def test_a_node_reads_participants_nonces_and_parts(real_node: Bitcoind) -> None:
    said = real_node.chain()._rpc.call("decodepsbt", with_round("confirm", 0).to_base64())["inputs"][0]
    aggregate = graph().contract.aggregate
    if "musig2_pubnonces" not in said:  # Knots 29 keeps the fields without a meaning
        assert {key[:2] for key in said["unknown"]} == {"1a", "1b", "1c"}
        return
    (participants,) = said["musig2_participant_pubkeys"]
    assert participants["participant_pubkeys"] == [key.hex() for key in aggregate.public_keys]
    assert len(said["musig2_pubnonces"]) == len(said["musig2_partial_sigs"]) == len(aggregate.parties)


@pytest.mark.bitcoind
def test_a_node_extracts_the_finalized_transaction(real_node: Bitcoind) -> None:
    psbt = add_signature(shown("confirm"), graph(), "confirm", 0, N_OF_N, bundle().signatures["confirm", 0])
    said = real_node.chain()._rpc.call("finalizepsbt", finalize(psbt, graph(), "confirm").to_base64())
    assert said["complete"] and said["hex"] == play(bundle(), "confirm").serialize().hex()


def test_funding_of_the_toy_graph_is_complete() -> None:
    assert build_graph(TERMS, make_proposal().parties, make_funding(), build_toy_games(make_proposal())).digest() == (
        graph().digest()
    )
