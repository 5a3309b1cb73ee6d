"""What a scenario is played on: a chain behind one of four back ends, an optional folder, and what stories share.

`embedded` is libbitcoinkernel in this process, `bitcoind` and `bitcoind-core` a private node, `container` one in a
container.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from btc_l2.guests import find_guest
from regtest.eve import Eve
from regtest.ground import Ground, lay_ground
from regtest.node.backends import EMBEDDED, make_node
from regtest.plot import Plot, arities_for
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.errors import TimedOut
from taproot.terms import Terms

GUEST = "blobsum"
TERMS = Terms(arities=arities_for(10))  # the guest's steps and no more: every kind of move, few rounds
MOST_BLOCKS = 800

Progress = Callable[[str], None]
Wrap = Callable[[Chain], Chain]


def _silent(_text: str) -> None:
    """Nobody listens."""


def _plain(chain: Chain) -> Chain:
    return chain


@dataclass
class Network:
    """A chain that the scenario may mine on. `judge` names who validates; `folder` keeps journals and bundle.

    Stories that follow each other on one chain have another `run` each (`Plot.run`).
    """

    chain: Chain
    judge: str
    folder: Path | None = None
    progress: Progress = _silent
    workshop: Workshop = field(default_factory=Workshop)
    run: int = 0

    def stage(self, plot: Plot, challengers: int = 2, wrap: Wrap = _plain, ground: Ground | None = None) -> Stage:
        """Everything signed and ready; `wrap` may stand between the parties and the chain."""
        chain, plot = wrap(self.chain), self.own(plot)
        return Stage(chain, plot, self.folder, self.progress, self.workshop, challengers, ground)

    def eve(self, plot: Plot, challengers: int = 2) -> Eve:
        """Everything locked, nothing signed."""
        return Eve(self.chain, self.own(plot), self.progress, self.workshop, challengers)

    def grounds(self, plot: Plot, deposits: int) -> tuple[Ground, ...]:
        """What several deposits stand on."""
        return lay_ground(self.chain, self.own(plot), self.progress, deposits=deposits)

    def part(self, name: str) -> Network:
        """The same with a folder inside the folder: for a story with several presigned graphs."""
        if self.folder is None:
            return self
        (self.folder / name).mkdir(parents=True)
        return replace(self, folder=self.folder / name)

    def own(self, plot: Plot) -> Plot:
        """The plot with the keys of this run."""
        return replace(plot, run=self.run)


def small_plot(**what: object) -> Plot:
    """A plot about a short program that uses MAP: all scenarios are about it."""
    return Plot(find_guest(GUEST), TERMS, **what)  # type: ignore[arg-type]


def play_on(stage: Stage, tick: Callable[[], None]) -> Ending:
    """From the vault on, `tick` by `tick`, until all is decided and paid. TimedOut if that does not come."""
    stage.confirm_vault()
    for _ in range(MOST_BLOCKS):
        tick()
        if stage.is_over():
            return stage.end()
    raise TimedOut(f"the story did not end within {MOST_BLOCKS} blocks; see the journal of each party")


@contextlib.contextmanager
def open_network(backend: str, folder: Path | None = None, progress: Progress = _silent) -> Iterator[Network]:
    """A new, empty network; it ends with the block. Raises InvalidInput, Unavailable."""
    if backend == EMBEDDED:
        with EmbeddedChain() as chain:
            yield Network(chain, "libbitcoinkernel", folder, progress)
    else:
        with make_node(backend) as node:
            yield Network(node.chain(), node.version, folder, progress)
