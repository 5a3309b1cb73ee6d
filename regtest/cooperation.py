"""Settlements of a story: all cosigners in one process, each looking at the transaction for itself.

What stands of an open claim goes along, as in `btc-l2 signer settle`; signers on machines of their own are those of the
ceremony by files (`challenger.presign.ceremony.settling`).
"""

from __future__ import annotations

from collections.abc import Mapping

from challenger.presign.settlement import (
    CLAIM_OUTPUTS,
    Approve,
    LiveSigner,
    approve_payment,
    plan_exit_of_all,
    sign_settlement,
)
from regtest.story import Sent, Stage
from taproot.presigned import Graph

MOST_FEE_RATE = 100  # sat/vB a signer lets the settlement cost
_VBYTES_PER_INPUT = 200


def plan(stage: Stage, source: str, party: str) -> Graph:
    """The settlement of `deposit` or `vault`, and of what stands of a claim, for a party at the chain's fee rate."""
    graph = stage.bundle.graph
    claim = [name for name in CLAIM_OUTPUTS if stage.chain.utxo(graph.outpoints[name]) is not None]
    script = stage.wallets[party].script_pubkey
    return plan_exit_of_all(graph, f"exit.{source}", (source, *claim), script, stage.chain.estimate_fee())


def signers_of(
    stage: Stage, settlement: Graph, party: str, approve: Mapping[str, Approve] | None = None
) -> list[LiveSigner]:
    """All cosigners; whoever has no `approve` of its own checks that `party` alone is paid, at a sane fee."""
    keys, own = stage.cast.keys(), approve or {}
    (planned,) = settlement.transactions.values()
    whole = sum(out.value for out in planned.prevouts)
    least = whole - MOST_FEE_RATE * _VBYTES_PER_INPUT * len(planned.inputs)
    usual = approve_payment(stage.wallets[party].script_pubkey, least)
    return [LiveSigner(n, keys[n], settlement, own.get(n, usual)) for n in settlement.contract.cosigners.names]


def exit_together(stage: Stage, source: str, party: str) -> Sent:
    """Sign, send, mine."""
    settlement = plan(stage, source, party)
    tx = sign_settlement(settlement, signers_of(stage, settlement, party))
    stage.chain.check(tx)
    stage.chain.broadcast(tx)
    stage.chain.mine()
    told = f"all signers pay the {source} to {party}: nobody has to wait or to prove anything"
    return Sent(f"exit.{source}", tx, stage.chain.tip().height, party, told)
