"""A signer's card: name and public keys, signed by each of them. What is registered is made from the cards of all."""

from __future__ import annotations

import json
from typing import Any

from challenger.keystore import KeySet
from challenger.presign.ceremony.contribution import canonical
from challenger.presign.ceremony.registered import Member
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import is_valid_schnorr, sign_schnorr
from taproot.terms import Party

FORMAT = "btc-l2 card 1"


def make_card(name: str, keys: KeySet, plain: bool = False) -> bytes:
    """The card's content; `plain`: he will sign without MuSig2 (`taproot.cosigners`)."""
    member = Member(Party(name, keys.key.public_key, keys.plain.x_only if plain else None), keys.identity.x_only)
    digest = card_digest(member)
    signing = (keys.key, keys.identity, *((keys.plain,) if plain else ()))
    signatures = [sign_schnorr(key, digest, bytes(32)).hex() for key in signing]
    return canonical({"format": FORMAT, "member": member.to_json(), "signatures": signatures}) + b"\n"


def read_card(content: bytes) -> Member:
    """Raises InvalidInput for anything but a card, VerificationFailed if its keys did not sign it."""
    try:
        document: Any = json.loads(content)
        member = Member.from_json(document["member"])
        signatures = [bytes.fromhex(text) for text in document["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not a card of format {FORMAT!r}: {error!r}") from error
    digest, plain = card_digest(member), member.party.plain_key
    keys = (member.party.x_only, member.identity, *(() if plain is None else (plain,)))
    if len(signatures) != len(keys) or not all(
        is_valid_schnorr(key, digest, signature) for key, signature in zip(keys, signatures, strict=True)
    ):
        raise VerificationFailed(f"the card of {member.name} is not signed by its own keys; ask him for it again")
    return member


def card_digest(member: Member) -> bytes:
    """What two people compare who exchange cards."""
    return tagged_hash("btc-l2/card", canonical({"member": member.to_json()}))


def is_own(member: Member, keys: KeySet) -> bool:
    """Whether a member's keys are those of this keystore."""
    party = member.party
    return (party.public_key, member.identity) == (keys.key.public_key, keys.identity.x_only) and (
        party.plain_key in (None, keys.plain.x_only)
    )
