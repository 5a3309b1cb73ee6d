"""The refund kit: a second machine checks it without us, makes the refund, and the chain takes it in time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.bridge.refund_kit import RefundKit, kit_of, make_kit, make_refund, own_script, verify_refund
from btc_l2.chain.protocol import Rejected
from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.hashes import sha256
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import Sats
from tests.bridge.conftest import CONTRACT, Bridge
from tests.taproot.toy import NAMES, PLAIN_SECRETS, SECRETS, TERMS, make_parties

AT = OutPoint(sha256(b"somewhere"), 1)
KIT = kit_of(CONTRACT, AT)
PLAIN = make_kit(TERMS, make_parties(plain=("bob", "operator")), AT)
COSIGNERS = (*NAMES[:3], "operator")
SECRET = SECRETS["depositor"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def changed(**what: Any) -> dict[str, Any]:
    return {**KIT.to_json(), **what}


def test_kit_reads_what_it_writes() -> None:
    for kit in (KIT, replace(KIT, outpoint=None), PLAIN, make_kit(TERMS, make_parties(plain=COSIGNERS))):
        assert RefundKit.parse(json.dumps(kit.to_json()).encode()) == kit


def test_a_kit_without_plain_signers_is_what_it_was() -> None:
    """The digest is that of the last version that knew MuSig2 signers only."""
    content = json.dumps(make_kit(TERMS, make_parties()).to_json()).encode()
    assert sha256(content).hex() == "1ad86cfee6c4b978778c1b7d82ddf16eb900374fa7cab43d4de2d7695ed26185"


def test_plain_keys_in_a_kit_are_facts_that_all_the_rest_follows_from() -> None:
    values = PLAIN.to_json()
    assert values["plain"] == sorted(PLAIN_SECRETS[n].x_only.hex() for n in ("bob", "operator"))
    others: list[Any] = [values["plain"][:1], values["plain"][::-1], [], "x"]
    for wrong in others:
        with pytest.raises(VerificationFailed):
            RefundKit.from_json({**values, "plain": wrong})
    made = make_refund(PLAIN, SECRET, own_script(PLAIN), 2)  # libbitcoinkernel accepts it
    assert made.inputs[0].prevout == AT


def test_refund_is_taken_by_the_chain_after_the_delay_and_not_a_block_before(bridge: Bridge) -> None:
    chain, kit = bridge.chain, kit_of(CONTRACT, bridge.bundle.graph.outpoints["deposit"])
    tx = make_refund(RefundKit.from_json(kit.to_json()), SECRET, own_script(kit), 2)
    chain.mine(kit.delay - chain.confirmations(kit.outpoint.txid if kit.outpoint else b"") - 1)
    with pytest.raises(Rejected, match="non-BIP68-final"):
        chain.check(tx)
    chain.mine()
    chain.broadcast(tx)
    chain.mine()
    assert bridge.value_of(own_script(kit)) == kit.amount - 2 * tx.vbytes


def test_refund_after_confirm_has_nothing_to_spend(bridge: Bridge) -> None:
    kit = kit_of(CONTRACT, bridge.bundle.graph.outpoints["deposit"])
    bridge.plays("confirm")
    bridge.chain.mine(kit.delay)
    with pytest.raises(Rejected, match="missingorspent"):
        bridge.chain.check(make_refund(kit, SECRET, own_script(kit), 1))


@pytest.mark.parametrize("field", [name for name in KIT.to_json() if name not in ("outpoint", "format")])
def test_a_field_that_does_not_follow_from_the_keys_is_found(field: str) -> None:
    value = KIT.to_json()[field]
    other: object = value + 1 if isinstance(value, int) else value[:-1] if field != "network" else "signet"
    if field in ("amount",):
        assert RefundKit.from_json(changed(amount=other)).amount == other  # a fact: nothing follows from it
        return
    with pytest.raises(VerificationFailed):
        RefundKit.from_json(changed(**{field: other}))


def test_a_true_instead_of_a_one_is_found() -> None:
    with pytest.raises(VerificationFailed):
        RefundKit.from_json(changed(amount=True))


def test_missing_and_unknown_fields_are_found() -> None:
    less = KIT.to_json()
    less.pop("control_block")
    for values in (less, changed(extra=1), changed(format="btc-l2 refund kit 2"), [], None):
        with pytest.raises(VerificationFailed):
            RefundKit.from_json(values)


def test_kit_for_mainnet_is_refused() -> None:
    with pytest.raises(Refused):
        RefundKit.from_json(changed(network="mainnet"))


@settings(max_examples=150)
@given(st.sampled_from([*KIT.to_json(), "other"]), JSON_VALUES)
def test_any_value_in_any_field_is_the_same_kit_or_refused(field: str, value: object) -> None:
    values = changed(**{field: value})
    try:
        kit = RefundKit.from_json(values)
    except (VerificationFailed, Refused):
        return
    assert replace(kit, amount=KIT.amount, outpoint=AT) == KIT


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(VerificationFailed):
        RefundKit.parse(content)


def test_file_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        RefundKit.load(tmp_path / "kit.json")


def test_refund_needs_the_depositors_key_an_outpoint_and_a_sane_fee() -> None:
    with pytest.raises(Refused, match="not the depositor's"):
        make_refund(KIT, SECRETS["alice"], own_script(KIT), 1)
    with pytest.raises(InvalidInput, match="does not say where"):
        make_refund(replace(KIT, outpoint=None), SECRET, own_script(KIT), 1)
    for rate in (0, -1, 1001):
        with pytest.raises(InvalidInput, match="fee rate"):
            make_refund(KIT, SECRET, own_script(KIT), rate)
    with pytest.raises(Refused, match="lower fees"):
        make_refund(replace(KIT, amount=Sats(1000)), SECRET, own_script(KIT), 10)


def test_a_refund_that_was_changed_does_not_verify() -> None:
    tx = make_refund(KIT, SECRET, own_script(KIT), 1)
    verify_refund(KIT, tx)
    less = TxOut(Sats(tx.outputs[0].value - 1), tx.outputs[0].script_pubkey)
    with pytest.raises(VerificationFailed, match="libbitcoinkernel"):
        verify_refund(KIT, Transaction(tx.version, tx.inputs, (less,)))
    with pytest.raises(VerificationFailed, match="alone"):
        verify_refund(replace(KIT, outpoint=OutPoint(AT.txid, 2)), tx)
