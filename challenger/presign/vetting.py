"""Is a graph one that nodes relay? Asked before anybody pays into it: later it would be too late.

Every output of a fixed transaction must be above dust, every free one must leave something at the rate that the terms
are made for, and that rate must not be below what nodes take at all. What needs no node is asked wherever a ceremony
makes its graphs (`vetted`), and of the terms alone before a policy is written or registered (`check_policy`); what a
node relays at this moment is asked by `signer check` and by every watchtower.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from btc_l2.bridge.skeleton import build_bare_skeleton
from challenger.presign.ceremony.registered import Registered
from taproot.errors import Refused
from taproot.nums import nums_key, nums_scalar
from taproot.parties import Party
from taproot.presigned import Graph
from taproot.terms import KILL_VBYTES, Terms
from taproot.tx import OutPoint
from taproot.units import DUST_P2TR, MIN_RELAY_FEE_RATE, dust_limit

SAT_PER_KVB = 1_000
LEAST_RELAY_RATE = MIN_RELAY_FEE_RATE * SAT_PER_KVB  # sat/kvB; nodes before Core 29.1, and Knots, take nothing below


def check_relayable(graph: Graph, relay_rate: int = LEAST_RELAY_RATE) -> None:
    """Raises Refused with the first reason for which a node with this least fee rate (sat/kvB) would not relay it."""
    for reason in find_relay_faults(graph, relay_rate):
        raise Refused(f"{reason}; nothing was paid in yet: agree on other terms and sign again")


def vetted(graph: Graph) -> Graph:
    """The same graph. Raises as `check_relayable` for nodes with the usual settings."""
    check_relayable(graph)
    return graph


def check_policy(policy: Registered, relay_rate: int = LEAST_RELAY_RATE) -> None:
    """Raises Refused for terms whose graphs nodes with this least rate (sat/kvB) would not relay, games aside."""
    for operator in policy.operators:
        parties = policy.parties(operator, stand_in(policy))
        nowhere = OutPoint(bytes(32), 0)
        for reason in find_relay_faults(build_bare_skeleton(policy.terms, parties, nowhere), relay_rate):
            raise Refused(f"{reason}; agree on other terms")


def find_relay_faults(graph: Graph, relay_rate: int) -> Iterator[str]:
    """All reasons of `check_relayable`."""
    yield from find_relay_doubt(graph.contract.terms, relay_rate)
    yield from _find_dust(graph)


def find_relay_doubt(terms: Terms, relay_rate: int) -> Iterator[str]:
    """Why terms do not fit a node's least fee rate (sat/kvB), if so."""
    least = ceil(relay_rate / SAT_PER_KVB)
    if terms.fee_rate < least:
        yield f"the terms are made for {terms.fee_rate} sat/vB and nodes relay nothing below {least}"


def stand_in(policy: Registered) -> Party:
    """A depositor for what does not depend on who he is: stakes, bonds, tickets, amounts. Nobody has his key."""
    name = next(n for k in range(len(policy.members) + 1) if (n := f"depositor{k or ''}") not in policy.names)
    return Party(name, b"\x02" + nums_key(nums_scalar(b"stand-in")))


def _find_dust(graph: Graph) -> Iterator[str]:
    rate = graph.contract.terms.fee_rate
    for name, planned in graph.transactions.items():
        for number, output in enumerate(planned.tx.outputs):
            if output.value < dust_limit(output.script_pubkey):
                yield f"output {number} of {name} has {output.value} sat, which is dust"
        bears = planned.tx.outputs[0].value - KILL_VBYTES * rate if "/" in name and planned.free else DUST_P2TR
        if bears < DUST_P2TR:
            yield f"{name} leaves dust after a fee of {KILL_VBYTES * rate} sat"
