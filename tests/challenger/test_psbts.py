"""PSBTs that come back: named, compared with the graph, signatures checked; a btclib signer and nodes in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from btclib_wallet.psbt import Psbt as OtherPsbt

from challenger.presign.psbts import compare, with_signatures
from regtest.node.bitcoind import Bitcoind
from taproot import psbt_fields as f
from taproot.keys import sign_schnorr
from taproot.psbt import Psbt, record
from taproot.psbt_graph import add_signature, make_psbt
from taproot.tx import OutPoint, Transaction, TxIn, TxOut
from taproot.units import Sats
from tests.taproot.test_psbt_graph import SHOWN, bundle, find_leaf, graph, shown
from tests.taproot.toy import SECRETS, presign_toy

GRAPHS = {"operator": graph()}


def look(psbt: Psbt) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    found = compare(psbt, GRAPHS)
    assert found is not None
    return found.name, found.differences, found.added


def changed_tx(name: str, **parts: object) -> Psbt:
    return Psbt.of(replace(graph().planned(name).tx, **parts))  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", SHOWN)
def test_every_transaction_is_known_again(name: str, version: int) -> None:
    assert look(shown(name, version)) == (name, (), ())


def test_all_names_of_the_graph_come_back() -> None:
    for name in graph().transactions:
        assert look(make_psbt(graph(), name, 0, find_leaf(name))) == (name, (), ())


def test_the_output_that_a_player_chooses_is_no_difference_and_any_other_is() -> None:
    name = "alice/slash.pick@bond"
    tx = graph().planned(name).tx
    own = TxOut(Sats(1_000), b"\x51\x20" + bytes(32))
    chosen = replace(shown(name), tx=replace(tx, outputs=(own, *tx.outputs[1:])))
    assert look(chosen)[:2] == (name, ())
    stolen = replace(shown(name), tx=replace(tx, outputs=(tx.outputs[0], own)))
    assert look(stolen)[1] == (
        f"output 1 pays 1000 sat to {own.script_pubkey.hex()}; the graph has {tx.outputs[1].value} sat to "
        f"{tx.outputs[1].script_pubkey.hex()}",
    )


def test_a_changed_transaction_is_named_after_the_one_that_it_comes_nearest_to() -> None:
    tx = graph().planned("take1").tx
    less = replace(tx.outputs[0], value=tx.outputs[0].value - 1)
    assert look(changed_tx("take1", outputs=(less, *tx.outputs[1:])))[0] == "take1"
    early = tuple(TxIn(i.prevout, 0xFFFFFFFD) for i in tx.inputs)
    assert "sequence numbers" in look(changed_tx("take1", inputs=early))[1][0]
    assert "1 outputs; the graph has 2" in look(changed_tx("take1", outputs=tx.outputs[:1]))[1][0]
    assert "version 2, lock time 0" in look(changed_tx("take1", version=2))[1][0]
    assert "inputs are not" in look(changed_tx("take1", inputs=tx.inputs[::-1]))[1][0]


def test_a_psbt_that_spends_nothing_of_the_graph_is_of_none() -> None:
    foreign = Transaction(2, (TxIn(OutPoint(bytes(32), 0), 0),), (TxOut(Sats(1), b""),))
    assert compare(Psbt.of(foreign), GRAPHS) is None


@pytest.mark.parametrize("kind", [f.IN_WITNESS_UTXO, f.IN_TAP_LEAF_SCRIPT, f.IN_TAP_INTERNAL_KEY, f.IN_TAP_MERKLE_ROOT])
def test_a_record_that_is_missing_or_changed_is_a_difference(kind: int) -> None:
    without = shown("confirm").without(0, kind)
    assert look(without)[1] == (f"input 0 lacks {f.INPUT[kind].name}",)
    if kind in (f.IN_TAP_INTERNAL_KEY, f.IN_TAP_MERKLE_ROOT):
        other = without.with_input(0, record(kind, graph().contract.key("alice")))
        assert f"input 0 has another {f.INPUT[kind].name}" in look(other)[1][0]


def test_an_amount_that_lies_about_what_is_spent_is_a_difference() -> None:
    spent = graph().outputs["deposit"].tx_out
    lie = TxOut(Sats(spent.value - 5_000), spent.script_pubkey)
    other = shown("confirm").without(0, f.IN_WITNESS_UTXO).with_input(0, record(f.IN_WITNESS_UTXO, lie.serialize()))
    assert "another PSBT_IN_WITNESS_UTXO" in look(other)[1][0]


def test_signatures_are_checked_and_told_by_name() -> None:
    presigned = with_signatures(shown("leave.stake0"), graph(), "leave.stake0", bundle().signatures)
    assert len(look(presigned)[2]) == 1 and "valid signature of n-of-n" in look(presigned)[2][0]
    live = sign_schnorr(SECRETS["operator"], graph().sighash("leave.stake0", 0), bytes(32))
    both = add_signature(presigned, graph(), "leave.stake0", 0, "operator", live)
    assert [a.split()[2:5] for a in look(both)[2]] == [["valid", "signature", "of"]] * 2
    wrong = add_signature(presigned, graph(), "leave.stake0", 0, "operator", bytes(64))
    assert "WRONG signature of operator" in look(wrong)[1][0]


def test_a_signature_for_another_leaf_or_of_a_stranger_is_a_difference() -> None:
    leaf = graph().outputs["deposit"].path("n-of-n").leaf.hash
    stranger = record(f.IN_TAP_SCRIPT_SIG, bytes(64), SECRETS["alice"].x_only + leaf)
    assert "has no place there" in look(shown("confirm").with_input(0, stranger))[1][0]
    key = graph().contract.keys("n-of-n")[0]
    elsewhere = record(f.IN_TAP_SCRIPT_SIG, bytes(64), key + bytes(32))
    assert "has no place there" in look(shown("confirm").with_input(0, elsewhere))[1][0]


def test_what_others_add_is_told_by_its_name() -> None:
    psbt = shown("confirm").with_input(0, record(0x0A, b"x", bytes(20))).with_input(0, {b"\xf0\x01": b"y"})
    assert look(psbt) == ("confirm", (), ("input 0: PSBT_IN_RIPEMD160", "input 0: a record of type 0xf0"))


@pytest.mark.parametrize(("plain", "keys"), [(("alice",), 2), (("bob", "operator"), 3)])
def test_with_plain_signers_each_signature_of_the_n_of_n_is_checked(plain: tuple[str, ...], keys: int) -> None:
    made = presign_toy(plain=plain)
    psbt = with_signatures(make_psbt(made.graph, "confirm"), made.graph, "confirm", made.signatures)
    found = compare(psbt, {"operator": made.graph})
    assert found is not None and found.differences == () and len(found.added) == keys
    first = next(iter(psbt.all_of(0, f.IN_TAP_SCRIPT_SIG)))
    spoiled = psbt.without(0, f.IN_TAP_SCRIPT_SIG).with_input(0, record(f.IN_TAP_SCRIPT_SIG, bytes(64), first))
    found = compare(spoiled, {"operator": made.graph})
    assert found is not None and "WRONG signature of n-of-n" in found.differences[0]


@pytest.mark.parametrize("name", ["confirm", "take1", "leave.stake0", "alice/timeout.reveal@stake0"])
def test_btclib_reads_it_and_what_it_writes_is_known_again(name: str) -> None:
    ours = with_signatures(shown(name), graph(), name, bundle().signatures)
    theirs = OtherPsbt.parse(ours.to_bytes())
    assert theirs.tx.id.hex() == graph().planned(name).tx.txid_hex
    back = Psbt.from_bytes(theirs.serialize())
    assert look(back)[:2] == (name, ()) and look(back)[2] == look(ours)[2]


@pytest.mark.bitcoind
def test_a_node_decodes_it_and_what_it_joins_is_known_again(real_node: Bitcoind) -> None:
    call = real_node.chain()._rpc.call
    for name in SHOWN:
        ours = with_signatures(shown(name), graph(), name, bundle().signatures)
        assert call("decodepsbt", ours.to_base64())["tx"]["txid"] == graph().planned(name).tx.txid_hex
        joined = Psbt.from_base64(call("combinepsbt", [shown(name).to_base64(), ours.to_base64()]))
        assert look(joined) == look(ours)
