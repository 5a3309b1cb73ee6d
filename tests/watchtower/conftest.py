"""A dispute on a chain of its own in which one party is a watchtower; what is the same for all is made once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from challenger.agents.player import Secrets
from challenger.games import GameLibrary
from challenger.watchtower.announcement import announce
from challenger.watchtower.orders import Orders
from challenger.watchtower.program import Program
from challenger.watchtower.tower import Tower
from regtest.party import OPERATOR
from regtest.plot import Plot
from regtest.story import Stage
from regtest.workshop import Workshop
from taproot.tx import Transaction
from tests.regtest.conftest import blobsum_plot

NAME = "d1"  # of the deposit's folder
BUNDLE, CLAIM = f"{OPERATOR}.bundle", f"{OPERATOR}.claim.json"
BOB_SLEEPS = {"bob": ("fan", "challenge")}
MOST_BLOCKS = 400


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture(scope="session")
def library(workshop: Workshop) -> GameLibrary:
    return workshop._library


class Market:
    """A chain whose blocks are full of what pays `rate` or more, and which can fail: the rest waits."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.rate = 1
        self.down: Exception | None = None
        self.sent: list[Transaction] = []

    def __getattr__(self, name: str) -> object:
        if self.down is not None:
            raise self.down
        return getattr(self._chain, name)

    def tip(self) -> object:
        if self.down is not None:
            raise self.down
        return self._chain.tip()

    def estimate_fee(self) -> int:
        if self.down is not None:
            raise self.down
        return self.rate

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        if self.down is not None:
            raise self.down
        self._chain.broadcast(txs)
        self.sent += [txs] if isinstance(txs, Transaction) else list(txs)

    def mine(self, n: int = 1, **_: object) -> None:
        """Blocks with the packages that pay enough; on a cheap day with everything."""
        for _block in range(n):
            if self.rate == 1:
                self._chain.mine()
            else:
                self._chain.mine_block(self.pays())

    def pays(self) -> list[Transaction]:
        """Families of the mempool at `rate` or above, parents first."""
        waiting = list(self._chain.mempool())
        families: list[list[Transaction]] = []
        for tx in waiting:
            parents = {i.prevout.txid for i in tx.inputs}
            family = next((f for f in families if any(t.txid in parents for t in f)), None)
            if family is None:
                families.append([tx])
            else:
                family.append(tx)
        return [tx for family in families if self.rate_of(family) >= self.rate for tx in family]

    def rate_of(self, family: Sequence[Transaction]) -> float:
        made = {tx.outpoint(k): out for tx in family for k, out in enumerate(tx.outputs)}
        spent = [made.get(i.prevout) or self._chain.utxo(i.prevout).output for tx in family for i in tx.inputs]
        fee = sum(o.value for o in spent) - sum(o.value for tx in family for o in tx.outputs)
        return fee / sum(tx.vbytes for tx in family)


class Scene:
    """A stage whose party `watched` is a tower; everybody else is an agent of the stage."""

    def __init__(self, stage: Stage, folder: Path, watched: str, library: GameLibrary, **orders: object) -> None:
        self.stage, self.folder, self.watched, self.library = stage, folder, watched, library
        self.others = [p for p in stage.players if p.name != watched]
        self.sent: list[str] = []
        where = folder / "deposits" / NAME
        where.mkdir(parents=True, exist_ok=True)
        (folder / "state").mkdir(exist_ok=True)
        stage.bundle.save(where / BUNDLE)
        key = stage.cast.secrets[OPERATOR].key
        (where / CLAIM).write_text(announce(stage.prover, stage.bundle.proposal, key).to_json())
        self.orders = Orders(watched, folder / "deposits", folder / "state", **orders)  # type: ignore[arg-type]
        self.tower = self.start()

    @property
    def secrets(self) -> Secrets:
        return self.stage.cast.secrets[self.watched]

    def start(self) -> Tower:
        return Tower(self.stage.chain, self.orders, self.secrets, self.library, self.program)

    def program(self, _folder: Path, root: bytes) -> Program:
        assert root == self.stage.image.root()
        return Program(self.stage.image, self.stage.blobs)

    def restart(self) -> None:
        self.tower.close()
        self.tower = self.start()

    def look(self) -> list[str]:
        """The tower's round."""
        names = [name.partition(":")[2] for name in self.tower.tick()]
        self.sent += names
        for name in names:
            self.stage.sent_by.setdefault(name, self.watched)
        return names

    def block(self) -> None:
        """Everybody acts once, then a block is mined."""
        self.look()
        for player in self.others:
            for name in player.tick():
                self.stage.sent_by.setdefault(name, player.name)
        self.stage.mine()

    def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(MOST_BLOCKS):
            if holds():
                return
            self.block()
        raise AssertionError("it does not come to that")

    def play(self) -> None:
        self.until(self.stage.is_over)

    def confirmed(self, name: str) -> bool:
        return self.stage.view.confirmed(name) is not None


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(workshop: Workshop, library: GameLibrary, tmp_path: Path) -> Iterator[MakeScene]:
    with ExitStack() as stack:

        def make(plot: Plot | None = None, watched: str = "alice", confirmed: bool = True, **orders: object) -> Scene:
            chain = stack.enter_context(EmbeddedChain())
            stage = Stage(Market(chain), plot or fraud(), workshop=workshop)  # type: ignore[arg-type]
            folder = tmp_path / f"tower{len(list(tmp_path.iterdir()))}"
            scene = Scene(stage, folder, watched, library, **orders)
            stack.callback(lambda: scene.tower.close())
            if confirmed:
                stage.confirm_vault()
            return scene

        yield make
    shutil.rmtree(tmp_path, ignore_errors=True)


def fraud(**what: object) -> Plot:
    """A lie about a step; bob sleeps."""
    return blobsum_plot(lie="operand", silent=BOB_SLEEPS, **what)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
