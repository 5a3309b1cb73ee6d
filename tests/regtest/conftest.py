"""Stories on a chain of their own that share leaves, presigned graph and executions (`regtest.workshop`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from btc_l2.guests import find_guest
from regtest.node.backends import make_node
from regtest.node.engine import connect_engine
from regtest.node.image import has_image
from regtest.party import OPERATOR
from regtest.plot import Plot, arities_for
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.errors import Unavailable
from taproot.terms import ANCHOR, Terms
from tests.regtest.invariant import check_invariant

STATEMENT = (20).to_bytes(4, "big")  # fibonacci: 10,506 steps
TERMS = Terms(arities=arities_for(14))
MAP_TERMS = Terms(arities=arities_for(10))

MakeStage = Callable[..., Stage]


def fibonacci_plot(**what: Any) -> Plot:
    """A small run without MAP."""
    return Plot(find_guest("fibonacci"), TERMS, statement=STATEMENT, **what)


def blobsum_plot(**what: Any) -> Plot:
    """A small run with MAP."""
    return Plot(find_guest("blobsum"), MAP_TERMS, **what)


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def make_stage(workshop: Workshop) -> Iterator[MakeStage]:
    """A stage on a new embedded chain; `wrap` may stand between the parties and the chain."""
    with ExitStack() as stack:

        def make(
            plot: Plot, folder: Path | None = None, wrap: Callable[[Chain], Chain] = lambda chain: chain,
            challengers: int = 2,
        ) -> Stage:  # fmt: skip
            chain = stack.enter_context(EmbeddedChain())
            return with_invariant(Stage(wrap(chain), plot, folder, workshop=workshop, challengers=challengers))

        yield make


def skip_without_node(backend: str) -> None:
    """Skip the running test where this node cannot be started, and say how to get one."""
    try:
        if backend == "container" and not has_image(connect_engine(), "node"):
            raise Unavailable("no image of the node: run `make containers`")
        make_node(backend)
    except Unavailable as error:
        pytest.skip(str(error))


def with_invariant(stage: Stage) -> Stage:
    """The stage; when its story has ended, whatever it was, the invariant is checked."""
    end = stage.end

    def checked() -> Ending:
        ending = end()
        check_invariant(stage, ending)
        return ending

    stage.end = checked  # type: ignore[method-assign]
    return stage


def check_books(ending: Ending, terms: Terms) -> None:
    """No satoshi is lost; who was right gains, who was wrong pays; a false claim does not move the deposit."""
    books, accounts = ending.books, ending.books.accounts
    assert books.total_before == books.total_after
    operator, deposit = accounts[OPERATOR].change, terms.deposit - ANCHOR
    if ending.outcome == "paid":
        assert books.vault == books.burned == 0
        assert operator - deposit >= -terms.ticket_value(len(accounts) - 3) - accounts[OPERATOR].fees
    else:
        assert books.vault == deposit
        assert operator <= -terms.stakes[0]
        assert accounts[ending.winner].change > terms.stakes[0] // 2
        assert books.burned == terms.asset_burn + terms.stake_burn
    untouched = accounts.keys() - {OPERATOR, "dora", ending.winner}
    slashed = {s.name.partition("/")[0] for s in ending.sent if "/slash." in s.name}
    for name in untouched:
        assert accounts[name].change == -accounts[name].fees - (terms.penalty if name in slashed else 0), name
    for _ in slashed:
        assert operator > deposit
