"""A graph of the shipped turns and leaves with keys that everybody knows, for the model and what is read from it."""

from __future__ import annotations

from challenger.cost import sample_game, sample_parties
from taproot.graph import Funding, Graph, build_graph
from taproot.hashes import sha256
from taproot.terms import Terms
from taproot.tx import OutPoint

FEW_ROUNDS = (2, 2)


def sample_graph(terms: Terms, challengers: int = 2) -> Graph:
    """The graph of these terms with keys that everybody knows and outpoints that stand on no chain."""
    parties = sample_parties(challengers)
    games = {name: sample_game(terms.arities, parties, name).scripts for name in parties.challengers}
    pool = 2 + len(terms.stakes)
    points = [OutPoint(sha256(b"model/%d" % i), 0) for i in range(pool + challengers)]
    bonds = dict(zip(parties.challengers, points[pool:], strict=True))
    return build_graph(terms, parties, Funding(points[0], tuple(points[2:pool]), bonds, points[1]), games)
