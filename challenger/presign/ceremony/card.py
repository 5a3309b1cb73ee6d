"""A signer's card: name and public keys, signed by both of them. What is registered is made from the cards of all."""

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


def make_card(name: str, keys: KeySet) -> bytes:
    """The card's content."""
    member = Member(Party(name, keys.key.public_key), keys.identity.x_only)
    digest = card_digest(member)
    signatures = [sign_schnorr(key, digest, bytes(32)).hex() for key in (keys.key, keys.identity)]
    return canonical({"format": FORMAT, "member": member.to_json(), "signatures": signatures}) + b"\n"


def read_card(content: bytes) -> Member:
    """Raises InvalidInput for anything but a card, VerificationFailed if its keys did not sign it."""
    try:
        document: Any = json.loads(content)
        member = Member.from_json(document["member"])
        by_key, by_identity = (bytes.fromhex(text) for text in document["signatures"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not a card of format {FORMAT!r}: {error!r}") from error
    digest = card_digest(member)
    if not (is_valid_schnorr(member.party.x_only, digest, by_key)
            and is_valid_schnorr(member.identity, digest, by_identity)):  # fmt: skip
        raise VerificationFailed(f"the card of {member.name} is not signed by its own keys; ask him for it again")
    return member


def card_digest(member: Member) -> bytes:
    """What two people compare who exchange cards."""
    return tagged_hash("btc-l2/card", canonical({"member": member.to_json()}))
