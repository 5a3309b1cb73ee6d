"""What a signer signs: the presigned signatures of the graph that he made himself, and nothing else.

`confirm` comes last. Before the signatures of everything else have been shown to him, somebody could use it to move the
deposit into a vault that no take can open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from challenger.presign.proposal import Proposal
from taproot.errors import Refused
from taproot.presigned import Graph, Kind, Request, Signatures


class Policy:
    """Decides about the requests for one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._allowed = {r.key: r.message for r in graph.requests()}
        self._last = {name for name, planned in graph.transactions.items() if planned.kind is Kind.CONFIRM}
        self._rest_is_signed = False

    def check(self, requests: Iterable[Request]) -> None:
        """Raises Refused for the first request that must not be signed."""
        for request in requests:
            if self._allowed.get(request.key) != request.message:
                raise Refused(f"this message for input {request.index} of {request.tx} is not in the agreed graph")
            if request.tx in self._last and not self._rest_is_signed:
                raise Refused(f"{request.tx} is signed last, once all other signatures have been checked")

    def see_signatures(self, signatures: Signatures) -> None:
        """Allow `confirm` from now on. Raises VerificationFailed unless all other signatures are there and valid."""
        self._graph.verify_some(signatures, [r for r in self._graph.requests() if r.tx not in self._last])
        self._rest_is_signed = True


def split_requests(graph: Graph) -> tuple[tuple[Request, ...], tuple[Request, ...]]:
    """The requests of the first round of signing and those of the last one."""
    last = {name for name, planned in graph.transactions.items() if planned.kind is Kind.CONFIRM}
    requests = graph.requests()
    return tuple(r for r in requests if r.tx not in last), tuple(r for r in requests if r.tx in last)


def check_own_keys(proposal: Proposal, party: str, own: Mapping[str, Mapping[str, bytes]]) -> None:
    """One-time keys that stand in this party's name must be its own; `own` has them by challenger.

    Raises Refused otherwise: who owns the keys plays the game.
    """
    is_operator = party == proposal.parties.operator.name
    for challenger, keys in proposal.one_time.items():
        claimed = keys.operator if is_operator else keys.challenger
        if (is_operator or party == challenger) and dict(claimed) != dict(own.get(challenger, {})):
            raise Refused(f"the one-time keys in the name of {party} in {challenger}'s game are not {party}'s own")
