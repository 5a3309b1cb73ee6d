"""How signers of a test network come to a policy without a dealer: each makes a seed, posts a card, drafts for himself.

Everybody is told the same before (`Group`): who signs, who is operator, the program, the terms. From the cards each
makes the policy himself; its digest is posted by all, and registered if all posted the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.durable import make_folder, write_once
from btc_l2.guests import Guest
from challenger.games import constants_of
from challenger.keystore import LEAST_LOG2_N, KeySet, create_keystore, open_keystore, read_private
from challenger.presign.ceremony.card import card_digest, make_card, read_card
from challenger.presign.ceremony.contribution import canonical
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.store import KEYSTORE, POLICY
from challenger.presign.vetting import check_policy
from challenger.spoken import words_of
from regtest.signing.board import Board
from taproot.errors import Refused, VerificationFailed
from taproot.terms import Terms

PASSPHRASE = "passphrase"
CARDS, POLICIES, DIGESTS = "cards", "policy", "digests"  # kinds of posts
POLICY_FILE = "policy.json"
_PASSPHRASE_BYTES = 16

Tell = Callable[..., None]  # event, then named facts


@dataclass(frozen=True, slots=True)
class Group:
    """What all are told before anybody has a key."""

    names: tuple[str, ...]
    operators: tuple[str, ...]
    guest: Guest
    terms: Terms

    def draft(self, cards: dict[str, bytes]) -> Registered:
        """The policy.

        Raises VerificationFailed for a card that its keys did not sign, or in another name, Refused as `check_policy`.
        """
        members = [read_card(cards[name]) for name in self.names]
        for name, member in zip(self.names, members, strict=True):
            if member.name != name:
                raise VerificationFailed(f"the card posted as {name} is of {member.name}; look who wrote it")
        constants = constants_of(self.guest.load_image())
        policy = Registered(self.terms, tuple(members), self.operators, constants)
        check_policy(policy)
        return policy


def open_home(home: Path, name: str) -> KeySet:
    """The keys of a home, made the first time, with a passphrase of chance beside them: on a test network only.

    Raises Refused if the home is somebody else's.
    """
    make_folder(home)
    if not (home / PASSPHRASE).exists():
        write_once(home / PASSPHRASE, secrets.token_hex(_PASSPHRASE_BYTES).encode())
    passphrase = read_private(home / PASSPHRASE)
    if not (home / KEYSTORE).exists():
        return create_keystore(home / KEYSTORE, passphrase, name, LEAST_LOG2_N)
    label, keys = open_keystore(home / KEYSTORE, passphrase)
    if label != name:
        raise Refused(f"{home} holds the keys of {label}, not of {name}; name another home")
    return keys


def enrol(home: Path, name: str, group: Group, board: Board, tell: Tell) -> tuple[KeySet, Registered]:
    """Keys and the registered policy, once all have posted cards and the same digest. Raises Refused for another."""
    keys = open_home(home, name)
    board.post(CARDS, name, make_card(name, keys))
    policy = read_policy(group, board, tell)
    member = policy.member(name)
    if (member.party.public_key, member.identity) != (keys.key.public_key, keys.identity.x_only):
        raise Refused(f"another card was posted in the name of {name}; look who can write to the board")
    board.post(DIGESTS, name, policy.digest().hex().encode())
    compare_digests(policy, group, board)
    write_once(home / POLICY, canonical(policy.to_json()))
    board.post(POLICIES, POLICY_FILE, canonical(policy.to_json()) + b"\n")
    tell("registered", words=spoken(policy.digest()))
    return keys, policy


def read_policy(group: Group, board: Board, tell: Tell) -> Registered:
    """The policy made of everybody's cards; the words of each are told, for people to compare."""
    cards = board.wait(CARDS, group.names)
    for name in group.names:
        tell("card", of=name, words=spoken(card_digest(read_card(cards[name]))))
    return group.draft(cards)


def compare_digests(policy: Registered, group: Group, board: Board) -> None:
    """Raises Refused naming a signer who posted another policy's digest."""
    own = policy.digest().hex().encode()
    for name, posted in board.wait(DIGESTS, group.names).items():
        if posted != own:
            raise Refused(f"{name} has another policy in view ({posted[:16].decode(errors='replace')}…); compare the "
                          "cards, word by word; nothing was registered")  # fmt: skip


def spoken(digest: bytes) -> str:
    """A digest as people say it."""
    return " ".join(words_of(digest))


def silent(_event: str, **_facts: Any) -> None:
    """Tells nobody."""
