"""All that a machine with a node can say about the graphs of a deposit before anybody relies on them, in one look.

Footing (every standing output is there, as agreed, deep enough, not leaving), the depositor's refund, relay and dust,
outputs that two operators' graphs both count on. What speaks against relying is a doubt; the calibration is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from btc_l2.chain.protocol import Chain, Tip
from challenger.agents.footing import (
    AWAITED,
    MISSING,
    Footing,
    find_footing,
    find_refund_doubt,
    standing_outputs,
)
from challenger.presign.refresh import NOBODY
from challenger.presign.vetting import find_relay_faults
from taproot.presigned import Graph
from taproot.tx import OutPoint


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen at `tip`: footings by operator; rates in sat/kvB (least) and sat/vB (two blocks); all doubts."""

    tip: Tip
    depth: int
    relay_rate: int
    estimate: int
    footings: Mapping[str, tuple[Footing, ...]]
    doubts: tuple[str, ...]


def inspect(chain: Chain, graphs: Mapping[str, Graph], depth: int | None = None) -> Inspection:
    """Look at the graphs of one deposit, by operator; `depth` is asked of every output (default: the terms').

    The deposit of a refresh is made by its `move`, which is signed last: until then it is awaited, and nobody has the
    key of its refund.
    """
    first = next(iter(graphs.values()))
    asked = first.contract.terms.confirmations if depth is None else depth
    is_refresh = first.contract.parties.depositor.name == NOBODY
    tip, rate = chain.tip(), chain.relay_rate()
    footings = {
        operator: tuple(_awaited(f) if is_refresh else f for f in find_footing(chain, graph, asked))
        for operator, graph in graphs.items()
    }
    doubts = [f"{op}: {f.name} ({f.outpoint}) {f.doubt}" for op, found in footings.items() for f in found if f.doubt]
    doubts += [f"{op}: {fault}" for op, graph in graphs.items() for fault in find_relay_faults(graph, rate)]
    if not chain.network.startswith(first.contract.terms.network):
        doubts.insert(0, f"the node is on {chain.network}, the terms are for {first.contract.terms.network}")
    doubts += [*_shared(graphs), *filter(None, [None if is_refresh else find_refund_doubt(chain, first)])]
    return Inspection(tip, asked, rate, chain.estimate_fee(), footings, tuple(_once_of_deposit(doubts)))


def _awaited(found: Footing) -> Footing:
    is_to_come = (found.name, found.state) == ("deposit", MISSING)
    return replace(found, state=AWAITED, doubt=None) if is_to_come else found


def _shared(graphs: Mapping[str, Graph]) -> Iterator[str]:
    """A bond or stake that is spent for one operator's graph pays nothing in another's."""
    users: dict[OutPoint, list[str]] = {}
    for operator, graph in graphs.items():
        for name in standing_outputs(graph):
            if name != "deposit":
                users.setdefault(graph.outpoints[name], []).append(f"{name} of {operator}'s graph")
    for outpoint, named in users.items():
        if len(named) > 1:
            yield f"{' and '.join(named)} are one output ({outpoint}): it can pay once only"


def _once_of_deposit(doubts: list[str]) -> Iterator[str]:
    """All graphs share the deposit; what is wrong with it is said once, without an operator's name."""
    yield from dict.fromkeys(d.partition(": ")[2] if ": deposit (" in d else d for d in doubts)
