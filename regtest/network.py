"""What a scenario is played on: a chain behind one of three back ends, an optional folder, and what stories share.

`embedded` is libbitcoinkernel in process, `bitcoind` a private node, `container` a node in a container of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from btc_l2.guests import find_guest
from regtest.bitcoind import Bitcoind
from regtest.eve import Eve
from regtest.plot import Plot, arities_for
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput, TimedOut
from taproot.terms import Terms

BACKENDS = ("embedded", "bitcoind", "container")
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
    """A chain that the scenario may mine on. `judge` names who validates; `folder` keeps journals and bundle."""

    chain: Chain
    judge: str
    folder: Path | None = None
    progress: Progress = _silent
    workshop: Workshop = field(default_factory=Workshop)

    def stage(self, plot: Plot, challengers: int = 2, wrap: Wrap = _plain) -> Stage:
        """Everything signed and ready; `wrap` may stand between the parties and the chain."""
        return Stage(wrap(self.chain), plot, self.folder, self.progress, self.workshop, challengers)

    def eve(self, plot: Plot) -> Eve:
        """Everything locked, nothing signed."""
        return Eve(self.chain, plot, self.progress, self.workshop)


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
    if backend == "embedded":
        with EmbeddedChain() as chain:
            yield Network(chain, "libbitcoinkernel", folder, progress)
    elif backend == "bitcoind":
        with Bitcoind() as node:
            yield Network(node.chain(), node.version, folder, progress)
    elif backend == "container":
        from regtest.container import NodeContainer

        with NodeContainer() as container:
            yield Network(container.chain(), container.version, folder, progress)
    else:
        raise InvalidInput(f"no backend is called {backend!r}; choose {', '.join(BACKENDS)}")
