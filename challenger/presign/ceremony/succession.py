"""A refresh by ceremonies: what a signer asks his own bundles before he presigns, and before he signs the move.

    old graphs ── presign new graphs over the output of `move` (check_origin) ── sign `move` (check_successor)

docs/spec/bridge.md, "Refresh". The deposit's amount is what the move leaves; else the terms are those of the policy.
The new graphs can be of another policy (terms, checkpoint, signers): then they are presigned in homes that have
registered it, and the move, signed in the old homes, names it whole.
"""

from __future__ import annotations

from dataclasses import replace

from challenger.presign.ceremony.accord import Own, Wanted, find_named, move_under
from challenger.presign.ceremony.agreement import Origin, Plan
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.sighting import Sighting
from challenger.presign.refresh import Move, Refresh, check_refresh
from taproot.errors import Misbehaviour, Refused
from taproot.graph import Funding
from taproot.tx import OutPoint


def make_origin(policy: Registered, own: Own, operator: str, seen: Sighting) -> tuple[Origin, Move]:
    """What the proposer of graphs of this policy says of the old ones, and the move."""
    at, agreed = OutPoint.from_str(own[0]["deposit"]), bytes.fromhex(own[0]["agreed"])
    origin = Origin(at, agreed, operator, seen, policy.terms.deposit)
    move = move_under(policy, find_named(origin, own), seen)
    return replace(origin, amount=move.terms.deposit), move


def check_origin(plan: Plan, proposer: str, own: Own) -> None:
    """The new graphs stand on what the move of one's own old graphs leaves.

    Raises Refused for bundles of something else, Misbehaviour for another outpoint, amount or depositor.
    """
    origin = plan.origin
    if origin is None:
        raise Refused("this ceremony is no refresh; it needs no bundles")
    move = move_under(plan.policy, find_named(origin, own), origin.seen)
    if (plan.deposit, plan.terms, plan.depositor) != (move.deposit, move.terms, move.depositor):
        raise Misbehaviour(proposer, "proposes to refresh something else than what the move of the old vault leaves")


def check_successor(wanted: Wanted, registered: Registered, move: Move, own: Own) -> None:
    """One's own bundles of the new graphs are complete and stand on this move: only then it may be signed.

    They are of the policy that the move names, else of the registered one. Every signature is checked. Raises Refused
    for other graphs, VerificationFailed for a missing or wrong signature.
    """
    (manifest, bundles), policy = own, wanted.next_policy or registered
    if manifest["policy"] != policy.digest().hex() or manifest["agreed"] != wanted.successor.hex():
        raise Refused("your bundles of the new graphs are not those that the proposal names; name the right folder")
    if set(bundles) != set(policy.operators):
        raise Refused("the new graphs are not those of all operators; presign again")
    for operator, bundle in bundles.items():
        standing = bundle.proposal.funding
        funding = Funding(move.deposit, standing.stakes, standing.bonds, standing.ticket)
        parties = policy.parties(operator, move.depositor)
        check_refresh(Refresh(move.graph, move.terms, parties, funding), bundle)
