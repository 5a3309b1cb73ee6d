"""The signing ceremony: nonces → shares of signatures → signatures, for a whole graph at once.

A MuSig2 signer's share is a partial signature. A plain signer has no nonces (an empty list) and answers with whole
signatures of his own key (`taproot.cosigners`); everything else is the same for both.

The coordinator is trusted with nothing: he sees public data only, and every party compares messages with its own graph.
He names the party whose contribution is at fault. Rounds: (1) digests of the graph, (2) everything but `confirm`, (3)
everybody checks the result, (4) `confirm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from challenger.presign.bundle import Bundle
from challenger.presign.policy import split_requests
from challenger.presign.proposal import BuildGames, Proposal
from challenger.presign.signer import Signer
from taproot.errors import Misbehaviour
from taproot.graph import Graph
from taproot.keys import SecretKey
from taproot.presigned import Request, Signatures


class Participant(Protocol):
    """A party as the coordinator sees it: a `Signer` in this process, or something that speaks for a remote one."""

    @property
    def name(self) -> str:
        """Name among the cosigners."""

    def digest(self) -> bytes:
        """See `Signer.digest`."""

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        """See `Signer.public_nonces`."""

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        """See `Signer.partial_signatures`."""

    def see_signatures(self, signatures: Signatures) -> None:
        """See `Signer.see_signatures`."""


def run_ceremony(graph: Graph, participants: Sequence[Participant]) -> dict[tuple[str, int], bytes]:
    """All presigned signatures of the graph.

    `participants` are the cosigners in the order of `Cosigners.names`. Raises Misbehaviour naming the first party whose
    graph, nonce or share is wrong; errors of a participant pass through.
    """
    agreed = graph.digest()
    for participant, name in zip(participants, graph.contract.cosigners.names, strict=True):
        if participant.name != name:
            raise Misbehaviour(participant.name, f"answers in the place of {name}")
        if participant.digest() != agreed:
            raise Misbehaviour(name, "made another graph from the same proposal")
    signatures: dict[tuple[str, int], bytes] = {}
    first, last = split_requests(graph)
    signatures |= _sign_all(graph, participants, first)
    for participant in participants:
        participant.see_signatures(signatures)
    return signatures | _sign_all(graph, participants, last)


def presign(
    proposal: Proposal,
    secrets: Mapping[str, SecretKey],
    build_games: BuildGames,
    own_keys: Mapping[str, Mapping[str, Mapping[str, bytes]]] | None = None,
) -> Bundle:
    """The whole ceremony in one process; `secrets` has each cosigner's key of the n-of-n (a plain signer's second one),
    `own_keys` the one-time keys per player.

    Without `own_keys` the keys of the proposal are taken for the players' own. The scripts of the games are built
    once here, the graph by every party.
    """
    games = build_games(proposal)
    own = _own_keys(proposal) if own_keys is None else own_keys
    names = [party.name for party in proposal.parties.cosigners]
    signers = [Signer(name, secrets[name], proposal, lambda _: games, own.get(name, {})) for name in names]
    graph = signers[0].graph
    return Bundle(proposal, graph, run_ceremony(graph, signers))


def _own_keys(proposal: Proposal) -> dict[str, dict[str, Mapping[str, bytes]]]:
    own: dict[str, dict[str, Mapping[str, bytes]]] = {proposal.parties.operator.name: {}}
    for challenger, keys in proposal.one_time.items():
        own[proposal.parties.operator.name][challenger] = keys.operator
        own[challenger] = {challenger: keys.challenger}
    return own


def _sign_all(
    graph: Graph, participants: Sequence[Participant], requests: Sequence[Request]
) -> dict[tuple[str, int], bytes]:
    cosigners = graph.contract.cosigners
    answers = {p.name: p.public_nonces(requests) for p in participants}
    for name in cosigners.plain:
        if answers.pop(name):
            raise Misbehaviour(name, "sends nonces although he signs without MuSig2")
    nonces = _by_request(answers, requests)
    joined = [cosigners.join_nonces(row) for row in nonces]
    shares = _by_request({p.name: p.partial_signatures(requests, joined) for p in participants}, requests)
    return {
        request.key: cosigners.join(request.message, joint, publics, parts)
        for request, joint, publics, parts in zip(requests, joined, nonces, shares, strict=True)
    }


def _by_request(answers: Mapping[str, list[bytes]], requests: Sequence[Request]) -> list[dict[str, bytes]]:
    """Answers per party → answers per request, by party."""
    for name, answer in answers.items():
        if len(answer) != len(requests):
            raise Misbehaviour(name, f"{len(answer)} answers to {len(requests)} requests")
    return [{name: answer[k] for name, answer in answers.items()} for k in range(len(requests))]
