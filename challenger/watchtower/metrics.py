"""What Prometheus reads at `/metrics` (the text format, by prometheus-client): names are stable, docs/watchtower.md.

A registry of its own for each tower: nothing is global, nothing is measured about the process itself.
"""

from __future__ import annotations

import json
import time
from collections import Counter as Count
from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from challenger.watchtower.alarms import KINDS, Alarm
from challenger.watchtower.case import Case
from challenger.watchtower.follow import Followed
from challenger.watchtower.store import Registered

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """All numbers of one tower."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"btcl2_watchtower_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"btcl2_watchtower_{name}", text, labels, registry=registry)

        self._height = gauge("height", "Block up to which the chain is taken in")
        self._behind = gauge("blocks_behind", "Blocks of the node that are not taken in yet")
        self._deposits = gauge("deposits", "Deposits that are watched, by what the party is in them", "role")
        self._open = gauge("open_claims", "Deposits on which an agent is at work")
        self._offered = gauge("fees_offered_sats", "Most that the moves of a deposit can have cost", "deposit")
        self._balance = gauge("wallet_sats", "Confirmed coins of the fee wallet")
        self._coins = gauge("wallet_coins", "Confirmed coins that nothing spends")
        self._alarms = gauge("alarms", "Alarms that stand", "kind")
        self._rounds = counter("rounds", "Looks at the chain, by result", "result")
        self._blocks = counter("blocks", "Blocks taken in")
        self._rewound = counter("blocks_rewound", "Blocks taken back in reorganisations")
        self._moves = counter("moves_sent", "Transactions sent, replacements included", "kind")
        self._raised = counter("alarms_raised", "Alarms that began", "kind")
        self._last_round = gauge("last_round_seconds", "Monotonic clock at the end of the last round without failure")
        for kind in KINDS:
            self._alarms.labels(kind).set(0)
            self._raised.labels(kind)
        for result in ("ok", "failed"):
            self._rounds.labels(result)

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)

    def tell_round(self, ok: bool) -> None:
        """A round has ended."""
        self._rounds.labels("ok" if ok else "failed").inc()
        if ok:
            self._last_round.set(time.monotonic())

    def tell_chain(self, followed: Followed, tip: int) -> None:
        """What the chain brought."""
        self._height.set(followed.height)
        self._behind.set(max(0, tip - followed.height))
        self._blocks.inc(followed.taken)
        self._rewound.inc(followed.rewound)

    def tell_deposits(self, registered: Collection[Registered], cases: Mapping[int, Case]) -> None:
        """What is watched, what is open, what was offered for it."""
        for role, number in Count(d.role for d in registered).items():
            self._deposits.labels(role).set(number)
        self._open.set(len(cases))
        for case in cases.values():
            if case.agent is not None:
                self._offered.labels(case.registered.name).set(case.agent.budget.total)

    def tell_wallet(self, sats: int, coins: int) -> None:
        """The fee wallet."""
        self._balance.set(sats)
        self._coins.set(coins)

    def tell_move(self, name: str) -> None:
        """A transaction was sent: by kind, not by name, of which there are thousands."""
        self._moves.labels(name.rpartition("/")[2].partition(".")[0].partition("@")[0]).inc()

    def tell_alarm(self, kind: str, begins: bool) -> None:
        """An alarm begins or ends."""
        if begins:
            self._raised.labels(kind).inc()

    def tell_alarms(self, standing: Collection[Alarm]) -> None:
        """All that stand."""
        found = Count(alarm.kind for alarm in standing)
        for kind in KINDS:
            self._alarms.labels(kind).set(found[kind])

    def to_json(self) -> str:
        """The same numbers as one document, for people without Prometheus."""
        return json.dumps({
            sample.name: sample.value for family in self.registry.collect() for sample in family.samples
            if not sample.labels
        })  # fmt: skip
