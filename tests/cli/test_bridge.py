"""`btc-l2 bridge` on an embedded chain: from the announcement to refund, cancel, payout; each with its refusals."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from btc_l2.bridge.deposits import DepositStore
from btc_l2.bridge.states import Event
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund
from btc_l2.cli.bridge_home import Home
from challenger.agents.wallet import Wallet
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.proposal import Proposal
from challenger.presign.refresh import Standing, plan_refresh, sign_refresh
from challenger.presign.session import presign
from regtest.node.bitcoind import Bitcoind
from taproot.address import encode_address
from taproot.connectors.claim import make_ticket
from taproot.connectors.output import Contract, payout_script
from taproot.connectors.stake import make_bond, make_stake
from taproot.graph import Funding
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.parties import Parties
from taproot.tx import OutPoint, Transaction
from tests.chain.conftest import skip_without_bitcoind
from tests.cli.conftest import Answer, Command
from tests.taproot.toy import SECRETS, TERMS, build_toy_games, make_parties, make_proposal, signing

MEMBERS = ("alice", "bob", "carol", "operator")
CONTRACT = Contract.make(TERMS, make_parties())


@dataclass
class Desk:
    """A home, a chain in a folder, key files, the policy."""

    call: Command
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def key(self, name: str) -> Path:
        path = self.folder / f"{name}.key"
        if not path.exists():
            path.touch(0o600)
            path.write_text(SECRETS[name].to_bytes().hex())
        return path

    def keys(self) -> list[object]:
        return [part for name in MEMBERS for part in ("--key-file", self.key(name))]

    def bridge(self, *arguments: object, chain: bool = True) -> Answer:
        where = ["--home", self.home, *(["--chain", self.folder / "chain"] if chain else [])]
        return self.call("bridge", *arguments, *where, "--json")

    def ok(self, *arguments: object, chain: bool = True) -> Any:
        answer = self.bridge(*arguments, chain=chain)
        assert answer.code == 0, answer.stderr
        return answer.json()

    def chain(self) -> EmbeddedChain:
        return EmbeddedChain(self.folder / "chain")

    def announce(self) -> dict[str, Any]:
        given = ("--policy", self.folder / "policy.json", "--key-file", self.key("depositor"))
        found: dict[str, Any] = self.ok("deposit", *given, chain=False)
        return found

    def pay(self, deposit: dict[str, Any]) -> None:
        store = DepositStore(self.home / "deposits.sqlite")
        output = store.get(deposit["id"]).kit.output
        store.close()
        with self.chain() as chain:
            fund(chain, output.script_pubkey, output.value)
            chain.mine(TERMS.confirmations)

    def mine(self, blocks: int) -> None:
        with self.chain() as chain:
            chain.mine(blocks)


@pytest.fixture
def desk(btc_l2: Command, tmp_path: Path) -> Desk:
    members = tuple(
        Member(make_parties().party(name), SecretKey(sha256(b"identity " + name.encode())).x_only) for name in MEMBERS
    )
    policy = Registered(TERMS, members, ("operator",), {"image_root": bytes(32)})
    (tmp_path / "policy.json").write_text(json.dumps(policy.to_json()))
    return Desk(btc_l2, tmp_path)


def raw(document: dict[str, Any]) -> Transaction:
    return Transaction.from_bytes(bytes.fromhex(document["transaction"]))


# ---- announce --------------------------------------------------------------------------------------------------------


def test_deposit_shows_address_amount_and_expiry_and_writes_a_kit_that_verifies(desk: Desk) -> None:
    shown = desk.announce()
    assert shown["state"] == "announced" and shown["amount"] == TERMS.deposit and shown["outpoint"] is None
    assert shown["refund_after_blocks"] == TERMS.refund_delay
    kit = desk.call("bridge", "kit", "verify", shown["refund_kit"], "--json")
    assert kit.code == 0 and kit.json()["address"] == shown["address"] and kit.json()["valid"]


def test_deposit_without_a_key_makes_one_that_only_its_owner_can_read(desk: Desk) -> None:
    one, two = (desk.ok("deposit", "--policy", desk.folder / "policy.json", chain=False) for _ in range(2))
    assert one["address"] != two["address"]
    key = desk.home / "deposits" / f"{one['id']}.key"
    assert os.stat(key).st_mode & 0o077 == 0
    assert [row["id"] for row in desk.ok("status", chain=False)] == [one["id"], two["id"]]


def test_deposit_refuses_a_used_key_a_bad_policy_and_a_key_that_others_can_read(desk: Desk) -> None:
    desk.announce()
    policy = desk.folder / "policy.json"
    assert desk.bridge("deposit", "--policy", policy, "--key-file", desk.key("depositor"), chain=False).code == 6
    (desk.folder / "bad.json").write_text("{")
    assert desk.bridge("deposit", "--policy", desk.folder / "bad.json", chain=False).code == 2
    assert desk.bridge("deposit", "--policy", desk.folder / "none.json", chain=False).code == 3
    desk.key("bob").chmod(0o644)
    assert desk.bridge("deposit", "--policy", policy, "--key-file", desk.key("bob"), chain=False).code == 6
    assert desk.bridge("deposit", "--policy", policy, "--operator", "eve", chain=False).code == 2


def test_mainnet_is_refused(desk: Desk) -> None:
    policy = json.loads((desk.folder / "policy.json").read_text())
    policy["terms"]["network"] = "mainnet"
    (desk.folder / "main.json").write_text(json.dumps(policy))
    assert desk.bridge("deposit", "--policy", desk.folder / "main.json", chain=False).code == 6
    desk.announce()
    node = desk.bridge("status", "--node", "http://127.0.0.1:1", "--network", "mainnet", chain=False)
    assert node.code == 6 and "mainnet" in node.stderr


# ---- refund ----------------------------------------------------------------------------------------------------------


def test_refund_by_a_second_machine_from_the_kit_alone(desk: Desk, tmp_path: Path) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    shown = desk.ok("status", deposit["id"][:5])
    assert shown["state"] == "funded" and shown["history"][-1].endswith("fund: funded")
    kit = tmp_path / "copied.json"
    kit.write_bytes(Path(deposit["refund_kit"]).read_bytes())
    second = ("refund", "--kit", kit, "--key-file", desk.key("depositor"))
    chain = ("--chain", desk.folder / "chain")
    offline = desk.call("bridge", *second, "--json").json()
    assert not offline["broadcast"] and raw(offline).vbytes == offline["vbytes"]
    assert desk.call("bridge", *second, *chain, "--broadcast").code == 6  # too early
    with desk.chain() as opened:
        assert shown["refund_from_height"] > opened.tip().height + 1
        opened.mine(shown["refund_from_height"] - opened.tip().height - 1)
    dry = desk.call("bridge", *second, *chain, "--dry-run", "--json").json()
    assert not dry["broadcast"]
    with desk.chain() as opened:
        assert opened.mempool() == ()
    assert desk.call("bridge", *second, *chain, "--broadcast", "--json").json()["broadcast"]
    desk.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["state"] == "refunded"


def test_refund_to_an_address_pays_there_and_refuses_one_of_another_network(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    desk.ok("status")
    script = payout_script(CONTRACT, "carol")
    refund = ("refund", deposit["id"], "--key-file", desk.key("depositor"), "--fee-rate", 7)
    tx = raw(desk.ok(*refund, "--to", encode_address(script, "regtest")))
    assert tx.outputs[0].script_pubkey == script and TERMS.deposit - tx.outputs[0].value == 7 * tx.vbytes
    assert desk.bridge(*refund, "--to", encode_address(script, "signet")).code == 2
    assert desk.bridge(*refund, "--to", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").code == 6


def test_refund_refuses_before_payment_a_foreign_key_and_half_a_question(desk: Desk) -> None:
    deposit = desk.announce()
    key = ("--key-file", desk.key("depositor"))
    assert desk.bridge("refund", deposit["id"], *key).code == 2
    desk.pay(deposit)
    desk.ok("status")
    assert desk.bridge("refund", deposit["id"], "--key-file", desk.key("alice")).code == 6
    assert desk.bridge("refund", *key).code == 2
    assert desk.bridge("refund", "--kit", deposit["refund_kit"]).code == 2
    assert desk.bridge("refund", deposit["id"], *key, "--broadcast", chain=False).code == 2


def test_a_payment_of_another_amount_is_shown_and_can_be_refunded(desk: Desk) -> None:
    deposit = desk.announce()
    with DepositStoreOf(desk) as store:
        script = store.get(deposit["id"]).kit.output.script_pubkey
    with desk.chain() as chain:
        at = fund(chain, script, 123_456)
        chain.mine(TERMS.refund_delay - 1)
    (remark,) = desk.ok("status", deposit["id"])["remarks"]
    assert str(at) in remark and "can only be refunded" in remark
    refund = ("refund", deposit["id"], "--key-file", desk.key("depositor"), "--outpoint", at, "--broadcast")
    assert desk.bridge(*refund).code == 2
    assert desk.bridge(*refund, "--amount", 123_455).code == 6  # the amount is signed
    done = desk.ok(*refund, "--amount", 123_456)
    assert done["pays"] == 123_456 - done["vbytes"]


def test_a_kit_with_another_address_fails_verification(desk: Desk) -> None:
    path = Path(desk.announce()["refund_kit"])
    values = json.loads(path.read_text())
    values["address"] = encode_address(payout_script(CONTRACT, "bob"), "regtest")
    path.write_text(json.dumps(values))
    answer = desk.call("bridge", "kit", "verify", path)
    assert answer.code == 4 and "address does not follow" in answer.stderr


@pytest.mark.bitcoind
def test_deposit_and_refund_on_a_running_node(desk: Desk) -> None:
    skip_without_bitcoind()
    deposit = desk.announce()
    with Bitcoind() as node:
        chain = node.chain()
        where = ("--node", f"http://127.0.0.1:{node.port}", "--cookie", node.folder / "regtest" / ".cookie")
        with DepositStoreOf(desk) as store:
            output = store.get(deposit["id"]).kit.output
        fund(chain, output.script_pubkey, output.value)
        chain.mine(TERMS.refund_delay - 2)
        assert desk.ok("status", deposit["id"], *where, chain=False)["state"] == "funded"
        refund = ("refund", deposit["id"], "--key-file", desk.key("depositor"), "--broadcast", *where)
        early = desk.bridge(*refund, chain=False)
        assert early.code == 6 and "non-BIP68-final" in early.stderr
        chain.mine()
        desk.ok(*refund, chain=False)
        chain.mine(TERMS.confirmations)
        assert desk.ok("status", deposit["id"], *where, chain=False)["state"] == "refunded"


# ---- cancel, payout, capital -----------------------------------------------------------------------------------------


def test_cancel_of_an_unpaid_deposit_strikes_it_out(desk: Desk) -> None:
    deposit = desk.announce()
    assert desk.ok("cancel", deposit["id"], "--dry-run")["state"] == "announced"
    assert desk.ok("cancel", deposit["id"])["state"] == "cancelled"
    assert desk.bridge("cancel", deposit["id"]).code == 6


def test_cancel_of_a_paid_deposit_needs_all_cosigners(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    assert desk.bridge("cancel", deposit["id"], "--key-file", desk.key("alice")).code == 2
    assert desk.bridge("cancel", deposit["id"], "--key-file", desk.key("depositor")).code == 2
    assert not desk.ok("cancel", deposit["id"], *desk.keys(), "--dry-run")["broadcast"]
    assert desk.ok("cancel", deposit["id"], *desk.keys())["broadcast"]
    desk.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["state"] == "cancelled"


def presigned(desk: Desk, deposit: dict[str, Any]) -> Bundle:
    """The toy graph over this deposit, its standing outputs confirmed, `confirm` buried; recorded in the home."""
    outputs = [make_stake(CONTRACT, 0), *(make_bond(CONTRACT, n) for n in ("alice", "bob")), make_ticket(CONTRACT)]
    with desk.chain() as chain, DepositStoreOf(desk) as store:
        at = store.get(deposit["id"]).outpoint
        assert at is not None
        stake, alice, bob, ticket = (fund(chain, o.tree.script_pubkey, o.value) for o in outputs)
        toy = make_proposal()
        funding = Funding(at, (stake,), {"alice": alice, "bob": bob}, ticket)
        proposal = Proposal(TERMS, make_parties(), funding, toy.one_time, toy.constants)
        bundle = presign(proposal, SECRETS, build_toy_games)
        payer = Wallet(chain, SecretKey(sha256(b"payer")))
        fund(chain, payer.script_pubkey, 1_000_000)
        confirm = bundle.graph.assemble("confirm", bundle.signatures)
        chain.broadcast([confirm, payer.fee_child(confirm, 1)])
        chain.mine(TERMS.confirmations)
        Home.find(desk.home).write_graph(deposit["id"], TERMS, make_parties(), funding)
        store.apply(deposit["id"], Event.PRESIGN, 0)
    return bundle


class DepositStoreOf:
    def __init__(self, desk: Desk) -> None:
        self._store = DepositStore(desk.home / "deposits.sqlite")

    def __enter__(self) -> DepositStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def test_payout_pays_the_operator_and_capital_shows_who_has_locked_what(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    assert desk.bridge("payout", deposit["id"], *desk.keys()).code == 6  # no vault yet
    bundle = presigned(desk, deposit)
    assert desk.ok("status", deposit["id"])["state"] == "vault"
    capital = desk.ok("capital")
    operator = capital["locked"]["operator"]
    assert operator["sats"] == TERMS.stakes[0] + TERMS.ticket_value(2)
    assert operator["per_deposit"] == {f"{deposit['id']}.operator": TERMS.ticket_value(2)}
    assert capital["locked"]["alice"] == {"sats": TERMS.bond, "per_deposit": {f"{deposit['id']}.operator": 0}}
    assert capital["deposits"][0]["takes"] and not capital["deposits"][0]["needs_refresh"]
    assert not desk.ok("payout", deposit["id"], *desk.keys(), "--dry-run")["broadcast"]
    paid = raw(desk.ok("payout", deposit["id"], *desk.keys()))
    assert paid.inputs[0].prevout == bundle.graph.outpoints["vault"] and len(paid.inputs) == 1
    assert paid.outputs[0].script_pubkey == payout_script(CONTRACT, "operator")
    desk.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["state"] == "claimed"


def test_a_vault_is_credited_once_and_nothing_else_is(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    early = desk.bridge("credit", deposit["id"])
    assert early.code == 6 and "is funded; credit cannot happen" in early.stderr
    presigned(desk, deposit)
    assert desk.ok("credit", deposit["id"], "--detail", "mint 77")["state"] == "credited"
    assert desk.ok("status", deposit["id"])["history"][-1].endswith("credit: credited")
    again = desk.bridge("credit", deposit["id"])
    assert again.code == 6 and "is credited; credit cannot happen" in again.stderr
    desk.ok("payout", deposit["id"], *desk.keys())
    desk.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["state"] == "claimed" and desk.bridge("credit", deposit["id"]).code == 6


def test_payout_after_a_kickoff_takes_the_kill_token_along(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    desk.ok("status")
    bundle = presigned(desk, deposit)
    with desk.chain() as chain:
        payer = Wallet(chain, SecretKey(sha256(b"payer")))
        kickoff = bundle.graph.assemble("kickoff", bundle.signatures, signing("operator"))
        chain.broadcast([kickoff, payer.fee_child(kickoff, 1)])
        chain.mine()
    paid = raw(desk.ok("payout", deposit["id"], *desk.keys()))
    outpoints = bundle.graph.outpoints
    assert [i.prevout for i in paid.inputs] == [outpoints[n] for n in ("vault", "asset", "unchallenged", "fan")]


def test_after_a_refresh_only_the_new_graph_pays_out(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    desk.ok("status")
    bundle = presigned(desk, deposit)
    funding, toy = bundle.proposal.funding, make_proposal()
    agreed = plan_refresh(bundle.graph, Standing(funding.stakes, funding.bonds, funding.ticket))
    renewed = presign(agreed.propose(toy.one_time, toy.constants), SECRETS, build_toy_games)
    with desk.chain() as chain:
        payer = Wallet(chain, SecretKey(sha256(b"payer")))
        for tx in (sign_refresh(agreed, renewed, SECRETS), renewed.graph.assemble("confirm", renewed.signatures)):
            chain.broadcast([tx, payer.fee_child(tx, 1)])
            chain.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["vault"] == str(renewed.graph.outpoints["vault"])
    assert desk.bridge("payout", deposit["id"], *desk.keys()).code == 6
    Home.find(desk.home).write_graph(deposit["id"], agreed.terms, agreed.parties, agreed.funding)
    paid = raw(desk.ok("payout", deposit["id"], *desk.keys()))
    assert paid.inputs[0].prevout == renewed.graph.outpoints["vault"]
    desk.mine(TERMS.confirmations)
    assert desk.ok("status", deposit["id"])["state"] == "claimed"


def test_payout_beside_another_operators_graph_has_to_name_the_operator(desk: Desk) -> None:
    deposit = desk.announce()
    desk.pay(deposit)
    desk.ok("status")
    bundle = presigned(desk, deposit)
    p = make_parties()
    other = Parties((*(s for s in p.signers if s.name != "alice"), p.operator), p.party("alice"), ("bob",), p.depositor)
    funding = bundle.proposal.funding
    ticket, bond = OutPoint(sha256(b"her ticket"), 0), funding.bonds["bob"]
    hers = Funding(funding.deposit, (OutPoint(sha256(b"her stake"), 0),), {"bob": bond}, ticket)
    Home.find(desk.home).write_graph(deposit["id"], TERMS, other, hers)
    assert desk.bridge("payout", deposit["id"], *desk.keys()).code == 2
    paid = raw(desk.ok("payout", deposit["id"], *desk.keys(), "--operator", "alice", "--dry-run"))
    assert paid.outputs[0].script_pubkey == payout_script(CONTRACT, "alice")
    assert desk.bridge("payout", deposit["id"], *desk.keys(), "--operator", "eve").code == 2
    back = raw(desk.ok("cancel", deposit["id"], *desk.keys(), "--dry-run"))
    assert [i.prevout for i in back.inputs] == [i.prevout for i in paid.inputs]
    shown = [d["deposit"] for d in desk.ok("capital")["deposits"]]
    assert shown == [f"{deposit['id']}.{name}" for name in ("alice", "operator")]


def test_bundle_that_is_none_is_not_attached(desk: Desk) -> None:
    deposit = desk.announce()
    (desk.folder / "bundle.bin").write_bytes(b"x" * 100)
    assert desk.bridge("presigned", deposit["id"], "--bundle", desk.folder / "bundle.bin", chain=False).code == 4
    assert desk.bridge("presigned", deposit["id"], "--bundle", desk.folder / "none.bin", chain=False).code == 2


@pytest.mark.parametrize(
    "place",
    [(), ("--node", "nonsense"), ("--node", "http://h:x"), ("--chain", "c", "--node", "n")],
)
def test_commands_that_need_a_chain_want_exactly_one(desk: Desk, place: tuple[str, ...]) -> None:
    desk.announce()
    assert desk.bridge("capital", *place, chain=False).code == 2


def test_unknown_deposit_and_damaged_graph_are_named(desk: Desk) -> None:
    assert desk.bridge("status", "abc").code == 2
    deposit = desk.announce()
    (desk.home / "deposits" / f"{deposit['id']}.olga.graph.json").write_text("{}")
    assert desk.bridge("capital").code == 4
