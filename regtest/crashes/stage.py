"""Stories whose parties may die: the scenarios as they are, on a network that puts a `Watch` between party and world.

Agents and watchtowers lose everything but their journals and stores, and the presigned graph is loaded from its file
again; the depositor keeps her record (`btc_l2.bridge.deposits`) through every story and loses everything but that.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from challenger.agents.fees import find_waiting
from challenger.agents.player import Player
from challenger.agents.track import Tracked, Tracker
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import domain_of
from challenger.watchtower.announcement import announce
from challenger.watchtower.orders import Orders
from challenger.watchtower.program import Program
from challenger.watchtower.tower import Tower
from regtest.crashes.disk import watching
from regtest.crashes.points import Watch
from regtest.crashes.record import Record
from regtest.eve import Eve
from regtest.ground import Ground
from regtest.network import Network, Wrap
from regtest.outcome import expect
from regtest.party import DEPOSITOR, OPERATOR
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.presigned import Graph, Kind
from taproot.tx import P2A_SCRIPT, Transaction

CEREMONY, BUNDLES = "ceremony", "bundles"  # folders of a network whose graphs are signed by a ceremony
Check = Callable[[Stage, Ending], None]
_DEPOSIT, _BUNDLE, _CLAIM = "d1", f"{OPERATOR}.bundle", f"{OPERATOR}.claim.json"  # a watchtower's folder and files


class WatchedChain:
    """Passes everything on; a sending has a point before and one after, a new block lets the depositor look."""

    def __init__(self, chain: Chain, watch: Watch) -> None:
        self._chain, self.watch = chain, watch
        self.sent: list[Transaction] = []
        self.scenes: list[Stage | Eve] = []
        self.record: Record | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def begin(self, scene: Stage | Eve, folder: Path) -> None:
        """From now on everybody may die; the depositor of the first scene keeps a record."""
        self.scenes.append(scene)
        if self.record is None:
            self.record = Record(self.watch, folder, self._chain, scene.cast, scene.plot.terms)

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """Send; what a story sends without an agent is an act of whose wallet is in it."""
        package = [txs] if isinstance(txs, Transaction) else list(txs)
        if self.watch.actor or not self.scenes:
            self._send(package)
        else:
            self.watch.live(self._owner(package[-1]), lambda: self._send(package))

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

    def _send(self, package: list[Transaction]) -> None:
        name = self._name(package[0])
        self.watch.reach("send before", name)
        self.sent += package
        self.watch.reach("send lost", name)  # others may have seen it, no mempool has it
        self._chain.broadcast(package)
        self.watch.reach("send after", name)

    def _name(self, tx: Transaction) -> str:
        found = (graph_of(scene).find_played(tx) for scene in self.scenes)
        return next((name for name in found if name), "another transaction")

    def _owner(self, tx: Transaction) -> str:
        paid = {out.script_pubkey for out in tx.outputs}
        wallets = self.scenes[0].wallets
        return next((name for name, wallet in wallets.items() if wallet.script_pubkey in paid), DEPOSITOR)


class MortalPlayer:
    """An agent and what becomes of it: a new one of the same party after each death."""

    def __init__(self, stage: MortalStage, name: str) -> None:
        self.name, self._stage, self._process = name, stage, stage.process(name)
        stage.watch.homes[self._process] = (stage.home / f"{name}.journal",)
        self._player = stage.watch.live(self._process, lambda: stage.make_agent(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._player, name)

    def tick(self) -> list[str]:
        """See `Player.tick`."""
        return self._stage.watch.live(self._process, lambda: self._player.tick(), self._revive)

    def _revive(self) -> None:
        self._stage.load_bundle()
        self._player = self._stage.make_agent(self.name)


class TowerPlayer:
    """A party whose part is played by its watchtower (`challenger.watchtower`)."""

    def __init__(self, stage: MortalStage, name: str) -> None:
        self.name, self._stage, self._process = name, stage, stage.process(name)
        folder = stage.home / f"{name}.tower"
        self._orders = Orders(name, folder / "deposits", folder / "state")
        stage.watch.homes[self._process] = (self._orders.state,)
        self._orders.state.mkdir(parents=True)
        where = self._orders.deposits / _DEPOSIT
        if stage.bundles(name).is_dir():
            shutil.copytree(stage.bundles(name), where)
        else:
            where.mkdir(parents=True)
            stage.bundle.save(where / _BUNDLE)
        announced = announce(stage.prover, stage.bundle.proposal, stage.cast.secrets[OPERATOR].key)
        (where / _CLAIM).write_text(announced.to_json())
        self._tower: Tower | None = None

    def tick(self) -> list[str]:
        """A round; names of what was sent."""
        names = self._stage.watch.live(self._process, lambda: self._open().tick(), self._revive)
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
    """A stage whose players may die. Of several on one network each has a folder and processes of its own."""

    def __init__(
        self, network: CrashNetwork, chain: Chain, plot: Plot, challengers: int, ground: Ground | None
    ) -> None:
        assert network.folder is not None
        self.watch, self._network, self._number = network.watch, network, len(network.watched().scenes)
        self.home = network.folder / f"stage{self._number}"
        self.home.mkdir()
        super().__init__(chain, plot, self.home, network.progress, network.workshop, challengers, ground)
        network.begin(self)

    def process(self, name: str) -> str:
        """What a party's process for this deposit is called."""
        return f"{name} ({self._number + 1})" if self._number else name

    def bundles(self, name: str) -> Path:
        """What a member of a ceremony has put together, if there was one."""
        assert self._network.folder is not None
        return self._network.folder / CEREMONY / name / BUNDLES

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
        self.bundle = Bundle.load(self.home / "bundle.bin", self.workshop.scripts)

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
        """The scene is set."""
        assert self.folder is not None
        self.watched().begin(scene, self.folder / DEPOSITOR)

    def check_end(self) -> None:
        """No key has signed two values, and the depositor's record says what one that never died says."""
        chain = self.watched()
        for scene in chain.scenes:
            check_single_use(scene, chain.sent)
            chain.mine(scene.plot.terms.confirmations)
        if chain.record is not None:
            chain.record.check()

    def watched(self) -> WatchedChain:
        """The chain as what it is."""
        chain: Any = self.chain
        watched: WatchedChain = chain
        return watched


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
    graph = graph_of(scene)
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


def graph_of(scene: Stage | Eve) -> Graph:
    """The graph of a scene, signed or not."""
    return scene.bundle.graph if isinstance(scene, Stage) else scene.graph
