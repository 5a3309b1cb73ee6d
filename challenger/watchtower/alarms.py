"""What is wrong, said once: alarms stand until their cause is gone, and are told when they begin and when they end.

Pure functions find what is wrong with a deposit; `Board` compares it with what stands already, in the store, so that
neither a restart nor a second look tells it again. If the store cannot be written, that is an alarm too and is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from challenger.agents.decide import Step
from challenger.agents.track import Tracked
from challenger.agents.view import View
from challenger.watchtower.store import StandingAlarm, Store
from taproot.errors import Unavailable
from taproot.terms import Terms

log = logging.getLogger(__name__)

UNKNOWN_SPEND, STUCK, DEADLINE, DATA, FEE_CAP = (
    "spend.unknown", "move.stuck", "deadline.near", "data.unavailable", "fee.cap",
)  # fmt: skip
WALLET, NODE, DISK, REORG, CASE, RELAY = (
    "wallet.low", "node.down", "disk.unwritable", "reorg.deep", "case.failed", "relay.fee",
)  # fmt: skip
KINDS = (UNKNOWN_SPEND, STUCK, DEADLINE, DATA, FEE_CAP, WALLET, NODE, DISK, REORG, CASE, RELAY)
_BEFORE_TAKE1 = ("fan", "challenge.", "veto.")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something wrong with a deposit (empty: with all of them); `subject` tells alarms of a kind apart."""

    deposit: str
    kind: str
    subject: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two alarms the same."""
        return self.deposit, self.kind, self.subject


def stuck_moves(deposit: str, since: Mapping[str, int], height: int, most: int) -> Iterator[Alarm]:
    """Own moves that have been wanted for `most` blocks and did not confirm."""
    for name, first in since.items():
        if height - first >= most:
            yield Alarm(deposit, STUCK, name, f"wanted since block {first}, not confirmed at {height}")


def near_deadlines(
    deposit: str, view: View, terms: Terms, wanted: Iterable[Step], games: Mapping[str, Tracked], operator: bool,
    least: int,
) -> Iterator[Alarm]:  # fmt: skip
    """Own moves for which `least` blocks or fewer are left."""
    for step in wanted:
        last = find_deadline(view, terms, step, games, operator)
        if last is not None and last - view.height <= least:
            yield Alarm(deposit, DEADLINE, step.name, f"must confirm before block {last}, now {view.height}")


def find_deadline(
    view: View, terms: Terms, step: Step, games: Mapping[str, Tracked], operator: bool
) -> int | None:
    """The first height at which somebody else can take away what a step is for; None if nobody can."""
    kickoff = view.confirmed("kickoff")
    if kickoff is None:
        return None
    if operator:
        game = games.get(step.game or "")
        return game.since + terms.move_delay if game is not None and step.turn is not None else None
    return kickoff.height + (terms.challenge_delay if step.name.startswith(_BEFORE_TAKE1) else terms.total_delay)


@dataclass(slots=True)
class Board:
    """All standing alarms. `told` is called with each alarm that begins (True) or ends (False)."""

    store: Store
    told: Callable[[str, bool], None] = lambda _kind, _begins: None
    standing: dict[tuple[str, str, str], Alarm] = field(default_factory=dict)
    _not_kept: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for a in self.store.alarms():
            self.standing[a.deposit, a.kind, a.subject] = Alarm(a.deposit, a.kind, a.subject, a.text)

    def update(self, found: Collection[Alarm], height: int, kinds: Collection[str] = KINDS) -> None:
        """Exactly these alarms of these kinds stand now."""
        now = {alarm.key: alarm for alarm in found}
        for key in [k for k, a in self.standing.items() if a.kind in kinds and k not in now]:
            self._end(self.standing.pop(key), height)
        for key, alarm in now.items():
            if key not in self.standing:
                self.standing[key] = alarm
                self._begin(alarm, height)

    def _begin(self, alarm: Alarm, height: int) -> None:
        row = StandingAlarm(alarm.deposit, alarm.kind, alarm.subject, alarm.text, height)
        if self._keep(alarm, lambda: self.store.raise_alarm(row)):
            log.warning("alarm.raised kind=%s deposit=%s subject=%s text=%s", alarm.kind, alarm.deposit or "-",
                        alarm.subject or "-", alarm.text)  # fmt: skip
            self.told(alarm.kind, True)

    def _end(self, alarm: Alarm, height: int) -> None:
        if self._keep(alarm, lambda: self.store.clear_alarm(alarm.deposit, alarm.kind, alarm.subject, height)):
            log.info("alarm.cleared kind=%s deposit=%s subject=%s", alarm.kind, alarm.deposit or "-",
                     alarm.subject or "-")  # fmt: skip
            self.told(alarm.kind, False)

    def _keep(self, alarm: Alarm, write: Callable[[], bool]) -> bool:
        """Whether it is news; if the disk does not say, or did not when it began, it is."""
        was_not_kept = alarm.key in self._not_kept
        self._not_kept.discard(alarm.key)
        try:
            return write() or was_not_kept
        except Unavailable:
            self._not_kept.add(alarm.key)
            return True
