"""Stories whose parties may die: the scenarios as they are, on a network that puts a `Watch` between party and world.

Agents and watchtowers lose everything but their journals and stores, and the presigned graph is loaded from its file
again; the depositor keeps her record (`btc_l2.bridge.deposits`) through every story and loses everything but that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_l2.bridge.deposits import Deposit, DepositStore
from btc_l2.bridge.follow import follow
from btc_l2.bridge.states import Event, State
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from btc_l2.durable import make_folder, replace_file, write_once
from challenger.agents.fees import find_waiting
from challenger.agents.player import Player
from challenger.agents.track import Tracked, Tracker
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import domain_of
from challenger.watchtower.announcement import announce
from challenger.watchtower.orders import Orders
from challenger.watchtower.program import Program
from challenger.watchtower.tower import Tower
from regtest.crashes import Watch, watching
from regtest.eve import Eve
from regtest.ground import Ground
from regtest.network import Network, Wrap
from regtest.outcome import Outcome, expect
from regtest.party import DEPOSITOR, OPERATOR
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.keys import SecretKey
from taproot.presigned import Graph, Kind
from taproot.terms import Parties, Terms
from taproot.tx import P2A_SCRIPT, Transaction

Check = Callable[[Stage, Ending], None]
_DEPOSIT, _BUNDLE, _CLAIM = "d1", f"{OPERATOR}.bundle", f"{OPERATOR}.claim.json"  # a watchtower's folder and files


class WatchedChain:
    """Passes everything on; a sending has a point before and one after, a new block lets the depositor look."""

    def __init__(self, chain: Chain, watch: Watch) -> None:
        self._chain, self.watch = chain, watch
        self.sent: list[Transaction] = []
        self.scene: Stage | Eve | None = None
        self.record: Record | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """Send; what a story sends without an agent is an act of whom it pays."""
        if self.scene is None or self.watch.actor:
            self._send(txs)
        else:
            self.watch.live(self._payee(txs), lambda: self._send(txs))

    def mine(self, n: int = 1, script_pubkey: bytes = P2A_SCRIPT) -> tuple[bytes, ...]:
        """See `Chain.mine`."""
        hashes = self._chain.mine(n, script_pubkey)
        self._look()
        return hashes

    def mine_block(self, txs: Sequence[Transaction], script_pubkey: bytes = P2A_SCRIPT) -> bytes:
        """See `Chain.mine_block`."""
        made = self._chain.mine_block(txs, script_pubkey)
        self._look()
        return made

    def _look(self) -> None:
        if self.record is not None:
            self.record.look()

    def _send(self, txs: Transaction | Sequence[Transaction]) -> None:
        package = [txs] if isinstance(txs, Transaction) else list(txs)
        name = self._name(package[0])
        self.watch.reach("send before", name)
        self.sent += package
        self._chain.broadcast(txs)
        self.watch.reach("send after", name)

    def _name(self, tx: Transaction) -> str:
        if self.scene is None:
            return tx.txid_hex[:8]
        return _graph(self.scene).find_played(tx) or "another transaction"

    def _payee(self, txs: Transaction | Sequence[Transaction]) -> str:
        tx = txs if isinstance(txs, Transaction) else txs[0]
        assert self.scene is not None
        return next(n for n, w in self.scene.wallets.items() if w.script_pubkey == tx.outputs[0].script_pubkey)


class Record:
    """The depositor's folder: her key, the state of her deposit, the refund kit; as `btc-l2 bridge` keeps them."""

    def __init__(
        self, watch: Watch, folder: Path, chain: Chain, terms: Terms, parties: Parties, key: SecretKey
    ) -> None:
        self._watch, self._folder, self._chain, self._key = watch, folder, chain, key
        self._terms, self._parties = terms, parties
        watch.homes[DEPOSITOR] = (folder,)
        watch.mourners[DEPOSITOR] = self._drop
        self._store: DepositStore | None = None
        watch.live(DEPOSITOR, self._announce)

    def look(self) -> None:
        """Bring the record up to the chain; what the other layer and the signers tell her is told at once."""
        self._watch.live(DEPOSITOR, self._follow)

    def deposit(self) -> Deposit:
        """As it is recorded."""
        (found,) = self._open().all_deposits()
        return found

    def steps(self) -> list[str]:
        """The events of its history."""
        return [step.event for step in self._open().history(self.deposit().id)]

    def _drop(self) -> None:
        """What the dead process had open was closed with it."""
        self._store = None

    def _open(self) -> DepositStore:
        if self._store is None:
            make_folder(self._folder)
            self._store = DepositStore(self._folder / "deposits.sqlite")
        return self._store

    def _announce(self) -> None:
        store = self._open()
        write_once(self._folder / "dora.key", self._key.to_bytes().hex().encode())
        if not store.all_deposits():
            store.announce(self._terms, self._parties, 0)

    def _follow(self) -> None:
        store = self._open()
        found = follow(store, self._chain, self.deposit().id)
        if found.state is State.FUNDED:
            found = store.apply(found.id, Event.PRESIGN, found.height)
        if found.state is State.VAULT:
            found = store.apply(found.id, Event.CREDIT, found.height)
        content = repr(found.kit.to_json()).encode()
        path = self._folder / "kit.json"
        if not path.exists() or path.read_bytes() != content:
            replace_file(path, content)


