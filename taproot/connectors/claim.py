"""The outputs of a claim: what the operator's kickoff makes, and what a challenge hangs on.

    ticket ── kickoff ──┬─ asset         the kill token: both takes need it, every kill spends it
                        ├─ unchallenged  take1 needs it, a veto spends it
                        └─ fan ── fan ──── gate j ── challenge.j ──┬─ first turn of game j
                                                                   └─ token j (veto.j needs it)
"""

from __future__ import annotations

from taproot.connectors.output import Contract, Output, make_output, signed_by, signed_by_all, signed_by_both
from taproot.parties import N_OF_N
from taproot.units import DUST_P2TR


def make_ticket(contract: Contract) -> Output:
    """Leaf `spend`: the operator. He reserves one ticket per deposit."""
    value = contract.terms.ticket_value(len(contract.parties.challengers))
    spend = signed_by(contract, "spend", contract.parties.operator.name, "the operator claims the deposit")
    return make_output("ticket", value, contract.standing, (spend,))


def make_asset(contract: Contract, owner: bytes) -> Output:
    """Leaf `n-of-n`."""
    return make_output("asset", contract.terms.asset, owner, (signed_by_all(contract),))


def make_unchallenged(contract: Contract, owner: bytes) -> Output:
    """Leaf `n-of-n`."""
    return make_output("unchallenged", DUST_P2TR, owner, (signed_by_all(contract),))


def make_fan(contract: Contract, owner: bytes) -> Output:
    """Leaf `n-of-n`; holds the value of all gates."""
    value = contract.terms.fan_value(len(contract.parties.challengers))
    return make_output("fan", value, owner, (signed_by_all(contract),))


def make_gate(contract: Contract, owner: bytes, challenger: str) -> Output:
    """Leaf `challenge`: the challenger together with all, so that it pays for a challenge and for nothing else."""
    challenge = signed_by_both(contract, "challenge", challenger, N_OF_N, f"{challenger} challenges the claim")
    return make_output(f"gate.{challenger}", contract.terms.gate_value, owner, (challenge,))


def make_token(contract: Contract, owner: bytes, challenger: str) -> Output:
    """Leaf `n-of-n`; shows the veto that the challenge is on chain."""
    return make_output(f"token.{challenger}", DUST_P2TR, owner, (signed_by_all(contract),))


def make_receipt(contract: Contract, owner: bytes, challenger: str) -> Output:
    """Leaf `slash`: the operator. Made by take2: without take2 nobody is slashed."""
    operator = contract.parties.operator.name
    slash = signed_by(contract, "slash", operator, "the operator was paid although he was challenged")
    return make_output(f"receipt.{challenger}", DUST_P2TR, owner, (slash,))
