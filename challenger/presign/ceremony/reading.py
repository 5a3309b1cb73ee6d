"""The files of a ceremony read without keys and without a registered policy: for a machine that only looks.

Everything is checked against the policy that the proposal itself shows; whether that is the right one, people compare
by the digest. So a machine with a node needs no keystore to look at what others are about to sign.
"""

from __future__ import annotations

from collections.abc import Mapping

from challenger.presign.ceremony.agreement import Craft, Messages, Plan, check_keys, make_proposals
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.store import SIGNATURES, Files
from challenger.presign.vetting import vetted
from taproot.errors import InvalidInput, Unavailable
from taproot.presigned import Graph, Signatures


def read_graphs(files: Files, craft: Craft) -> tuple[Plan, dict[str, Graph]]:
    """The plan and the graph of each operator, from the proposal and everybody's keys.

    Raises InvalidInput unless there is one proposal, Unavailable naming those whose keys are missing,
    VerificationFailed for a file that its sender has not signed, Misbehaviour for wrong keys, Refused as `vetted`.
    """
    proposals = files.of(Round.PROPOSE)
    if len(proposals) != 1:
        raise InvalidInput(f"{files.folder} holds {len(proposals)} proposals; give a folder with the files of one")
    (proposed,) = proposals.values()
    plan, keys = Plan.of(proposed), files.of(Round.KEYS)
    for given in (proposed, *keys.values()):
        _check_signed(plan, given)
    if absent := [name for name in plan.policy.names if name not in keys]:
        raise Unavailable(f"keys of {', '.join(absent)} are not in {files.folder}; ask for them")
    for given in keys.values():
        check_keys(plan, craft, given)
    made = {op: vetted(p.build_graph(craft.build_games)) for op, p in make_proposals(plan, keys).items()}
    return plan, made


def first_signatures(files: Files, graphs: Mapping[str, Graph]) -> dict[str, Signatures]:
    """What all have signed before `confirm`, by operator: good for `leave` even if nothing more is ever signed.

    Raises Unavailable as long as the first stage is not complete here.
    """
    content = files.read(SIGNATURES)
    if content is None:
        raise Unavailable(f"the first stage is not signed in {files.folder}; import all partials, run `signer sign`")
    signed = Messages.of(graphs).rest
    size = next(iter(graphs.values())).contract.cosigners.signature_bytes
    by_message = {message: content[k * size : (k + 1) * size] for k, message in enumerate(signed)}
    return {
        operator: {r.key: by_message[r.message] for r in graph.requests() if r.message in by_message}
        for operator, graph in graphs.items()
    }


def _check_signed(plan: Plan, given: Contribution) -> None:
    given.verify(plan.policy.member(given.sender).identity)
    if (given.policy, given.ceremony) != (plan.policy.digest(), plan.ceremony):
        raise InvalidInput(f"{given.file_name} belongs to another ceremony or policy than the proposal beside it")