class MortalPlayer:
    """An agent and what becomes of it: a new one of the same party after each death."""

    def __init__(self, stage: MortalStage, name: str) -> None:
        self.name, self._stage = name, stage
        stage.watch.homes[name] = (stage.home / f"{name}.journal",)
        self._player = stage.watch.live(name, lambda: stage.make_agent(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._player, name)

    def tick(self) -> list[str]:
        """See `Player.tick`."""
        return self._stage.watch.live(self.name, lambda: self._player.tick(), self._revive)

    def _revive(self) -> None:
        self._stage.load_bundle()
        self._player = self._stage.make_agent(self.name)


class TowerPlayer:
    """A party whose part is played by its watchtower (`challenger.watchtower`)."""

    def __init__(self, stage: MortalStage, name: str) -> None:
        self.name, self._stage = name, stage
        folder = stage.home / f"{name}.tower"
        self._orders = Orders(name, folder / "deposits", folder / "state")
        stage.watch.homes[name] = (self._orders.state,)
        self._orders.state.mkdir(parents=True)
        where = self._orders.deposits / _DEPOSIT
        where.mkdir(parents=True)
        stage.bundle.save(where / _BUNDLE)
        announced = announce(stage.prover, stage.bundle.proposal, stage.cast.secrets[OPERATOR].key)
        (where / _CLAIM).write_text(announced.to_json())
        self._tower: Tower | None = None

    def tick(self) -> list[str]:
        """A round; names of what was sent."""
        names = self._stage.watch.live(self.name, lambda: self._open().tick(), self._revive)
        return [name.partition(":")[2] for name in names]

    def track(self, challenger: str) -> Tracked | None:
        """See `Player.track`."""
        return Tracker(self._stage.view, self._stage.games[challenger]).track()

    def _open(self) -> Tower:
        if self._tower is None:
            stage = self._stage
            program = Program(stage.image, stage.blobs)
            self._tower = Tower(
                stage.chain, self._orders, stage.cast.secrets[self.name], stage.workshop._library, lambda *_: program
            )
        return self._tower

    def _revive(self) -> None:
        self._tower = None


class MortalStage(Stage):
    """A stage whose players may die, and whose depositor keeps a record."""

    def __init__(
        self, network: CrashNetwork, chain: Chain, plot: Plot, challengers: int, ground: Ground | None
    ) -> None:
        assert network.folder is not None
        self.watch, self.home, self._network = network.watch, network.folder, network
        super().__init__(chain, plot, network.folder, network.progress, network.workshop, challengers, ground)
        network.begin(self)

    def make_player(self, name: str) -> Player:
        """See `Stage.make_player`."""
        kind = TowerPlayer if name in self._network.towers else MortalPlayer
        player: Any = kind(self, name)
        made: Player = player
        return made

    def make_agent(self, name: str) -> Player:
        """The agent itself; its one-time keys are those of the graph's ceremony, if it had one."""
        made = super().make_player(name)
        made.deposit_id = domain_of(self.bundle.proposal)
        return made

    def load_bundle(self) -> None:
        """The graph and its signatures, from the disk."""
        self.bundle = Bundle.load(self.home / "bundle.bin", self.workshop._library.scripts)

    def confirm_vault(self) -> None:
        """See `Stage.confirm_vault`; the depositor may die, and her deposit is buried before."""
        self.chain.mine(self.plot.terms.confirmations)
        self.watch.live(DEPOSITOR, self._publish, self.load_bundle)
        self.sent_by["confirm"] = DEPOSITOR
        self.mine()

    def end(self) -> Ending:
        """See `Stage.end`; the invariant of the network's runner holds."""
        ending = super().end()
        self._network.check(self, ending)
        return ending

    def _publish(self) -> None:
        graph = self.bundle.graph
        if find_waiting(self.chain, graph.planned("confirm")) is None:
            confirm = graph.assemble("confirm", self.bundle.signatures)
            child = self.wallets[DEPOSITOR].fee_child(confirm, self.chain.estimate_fee())
            self.chain.broadcast([confirm, child])


def _no_check(_stage: Stage, _ending: Ending) -> None:
    """The scenario's own promises are enough."""


@dataclass
class CrashNetwork(Network):
    """A network whose stages are mortal. `towers`: parties that a watchtower plays."""

    watch: Watch = field(default_factory=Watch)
    towers: frozenset[str] = frozenset()
    check: Check = _no_check

    def stage(
        self, plot: Plot, challengers: int = 2, wrap: Wrap = lambda chain: chain, ground: Ground | None = None
    ) -> Stage:
        """See `Network.stage`."""
        return MortalStage(self, wrap(self.chain), self.own(plot), challengers, ground)

    def eve(self, plot: Plot, challengers: int = 2) -> Eve:
        """See `Network.eve`."""
        made = super().eve(plot, challengers)
        self.begin(made)
        return made

    def begin(self, scene: Stage | Eve) -> None:
        """From now on everybody may die."""
        chain, cast = self._watched(), scene.cast
        assert self.folder is not None
        chain.scene = scene
        key = cast.secrets[DEPOSITOR].key
        chain.record = Record(self.watch, self.folder / DEPOSITOR, chain._chain, scene.plot.terms, cast.parties, key)

    def check_end(self, outcome: Outcome) -> None:
        """No key has signed two values, and the depositor's record says what has become of her deposit."""
        chain = self._watched()
        assert chain.scene is not None and chain.record is not None
        check_single_use(chain.scene, chain.sent)
        chain.mine(outcome.plot.terms.confirmations)
        found, wanted = chain.record.deposit().state, _ENDS[outcome.outcome]
        expect(found is wanted, f"the record says {found.value}, the deposit is {wanted.value}")
        steps = chain.record.steps()
        expect(len(set(steps)) == len(steps) or "lose" in steps, f"an event was recorded twice: {', '.join(steps)}")

    def _watched(self) -> WatchedChain:
        chain: Any = self.chain
        watched: WatchedChain = chain
        return watched


_ENDS = {
    "paid": State.CLAIMED, "refunded": State.REFUNDED, "cancelled": State.CANCELLED,
    "disproved": State.CREDITED, "timeout": State.CREDITED,
}  # fmt: skip


@contextlib.contextmanager
def open_crash_network(
    folder: Path, workshop: Workshop, watch: Watch, towers: frozenset[str] = frozenset(), check: Check = _no_check
) -> Iterator[CrashNetwork]:
    """An embedded chain with everything watched; all files of the parties lie in the folder."""
    with EmbeddedChain() as chain, watching(watch):
        watched: Any = WatchedChain(chain, watch)
        yield CrashNetwork(
            watched, "libbitcoinkernel", folder, workshop=workshop, watch=watch, towers=towers, check=check
        )


def check_single_use(scene: Stage | Eve, sent: Sequence[Transaction]) -> int:
    """Of each fixed move one version was ever sent, and each key signed one value; how many values.

    Raises VerificationFailed naming the move or the key.
    """
    raw: dict[str, bytes] = {}
    values: dict[tuple[str, str], tuple[int, ...]] = {}
    graph = _graph(scene)
    for tx in sent if isinstance(scene, Stage) else ():
        name = graph.name_of(tx.txid)
        if name is None or graph.planned(name).kind is not Kind.MOVE:
            continue
        expect(raw.setdefault(name, tx.serialize()) == tx.serialize(), f"{name} was sent with two witnesses")
        for key, digits in _shown(scene, name, tx):
            expect(values.setdefault(key, digits) == digits, f"key {'/'.join(key)} signed two values")
    return len(values)


def _shown(stage: Stage | Eve, name: str, tx: Transaction) -> Iterator[tuple[tuple[str, str], tuple[int, ...]]]:
    """The one-time keys that a move opens, and what they sign."""
    assert isinstance(stage, Stage)
    challenger, _, move = name.partition("/")
    turn = stage.bundle.graph.planned(name).inputs[0].output.partition("/")[2]
    game = stage.games[challenger]
    for message, (digits, _) in game.leaves[turn, move].read(game.keys, tx.inputs[0].witness).items():
        yield (challenger, message), digits


def _graph(scene: Stage | Eve) -> Graph:
    return scene.bundle.graph if isinstance(scene, Stage) else scene.graph
