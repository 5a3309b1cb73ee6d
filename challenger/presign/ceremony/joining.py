"""Checks of what the others contributed, and signatures made of it; each check names the party at fault.

All functions are pure: they look at contributions whose senders' signatures have been checked, and at one's own plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, digest_of, unpack
from taproot.errors import InvalidInput, Misbehaviour, VerificationFailed
from taproot.keys import is_valid_schnorr
from taproot.musig2 import PARTIAL_SIGNATURE_BYTES, PUBLIC_NONCE_BYTES, KeyAgg, Session, aggregate_nonces

Given = Mapping[str, Contribution]  # by sender


def check_heard(given: Contribution, earlier: Given) -> None:
    """He must have got the same files of the earlier round as I did.

    Raises VerificationFailed naming the file: either its sender made two, or he lies about it; nobody can tell yet.
    """
    heard = given.body.get("heard")
    mine = {name: c.digest.hex() for name, c in earlier.items()}
    if heard != mine:
        other = heard if isinstance(heard, dict) else {}
        name = next((n for n in sorted({*mine, *other}) if mine.get(n) != other.get(n)), "?")
        what = earlier[name].file_name if name in earlier else f"a file of {name}"
        raise VerificationFailed(
            f"{given.sender} got another {what} than you; ask him to `export` it and import it here: two different "
            f"files signed by {name} prove who is at fault"
        )


def check_graphs(given: Contribution, messages: Messages) -> None:
    """Raises Misbehaviour if the sender made other graphs from the same files."""
    if given.body.get("graphs") != {operator: digest.hex() for operator, digest in messages.graphs.items()}:
        raise Misbehaviour(given.sender, "made other graphs from the same files")
    check_messages(given, messages.of_round(given.round))


def check_messages(given: Contribution, messages: Sequence[bytes]) -> None:
    """Raises Misbehaviour if the sender has other messages in view."""
    if given.body.get("messages") != digest_of(messages).hex():
        raise Misbehaviour(given.sender, "signs other messages than those of the graphs")


def check_nonces(given: Contribution, count: int) -> None:
    """Raises Misbehaviour for a wrong number of nonces or what is no point."""
    for nonce in unpack(given.body.get("nonces"), PUBLIC_NONCE_BYTES, count, given.sender):
        aggregate_nonces([nonce], [given.sender])


def join_nonces(given: Given, count: int, aggregate: KeyAgg) -> list[bytes]:
    """The aggregated nonce of each message. Raises Misbehaviour for a wrong number of nonces or what is no point."""
    rows = [unpack(given[name].body.get("nonces"), PUBLIC_NONCE_BYTES, count, name) for name in aggregate.parties]
    return [aggregate_nonces(nonces, aggregate.parties) for nonces in zip(*rows, strict=True)]


def join_partials(
    messages: Sequence[bytes], nonces: Given, partials: Given, aggregate: KeyAgg
) -> dict[bytes, bytes]:
    """The signature of each message. Raises Misbehaviour naming the first party whose part is wrong."""
    names = aggregate.parties
    rows = [unpack(partials[n].body.get("partials"), PARTIAL_SIGNATURE_BYTES, len(messages), n) for n in names]
    joined = join_nonces(nonces, len(messages), aggregate)
    return {
        message: _join(message, joined[k], [row[k] for row in rows], k, nonces, aggregate)
        for k, message in enumerate(messages)
    }


def check_partials(messages: Sequence[bytes], nonces: Given, given: Contribution, aggregate: KeyAgg) -> None:
    """Raises Misbehaviour if one of the sender's parts is wrong: what evidence is checked by."""
    check_heard(given, nonces)
    parts = unpack(given.body.get("partials"), PARTIAL_SIGNATURE_BYTES, len(messages), given.sender)
    own = unpack(nonces[given.sender].body.get("nonces"), PUBLIC_NONCE_BYTES, len(messages), given.sender)
    key = aggregate.public_keys[aggregate.parties.index(given.sender)]
    for message, nonce, part, joined in zip(
        messages, own, parts, join_nonces(nonces, len(messages), aggregate), strict=True
    ):
        _session(aggregate, joined, message).verify_partial(part, nonce, key)

def _join(
    message: bytes, joined: bytes, parts: Sequence[bytes], at: int, nonces: Given, aggregate: KeyAgg
) -> bytes:
    """One signature; the parts are looked at one by one only if the whole is wrong."""
    session = _session(aggregate, joined, message)
    signature = session.aggregate(parts)
    if not is_valid_schnorr(aggregate.output_key, message, signature):
        for name, key, part in zip(aggregate.parties, aggregate.public_keys, parts, strict=True):
            text = nonces[name].body["nonces"]
            own = unpack(text, PUBLIC_NONCE_BYTES, len(text) * 3 // 4 // PUBLIC_NONCE_BYTES, name)[at]
            session.verify_partial(part, own, key)
        raise AssertionError("valid parts make a valid signature")
    return signature


def _session(aggregate: KeyAgg, joined: bytes, message: bytes) -> Session:
    try:
        return Session(aggregate, joined, message)
    except InvalidInput as error:  # nonces that cancel each other: nobody honest's do
        raise VerificationFailed(f"the nonces cannot be joined ({error}); begin a new attempt") from error
