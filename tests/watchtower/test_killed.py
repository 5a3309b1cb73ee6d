"""Towers that are killed with SIGKILL at every point where something could be torn apart; they go on where they were.

Chain, tower and the lying operator live in a process of their own (a fork, so that nothing is built twice) which is
killed by `BTCL2_FAULT`; the parent starts another one on the same folders until the dispute is over. The mempool dies
with the process, as that of a node might.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from challenger.agents.player import OperatorAgent
from challenger.games import GameLibrary
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from challenger.watchtower import fault
from challenger.watchtower.announcement import announce
from challenger.watchtower.orders import Orders
from challenger.watchtower.program import Program
from challenger.watchtower.tower import Tower
from regtest.party import OPERATOR
from regtest.story import Stage
from regtest.workshop import Workshop
from tests.watchtower.conftest import BUNDLE, CLAIM, NAME, fraud

MOST_LIVES = 60
OVER, AGAIN = 0, 3


class World:
    """A dispute in a folder: whoever comes back finds chain and journals there, nothing else."""

    def __init__(self, folder: Path, workshop: Workshop, library: GameLibrary) -> None:
        self.folder, self.library = folder, library
        with EmbeddedChain(folder / "chain") as chain:
            stage = Stage(chain, fraud(), workshop=workshop)
            stage.confirm_vault()
            self.start, self.cast, self.prover = stage.start, stage.cast, stage.prover
            self.bundle, self.games, self.program = stage.bundle, stage.games, Program(stage.image, stage.blobs)
        where = folder / "deposits" / NAME
        where.mkdir(parents=True)
        (folder / "state").mkdir()
        self.bundle.save(where / BUNDLE)
        key = self.cast.secrets[OPERATOR].key
        (where / CLAIM).write_text(announce(self.prover, self.bundle.proposal, key).to_json())

    def live(self, blocks: int) -> int:
        """Some blocks of the dispute; OVER when it is decided."""
        with EmbeddedChain(self.folder / "chain") as chain:
            orders = Orders("alice", self.folder / "deposits", self.folder / "state")
            tower = Tower(chain, orders, self.cast.secrets["alice"], self.library, lambda *_: self.program)
            olga = self.operator(chain)
            for _ in range(blocks):
                tower.tick()
                olga.tick()
                chain.mine()
                if chain.find_spend(self.bundle.graph.outpoints["asset"]) is not None:
                    tower.close()
                    return OVER
        return AGAIN

    def operator(self, chain: EmbeddedChain) -> OperatorAgent:
        deposit = str(self.bundle.proposal.funding.deposit)
        return OperatorAgent(
            name=OPERATOR, secrets=self.cast.secrets[OPERATOR], chain=chain, graph=self.bundle.graph,
            signatures=self.bundle.signatures, games=self.games, deposit_id=deposit, start=self.start,
            journal=Journal(self.folder / "olga.journal", deposit, OPERATOR), prover=self.prover,
        )  # fmt: skip


def in_a_process(work: Callable[[], int], faults: str) -> int:
    """Exit code of a fork that does the work; negative: the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.environ[fault.VARIABLE] = faults
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])



@pytest.fixture
def world(workshop: Workshop, library: GameLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Signatures are checked when a bundle is loaded: once is enough for many lives of one bundle."""
    made = World(tmp_path, workshop, library)
    monkeypatch.setattr(Bundle, "load", classmethod(lambda _cls, _path, _games: made.bundle))
    return made


def live_on(world: World, faults: Callable[[int], str]) -> int:
    """Violent deaths until the dispute is over."""
    for life in range(MOST_LIVES):
        code = in_a_process(lambda: world.live(400), faults(life))
        if code == OVER:
            return life
        assert code == -signal.SIGKILL, code
    raise AssertionError("the dispute does not end")


def check_outcome(world: World) -> None:
    """The lie is dead, and nobody's key has two values: every confirmed move is the one in a journal."""
    with EmbeddedChain(world.folder / "chain") as chain:
        spend = chain.find_spend(world.bundle.graph.outpoints["asset"])
        assert spend is not None
        assert (world.bundle.graph.find_played(spend.tx) or "").startswith("alice/disprove.")
        deposit = str(world.bundle.proposal.funding.deposit)
        journal = Journal(world.folder / "state" / f"{NAME}.journal", deposit, "alice")
        made = 0
        for name, planned in world.bundle.graph.transactions.items():
            played = chain.find_transaction(planned.tx.txid)
            if planned.by == "alice" and not planned.free and played is not None:
                assert journal.move(name) == played.serialize(), name
                made += 1
        assert made > 5


def test_a_tower_killed_at_every_point_in_turn_wins(world: World) -> None:
    """Each life ends at another point: before and after the journal, before and after sending, in the store, at the end
    of a round; with numbers that go on growing so that every life comes a bit further."""
    points = ("journal.before", "journal.after", "send.before", "send.after", "store.blocks", "tick.end")
    deaths = live_on(world, lambda life: f"{points[life % len(points)]}:{1 + life // len(points)}")
    assert deaths >= len(points)
    check_outcome(world)


@pytest.mark.long
@pytest.mark.parametrize("point", ["journal.before", "journal.after", "send.before", "send.after", "store.blocks"])
def test_a_tower_killed_again_and_again_at_one_point_wins(world: World, point: str) -> None:
    deaths = live_on(world, lambda life: f"{point}:{2 if point != 'store.blocks' else 3}")
    assert deaths > 3
    check_outcome(world)


def test_a_fault_point_kills_only_when_it_is_named() -> None:
    assert in_a_process(lambda: fault.fault_point("send.after") or 5, "send.before:1") == 5
    assert in_a_process(lambda: fault.fault_point("send.before") or 5, "send.before:1") == -signal.SIGKILL
