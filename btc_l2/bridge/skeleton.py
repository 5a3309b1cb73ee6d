"""The part of a graph that no game touches: deposit, vault, stakes, bonds, ticket, claim, takes, with their outpoints.

Standing outputs, `confirm`, `leave`, `kickoff` and both takes are the same whatever the games are, so a graph with
games of a single turn has them at the same outpoints. It costs milliseconds; presigned it is never.
"""

from __future__ import annotations

from taproot.connectors.deposit import make_vault
from taproot.connectors.output import Contract, belonging_to
from taproot.connectors.turn import GameScripts, Role, Turn
from taproot.graph import Funding, Graph, build_graph
from taproot.hashes import tagged_hash
from taproot.parties import Parties
from taproot.terms import ANCHOR, Terms
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_RBF, TRUC_VERSION

_ONLY_TURN = "assert"


def build_skeleton(terms: Terms, parties: Parties, funding: Funding) -> Graph:
    """The graph without its games. Raises InvalidInput as `build_graph`."""
    turn = Turn(_ONLY_TURN, Role.OPERATOR, ())
    games = {name: GameScripts(name, _ONLY_TURN, {_ONLY_TURN: turn}) for name in parties.challengers}
    return build_graph(terms, parties, funding, games)


def find_vault(contract: Contract, deposit: OutPoint) -> OutPoint:
    """Where `confirm` puts the coins of this deposit; stakes, bonds and ticket do not matter."""
    vault = make_vault(contract, belonging_to(deposit))
    outputs = (vault.tx_out, TxOut(ANCHOR, P2A_SCRIPT))
    return Transaction(TRUC_VERSION, (TxIn(deposit, SEQUENCE_RBF),), outputs).outpoint(0)


def build_bare_skeleton(terms: Terms, parties: Parties, deposit: OutPoint) -> Graph:
    """The skeleton where only the deposit is known: good for `deposit`, `vault`, `refund` and `confirm` alone.

    Stakes, bonds and ticket stand at outpoints that are nowhere.
    """

    def nowhere(name: str) -> OutPoint:
        return OutPoint(tagged_hash("btc-l2/nowhere", name.encode()), 0)

    stakes = tuple(nowhere(f"stake{k}") for k in range(len(terms.stakes)))
    bonds = {name: nowhere(f"bond.{name}") for name in parties.challengers}
    return build_skeleton(terms, parties, Funding(deposit, stakes, bonds, nowhere("ticket")))
