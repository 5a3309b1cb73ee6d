"""From keystores to a killed claim: what `btc-l2 signer` leaves is what towers and operators play from, nothing else.

Two signers make their seeds, pay in, presign by files at the command line; then each of them is a tower that has his
keystore, his passphrase, and the folder that `signer combine` has written.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.guests import find_guest
from challenger.agents.view import View
from challenger.agents.wallet import Wallet
from challenger.games import GameLibrary
from challenger.keystore import open_keystore
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.registered import Registered
from challenger.watchtower.announcement import Announcement
from challenger.watchtower.case import ProgramOf
from challenger.watchtower.keys import secrets_of
from challenger.watchtower.place import list_folder
from challenger.watchtower.program import DEPOSIT, load_program
from challenger.watchtower.settings import resolve
from challenger.watchtower.tower import Tower
from regtest.books import Books, Ledger
from regtest.liar import Liar, publish_claims
from regtest.network import GUEST, TERMS
from regtest.signing.attendant import Deposit, open_purse, pay_deposit, pay_standing, standing_of
from taproot.connectors.stake import bond_name, stake_name
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.parties import Party
from taproot.terms import ANCHOR
from tests.cli.signers import Group, call

OLGA, ALICE, DORA = "olga", "alice", "dora"
MOST_BLOCKS = 300


@dataclass
class Table(Group):
    """Signers whose outpoints are on a chain; the depositor pays like them."""

    chain: EmbeddedChain = field(kw_only=True)
    deposit: Deposit = field(init=False)
    ledger: Ledger = field(init=False)

    def wallets(self) -> dict[str, Wallet]:
        keys = {n: open_keystore(self.home(n) / "keystore.json", b"correct horse")[1].key for n in self.names}
        return {n: Wallet(self.chain, key) for n, key in {**keys, DORA: SecretKey(sha256(b"dora"))}.items()}

    def pay_in(self) -> dict[str, list[str]]:
        """Everybody pays what the policy asks of him; outpoints by name."""
        policy = Registered.from_json(json.loads((self.folder / "policy.json").read_text()))
        wallets, depositor = self.wallets(), Party(DORA, SecretKey(sha256(b"dora")).public_key)
        for wallet in wallets.values():
            open_purse(self.chain, wallet, TERMS.deposit)
        self.ledger = Ledger(self.chain, {w.script_pubkey: name for name, w in wallets.items()})
        self.deposit = pay_deposit(self.chain, wallets[DORA], policy, depositor, self.chain.mine)
        paid = {n: standing_of(policy, n, depositor)[0] for n in self.names}
        return {n: [str(o) for o in pay_standing(self.chain, wallets[n], paid[n], self.chain.mine)] for n in paid}

    def presign(self, paid: dict[str, list[str]]) -> None:
        """The whole ceremony by files; everybody's bundles in his own folder of deposits."""
        key = self.deposit.depositor.public_key.hex()
        self.ok(OLGA, "propose", "--deposit", self.deposit.outpoint, "--depositor", f"dora={key}", "--out", self.stick)
        self.share()
        stake, ticket = paid[OLGA]
        self.ok(OLGA, "sign", "--stake", stake, "--ticket", ticket, "--out", self.stick)
        self.ok(ALICE, "sign", "--bond", f"{OLGA}={paid[ALICE][0]}", "--out", self.stick)
        self.share()
        self.agree()
        for _ in range(3):
            self.sign_all()
            self.share()
        for name in self.names:
            self.ok(name, "combine", "--out", self.folder / f"{name}.tower" / "deposits" / "d1")

    def tower(self, name: str, library: GameLibrary, program_of: ProgramOf = load_program) -> Tower:
        """As the daemon is started: settings, keystore, passphrase file, and what `combine` wrote."""
        found = resolve(self.settings(name), {}, {})
        found.orders().state.mkdir()
        return Tower(self.chain, found.orders(), secrets_of(found), library, program_of)

    def settings(self, name: str) -> Path:
        """What stands beside the folder of deposits."""
        home = self.folder / f"{name}.tower"
        (home / "deposits" / "d1" / DEPOSIT).write_text(f'guest = "{GUEST}"\n')
        (home / "watchtower.toml").write_text(
            f'party = "{name}"\nkey_file = "../{name}/keystore.json"\npassphrase_file = "../passphrase"\ncoins = 0\n'
        )
        return home / "watchtower.toml"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    with EmbeddedChain() as chain:
        about = {"arities": list(TERMS.arities)}
        table = Table(call, tmp_path, (OLGA, ALICE), terms=about, program=("--guest", GUEST), chain=chain)
        table.set_up()
        yield table


def announce_truth(table: Table, bundle: Bundle) -> None:
    """The product's command takes the folder as it is, and no false claim; what it signs is for this ceremony."""
    config, honest = table.settings(OLGA), find_guest(GUEST).honest_claim()
    refused = call("watchtower", "announce", "d1", "--claim", bytes([honest[0] ^ 1]).hex(), "--config", config)
    assert refused.code == 6 and "does not accept" in refused.stderr
    done = call("watchtower", "announce", "d1", "--claim", honest.hex(), "--config", config)
    assert done.code == 0, done.stderr
    path = list_folder(config.parent / "deposits" / "d1")[0].claim
    Announcement.load(path).verify(bundle.proposal)
    path.unlink()


def publish_lie(table: Table, liar: Liar) -> None:
    """Olga signs what she will assert, and alice gets it."""
    found = resolve(table.settings(OLGA), {}, {})
    (path,) = publish_claims(found.orders(), secrets_of(found), liar)
    assert not list(publish_claims(found.orders(), secrets_of(found), liar))
    shutil.copy(path, table.folder / f"{ALICE}.tower" / "deposits" / "d1")


def close_books(table: Table, bundle: Bundle, view: View) -> Books:
    graph = bundle.graph
    own = {graph.outpoints["ticket"]: OLGA, graph.outpoints[bond_name(ALICE)]: ALICE}
    own |= {graph.outpoints[stake_name(k)]: OLGA for k in range(len(TERMS.stakes))}
    by = {c.tx.txid: graph.planned(c.name).by for c in view.by_name.values()}
    return table.ledger.close(own, graph.outpoints["vault"], by)


def test_a_lie_about_a_graph_of_a_ceremony_is_killed_by_a_tower_with_a_keystore(table: Table) -> None:
    table.presign(table.pay_in())
    library, chain = GameLibrary(), table.chain
    olga, alice = table.tower(OLGA, library, Liar("operand")), table.tower(ALICE, library)
    bundle = list_folder(alice.orders.deposits / "d1")[0].load(library.scripts)
    announce_truth(table, bundle)
    publish_lie(table, Liar("operand"))
    confirm = bundle.graph.assemble("confirm", bundle.signatures)
    chain.broadcast([confirm, table.wallets()[DORA].fee_child(confirm, 1)])
    view = View(chain, bundle.graph, 1)
    for _ in range(MOST_BLOCKS):
        chain.mine()
        view.refresh()
        if view.is_spent("asset"):
            break
        olga.tick()
        alice.tick()
    assert view.spent["asset"].name.startswith("alice/disprove.")
    assert not alice.board.standing and [d.role for d in alice.store.deposits()] == ["challenger"]
    books = close_books(table, bundle, view)
    assert books.total_before == books.total_after
    assert books.vault == TERMS.deposit - ANCHOR
    assert books.accounts[OLGA].change <= -TERMS.stakes[0] and books.accounts[ALICE].change > TERMS.stakes[0] // 2
    olga.close()
    alice.close()
