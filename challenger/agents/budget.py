"""How much a party pays for its moves: what it bids, its hard caps, what it has offered so far. No clock, no network.

The caps bound what leaves the fee wallet: each fixed transaction of the graph (version 3) has one child that pays for
both, so the fee of a move is the fee of the last child that stands at its anchor. Of children that replace each other
(BIP 125) only one can confirm, so a move counts once, with the most that was offered for it. Free transactions pay out
of their own reward; there the cap on the rate holds, and they never cost more than they bring.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from taproot.errors import InvalidInput, Refused
from taproot.units import MAX_MONEY

MOST_RATE = 10_000  # sat/vB; above, somebody has mistaken the unit


class CapReached(Refused):
    """A fee that is needed exceeds a cap that the party has set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard caps: fee rate (sat/vB), sat for one move, sat for all moves of one deposit; blocks until a bid doubles.

    `patience` 0 never doubles.
    """

    rate: int = MOST_RATE
    move: int = MAX_MONEY
    dispute: int = MAX_MONEY
    patience: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidInput for a cap below one or an absurd rate."""
        if min(self.rate, self.move, self.dispute) < 1 or self.rate > MOST_RATE or self.patience < 0:
            raise InvalidInput(f"fee caps {self} are out of range; give 1 or more, at most {MOST_RATE} sat/vB")

    def bid(self, estimate: int, waited: int) -> int:
        """sat/vB to offer for a move that has waited so many blocks: the estimate, doubled each `patience` blocks."""
        doublings = waited // self.patience if self.patience else 0
        return min(estimate << min(doublings, 16), self.rate)


@dataclass(slots=True)
class Budget:
    """The account of one deposit: `offered` sat by move, `since` the height at which each move was first wanted.

    `capped` are the moves that got less than they wanted, or nothing; `keep` is told of each offer before it is sent.
    """

    limits: Limits = field(default_factory=Limits)
    offered: dict[str, int] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    capped: set[str] = field(default_factory=set)
    keep: Callable[[str, int], None] = lambda _name, _fee: None

    @property
    def total(self) -> int:
        """Most that the moves so far can have cost, sat."""
        return sum(self.offered.values())

    def rate(self, name: str, estimate: int, height: int) -> int:
        """What to bid for a move at this height, sat/vB."""
        return self.limits.bid(estimate, height - self.since.get(name, height))

    def follow(self, wanted: Collection[str], height: int) -> None:
        """Moves that are wanted at this height: the clock of the new ones starts, that of all others is forgotten."""
        self.since = {name: self.since.get(name, height) for name in wanted}
        self.capped &= self.since.keys()

    def grant(self, name: str, wanted: int, least: int) -> int:
        """The fee (sat) that a move may cost the wallet: `wanted`, or what the caps leave of it.

        Raises CapReached if that is below `least`, with which nodes would not take it.
        """
        others = self.total - self.offered.get(name, 0)
        return self.bound(name, wanted, least, min(self.limits.move, self.limits.dispute - others))

    def bound(self, name: str, wanted: int, least: int, most: int) -> int:
        """`wanted` sat, or `most` if that is less; raises CapReached as `grant`."""
        granted = min(wanted, most)
        if granted < wanted:
            self.capped.add(name)
        else:
            self.capped.discard(name)
        if granted < least:
            raise CapReached(f"{name} needs a fee of {least} sat, {most} sat may be paid; raise the caps, it waits")
        return granted

    def record(self, name: str, fee: int) -> None:
        """A fee is about to be offered."""
        self.offered[name] = max(fee, self.offered.get(name, 0))
        self.keep(name, self.offered[name])
