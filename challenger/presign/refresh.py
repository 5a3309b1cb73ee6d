"""Refresh: the coins of a vault move under a new graph, with other stakes, bonds, ticket, terms or checkpoint.

    vault [+ what is left of a claim] ── move (signed live, last) ── deposit' ── confirm' ── vault'

Signatures of the old graph cannot be mended: its kills name the outpoints of stakes that are spent. So all presign a
new graph over an output that does not exist yet (the txid of `move` is known), check every signature, and only then
sign `move`. A ceremony that breaks off before leaves the old graph as it was. docs/spec/bridge.md, "Refresh".

`deposit'` has a refund leaf, as any deposit, but these coins are credited on the L2: nobody may take them back. So the
depositor of the new graph is `nobody`, whose key is H + r·G; everyone recomputes r from the old vault's outpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from challenger.presign.bundle import Bundle
from challenger.presign.proposal import GameKeys, Proposal
from challenger.presign.settlement import LiveSigner, plan_settlement, sign_settlement
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.errors import InvalidInput, Refused
from taproot.graph import Funding
from taproot.keys import SecretKey
from taproot.nums import nums_key, nums_scalar
from taproot.parties import Parties, Party
from taproot.presigned import Graph
from taproot.terms import ANCHOR, Terms
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxOut
from taproot.units import TRUC_VERSION, Sats

MOVE = "move"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Standing:
    """The outputs that stand for the new graph; a ticket or stake that is unspent can be the old one."""

    stakes: tuple[OutPoint, ...]
    bonds: Mapping[str, OutPoint]
    ticket: OutPoint


@dataclass(frozen=True, slots=True)
class Refresh:
    """What is agreed: the move, and terms, parties and outpoints of the graph that comes after it."""

    move: Graph
    terms: Terms
    parties: Parties
    funding: Funding

    def propose(self, keys: Mapping[str, GameKeys], constants: Mapping[str, bytes]) -> Proposal:
        """The new graph with its one-time keys (fresh ones: the deposit's id is new) and constants."""
        return Proposal(self.terms, self.parties, self.funding, keys, constants)


def nobody_at(vault: OutPoint) -> Party:
    """The party without a secret key that stands for the depositor of what comes from this vault."""
    key = nums_key(nums_scalar(b"refresh/" + vault.serialize()))
    return Party(NOBODY, b"\x02" + key)


@dataclass(frozen=True, slots=True)
class Move:
    """The move alone: what it leaves is the deposit of the new graph, under these terms, with this depositor."""

    graph: Graph
    terms: Terms
    depositor: Party

    @property
    def deposit(self) -> OutPoint:
        """Where the coins are after it."""
        return self.graph.planned(MOVE).tx.outpoint(0)


def plan_move(
    old: Graph, sources: Sequence[str] = ("vault",), terms: Terms | None = None, parties: Parties | None = None
) -> Move:
    """The move of `sources` (the vault, and outputs of an open claim) to a deposit output under other graphs.

    Without `terms` and `parties` those of the old graph go on; the output is of the n-of-n of `parties`, and the terms'
    deposit is what the move leaves. Raises InvalidInput if the vault is not moved, or if it is to another network.
    """
    if "vault" not in sources:
        raise InvalidInput("a refresh moves the vault; name it among the sources")
    whole = sum(old.output(source)[1].value for source in sources)
    after = replace(terms or old.contract.terms, deposit=Sats(whole - ANCHOR))
    depositor = nobody_at(old.outpoints["vault"])
    if after.network != old.contract.terms.network:
        raise InvalidInput(f"coins of {old.contract.terms.network} cannot be moved to {after.network}")
    deposit = make_deposit(Contract.make(after, replace(parties or old.contract.parties, depositor=depositor)))
    outputs = [deposit.tx_out, TxOut(ANCHOR, P2A_SCRIPT)]
    return Move(plan_settlement(old, MOVE, sources, outputs, TRUC_VERSION), after, depositor)


def plan_refresh(
    old: Graph, standing: Standing, terms: Terms | None = None, sources: Sequence[str] = ("vault",)
) -> Refresh:
    """The move, and the graph of the same operator that comes after it. Raises as `plan_move`."""
    move = plan_move(old, sources, terms)
    parties = replace(old.contract.parties, depositor=move.depositor)
    funding = Funding(move.deposit, standing.stakes, standing.bonds, standing.ticket)
    return Refresh(move.graph, move.terms, parties, funding)


def check_refresh(agreed: Refresh, bundle: Bundle) -> None:
    """What a signer asks before he signs the move: is the new graph presigned to the last signature?

    Raises Refused for a bundle of another graph, VerificationFailed for a missing or wrong signature.
    """
    proposal = bundle.proposal
    if (proposal.terms, proposal.parties, proposal.funding) != (agreed.terms, agreed.parties, agreed.funding):
        raise Refused("the bundle is not that of the agreed graph; presign what was planned")
    bundle.graph.verify(bundle.signatures)


def sign_refresh(agreed: Refresh, bundle: Bundle, secrets: Mapping[str, SecretKey]) -> Transaction:
    """The move, signed by all cosigners, each after his own check of the new bundle. Raises as `check_refresh`."""
    signers = [
        LiveSigner(name, secrets[name], agreed.move, lambda _tx: check_refresh(agreed, bundle))
        for name in agreed.move.contract.cosigners.names
    ]
    return sign_settlement(agreed.move, signers)
