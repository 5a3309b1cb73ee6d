"""`btc-l2 standing`: what has to be paid to where, what stands, the way home of a stake and a bond."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from btc_l2.chain.faucet import fund
from btc_l2.cli.signer_desk import open_keys
from challenger.agents.wallet import Wallet
from regtest.node.bitcoind import Bitcoind
from taproot.address import decode_address, encode_address
from taproot.connectors.output import payout_script
from tests.chain.conftest import skip_without_bitcoind
from tests.cli.conftest import Answer
from tests.cli.paid import PaidGroup
from tests.cli.signers import call

NAMES = ("olga", "oskar", "alice")


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> PaidGroup:
    """Two operators and alice, nothing paid."""
    return PaidGroup(call, tmp_path_factory.mktemp("standing"), NAMES, operators=2).set_up()


@pytest.fixture
def three(registered: PaidGroup, tmp_path: Path) -> PaidGroup:
    return PaidGroup(call, Path(shutil.copytree(registered.folder, tmp_path / "copy")), NAMES, operators=2)


@pytest.fixture
def registered_pair(tmp_path: Path) -> PaidGroup:
    return PaidGroup(call, tmp_path, ("olga", "alice")).set_up()


@pytest.fixture
def pair(combined: PaidGroup, tmp_path: Path) -> PaidGroup:
    copied = Path(shutil.copytree(combined.folder, tmp_path / "copy"))
    return PaidGroup(call, copied, ("olga", "alice"), paid=combined.paid)


def standing(group: PaidGroup, command: str, *arguments: object, name: str | None = None) -> Answer:
    given: list[object] = ["--home", group.home(name)] if name else []
    if command in ("leave", "exit"):
        given += ["--passphrase-file", group.folder / "passphrase"]
    if command != "fund":
        given += ["--bundles", group.folder / "bundles", "--chain", group.folder / "chain"]
    return group.call("standing", command, *arguments, *given)


# ---- fund ------------------------------------------------------------------------------------------------------------


def test_fund_names_every_output_that_the_policy_asks_for(three: PaidGroup) -> None:
    rows = standing(three, "fund", "--json", name="alice").json()
    assert {(r["party"], r["operator"], r["name"]) for r in rows} == {
        ("olga", "olga", "stake0"), ("olga", "olga", "ticket"), ("oskar", "oskar", "stake0"),
        ("oskar", "oskar", "ticket"), ("olga", "oskar", "bond.olga"), ("oskar", "olga", "bond.oskar"),
        ("alice", "olga", "bond.alice"), ("alice", "oskar", "bond.alice"),
    }  # fmt: skip
    wanted = {place: output.tx_out for place, output in three.wanted().items()}
    for row in rows:
        due = wanted[row["operator"], row["name"]]
        assert (row["sats"], row["script"]) == (due.value, due.script_pubkey.hex())
        assert decode_address(row["address"], "regtest").hex() == row["script"] and row["outpoint"] is None


def test_fund_finds_what_stands_and_writes_the_first_command_of_each(three: PaidGroup) -> None:
    three.pay(but=(("oskar", "bond.alice"),))
    policy = ("--policy", three.folder / "policy.json", "--chain", three.folder / "chain")
    shown = standing(three, "fund", "--party", "alice", *policy, name="nobody")
    assert shown.code == 0, shown.stderr
    bond = three.paid["olga", "bond.alice"]
    assert f"--bond olga={bond} --bond oskar=TXID:VOUT" in shown.stdout and "NOT PAID, or not confirmed" in shown.stdout
    olga = standing(three, "fund", "--party", "olga", *policy, name="nobody").stdout
    paid = [three.paid["olga", "stake0"], three.paid["olga", "ticket"], three.paid["oskar", "bond.olga"]]
    assert "--stake {} --ticket {} --bond oskar={}".format(*paid) in olga


def test_the_command_that_fund_writes_is_one_that_sign_takes(three: PaidGroup) -> None:
    three.pay().propose()
    three.share()
    shown = standing(three, "fund", "--party", "oskar", "--chain", three.folder / "chain", name="oskar").stdout
    words = next(line for line in shown.splitlines() if line.startswith("first round: ")).split()
    command = [three.stick if word == "stick/" else word for word in words[words.index("sign") + 1 :]]
    three.ok("oskar", "sign", *command)
    assert (three.stick / "keys.0.oskar.json").exists()


def test_a_ticket_of_an_earlier_ceremony_is_not_named_again_but_stakes_and_bonds_are(three: PaidGroup) -> None:
    three.pay().until_keys()
    again = ("--chain", three.folder / "chain", "--json")
    rows = {(r["operator"], r["name"]): r["outpoint"] for r in standing(three, "fund", *again, name="alice").json()}
    assert rows["olga", "ticket"] is None and rows["oskar", "ticket"] is None
    kept = {place: str(at) for place, at in three.paid.items() if place[1] not in ("ticket", "deposit")}
    assert {place: rows[place] for place in kept} == kept


def test_a_stranger_to_the_policy_has_nothing_to_pay(three: PaidGroup) -> None:
    answer = standing(three, "fund", "--party", "mallory", name="alice")
    assert answer.code == 2 and "no signer of the registered policy" in answer.stderr


# ---- status, leave, exit -------------------------------------------------------------------------------------------


def pay_fees(group: PaidGroup, name: str) -> str:
    """Coins for a fee wallet; its address."""
    _, keys = open_keys(group.home(name), b"correct horse")
    with group.chain() as chain:
        script = Wallet(chain, keys.key).script_pubkey
        fund(chain, script, 50_000)  # type: ignore[arg-type]
        chain.mine(1)
    return encode_address(script, "regtest")


@pytest.mark.parametrize(
    ("name", "output", "sats"), [("olga", "stake0", 20_000_000), ("alice", "bond.alice", 10_000_000)]
)
def test_a_stake_and_a_bond_come_home_and_the_status_follows(
    pair: PaidGroup, name: str, output: str, sats: int
) -> None:
    before = standing(pair, "status")
    assert before.code == 0 and f"{output:<18}{sats:>15,} sat  standing; for" in before.stdout
    assert standing(pair, "exit", output, name=name).code == 6
    poor = standing(pair, "leave", output, name=name)
    address = pay_fees(pair, name)
    assert poor.code == 3 and f"its address is {address}" in poor.stderr
    printed = standing(pair, "leave", output, "--json", name=name).json()
    assert not printed["broadcast"] and len(printed["transactions"]) == 2 and printed["judge"] == "libbitcoinkernel"
    done = standing(pair, "leave", output, "--broadcast", "--json", name=name)
    assert done.code == 0, done.stderr
    waits = pair.call("signer", "check", pair.folder / "bundles", "--chain", pair.folder / "chain")
    assert waits.code == 6 and f"is about to be spent by leave.{output}, which waits in the mempool" in waits.stdout
    pair.mine(1)
    free = done.json()["free_from_height"]
    assert f"leaving, free from height {free} on (in 399 blocks)" in standing(pair, "status").stdout
    early = standing(pair, "exit", output, name=name)
    assert early.code == 6 and "too early" in early.stderr and "wait 399 blocks" in early.stderr
    pair.mine(399)
    home = standing(pair, "exit", output, "--broadcast", "--json", name=name)
    assert home.code == 0, home.stderr
    assert home.json()["pays"] == sats - 240 - home.json()["vbytes"]
    pair.mine(1)
    after = standing(pair, "status", "--json").json()
    assert {p["name"]: p["state"] for p in after["positions"]}[output] == "gone"


def test_an_owner_leaves_from_a_ceremony_that_broke_off_after_its_first_stage(
    registered_pair: PaidGroup, tmp_path: Path
) -> None:
    """He has paid in, all have signed but `confirm`, and nobody signs any more: no hostage."""
    group = registered_pair
    group.pay().until_agreed()
    given = ("standing", "leave", "bond.alice", "--ceremony", "", "--home", group.home("alice"), "--chain",
             group.folder / "chain", "--passphrase-file", group.folder / "passphrase")  # fmt: skip
    early = group.call(*given)
    assert early.code == 3 and "the first stage is not signed" in early.stderr
    for _ in range(2):
        group.sign_all()
        group.share()
    group.ok("alice", "sign", "--out", tmp_path / "kept back")
    pay_fees(group, "alice")
    left = group.call(*given, "--broadcast", "--json")
    assert left.code == 0, left.stderr
    group.mine(400)
    home = group.call(given[0], "exit", *given[2:], "--broadcast", "--json")
    assert home.code == 0 and home.json()["pays"] == 10_000_000 - 240 - home.json()["vbytes"]
    both = group.call(*given, "--bundles", group.folder)
    assert both.code == 2 and "one of them" in both.stderr


def test_nobody_leaves_with_what_is_not_his(pair: PaidGroup) -> None:
    answer = standing(pair, "leave", "stake0", name="alice")
    assert answer.code == 2 and "the bundles have olga/bond.alice" in answer.stderr
    nothing = pair.call("standing", "status", "--bundles", pair.home("alice"), "--chain", pair.folder / "chain")
    assert nothing.code == 2 and "no bundles in" in nothing.stderr


@pytest.mark.bitcoind
def test_on_a_running_node_all_is_found_checked_left_and_taken_home(registered_pair: PaidGroup) -> None:
    skip_without_bitcoind()
    group = registered_pair
    with Bitcoind() as node:
        chain = node.chain()
        where = ("--node", f"http://127.0.0.1:{node.port}", "--cookie", node.folder / "regtest" / ".cookie")
        group.pay_on(chain)
        found = group.call("standing", "fund", "--home", group.home("olga"), "--json", *where).json()
        paid = {place: str(at) for place, at in group.paid.items() if place[0]}
        assert {(r["operator"], r["name"]): r["outpoint"] for r in found} == paid
        group.until_combined()
        bundles = group.folder / "bundles"
        assert group.call("signer", "check", bundles, *where).code == 0
        assert group.call("signer", "check", bundles, "--depth", 3, *where).code == 6
        _, keys = open_keys(group.home("alice"), b"correct horse")
        fund(chain, Wallet(chain, keys.key).script_pubkey, 50_000)
        alice = ("bond.alice", "--bundles", bundles, "--home", group.home("alice"), "--passphrase-file",
                 group.folder / "passphrase", "--broadcast", *where)  # fmt: skip
        assert group.call("standing", "leave", *alice).code == 0
        waits = group.call("signer", "check", bundles, *where)
        assert waits.code == 6 and "waits in the mempool" in waits.stdout
        again = group.call("standing", "leave", *alice, "--fee-rate", 5)
        assert again.code == 0, again.stderr
        chain.mine(399)
        early = group.call("standing", "exit", *alice)
        assert early.code == 6 and "wait 1 blocks" in early.stderr
        chain.mine()
        home = group.call("standing", "exit", *alice)
        assert home.code == 0, home.stderr
        chain.mine()
        values = [c.output.value for c in chain.find_coins(payout_script(group.contract("olga"), "alice"))]
        assert len(values) == 2 and max(values) > 9_999_000  # the bond, and what is left of the fee coin
