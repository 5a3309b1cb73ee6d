"""What a ceremony leaves: a folder with a bundle per operator and a manifest that binds them together.

    manifest.json       format, ceremony, policy, deposit, domain of the one-time keys, operators, digest
    OPERATOR.bundle     `challenger.presign.bundle`

A party plays from its bundle, its seed and the domain (`GameId.deposit`) that the manifest names. `verify_folder` needs
no keys: it makes every graph again and checks every signature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btc_l2.durable import make_folder, replace_file
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import CEREMONY, Messages, Plan, domain_of
from challenger.presign.ceremony.contribution import canonical
from challenger.presign.proposal import BuildGames, Proposal
from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.graph import Graph
from taproot.hashes import sha256, tagged_hash
from taproot.presigned import Kind

FORMAT = "btc-l2 bundles 1"
MANIFEST, SUFFIX = "manifest.json", ".bundle"
_TEXTS = ("ceremony", "policy", "deposit", "domain", "agreed")


def make_bundles(
    proposals: Mapping[str, Proposal], graphs: Mapping[str, Graph], signatures: Mapping[bytes, bytes]
) -> dict[str, Bundle]:
    """A bundle per operator; every signature is checked. Raises VerificationFailed if one is missing or wrong."""
    bundles = {}
    for operator, graph in graphs.items():
        named = {r.key: signatures.get(r.message, b"") for r in graph.requests()}
        graph.verify(named)
        bundles[operator] = Bundle(proposals[operator], graph, named)
    return bundles


def write_folder(folder: Path, plan: Plan, bundles: Mapping[str, Bundle]) -> dict[str, Any]:
    """Write bundles, then the manifest; returns it. Raises Refused if the folder holds another ceremony's."""
    make_folder(folder)
    known = folder / MANIFEST
    contents = {operator: bundle.to_bytes() for operator, bundle in bundles.items()}
    manifest = _manifest(plan, bundles, contents)
    if known.exists() and known.read_bytes() != canonical(manifest) + b"\n":
        raise Refused(f"{folder} holds the bundles of another ceremony; choose another folder")
    try:
        for operator, content in contents.items():
            replace_file(folder / f"{operator}{SUFFIX}", content)
        replace_file(known, canonical(manifest) + b"\n")
    except OSError as error:
        raise Unavailable(f"cannot write bundles to {folder}; {error.strerror}; choose another folder") from error
    return manifest


def verify_folder(folder: Path, build_games: BuildGames) -> tuple[dict[str, Any], dict[str, Bundle]]:
    """Manifest and bundles, everything checked. Raises VerificationFailed naming what does not fit."""
    manifest = read_manifest(folder)
    bundles = {}
    for operator in sorted(manifest["operators"]):
        path = folder / f"{operator}{SUFFIX}"
        bundles[operator] = Bundle.load(path, build_games)
        check_listed(manifest, operator, bundles[operator], path.read_bytes())
    _check_together(manifest, bundles)
    return manifest, bundles


def check_listed(manifest: Mapping[str, Any], operator: str, bundle: Bundle, content: bytes) -> None:
    """Raises VerificationFailed unless this is the operator's bundle in the manifest, for its deposit and ceremony."""
    row, proposal = manifest["operators"].get(operator, {}), bundle.proposal
    if sha256(content).hex() != row.get("sha256") or bundle.graph.digest().hex() != row.get("graph"):
        raise VerificationFailed(f"the bundle of {operator} is not the one that the manifest names")
    if proposal.parties.operator.name != operator or str(proposal.funding.deposit) != manifest["deposit"]:
        raise VerificationFailed(f"the bundle of {operator} is of another operator or deposit")
    if proposal.constants.get(CEREMONY, b"").hex() != manifest["ceremony"] or domain_of(proposal) != manifest["domain"]:
        raise VerificationFailed(f"the bundle of {operator} is of another ceremony")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest; its own digest is checked. Raises InvalidInput if there is none, VerificationFailed if changed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise InvalidInput(f"{folder} holds no bundles ({error.strerror}: {MANIFEST})") from error
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(f"{folder / MANIFEST} is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise VerificationFailed(f"{folder / MANIFEST} is not of format {FORMAT!r}")
    if manifest.get("digest") != _digest(manifest).hex():
        raise VerificationFailed(f"{folder / MANIFEST} was changed: its digest does not fit")
    if not _is_understood(manifest):
        raise VerificationFailed(f"{folder / MANIFEST} lacks a field, or one is of another kind; get the bundles again")
    return manifest


def _is_understood(manifest: Mapping[str, Any]) -> bool:
    """Whether every field is there that is looked at, and the operators' names are those of files in the folder."""
    rows = manifest.get("operators")
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        return False
    return all(isinstance(manifest.get(name), str) for name in _TEXTS) and all(Path(name).name == name for name in rows)


def _manifest(plan: Plan, bundles: Mapping[str, Bundle], contents: Mapping[str, bytes]) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "format": FORMAT, "ceremony": plan.ceremony.hex(), "policy": plan.policy.digest().hex(),
        "deposit": str(plan.deposit), "domain": plan.domain,
        "agreed": Messages.of({op: b.graph for op, b in bundles.items()}).digest().hex(),
        "operators": {
            op: {
                "sha256": sha256(contents[op]).hex(), "graph": b.graph.digest().hex(),
                "signatures": len(b.signatures), "bytes": len(contents[op]),
            }
            for op, b in bundles.items()
        },
    }  # fmt: skip
    return {**manifest, "digest": _digest(manifest).hex()}


def _digest(manifest: Mapping[str, Any]) -> bytes:
    return tagged_hash("btc-l2/bundles", canonical({k: v for k, v in manifest.items() if k != "digest"}))


def _check_together(manifest: Mapping[str, Any], bundles: Mapping[str, Bundle]) -> None:
    """All bundles share `confirm`."""
    confirms = {p.tx.txid for b in bundles.values() for p in b.graph.transactions.values() if p.kind is Kind.CONFIRM}
    if len(confirms) != 1:
        raise VerificationFailed("the bundles do not share `confirm`; they are of different deposits")
    if Messages.of({op: b.graph for op, b in bundles.items()}).digest().hex() != manifest["agreed"]:
        raise VerificationFailed("the bundles are not those that the members agreed to")
