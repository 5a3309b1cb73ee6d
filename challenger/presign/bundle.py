"""The bundle: everything a party keeps of a presigned graph, in one file.

    magic            "btc-l2 bundle 1\\n"
    header length    4 bytes, little endian
    header           JSON: terms, parties, outpoints, names and sizes of the blobs, number of signatures
    blobs            one-time public keys and constants, in the order of the header
    signatures       in the order of `Graph.requests`, 64 bytes for each key of the n-of-n
    digest           SHA256 of everything before it

Scripts and transactions are not stored: who loads a bundle makes them again and checks every signature against them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.durable import replace_file
from challenger.presign.proposal import BuildGames, GameKeys, Proposal
from taproot.cosigners import SIGNATURE_BYTES
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.graph import Funding, Graph
from taproot.parties import Parties
from taproot.presigned import Signatures
from taproot.terms import Terms
from taproot.tx import OutPoint

_MAGIC = b"btc-l2 bundle 1\n"
_LENGTH_BYTES = 4
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bundle:
    """A proposal, the graph made from it, and all presigned signatures."""

    proposal: Proposal
    graph: Graph
    signatures: Signatures

    def to_bytes(self) -> bytes:
        """The file's content. Raises VerificationFailed if a signature is missing."""
        missing = [r.key for r in self.graph.requests() if r.key not in self.signatures]
        if missing:
            raise VerificationFailed(f"no signature for input {missing[0][1]} of {missing[0][0]}; presign first")
        header = json.dumps(_header(self.proposal), separators=(",", ":")).encode()
        parts = [_MAGIC, len(header).to_bytes(_LENGTH_BYTES, "little"), header]
        parts += [blob for mapping in _mappings(self.proposal) for blob in mapping.values()]
        parts += [self.signatures[r.key] for r in self.graph.requests()]
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    def save(self, path: Path) -> None:
        """Write the file at once or not at all, readable by its owner only. Raises Unavailable if the disk refuses."""
        try:
            replace_file(path, self.to_bytes())
        except OSError as error:
            raise Unavailable(f"cannot write bundle {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path, build_games: BuildGames) -> Bundle:
        """Read, rebuild, verify. Raises InvalidInput if there is no such file, else as `from_bytes`."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"cannot read bundle {path}: {error.strerror}") from error
        try:
            return cls.from_bytes(content, build_games)
        except VerificationFailed as error:
            raise VerificationFailed(f"bundle {path}: {error}") from error

    @classmethod
    def from_bytes(cls, content: bytes, build_games: BuildGames) -> Bundle:
        """Raises VerificationFailed for a changed byte, another structure, terms that no graph can be made of, or a
        signature that does not check."""
        proposal, signatures = _parse(content)
        try:
            graph = proposal.build_graph(build_games)
        except (InvalidInput, LookupError, ValueError, AssertionError) as error:  # scripts are made of what it says
            raise VerificationFailed(f"no graph can be made of it: {error!r}") from error
        requests = graph.requests()
        if len(signatures) != len(requests):
            raise VerificationFailed(f"{len(signatures)} signatures, the graph needs {len(requests)}")
        named = {r.key: signature for r, signature in zip(requests, signatures, strict=True)}
        graph.verify(named)
        return cls(proposal, graph, named)


def read_proposal(path: Path) -> Proposal:
    """What a bundle is about; its digest is checked, its signatures are not. Raises as `Bundle.load`."""
    try:
        return _parse(path.read_bytes())[0]
    except OSError as error:
        raise InvalidInput(f"cannot read bundle {path}: {error.strerror}") from error


def _mappings(proposal: Proposal) -> Iterator[Mapping[str, bytes]]:
    """All named blobs, in the order of the file."""
    for keys in proposal.one_time.values():
        yield keys.operator
        yield keys.challenger
    yield proposal.constants


def _header(proposal: Proposal) -> dict[str, Any]:
    funding = proposal.funding
    return {
        "terms": proposal.terms.to_json(),
        "parties": proposal.parties.to_json(),
        "deposit": str(funding.deposit),
        "stakes": [str(outpoint) for outpoint in funding.stakes],
        "bonds": {name: str(outpoint) for name, outpoint in funding.bonds.items()},
        "ticket": str(funding.ticket),
        "games": list(proposal.one_time),
        "blobs": [[[name, len(blob)] for name, blob in mapping.items()] for mapping in _mappings(proposal)],
    }


def _parse(content: bytes) -> tuple[Proposal, list[bytes]]:
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise VerificationFailed("its digest does not fit; the file was changed or cut, get it again")
    if not body.startswith(_MAGIC):
        raise VerificationFailed("not a bundle of version 1")
    start = len(_MAGIC) + _LENGTH_BYTES
    end = start + int.from_bytes(body[len(_MAGIC) : start], "little")
    try:
        return _read_header(json.loads(body[start:end]), body[end:])
    except (InvalidInput, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerificationFailed(f"its header is not understood: {error}") from error


def _read_header(header: dict[str, Any], rest: bytes) -> tuple[Proposal, list[bytes]]:
    blobs, at = _read_blobs(header["blobs"], rest)
    games = header["games"]
    parties = Parties.from_json(header["parties"])
    size = SIGNATURE_BYTES * parties.n_of_n_keys
    if len(blobs) != 2 * len(games) + 1 or (len(rest) - at) % size:
        raise InvalidInput("blobs or signatures are incomplete")
    proposal = Proposal(
        terms=Terms.from_json(header["terms"]),
        parties=parties,
        funding=Funding(
            deposit=OutPoint.from_str(header["deposit"]),
            stakes=tuple(OutPoint.from_str(text) for text in header["stakes"]),
            bonds={name: OutPoint.from_str(text) for name, text in header["bonds"].items()},
            ticket=OutPoint.from_str(header["ticket"]),
        ),
        one_time={name: GameKeys(blobs[2 * k], blobs[2 * k + 1]) for k, name in enumerate(games)},
        constants=blobs[-1],
    )
    return proposal, [rest[i : i + size] for i in range(at, len(rest), size)]


def _read_blobs(table: list[list[list[Any]]], rest: bytes) -> tuple[list[dict[str, bytes]], int]:
    at = 0
    mappings: list[dict[str, bytes]] = []
    for rows in table:
        mapping: dict[str, bytes] = {}
        for name, size in rows:
            if type(size) is not int or not 0 <= size <= len(rest) - at or name in mapping:
                raise InvalidInput(f"blob {name!r} does not fit the file")
            mapping[name] = rest[at : at + size]
            at += size
        mappings.append(mapping)
    return mappings, at
