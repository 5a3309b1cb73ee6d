"""`btc-l2 signer settle` and `refresh`, `btc-l2 bridge … --settlement`: real games, a chain in a folder, two homes.

`python -m tests.cli.test_settle` writes the snapshots of the screens anew; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from btc_l2.bridge.deposits import DepositStore
from btc_l2.bridge.states import Event
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund
from btc_l2.chain.protocol import Rejected
from btc_l2.cli import signer_desk
from btc_l2.cli.bridge_home import Home
from btc_l2.cli.settle_screens import Scene, settlement_screen
from btc_l2.cli.signer_screens import review_screen
from challenger.agents.wallet import Wallet
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.accord import Own, Settles
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.sighting import look
from challenger.presign.ceremony.succession import make_origin
from taproot.address import encode_address
from taproot.connectors.output import payout_script
from taproot.hashes import sha256
from taproot.keys import SecretKey, sign_schnorr
from taproot.parties import Party
from taproot.tx import Transaction
from tests.challenger.settlers import Town
from tests.cli.conftest import Answer
from tests.cli.paid import PaidGroup
from tests.cli.signers import DEPOSITOR, call, digest_of

NAMES = ("olga", "alice")
SCREENS = Path(__file__).with_name("screens")
PAYER = SecretKey(sha256(b"payer"))
DORA = Party("dora", DEPOSITOR.public_key)


class Vaulted(PaidGroup):
    """A group whose deposit is in the vault; `bundles` is what all have of it."""

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"

    @property
    def where(self) -> tuple[object, ...]:
        return ("--chain", self.folder / "chain")

    def bundle(self, folder: Path | None = None) -> Bundle:
        return Bundle.load((folder or self.bundles) / "olga.bundle", signer_desk.CRAFT.build_games)

    def key(self, name: str) -> SecretKey:
        return signer_desk.open_keys(self.home(name), b"correct horse")[1].key

    def fee_key(self) -> Path:
        path = self.folder / "payer.key"
        if not path.exists():
            path.touch(0o600)
            path.write_text(PAYER.to_bytes().hex())
        return path

    def made(self, bundle: Bundle, name: str) -> Transaction:
        sign = {n: partial(sign_schnorr, self.key(n)) for n in self.names}
        planned = bundle.graph.planned(name)
        if planned.free:
            to = payout_script(bundle.graph.contract, planned.by)
            return bundle.graph.finalize(name, bundle.signatures, sign, to, 1)
        return bundle.graph.assemble(name, bundle.signatures, sign)

    def plays(self, bundle: Bundle, *names: str) -> None:
        with self.chain() as chain:
            wallet = Wallet(chain, PAYER)
            for name in names:
                tx = self.made(bundle, name)
                chain.broadcast([tx, wallet.fee_child(tx, 1)] if tx.version == 3 else tx)
                chain.mine()

    def propose_by(self, name: str, *arguments: object) -> str:
        """`settle` or `refresh` by one; everybody imports it; its id."""
        found = self.ok(name, *map(str, arguments), *map(str, self.where), "--out", str(self.stick))
        self.share()
        return found.stdout.split()[1]

    def agree_to(self, id_: str, *arguments: object) -> Answer:
        """Everybody looks, has the digest of the first one, says yes; the screen."""
        shown = self.run(self.names[0], "review", id_, *arguments)
        assert shown.code == 6 and "no terminal to ask" in shown.stderr, shown.stderr
        for name in self.names:
            self.ok(name, "review", id_, *arguments, "--accept", digest_of(shown))
        return shown

    def sign_rounds(self, id_: str, rounds: int) -> None:
        for _ in range(rounds):
            for name in self.names:
                self.ok(name, "sign", id_, "--out", self.stick)
            self.share()

    def settle(self, id_: str, *arguments: object) -> Path:
        """From the proposal to the file that can be sent; all have the same."""
        self.agree_to(id_, *arguments)
        self.sign_rounds(id_, 2)
        found = set()
        for name in self.names:
            out = self.folder / name / "out"
            done = self.ok(name, "combine", id_, "--bundles", self.bundles, "--out", out, "--json")
            path = Path(done.json()["settlement"])
            found.add(path.read_bytes())
        assert len(found) == 1
        return path

    def bridge(self, *arguments: object) -> Answer:
        return self.call("bridge", *arguments, *self.where, "--json")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BTCL2_HOME", "BTCL2_NONCES", "BTCL2_PASSPHRASE_FILE", "BTCL2_NODE", "BTCL2_COOKIE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Vaulted:
    group = Vaulted(call, tmp_path_factory.mktemp("vaulted"), NAMES)
    group.set_up()
    group.pay().until_combined()
    with group.chain() as chain:
        for _ in range(8):
            fund(chain, Wallet(chain, PAYER).script_pubkey, 1_000_000)
    group.plays(group.bundle(), "confirm")
    return group


@pytest.fixture
def group(kept: Vaulted, tmp_path: Path) -> Vaulted:
    copy = Path(shutil.copytree(kept.folder, tmp_path / "copy"))
    return Vaulted(call, copy, NAMES, paid=dict(kept.paid))


# ---- the way through -------------------------------------------------------------------------------------------------


def test_a_payout_after_a_kickoff_signed_on_two_machines_is_sent_and_ends_the_kills(group: Vaulted) -> None:
    bundle = group.bundle()
    group.plays(bundle, "kickoff", "fan", "challenge.alice")
    id_ = group.propose_by("alice", "settle", "payout", "--bundles", group.bundles, "--fee-rate", 3)
    path = group.settle(id_, "--bundles", group.bundles, *group.where)
    assert not group.bridge("payout", "--settlement", path, "--dry-run").json()["broadcast"]
    assert group.bridge("cancel", "--settlement", path).code == 2
    sent = group.bridge("payout", "--settlement", path).json()
    assert sent["broadcast"] and sent["spends"] == ["vault", "asset", "unchallenged"]
    group.mine(1)
    again = group.bridge("payout", "--settlement", path)
    assert again.code == 6 and "vault" in again.stderr and "spent" in again.stderr
    group.mine(group.policy().terms.move_delay)
    kill = group.made(bundle, "alice/timeout.assert@stake0")
    with group.chain() as chain, pytest.raises(Rejected, match="missingorspent"):
        chain.mine_block([kill])
    assert group.ok("alice", "status", "--json").json()[-1]["missing"].startswith("nothing")


def test_a_refresh_signed_on_two_machines_and_then_a_claim_that_is_killed_with_the_new_stake(group: Vaulted) -> None:
    old = group.bundle()
    group.plays(old, "leave.stake0")
    group.mine(group.policy().terms.exit_delay)
    group.plays(old, "exit.stake0")
    with group.chain() as chain:
        output = group.wanted()["olga", "stake0"]
        group.paid["olga", "stake0"] = fund(chain, output.tree.script_pubkey, output.value)
    refreshed = group.propose_by("alice", "refresh", "--bundles", group.bundles)
    arguments = {
        "olga": ("--stake", group.paid["olga", "stake0"], "--ticket", group.paid["olga", "ticket"]),
        "alice": ("--bond", f"olga={group.paid['olga', 'bond.alice']}"),
    }
    for name in NAMES:
        group.ok(name, "sign", refreshed, *arguments[name], "--out", group.stick)
    group.share()
    refused = group.run("olga", "review", refreshed)
    assert refused.code == 2 and "--bundles" in refused.stderr
    screen = group.agree_to(refreshed, "--bundles", group.bundles)
    assert "it is what the move of the vault" in screen.stdout
    group.sign_rounds(refreshed, 3)
    after = group.folder / "after"
    group.ok("olga", "combine", refreshed, "--out", after)
    moved = group.propose_by("alice", "settle", "move", "--bundles", group.bundles, "--next", after)
    unchecked = group.run("olga", "review", moved, "--bundles", group.bundles)
    assert unchecked.code == 6 and "after all signatures of the new graphs" in unchecked.stderr
    path = group.settle(moved, "--bundles", group.bundles, "--next", after)
    send = ("refresh", "--settlement", path, "--bundles", after, "--fee-key", group.fee_key(), "--home", group.folder)
    store = DepositStore(group.folder / "deposits.sqlite")
    recorded = store.announce(group.policy().terms, group.contract("olga", DORA).parties, 0)
    store.apply(recorded.id, Event.FUND, 1, "", group.paid["", "deposit"])
    states = []
    for blocks in (1, 1, group.policy().terms.confirmations, 0):
        states.append(group.bridge(*send).json()["state"])
        group.mine(blocks)
    assert states == ["move is sent", "the move is 1 of 2 blocks deep; run this again", "confirm is sent",
                      "the move and what came after it are confirmed"]  # fmt: skip
    new = group.bundle(after)
    (graph,) = Home(group.folder).graphs(store.get(recorded.id)).values()
    store.close()
    assert graph.outpoints["vault"] == new.graph.outpoints["vault"]
    group.plays(new, "kickoff", "fan", "challenge.alice")
    group.mine(group.policy().terms.move_delay)
    group.plays(new, "alice/timeout.assert@stake0")
    with group.chain() as chain:
        gained = chain.find_coins(payout_script(new.graph.contract, "alice"))
        assert sum(c.output.value for c in gained) > group.policy().terms.stakes[0] // 2


@pytest.mark.long
def test_a_refresh_under_another_policy_is_presigned_in_new_homes_and_moved_in_the_old_ones(group: Vaulted) -> None:
    (group.folder / "next").mkdir()
    after = Vaulted(call, group.folder / "next", NAMES, terms={**group.terms, "penalty": 4_000_000})
    shutil.copy(group.folder / "passphrase", after.folder)
    for name in NAMES:
        seed = group.folder / "seeds" / name
        seed.mkdir(parents=True)
        shutil.copy(group.home(name) / "keystore.json", seed)
        backup = after.folder / f"{name}.backup"
        common = ("--passphrase-file", group.folder / "passphrase")
        assert call("signer", "backup", "--home", seed, *common, "--out", backup, "--scrypt-log2", 14).code == 0
        after.ok(name, "restore", backup)
    after.draft()
    for name in NAMES:
        after.register(name)
    with group.chain() as chain:
        wanted = after.wanted()
        del wanted["", "deposit"]
        after.paid = {place: fund(chain, o.tree.script_pubkey, o.value) for place, o in wanted.items()}
    shutil.copytree(group.folder / "chain", after.folder / "chain")
    id_ = after.propose_by("olga", "refresh", "--bundles", group.bundles)
    for name in NAMES:
        after.keys(name)
    after.share()
    after.agree_to(id_, "--bundles", group.bundles)
    after.sign_rounds(id_, 3)
    after.ok("olga", "combine", "--out", after.bundles)
    policy = after.folder / "policy.json"
    move = ("settle", "move", "--bundles", group.bundles, "--next", after.bundles)
    moved = group.propose_by("alice", *move, "--next-policy", policy)
    screen = group.agree_to(moved, "--bundles", group.bundles, "--next", after.bundles)
    assert "THEY ARE OF ANOTHER POLICY" in screen.stdout
    assert "penalty: registered 5000000, here 4000000" in screen.stdout
    group.sign_rounds(moved, 2)
    out = group.folder / "out"
    group.ok("alice", "combine", moved, "--bundles", group.bundles, "--out", out)
    send = ("refresh", "--settlement", out / "move.settlement.json", "--bundles", after.bundles)
    assert group.bridge(*send, "--fee-key", group.fee_key(), "--home", group.folder).json()["state"] == "move is sent"


# ---- who says no -----------------------------------------------------------------------------------------------------


def test_a_cancel_to_a_strange_address_is_shown_as_one_and_is_not_signed_without_a_yes(group: Vaulted) -> None:
    to = encode_address(b"\x51\x20" + SecretKey(sha256(b"mallory")).x_only, "regtest")
    id_ = group.propose_by("alice", "settle", "cancel", "--bundles", group.bundles, "--to", to)
    shown = group.run("olga", "review", id_, "--bundles", group.bundles)
    assert shown.code == 6 and "AN ADDRESS OF NOBODY" in shown.stdout and to in shown.stdout
    refused = group.run("olga", "sign", id_, "--out", group.stick)
    assert refused.code == 6 and "run `btc-l2 signer review` first" in refused.stderr
    nameless = group.run("olga", "review", id_)
    assert nameless.code == 2 and "name your bundles" in nameless.stderr


def test_a_node_that_sees_otherwise_stops_a_review(group: Vaulted) -> None:
    id_ = group.propose_by("alice", "settle", "payout", "--bundles", group.bundles)
    group.plays(group.bundle(), "kickoff")
    shown = group.run("olga", "review", id_, "--bundles", group.bundles, *group.where)
    assert shown.code == 6 and "asset: stated not there, here unspent" in shown.stderr


def test_a_proposer_who_lies_ends_the_review_with_code_5_and_evidence_for_all(group: Vaulted) -> None:
    id_ = group.propose_by("alice", "settle", "payout", "--bundles", group.bundles)
    honest = Contribution.from_bytes((group.stick / "settle.0.alice.json").read_bytes())
    identity = signer_desk.open_keys(group.home("alice"), b"correct horse")[1].identity
    lie = Contribution.make(identity, "alice", Round.SETTLE, 0, honest.policy, {**honest.body, "messages": ["00" * 32]})
    (group.folder / "lie").mkdir()
    (group.folder / "lie" / lie.file_name).write_bytes(lie.to_bytes())
    group.ok("olga", "import", group.folder / "lie")
    found = group.run("olga", "review", lie.ceremony.hex(), "--bundles", group.bundles)
    assert found.code == 5 and "alice misbehaved: states other messages" in found.stderr
    (evidence,) = (group.home("olga") / "evidence").iterdir()
    assert group.call("signer", "verify", evidence).code == 2
    assert group.call("signer", "verify", evidence, "--bundles", group.bundles).code == 5
    assert id_


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("settle", "gift"), 2), (("settle", "move"), 2), (("settle", "payout", "--operator", "eve"), 2),
        (("settle", "payout", "--to", "bcrt1"), 2),
        (("settle", "cancel", "--to", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), 6),
    ],
)  # fmt: skip
def test_what_cannot_be_settled_is_not_proposed(group: Vaulted, arguments: tuple[str, ...], code: int) -> None:
    said = group.run("olga", *arguments, "--bundles", group.bundles, *group.where, "--out", group.stick)
    assert said.code == code, said.stderr


def test_a_settlement_that_was_changed_or_overtaken_by_a_claim_is_not_sent(group: Vaulted) -> None:
    id_ = group.propose_by("alice", "settle", "cancel", "--bundles", group.bundles)
    path = group.settle(id_, "--bundles", group.bundles)
    document = json.loads(path.read_text())
    changed = group.folder / "changed.json"
    raw = document["transaction"]
    spoiled = raw[:200] + ("0" if raw[200] != "0" else "1") + raw[201:]
    for what, code in (
        ({"transaction": spoiled}, 4), ({"spent": []}, 4), ({"kind": "payout"}, 2), ({"format": "x"}, 2)
    ):  # fmt: skip
        changed.write_text(json.dumps({**document, **what}))
        assert group.bridge("cancel", "--settlement", changed).code == code, what
    assert group.bridge("cancel", "--settlement", path, "--key-file", group.fee_key()).code == 2
    assert group.bridge("cancel").code == 2 and group.bridge("payout").code == 2
    assert group.bridge("cancel", "--settlement", path, "--dry-run").code == 0
    group.plays(group.bundle(), "kickoff")
    late = group.bridge("cancel", "--settlement", path)
    assert late.code == 6 and "olga has opened a claim since" in late.stderr


# ---- screens ---------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Without what depends on the chain: ids, addresses, digests and the words of them."""
    text = re.sub(r"bcrt1[a-z0-9]{20,}", "<address>", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<64 hex>", re.sub(r"\b[0-9a-f]{16}\b", "<16 hex>", text))
    return re.sub(r"(?m)^    [a-z]+(?: [a-z]+){7}$", "    <words>", text)


@cache
def shown() -> dict[str, str]:
    """Every screen that a signer may get to see of a settlement."""
    made: dict[str, str] = {}
    with EmbeddedChain() as chain:
        town = Town(Path(tempfile.mkdtemp()), chain, 3, 2)
        own = town.presign_deposit()
        made["settle-cancel-deposit"] = screen(town, own, Settles.CANCEL, "carol")
        town.plays(own[1]["alice"], "confirm")
        stranger = b"\x51\x20" + SecretKey(sha256(b"mallory")).x_only
        made["settle-cancel-stranger"] = screen(town, own, Settles.CANCEL, "carol", payee=stranger)
        new = town.presign_successor(own, "alice")
        made["settle-move"] = screen(town, own, Settles.MOVE, "bob", successor=new)
        made["review-refresh"] = refresh_screen(town, own)
        town.plays(own[1]["alice"], "kickoff", "fan", "challenge.carol")
        made["settle-payout"] = screen(town, own, Settles.PAYOUT, "alice", looks=True)
    return made


def screen(
    town: Town, own: Own, kind: Settles, name: str, successor: Own | None = None, payee: bytes = b"",
    looks: bool = False,
) -> str:  # fmt: skip
    id_ = town.propose(own, town.wanted(own, kind, "alice", successor, payee))
    seat = town.settling(name, id_)
    settlement = seat.settlement(own, successor)
    graphs = {operator: bundle.graph for operator, bundle in own[1].items()}
    here = look(town.chain, graphs["alice"]) if looks else None
    others = ["cancel 1234abcd"] if looks else []
    return "\n".join(settlement_screen(Scene(seat.accord, settlement, graphs, name, here, others)))


def refresh_screen(town: Town, own: Own) -> str:
    """The head of the review of new graphs; the rest is as for any deposit."""
    origin, _ = make_origin(town.policy, own, "alice", look(town.chain, own[1]["alice"].graph))
    folders = [p for p in (town.desks["bob"].home / "ceremonies").iterdir() if list(p.glob("propose.*"))]
    seats = [town.presigning("bob", bytes.fromhex(p.name)) for p in folders]
    (seat,) = [seat for seat in seats if seat.plan.origin == origin]
    lines = list(review_screen(seat.plan, seat.graphs(), "bob", 2))
    return "\n".join(lines[:12])


NAMED = ("settle-cancel-deposit", "settle-cancel-stranger", "settle-move", "review-refresh", "settle-payout")


@pytest.mark.parametrize("name", NAMED)
def test_screen(name: str) -> None:
    assert plain(shown()[name]) + "\n" == (SCREENS / f"{name}.txt").read_text()


def write_screens() -> Iterator[str]:
    for name in NAMED:
        (SCREENS / f"{name}.txt").write_text(plain(shown()[name]) + "\n")
        yield name


if __name__ == "__main__":
    sys.stdout.write(" ".join(write_screens()) + "\n")
