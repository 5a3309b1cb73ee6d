"""What proves to somebody who was not there that a member broke the rules: his own signed files, and what they answer.

    two-files   two different files of one sender for the same ceremony, round and attempt
    keys        keys or outpoints that do not fit the proposal
    graphs      another digest than that of the graphs that follow from the files that he himself names
    nonces      nonces that are too few or no points; a plain signer's, who has none
    partials    a part of a signature that does not check against his own nonce; a plain signer's wrong signature
    plan        a proposal that states something else than what follows from the bundles that all have

`verify_evidence` repeats the check with nothing but the file; for `plan` also with the bundles, which all have signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from challenger.presign.ceremony.accord import Accord, Own, check_answer, check_own, check_statement
from challenger.presign.ceremony.agreement import Craft, Messages, Plan, check_keys, make_proposals
from challenger.presign.ceremony.contribution import Contribution, Round, canonical
from challenger.presign.ceremony.joining import (
    check_graphs,
    check_heard,
    check_messages,
)
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.share import check_nonces, check_shares
from challenger.presign.ceremony.succession import check_origin
from taproot.errors import BtcL2Error, InvalidInput, Misbehaviour, VerificationFailed

FORMAT = "btc-l2 evidence 1"
TWO_FILES, KEYS, GRAPHS, NONCES, PARTIALS = "two-files", "keys", "graphs", "nonces", "partials"
PLAN = "plan"


def make_evidence(
    kind: str, found: Misbehaviour, policy: Registered, files: Sequence[Contribution], messages: Sequence[bytes] = ()
) -> bytes:
    """The file's content."""
    return canonical({
        "format": FORMAT, "kind": kind, "party": found.party, "what": found.evidence, "policy": policy.to_json(),
        "files": [c.to_json() for c in files], "messages": [m.hex() for m in messages],
    }) + b"\n"  # fmt: skip


def verify_evidence(content: bytes, craft: Craft, own: Own | None = None) -> Misbehaviour:
    """What the file proves; `own` are the bundles that evidence of kind `plan` is about.

    Raises VerificationFailed if it proves nothing, InvalidInput if it is no evidence or bundles are missing.
    """
    document = _parse(content)
    policy = Registered.from_json(document["policy"])
    try:
        files = [Contribution.from_json(f) for f in document["files"]]
        messages = [bytes.fromhex(m) for m in document["messages"]]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"files or messages of the evidence are not understood: {error}") from error
    for contribution in files:
        contribution.verify(policy.member(contribution.sender).identity)
        if contribution.policy != policy.digest():
            raise VerificationFailed(f"{contribution.file_name} belongs to another policy")
    if document["kind"] == PLAN and own is None:
        raise InvalidInput("this evidence is about a proposal; name the bundles of its deposit to check it with")
    try:
        if own is not None and document["kind"] == PLAN:
            _check_plan(files, policy, own)
        else:
            _CHECKS[document["kind"]](document["party"], policy, craft, files, messages)
    except Misbehaviour as found:
        if found.party == document["party"]:
            return found
    except (BtcL2Error, LookupError, StopIteration, ValueError, TypeError, AttributeError) as error:
        raise VerificationFailed(f"the evidence proves nothing against {document['party']}: {error!r}") from error
    raise VerificationFailed(f"the evidence proves nothing against {document['party']}: his files keep the rules")


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"evidence is JSON: {error}") from error
    fields = {"format", "kind", "party", "what", "policy", "files", "messages"}
    if not isinstance(document, dict) or set(document) != fields or document["format"] != FORMAT:
        raise InvalidInput(f"not a file of format {FORMAT!r}")
    if not isinstance(document["kind"], str) or document["kind"] not in (*_CHECKS, PLAN):
        raise InvalidInput(f"evidence of unknown kind {document['kind']!r}")
    return document


def _two_files(
    party: str, policy: Registered, craft: Craft, files: Sequence[Contribution], messages: Sequence[bytes]
) -> None:
    first, second = files
    if first.file_name == second.file_name and first.ceremony == second.ceremony and first.digest != second.digest:
        raise Misbehaviour(first.sender, f"signed two different files {first.file_name}")


def _keys(
    party: str, policy: Registered, craft: Craft, files: Sequence[Contribution], messages: Sequence[bytes]
) -> None:
    for given in _of_round(files, Round.KEYS).values():
        check_keys(_plan(files), craft, given)


def _graphs(
    party: str, policy: Registered, craft: Craft, files: Sequence[Contribution], messages: Sequence[bytes]
) -> None:
    given = files[-1]
    if settle := _of_round(files, Round.SETTLE):
        check_answer(given, Accord.of(*settle.values()))
        return
    plan = _plan(files)
    keys = _of_round(files, Round.KEYS)
    check_heard(next(c for c in files if c.sender == party and "graphs" in c.body), keys)
    graphs = {op: p.build_graph(craft.build_games) for op, p in make_proposals(plan, keys).items()}
    made = Messages.of(graphs)
    if "graphs" in given.body:
        check_graphs(given, made)
    check_messages(given, made.of_round(given.round))


def _nonces(
    party: str, policy: Registered, craft: Craft, files: Sequence[Contribution], messages: Sequence[bytes]
) -> None:
    (given,) = files
    check_messages(given, messages)
    check_nonces(given, len(messages), policy.n_of_n())


def _partials(
    party: str, policy: Registered, craft: Craft, files: Sequence[Contribution], messages: Sequence[bytes]
) -> None:
    *nonces, given = files
    check_messages(given, messages)
    check_shares(messages, {c.sender: c for c in nonces}, given, policy.n_of_n())


def _check_plan(files: Sequence[Contribution], policy: Registered, own: Own) -> None:
    (proposed,) = files
    if proposed.round is Round.PROPOSE:
        check_origin(Plan.of(proposed), proposed.sender, own)
    else:
        accord = Accord.of(proposed)
        check_statement(accord, check_own(accord.wanted, policy, own))


def _plan(files: Sequence[Contribution]) -> Plan:
    return Plan.of(next(c for c in files if c.round is Round.PROPOSE))


def _of_round(files: Sequence[Contribution], round_: Round) -> Mapping[str, Contribution]:
    return {c.sender: c for c in files if c.round is round_}


_CHECKS = {TWO_FILES: _two_files, KEYS: _keys, GRAPHS: _graphs, NONCES: _nonces, PARTIALS: _partials}
