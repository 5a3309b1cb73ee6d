"""A signer's card: name and public keys, signed by both of them. What is registered is made from the cards of all.

Who signs without MuSig2 says so in his home first (`declare_plain`); his card has the key that will do it, which may be
that of his keystore or live elsewhere, so it does not sign the card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from btc_l2.durable import write_once
from challenger.keystore import KeySet
from challenger.presign.ceremony.contribution import canonical
from challenger.presign.ceremony.registered import Member
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import XOnlyKey, is_valid_schnorr, sign_schnorr
from taproot.parties import Party

FORMAT = "btc-l2 card 1"
PLAIN = "plain.key"


def make_card(name: str, keys: KeySet, plain: XOnlyKey | None = None) -> bytes:
    """The card's content; `plain` is the key of a plain signer (`taproot.cosigners`)."""
    member = Member(Party(name, keys.key.public_key, plain), keys.identity.x_only)
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


def is_own(member: Member, keys: KeySet) -> bool:
    """Whether a member's keys are those of this keystore; a plain signer's second key need not be."""
    return (member.party.public_key, member.identity) == (keys.key.public_key, keys.identity.x_only)


def declare_plain(home: Path, key: XOnlyKey) -> None:
    """Say in the home that its owner signs without MuSig2, by this key. Raises Refused if another one was named."""
    write_once(home / PLAIN, key.hex().encode() + b"\n")


def declared_plain(home: Path) -> XOnlyKey | None:
    """The key of `declare_plain`. Raises VerificationFailed if the file is damaged."""
    path = home / PLAIN
    try:
        return XOnlyKey(bytes.fromhex(path.read_text())) if path.exists() else None
    except (ValueError, InvalidInput) as error:
        raise VerificationFailed(f"{path} is damaged: {error}; restore a backup") from error
