"""What the amounts of a graph must keep, transaction by transaction."""

from __future__ import annotations

from collections.abc import Iterator

from challenger.model.system import burn_of
from taproot.connectors.output import payout_script
from taproot.presigned import Graph, Kind, Planned
from taproot.terms import KILL_VBYTES, Terms

KILLS = (Kind.TIMEOUT, Kind.DISPROVE)


def find_wrong_amounts(graph: Graph) -> list[str]:
    """Transactions that create coins, kills that burn too little or cannot pay for themselves, slashes of too much."""
    return [f"{p.name}: {what}" for p in graph.transactions.values() for what in _wrong(graph, p)]


def _wrong(graph: Graph, planned: Planned) -> Iterator[str]:
    terms = graph.contract.terms
    paid, spent = (sum(o.value for o in outs) for outs in (planned.tx.outputs, planned.prevouts))
    if paid > spent:
        yield f"pays {paid} sat out of {spent}"
    if planned.kind in KILLS:
        yield from _wrong_kill(planned, terms)
    if planned.kind is Kind.SLASH:
        yield from _wrong_slash(graph, planned)


def _wrong_kill(planned: Planned, terms: Terms) -> Iterator[str]:
    """Colluders lose by every kill; an honest winner is paid by every one."""
    takes_stake = any(spend.output.startswith("stake") for spend in planned.inputs)
    burned, needed = burn_of(planned), terms.asset_burn + takes_stake * terms.stake_burn
    if burned < needed or not needed:
        yield f"burns {burned} sat, must burn {needed}"
    if planned.tx.outputs[0].value < KILL_VBYTES * terms.fee_rate:
        yield f"leaves {planned.tx.outputs[0].value} sat, which does not pay its own fee"


def _wrong_slash(graph: Graph, planned: Planned) -> Iterator[str]:
    """All of the bond but the penalty goes back to its owner."""
    owner = planned.name.partition("/")[0]
    bond = next(o.value for o, s in zip(planned.prevouts, planned.inputs, strict=True) if s.output.startswith("bond"))
    back = sum(o.value for o in planned.tx.outputs[1:] if o.script_pubkey == payout_script(graph.contract, owner))
    if bond - back > graph.contract.terms.penalty:
        yield f"takes {bond - back} sat of a bond, the penalty is {graph.contract.terms.penalty}"
