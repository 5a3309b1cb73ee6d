"""Cooperative exits of a story: all cosigners in one process, each looking at the exit for itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from challenger.presign.cooperative import Approve, Exit, ExitSigner, pays_only, plan_exit, sign_exit
from regtest.story import Sent, Stage

MOST_FEE_RATE = 100  # sat/vB a signer lets the exit cost
_EXIT_VBYTES = 200


def plan(stage: Stage, source: str, party: str) -> Exit:
    """The exit at the chain's fee rate."""
    script = stage.wallets[party].script_pubkey
    return plan_exit(stage.bundle.graph, source, party, script, stage.chain.estimate_fee())


def signers_of(stage: Stage, asked: Exit, approve: Mapping[str, Approve] | None = None) -> list[ExitSigner]:
    """All cosigners; whoever has no `approve` of its own checks that the party alone is paid, at a sane fee."""
    graph, keys = stage.bundle.graph, stage.cast.keys()
    script, spent = stage.wallets[asked.party].script_pubkey, graph.outputs[asked.source].value
    usual = partial(pays_only, script_pubkey=script, most_fee=MOST_FEE_RATE * _EXIT_VBYTES, spent=spent)
    own = approve or {}
    return [ExitSigner(n, keys[n], graph, own.get(n, usual)) for n in graph.contract.aggregate.parties]


def exit_together(stage: Stage, source: str, party: str) -> Sent:
    """Sign, send, mine."""
    asked = plan(stage, source, party)
    tx = sign_exit(stage.bundle.graph, asked, signers_of(stage, asked))
    stage.chain.check(tx)
    stage.chain.broadcast(tx)
    stage.chain.mine()
    told = f"all signers pay the {source} to {party}: nobody has to wait or to prove anything"
    return Sent(f"exit.{source}", tx, stage.chain.tip().height, party, told)
