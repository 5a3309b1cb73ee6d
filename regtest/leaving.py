"""A stake or bond that its owner takes away in a story: `leave`, the long wait in sight of all, `exit`."""

from __future__ import annotations

from regtest.story import Stage
from taproot.keys import sign_schnorr


def take_out(stage: Stage, party: str, output: str) -> None:
    """Both transactions are in blocks on return."""
    key, script, graph = stage.cast.secrets[party].key, stage.wallets[party].script_pubkey, stage.bundle.graph
    signers, rate = {party: lambda message: sign_schnorr(key, message)}, stage.chain.estimate_fee()
    leave = graph.assemble(f"leave.{output}", stage.bundle.signatures, signers)
    stage.chain.broadcast([leave, stage.wallets[party].fee_child(leave, rate)])
    stage.mine()
    stage.chain.mine(stage.plot.terms.exit_delay - 1)
    stage.chain.broadcast(graph.finalize(f"exit.{output}", stage.bundle.signatures, signers, script, rate))
    stage.mine()
