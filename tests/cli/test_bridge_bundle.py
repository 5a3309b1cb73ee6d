"""`btc-l2 bridge presigned` with a bundle of real games: checked to the last signature, then followed to the vault."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.guests import find_guest
from challenger.games import constants_of
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.proposal import Proposal
from regtest.party import DEPOSITOR, OPERATOR, Cast, fund_wallets, lock_standing, make_cast
from regtest.story import one_time_keys
from regtest.workshop import Workshop
from taproot.connectors.output import Contract
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.terms import Terms
from tests.cli.conftest import Command

TERMS = Terms(arities=(2,))


def sign_bundle(chain: EmbeddedChain, cast: Cast) -> Bundle:
    """Everything locked on the chain and presigned."""
    wallets = fund_wallets(chain, cast, TERMS)
    funding = lock_standing(chain, Contract.make(TERMS, cast.parties), wallets)
    guest = find_guest("fibonacci")
    image = guest.load_image((20).to_bytes(4, "big"))
    keys = one_time_keys(cast, TERMS, funding)
    proposal = Proposal(TERMS, cast.parties, funding, keys, constants_of(image))
    bundle = Workshop().presign(proposal, cast.keys())
    confirm = bundle.graph.assemble("confirm", bundle.signatures)
    bundle_child = wallets[DEPOSITOR].fee_child(confirm, 1)
    chain.mine(TERMS.confirmations)
    chain.broadcast([confirm, bundle_child])
    return bundle


@pytest.mark.long
def test_a_real_bundle_is_checked_and_followed_to_the_vault(btc_l2: Command, tmp_path: Path) -> None:
    cast = make_cast(1)
    members = tuple(
        Member(p, SecretKey(sha256(b"identity " + p.name.encode())).x_only) for p in cast.parties.cosigners
    )
    policy = Registered(TERMS, members, (OPERATOR,), {"image_root": bytes(32)})
    (tmp_path / "policy.json").write_text(json.dumps(policy.to_json()))
    key = tmp_path / "dora.key"
    key.touch(0o600)
    key.write_text(cast.secrets[DEPOSITOR].key.to_bytes().hex())
    home = ("--home", tmp_path / "home", "--json")
    chain = (*home, "--chain", tmp_path / "chain")
    shown = btc_l2("bridge", "deposit", "--policy", tmp_path / "policy.json", "--key-file", key, *home).json()
    with EmbeddedChain(tmp_path / "chain") as opened:
        bundle = sign_bundle(opened, cast)
    path = tmp_path / "bundle.bin"
    bundle.save(path)
    early = btc_l2("bridge", "presigned", shown["id"], "--bundle", path, *home)
    assert early.code == 4 and "not paid" in early.stderr
    assert btc_l2("bridge", "status", shown["id"], *chain).json()["state"] == "funded"
    assert btc_l2("bridge", "presigned", shown["id"], "--bundle", path, *home).json()["state"] == "presigned"
    with EmbeddedChain(tmp_path / "chain") as opened:
        opened.mine(TERMS.confirmations)
    vault = btc_l2("bridge", "status", shown["id"], *chain).json()
    assert vault["state"] == "vault" and vault["vault"] == str(bundle.graph.outpoints["vault"])
    capital = btc_l2("bridge", "capital", *chain).json()
    assert capital["deposits"][0]["kills"].keys() == {"bare", "stake0"}
    damaged = replace(bundle, signatures={key: bytes(64) for key in bundle.signatures})
    damaged.save(path)
    assert btc_l2("bridge", "presigned", shown["id"], "--bundle", path, *home).code == 4
