"""Whole stories of the real game over graphs with plain signers: paid, and killed by a disproof; Core's rules judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from regtest.ground import Ground, fill_purses
from regtest.party import OPERATOR, Cast, lock_standing
from regtest.plot import Plot
from regtest.story import Stage
from regtest.workshop import Workshop
from taproot.connectors.output import Contract
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.parties import Parties, Party
from tests.regtest.conftest import check_books, fibonacci_plot, with_invariant

EVERYBODY = ("alice", "bob", "carol", OPERATOR)


def second(name: str) -> SecretKey:
    return SecretKey(sha256(b"plain " + name.encode()))


class PlainCast(Cast):
    """Everybody whose party has a plain key signs the graph with it."""

    def keys(self) -> dict[str, SecretKey]:
        """As of every cast."""
        plain = {p.name: second(p.name) for p in self.parties.cosigners if p.plain_key is not None}
        return super().keys() | plain


def with_plain(parties: Parties, names: tuple[str, ...]) -> Parties:
    def made(party: Party) -> Party:
        return replace(party, plain_key=second(party.name).x_only) if party.name in names else party

    return replace(parties, signers=tuple(map(made, parties.signers)), operator=made(parties.operator))


@pytest.fixture(scope="module")
def shared() -> Workshop:
    return Workshop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def stage_of(stack: ExitStack, shared: Workshop, plot: Plot, names: tuple[str, ...]) -> Stage:
    chain = stack.enter_context(EmbeddedChain())
    purses = fill_purses(chain, plot, lambda _: None)
    cast = PlainCast(purses.cast.secrets, with_plain(purses.cast.parties, names))
    funding = lock_standing(chain, Contract.make(plot.terms, cast.parties), purses.wallets)
    return with_invariant(Stage(chain, plot, workshop=shared, ground=Ground(replace(purses, cast=cast), funding)))


CASTS = [("alice",), EVERYBODY]  # one beside MuSig2 signers, nobody with MuSig2


@pytest.mark.parametrize("names", CASTS)
def test_a_false_claim_is_killed_by_a_disproof(stack: ExitStack, shared: Workshop, names: tuple[str, ...]) -> None:
    stage = stage_of(stack, shared, fibonacci_plot(lie="operand"), names)
    ending = stage.play()
    assert ending.outcome == "disproved" and ending.leaf is not None
    assert len(stage.bundle.graph.contract.cosigners.keys) == len(names) + (len(names) < len(EVERYBODY))
    check_books(ending, stage.plot.terms)


@pytest.mark.parametrize("names", CASTS)
def test_a_true_claim_is_paid_by_take1(stack: ExitStack, shared: Workshop, names: tuple[str, ...]) -> None:
    stage = stage_of(stack, shared, fibonacci_plot(), names)
    ending = stage.play()
    assert ending.outcome == "paid" and ending.sent[-1].name == "take1"
    check_books(ending, stage.plot.terms)
