"""Who takes part in a deposit, by name and key: signers, one operator, challengers among the signers, a depositor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from taproot.cosigners import Cosigners
from taproot.document import as_tuple, check_fields
from taproot.errors import InvalidInput
from taproot.keys import XOnlyKey, x_only_of
from taproot.musig2 import KeyAgg

N_OF_N = "n-of-n"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def is_name(value: object) -> bool:
    """Whether a party can be named so: what stands in names of outputs and files, and in what people read."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None and value != N_OF_N


@dataclass(frozen=True, slots=True)
class Party:
    """A name and a compressed public key (33 bytes): of payouts, of live signatures, of a MuSig2 signer's part.

    A cosigner with a `plain_key` has no part in MuSig2: this second key signs for him in the n-of-n, and only there
    (`taproot.cosigners`).
    """

    name: str
    public_key: bytes
    plain_key: XOnlyKey | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput for a name that could not stand in an output's name, or bytes that are no key."""
        if not is_name(self.name):
            raise InvalidInput(f"a party cannot be named {self.name!r}; use a letter, then letters, digits, - or _")
        x_only_of(self.public_key)

    @property
    def x_only(self) -> XOnlyKey:
        """The key as scripts hold it."""
        return x_only_of(self.public_key)

    @property
    def cosigning_key(self) -> XOnlyKey:
        """The key that signs for him in the n-of-n: a plain signer's second one."""
        return self.plain_key or self.x_only

    def to_json(self) -> list[str]:
        """Name and key in hexadecimal; a plain signer's second key comes third."""
        return [self.name, self.public_key.hex(), *(() if self.plain_key is None else (self.plain_key.hex(),))]

    @classmethod
    def from_json(cls, value: object) -> Party:
        """Inverse of `to_json`. Raises InvalidInput for anything else."""
        parts = as_tuple(value, "a party")
        if len(parts) not in (2, 3) or not all(isinstance(part, str) for part in parts):
            raise InvalidInput("a party must be a list of its name, its key, and a plain signer's second key")
        try:
            plain = [XOnlyKey(bytes.fromhex(part)) for part in parts[2:]]
            return cls(parts[0], bytes.fromhex(parts[1]), *plain)
        except ValueError as error:
            raise InvalidInput(f"the key of {parts[0]} is not hexadecimal") from error


@dataclass(frozen=True, slots=True)
class Parties:
    """Who takes part. Challengers are names of signers; operator and depositor stand beside the signers."""

    signers: tuple[Party, ...]
    operator: Party
    challengers: tuple[str, ...]
    depositor: Party

    def __post_init__(self) -> None:
        """Raises InvalidInput for too few signers or challengers, names or keys used twice, a foreign challenger."""
        if not self.signers or not self.challengers:
            raise InvalidInput(f"{len(self.signers)} signers, {len(self.challengers)} challengers; give one of each")
        everyone = (*self.cosigners, self.depositor)
        _check_distinct([p.name for p in everyone], "name")
        plain = [p.plain_key.hex() for p in everyone if p.plain_key is not None]
        _check_distinct([*(p.public_key[1:].hex() for p in everyone), *plain], "key")
        if self.depositor.plain_key is not None:
            raise InvalidInput(f"{self.depositor.name} is no cosigner; a depositor has one key")
        _check_distinct(list(self.challengers), "challenger")
        strangers = [name for name in self.challengers if name not in {p.name for p in self.signers}]
        if strangers:
            raise InvalidInput(f"challenger {strangers[0]} is not a signer; every challenger must be one")

    @property
    def cosigners(self) -> tuple[Party, ...]:
        """Signers and operator in the order of the n-of-n key: by public key (BIP327 "KeySort").

        So graphs of several operators, each of them a signer in the others' graphs, share deposit, vault and `confirm`.
        """
        return tuple(sorted((*self.signers, self.operator), key=lambda party: party.public_key))

    def party(self, name: str) -> Party:
        """The party of that name. Raises InvalidInput if there is none."""
        for party in (*self.cosigners, self.depositor):
            if party.name == name:
                return party
        raise InvalidInput(f"no party is named {name!r}")

    @property
    def n_of_n_keys(self) -> int:
        """How many keys the n-of-n has: one for all MuSig2 signers, one for each plain signer."""
        plain = sum(p.plain_key is not None for p in self.cosigners)
        return plain + (plain < len(self.cosigners))

    def n_of_n(self) -> Cosigners:
        """The keys of the n-of-n."""
        return n_of_n(self.cosigners)

    def aggregate(self) -> KeyAgg:
        """The n-of-n key where it is one (MuSig2). Raises InvalidInput if there are plain signers."""
        if self.n_of_n_keys != 1:
            raise InvalidInput("with plain signers the n-of-n is not one key; ask for all of them (`n_of_n`)")
        return self.n_of_n().aggregate

    def to_json(self) -> dict[str, Any]:
        """Names and hexadecimal keys."""
        return {
            "signers": [p.to_json() for p in self.signers],
            "operator": self.operator.to_json(),
            "challengers": list(self.challengers),
            "depositor": self.depositor.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Parties:
        """Inverse of `to_json`. Raises InvalidInput for another structure, and as the constructor does."""
        check_fields(values, {f.name for f in fields(cls)}, "parties")
        return cls(
            signers=tuple(Party.from_json(p) for p in as_tuple(values["signers"], "signers")),
            operator=Party.from_json(values["operator"]),
            challengers=tuple(str(name) for name in as_tuple(values["challengers"], "challengers")),
            depositor=Party.from_json(values["depositor"]),
        )


def n_of_n(cosigners: tuple[Party, ...]) -> Cosigners:
    """The keys of the n-of-n of these parties, who stand in the order of their public keys."""
    return Cosigners.make(
        [p.name for p in cosigners],
        {p.name: p.public_key for p in cosigners if p.plain_key is None},
        {p.name: p.plain_key for p in cosigners if p.plain_key is not None},
    )


def _check_distinct(values: list[str], what: str) -> None:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise InvalidInput(f"{what} {twice[0]} is used twice; every party needs its own")
