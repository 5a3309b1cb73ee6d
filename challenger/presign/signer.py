"""One party of the signing ceremony: makes the graph himself, then signs what his policy allows.

Requests come in batches, answers in the order of the requests. Secret nonces never leave this object; each belongs to
one message and signs once. After a crash or a failed round the party starts again with fresh ones. A plain signer
(`taproot.cosigners`) has no nonces and signs with BIP 340 alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from challenger.presign.policy import Policy, check_own_keys
from challenger.presign.proposal import BuildGames, Proposal
from challenger.presign.vetting import vetted
from taproot.errors import Misbehaviour, Refused
from taproot.graph import Graph
from taproot.keys import SecretKey, sign_schnorr
from taproot.musig2 import SecretNonce, Session
from taproot.parties import Party
from taproot.presigned import Request, Signatures


class Signer:
    """A cosigner of the n-of-n."""

    def __init__(
        self,
        name: str,
        secret: SecretKey,
        proposal: Proposal,
        build_games: BuildGames,
        own_keys: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        """`secret`: that of the key with which he cosigns, a plain signer's second one. `own_keys`: the one-time public
        keys that this party really has, by challenger; needed if it plays.

        Raises Refused if the proposal has other keys in his name or nodes would not relay its graph, InvalidInput if no
        graph can be made of it.
        """
        if name not in {p.name for p in proposal.parties.cosigners}:
            raise Refused(f"{name} is no cosigner of this proposal")
        if not cosigns_with(proposal.parties.party(name), secret):
            raise Refused(f"the proposal has another key in the name of {name}")
        check_own_keys(proposal, name, own_keys or {})
        self.name = name
        self.graph: Graph = vetted(proposal.build_graph(build_games))
        self._secret = secret
        self._policy = Policy(self.graph)
        self._nonces: dict[tuple[str, int], SecretNonce] = {}

    @property
    def is_plain(self) -> bool:
        """Whether he signs without MuSig2."""
        return self.name in self.graph.contract.cosigners.plain

    def digest(self) -> bytes:
        """Digest of his graph: all parties must have the same."""
        return self.graph.digest()

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        """A fresh nonce (66 bytes) per request; replaces unused ones of an earlier round. A plain signer has none.

        Raises Refused by policy.
        """
        self._policy.check(requests)
        if self.is_plain:
            return []
        aggregate = self.graph.contract.aggregate
        made = {r.key: SecretNonce.generate(self._secret, r.message, aggregate) for r in requests}
        self._nonces.update(made)
        return [made[r.key].public for r in requests]

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        """His share of each signature: 32 bytes, a plain signer's 64.

        Raises Refused by policy or where he has no unused nonce, Misbehaviour for a wrong number of nonces.
        """
        self._policy.check(requests)
        if len(aggregate_nonces) != len(requests):
            raise Misbehaviour("coordinator", f"{len(aggregate_nonces)} nonces for {len(requests)} signatures")
        if self.is_plain:
            return [sign_schnorr(self._secret, r.message) for r in requests]
        return [self._sign(r, nonce) for r, nonce in zip(requests, aggregate_nonces, strict=True)]

    def see_signatures(self, signatures: Signatures) -> None:
        """Check the finished signatures; afterwards he signs `confirm`. Raises VerificationFailed for a bad one."""
        self._policy.see_signatures(signatures)

    def _sign(self, request: Request, aggregate_nonce: bytes) -> bytes:
        nonce = self._nonces.pop(request.key, None)
        if nonce is None:
            raise Refused(f"no unused nonce for input {request.index} of {request.tx}; ask for a new one first")
        session = Session(self.graph.contract.aggregate, aggregate_nonce, request.message)
        return session.partial_sign(nonce, self._secret)


def cosigns_with(party: Party, secret: SecretKey) -> bool:
    """Whether this is the secret of the key with which a party signs in the n-of-n."""
    return party.plain_key == secret.x_only if party.plain_key else party.public_key == secret.public_key
