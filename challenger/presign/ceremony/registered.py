"""The registered policy: what a signer has agreed to once, before any deposit, and what no ceremony may deviate from.

Members are the n cosigners; some of them are operators. Each operator has a graph of his own in which all other members
are signers and challengers. The n-of-n is the same in all of them; some members may be plain signers in it, who sign
without MuSig2 (`taproot.cosigners`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taproot.cosigners import Cosigners
from taproot.errors import InvalidInput
from taproot.hashes import tagged_hash
from taproot.keys import XOnlyKey
from taproot.musig2 import KeyAgg
from taproot.parties import Parties, Party, n_of_n
from taproot.terms import Terms

FORMAT = "btc-l2 policy 1"
LEAST_MEMBERS, MOST_MEMBERS = 2, 15


@dataclass(frozen=True, slots=True)
class Member:
    """A cosigner: name and key as in the graph, and the key that signs his ceremony files."""

    party: Party
    identity: XOnlyKey

    @property
    def name(self) -> str:
        """Name among the members."""
        return self.party.name

    def to_json(self) -> list[str]:
        """Name, key, identity key (hexadecimal); a plain signer's second key comes fourth."""
        name, key, *plain = self.party.to_json()
        return [name, key, self.identity.hex(), *plain]

    @classmethod
    def from_json(cls, value: object) -> Member:
        """Inverse of `to_json`. Raises InvalidInput for anything else."""
        if not isinstance(value, list) or len(value) not in (3, 4) or not all(isinstance(part, str) for part in value):
            raise InvalidInput("a member is a list of name, key, identity key, and a plain signer's second key")
        try:
            return cls(Party.from_json([*value[:2], *value[3:]]), XOnlyKey(bytes.fromhex(value[2])))
        except ValueError as error:
            raise InvalidInput(f"member {value[0]!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class Registered:
    """Terms, members (in any order), operators among them, constants of the games."""

    terms: Terms
    members: tuple[Member, ...]
    operators: tuple[str, ...]
    constants: Mapping[str, bytes]

    def __post_init__(self) -> None:
        """Raises InvalidInput for too few or many members, a name or key used twice, an operator who is no member, more
        plain signers than the terms bear."""
        if not LEAST_MEMBERS <= len(self.members) <= MOST_MEMBERS:
            raise InvalidInput(f"{len(self.members)} signers; {LEAST_MEMBERS} to {MOST_MEMBERS} can sign together")
        identities = {m.identity for m in self.members}
        others = {key for m in self.members for key in (m.party.x_only, m.party.cosigning_key)}
        plain = sum(m.party.plain_key is not None for m in self.members)
        if len(others) != len(self.members) + plain:
            raise InvalidInput("a key of the n-of-n is used twice; every signer needs his own, a plain signer two")
        if len(identities) != len(self.members) or identities & others:
            raise InvalidInput("an identity key is used twice; every signer needs his own")
        if not self.operators or len(set(self.operators)) != len(self.operators):
            raise InvalidInput(f"operators {', '.join(self.operators)!r}; name each once, at least one")
        names = {m.name for m in self.members}
        if len(names) != len(self.members):
            raise InvalidInput("a name is used twice; every signer needs his own")
        if strangers := [name for name in self.operators if name not in names]:
            raise InvalidInput(f"operator {strangers[0]} is not a signer; every operator must be one")
        self.terms.check_keys(plain - (plain == len(self.members)))

    @property
    def names(self) -> tuple[str, ...]:
        """Members in the order of the n-of-n key."""
        return tuple(m.name for m in sorted(self.members, key=lambda m: m.party.public_key))

    def member(self, name: str) -> Member:
        """Raises InvalidInput if there is none of that name."""
        for member in self.members:
            if member.name == name:
                return member
        raise InvalidInput(f"{name!r} is no signer of the registered policy")

    def parties(self, operator: str, depositor: Party) -> Parties:
        """Who takes part in an operator's graph: everybody else signs and may challenge."""
        others = tuple(self.member(name).party for name in self.names if name != operator)
        return Parties(others, self.member(operator).party, tuple(p.name for p in others), depositor)

    def n_of_n(self) -> Cosigners:
        """The keys of the n-of-n."""
        return n_of_n(tuple(self.member(name).party for name in self.names))

    def aggregate(self) -> KeyAgg:
        """The MuSig2 signers' aggregation. Raises InvalidInput if all are plain."""
        return self.n_of_n().aggregate

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; members in the order of the key."""
        return {
            "format": FORMAT,
            "terms": json.loads(json.dumps(self.terms.to_json())),
            "members": [self.member(name).to_json() for name in self.names],
            "operators": sorted(self.operators),
            "constants": {name: value.hex() for name, value in sorted(self.constants.items())},
        }

    @classmethod
    def from_json(cls, values: object) -> Registered:
        """Inverse of `to_json`. Raises InvalidInput for another structure, and as the constructor does."""
        if not isinstance(values, dict) or values.get("format") != FORMAT or len(values) != 5:
            raise InvalidInput(f"not a policy of format {FORMAT!r}")
        try:
            return cls(
                Terms.from_json(values["terms"]),
                tuple(Member.from_json(m) for m in _list(values["members"])),
                tuple(str(name) for name in _list(values["operators"])),
                {str(name): bytes.fromhex(value) for name, value in values["constants"].items()},
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise InvalidInput(f"the policy is not understood: {error}") from error

    def digest(self) -> bytes:
        """32 bytes that two policies share iff they agree in everything."""
        return tagged_hash("btc-l2/policy", json.dumps(self.to_json(), sort_keys=True).encode())

    def differences(self, other: Registered) -> list[str]:
        """What the other policy says differently, a line each."""
        mine, theirs = (dict(_flat(p.to_json())) for p in (self, other))
        names = sorted({*mine, *theirs}, key=lambda name: (name not in mine, name))
        return [
            f"{name}: registered {mine.get(name, 'nothing')}, here {theirs.get(name, 'nothing')}"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]


def _flat(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, part in value.items():
        if name == "members":
            for member, key, identity, *plain in part:
                yield f"key of {member}", key
                yield f"identity key of {member}", identity
                if plain:
                    yield f"key of {member} without MuSig2", plain[0]
        elif isinstance(part, Mapping):
            yield from ((inner, str(v)) for inner, v in part.items())
        else:
            yield name, str(part)


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise InvalidInput("the policy holds no list where one is needed")
    return value
