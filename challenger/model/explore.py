"""Breadth-first search over all states and all times of a play.

A node is a state with a zone of ages. Time passes as long as every want of the honest party is within its patience;
then any transaction confirms that is allowed. Reported as a violation, with the transactions that lead there:

- what the play's `judge` forbids;
- *race*: a timelock of somebody else is over while an honest spend of the same output is still under way;
- *stuck*: time can pass for ever although the goal is not reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product

from challenger.model.play import START, Play, State, Want, marks_after
from challenger.model.system import EXITED, Tx
from challenger.model.zone import INFINITE, Zone
from taproot.presigned import ANYONE, Kind

MOST_ZONES = 4  # per state, before they are joined
KICKOFF_CLOCK = "asset"  # made by kickoff: its age is that of the claim


@dataclass(frozen=True, slots=True)
class Violation:
    """What went wrong, and the transactions that lead there."""

    what: str
    trace: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """Size of the search, violations, and the oldest claim (blocks since kickoff) at the end of a dispute."""

    play: str
    states: int = 0
    zones: int = 0
    transitions: int = 0
    violations: list[Violation] = field(default_factory=list)
    longest: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A state with the ages in which it was entered, and how: the transaction, its zone, the node before."""

    state: State
    zone: Zone
    tx: Tx | None = None
    at: Zone | None = None
    before: _Node | None = None

    def trace(self) -> tuple[str, ...]:
        """The transactions that lead here, each with the blocks since kickoff in which it can have confirmed."""
        if self.tx is None or self.at is None or self.before is None:
            return ()
        return (*self.before.trace(), _line(self.tx, self.at))


@dataclass(frozen=True, slots=True)
class _Options:
    """What can happen in a state, whatever the ages: wants, each possible transaction and what is wrong with it."""

    wants: list[Want]
    is_goal: bool
    txs: list[tuple[Tx, State, str]]


class Explorer:
    """One search. `most_violations`: where to stop."""

    def __init__(self, play: Play, challengers: tuple[str, ...], most_violations: int = 1) -> None:
        self.play = play
        self.challengers = challengers
        self.most_violations = most_violations
        self.found = Findings(play.name)
        self.clocks = _clocks(play)
        self.seen: dict[State, list[Zone]] = {}
        self.options: dict[State, _Options] = {}

    def run(self) -> Findings:
        """Search everything, or until enough violations are found."""
        start = self.play.start
        zone = Zone().restart((), {self.clocks[o] for o in start.outputs if o in self.clocks})
        queue = deque([_Node(start, zone)])
        while queue and len(self.found.violations) < self.most_violations:
            node = queue.popleft()
            if any(zone is node.zone for zone in self.seen.get(node.state, [node.zone])):
                queue.extend(new for after in self._successors(node) if (new := self._remember(after)) is not None)
        self.found.states = len(self.seen)
        self.found.zones = sum(map(len, self.seen.values()))
        return self.found

    def _remember(self, node: _Node) -> _Node | None:
        """The node to go on with; None if one that was seen contains it.

        A state with many zones has them joined: that adds ages which cannot occur, so it hides nothing.
        """
        known = self.seen.setdefault(node.state, [])
        if any(zone.contains(node.zone) for zone in known):
            return None
        if len(known) >= MOST_ZONES:
            node = replace(node, zone=reduce(Zone.joined, known, node.zone))
        known[:] = [zone for zone in known if not node.zone.contains(zone)] + [node.zone]
        return node

    def _options_of(self, state: State) -> _Options:
        if state not in self.options:
            wants = self.play.wants(state)
            self.options[state] = _Options(wants, self.play.is_goal(state), list(self._possible(state, wants)))
        return self.options[state]

    def _possible(self, state: State, wants: list[Want]) -> Iterator[tuple[Tx, State, str]]:
        """Transactions of the honest party that are wanted, and all that the adversary can make."""
        wanted = {tx.name for want in wants for tx in want.txs}
        waited_for = frozenset(o for want in wants for tx in want.txs for o in tx.spends)
        spenders = self.play.system.spenders
        found = {tx.name: tx for o in sorted(state.outputs) for tx in spenders.get(o, ())}
        for tx in found.values():
            if not state.outputs.issuperset(tx.spends):
                continue
            if tx.name in wanted:
                yield tx, _after(state, tx, self.challengers), self.play.judge(state, tx)
            elif self.play.adversary_plays(tx, waited_for):
                what = self.play.judge(state, tx) or _find_race(tx, wants, self.play.honest)
                yield tx, _after(state, tx, self.challengers), what

    def _successors(self, node: _Node) -> Iterator[_Node]:
        options = self._options_of(node.state)
        zones = _let_time_pass(node.zone, options.wants, self.clocks)
        if not zones:
            self._report("stuck: an honest transaction would be late already", node)
        elif not options.is_goal and any(zone.lasts_forever for zone in zones):
            self._report("stuck: nobody has to do anything and the goal is not reached", node)
        for tx, state, what in options.txs:
            for zone in zones:
                old_enough = _meet(zone, tx, self.clocks)
                if old_enough is None:
                    continue
                self.found.transitions += 1
                after = _Node(state, self._restart(old_enough, tx, state), tx, old_enough, node)
                if what:
                    self._report(what, after)
                    return
                self._measure(tx, old_enough)
                yield after

    def _measure(self, tx: Tx, zone: Zone) -> None:
        if tx.kind in (Kind.TIMEOUT, Kind.DISPROVE) and KICKOFF_CLOCK in zone.clocks:
            self.found.longest = max(self.found.longest, zone.most(KICKOFF_CLOCK) % INFINITE)

    def _restart(self, zone: Zone, tx: Tx, after: State) -> Zone:
        kept = {self.clocks[o] for o in after.outputs if o in self.clocks}
        return zone.restart(set(zone.clocks) - kept, {self.clocks[o] for o in tx.makes if o in self.clocks})

    def _report(self, what: str, node: _Node) -> None:
        self.found.violations.append(Violation(what, node.trace()))


