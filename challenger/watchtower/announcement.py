"""What an operator says that he claims, before anything of it is on chain: signed, so that he is held to it.

Nothing on chain before `assert` says what a claim is about (docs/spec/model.md, "What it does not show"): an operator
who announces one thing and asserts another would take the penalty of whoever objected to the first. So a challenger
judges only what the operator has signed, for this deposit and ceremony, with the key that stands in the graph.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from challenger.game.kinds import CLAIM_LEAVES
from challenger.game.prover import TraceProver
from challenger.game.solver import Assertion
from challenger.presign.ceremony.agreement import domain_of
from challenger.presign.proposal import Proposal
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import SecretKey, is_valid_schnorr, sign_schnorr

CLAIM_BYTES = 128
ROOT_BYTES = 32
MOST_BYTES = 4096  # of a file: what is longer is cut, and so no announcement


@dataclass(frozen=True, slots=True)
class Announcement:
    """A claim (four leaves), the roots before and after the run, the operator's signature (64 bytes)."""

    assertion: Assertion
    signature: bytes = b""

    def message(self, domain: str) -> bytes:
        """What is signed: a tagged hash (BIP 340) of the graph's domain (deposit, ceremony) and all that is claimed."""
        a = self.assertion
        return tagged_hash("btc-l2/announcement", b"".join([domain.encode(), *a.claim, a.z0, a.zn]))

    def verify(self, proposal: Proposal) -> None:
        """Raises VerificationFailed unless the graph's operator has signed it for this graph."""
        if not is_valid_schnorr(proposal.parties.operator.x_only, self.message(domain_of(proposal)), self.signature):
            raise VerificationFailed("the announcement is not signed by the operator for this deposit; ask him again")

    def to_json(self) -> str:
        """One document, bytes as hex."""
        a = self.assertion
        parts = {"claim": b"".join(a.claim), "z0": a.z0, "zn": a.zn, "signature": self.signature}
        return json.dumps({name: part.hex() for name, part in parts.items()})

    @classmethod
    def from_json(cls, text: str | bytes) -> Announcement:
        """Inverse of `to_json`. Raises InvalidInput for another structure."""
        try:
            parts = {name: bytes.fromhex(value) for name, value in json.loads(text).items()}
            claim, z0, zn, signature = (parts[name] for name in ("claim", "z0", "zn", "signature"))
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise InvalidInput(f"no announcement: {error!r}; it has claim, z0, zn, signature in hex") from error
        if (len(claim), len(z0), len(zn)) != (CLAIM_BYTES, ROOT_BYTES, ROOT_BYTES):
            raise InvalidInput(f"an announcement with {len(claim)} bytes of claim; {CLAIM_BYTES} and two roots belong")
        size = CLAIM_BYTES // CLAIM_LEAVES
        return cls(Assertion(tuple(claim[k : k + size] for k in range(0, CLAIM_BYTES, size)), z0, zn), signature)

    @classmethod
    def load(cls, path: Path) -> Announcement:
        """From a file, which may stand where others write: neither its length nor a pipe holds us up.

        Raises Unavailable if it is not there, else as `from_json`.
        """
        try:
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
                return cls.from_json(file.read(MOST_BYTES) or b"")
        except OSError as error:
            raise Unavailable(f"no announcement at {path}; {error.strerror}; get it from the operator") from error


def announce(prover: TraceProver, proposal: Proposal, key: SecretKey) -> Announcement:
    """Sign what the prover would assert about a graph's deposit."""
    leaves = tuple(prover.claim_leaf(k) for k in range(CLAIM_LEAVES))
    plain = Announcement(Assertion(leaves, prover.z0(), prover.zn()))
    return Announcement(plain.assertion, sign_schnorr(key, plain.message(domain_of(proposal))))
