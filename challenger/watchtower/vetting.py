"""Is a graph one that nodes relay? Asked before anybody pays into it: later it would be too late.

Every output of a fixed transaction must be above dust, every free one must leave something at the rate that the terms
are made for, and that rate must not be below what the node takes at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from taproot.errors import Refused
from taproot.presigned import Graph
from taproot.terms import KILL_VBYTES, Terms
from taproot.units import DUST_P2TR, dust_limit

SAT_PER_KVB = 1_000


def check_relayable(graph: Graph, relay_rate: int) -> None:
    """Raises Refused with the first reason for which a node with this least fee rate (sat/kvB) would not relay it."""
    for reason in (*find_relay_doubt(graph.contract.terms, relay_rate), *_find_dust(graph)):
        raise Refused(f"{reason}; nothing was paid in yet: agree on other terms and sign again")


def find_relay_doubt(terms: Terms, relay_rate: int) -> Iterator[str]:
    """Why terms do not fit a node's least fee rate (sat/kvB), if so."""
    least = ceil(relay_rate / SAT_PER_KVB)
    if terms.fee_rate < least:
        yield f"the terms are made for {terms.fee_rate} sat/vB and the node relays nothing below {least}"


def _find_dust(graph: Graph) -> Iterator[str]:
    rate = graph.contract.terms.fee_rate
    for name, planned in graph.transactions.items():
        for number, output in enumerate(planned.tx.outputs):
            if output.value < dust_limit(output.script_pubkey):
                yield f"output {number} of {name} has {output.value} sat, which is dust"
        bears = planned.tx.outputs[0].value - KILL_VBYTES * rate if "/" in name and planned.free else DUST_P2TR
        if bears < DUST_P2TR:
            yield f"{name} leaves dust after a fee of {KILL_VBYTES * rate} sat"