def _after(state: State, tx: Tx, challengers: tuple[str, ...]) -> State:
    outputs = (state.outputs - set(tx.spends)) | set(tx.makes)
    if tx.kind is Kind.KICKOFF:
        outputs -= {START}
    return State(outputs, marks_after(state, tx, challengers))


def _clocks(play: Play) -> dict[str, str]:
    """The clock of each output whose age matters: some spend waits for it, or the honest party spends it.

    Outputs of one transaction share a clock. What stands from the start is old enough for everything that has no delay.
    """
    txs = play.system.txs.values()
    delayed = {need.output for tx in txs for need in tx.needs if need.delay}
    honest = {o for tx in txs if _may_be_wanted(tx, play) for o in tx.spends}
    markers = {o for tx in txs for o in tx.makes if o.startswith(EXITED)}
    old = play.start.outputs - delayed - {START}
    aged = (delayed | honest | markers | {START}) - old
    shared = {o: next(m for m in tx.makes if m in aged) for tx in txs for o in tx.makes if o in aged}
    return {output: shared.get(output, output) for output in aged}


def _may_be_wanted(tx: Tx, play: Play) -> bool:
    return tx.kind in play.kinds and (tx.by in play.honest or tx.by == ANYONE)


def _let_time_pass(zone: Zone, wants: list[Want], clocks: Mapping[str, str]) -> list[Zone]:
    """The ages that can be reached before some want has run out of patience.

    A want waits for whatever came last; each of the things that can have been the last gives a zone of its own.
    """
    choices = [_last_things(zone, want, clocks) for want in wants]
    found = []
    for deadlines in product(*choices):
        part: Zone | None = zone.after_any_time()
        for clock, age in deadlines:
            part = None if part is None else part.at_most(clock, age)
        if part is not None:
            found.append(part)
    return found


def _last_things(zone: Zone, want: Want, clocks: Mapping[str, str]) -> list[tuple[str, int]]:
    """(clock, latest age) for each input that can have been the last to become old enough."""
    delays = {need.output: 0 for tx in want.txs for need in tx.needs} | dict.fromkeys(want.since, 0)
    for tx in want.txs:
        delays |= {need.output: max(need.delay, delays[need.output]) for need in tx.needs}
    live = [(clocks[o], delay) for o, delay in delays.items() if o in clocks and clocks[o] in zone.clocks]
    assert live, f"nothing tells since when {want.txs[0].name} is wanted"
    kept: list[tuple[str, int]] = []
    for n, (clock, delay) in enumerate(live):
        later = [*kept, *live[n + 1 :]]
        if not any(zone.lead(other, clock) <= other_delay - delay for other, other_delay in later):
            kept.append((clock, delay))
    return [(clock, delay + want.patience) for clock, delay in kept]


def _meet(zone: Zone, tx: Tx, clocks: Mapping[str, str]) -> Zone | None:
    """The part of a zone in which all inputs are old enough."""
    part: Zone | None = zone
    for need in tx.needs:
        if need.delay and part is not None:
            part = part.at_least(clocks[need.output], need.delay)
    return part


def _find_race(tx: Tx, wants: list[Want], honest: frozenset[str]) -> str:
    """Somebody else's timelock that is over while an honest spend of the same output is under way.

    An owner who takes back what he announced to leave races nobody: kills and slashes have a variant without it.
    """
    over = {need.output for need in tx.needs if need.delay}
    if tx.kind is Kind.EXIT or tx.by in honest:
        return ""
    raced = [mine for want in wants for mine in want.txs if over.intersection(mine.spends) and mine.kind is not tx.kind]
    return f"race: {raced[0].name} is under way" if raced else ""


def _line(tx: Tx, zone: Zone) -> str:
    if KICKOFF_CLOCK not in zone.clocks:
        return tx.name
    low, high = zone.least(KICKOFF_CLOCK), zone.most(KICKOFF_CLOCK)
    return f"{tx.name} [block {low}{f'–{high}' if high < INFINITE else '+'}]"
