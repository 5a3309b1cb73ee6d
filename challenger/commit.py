"""What each side of a game signs with one-time keys: the messages, their codes, their keys.

A message is named once and for all; its value is a tuple of digits. Nodes and leaves are 64 digits: digit 8·w + i is
nibble i (least significant first) of word w, as BLAKE3 reads the 32 bytes. Roots are signed to as many bits as the
terms say (`digest`): 64, 48 or 40 digits, the first ones. Keys come from the party's seed by HKDF with a domain that
names deposit, operator, challenger and message, so that no two games share a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from challenger.disprove.claim import GROUPS
from challenger.game.plan import MAP, TREE, Plan
from taproot.connectors.turn import Role
from taproot.kdf import derive
from taproot.ots import Choice, Composition, OneTimeCode, Winternitz
from taproot.units import MAX_DIGEST

Digits = tuple[int, ...]
ROOT_DIGITS = 64
DIGIT_BITS = 4
ADDRESS_DIGITS = 7  # nibbles 1…7 of the byte address of a leaf; nibble 0 is always zero


def root_digits(root: bytes) -> Digits:
    """The digits of a root, node or leaf: 64 of 32 bytes."""
    return tuple(n for byte in root for n in (byte & 15, byte >> 4))


def digits_root(digits: Sequence[int]) -> bytes:
    """The bytes that digits mean: 32 of 64 digits, fewer of a shortened root."""
    return bytes(low | high << DIGIT_BITS for low, high in zip(digits[::2], digits[1::2], strict=True))


def address_digits(address: int) -> Digits:
    """The seven signed digits of a leaf's byte address."""
    return tuple(address >> 4 * i & 15 for i in range(1, 8))


def digits_address(digits: Sequence[int]) -> int:
    """The byte address that seven digits mean (its low five bits are zero if the digits are honest)."""
    return sum(d << 4 * (i + 1) for i, d in enumerate(digits))


@dataclass(frozen=True, slots=True)
class Message:
    """One value that one side signs once."""

    by: Role
    name: str
    code: OneTimeCode


def _words(group: str) -> int:
    return sum(nibbles for _, nibbles in GROUPS[group])


def _search_messages(arities: Sequence[int], root: Composition) -> list[Message]:
    out: list[Message] = []
    for r, arity in enumerate(arities):
        out += [Message(Role.OPERATOR, f"search.{r}.{k}", root) for k in range(1, arity)]
        out += _choice_pair(f"search.{r}", arity)
    return out


def _choice_pair(name: str, options: int) -> list[Message]:
    """A choice by the challenger and its copy by the operator."""
    return [
        Message(Role.CHALLENGER, f"{name}.choice", Choice(options)),
        Message(Role.OPERATOR, f"{name}.copy", Choice(options)),
    ]


def _path_messages(plan: Plan) -> list[Message]:
    out: list[Message] = []
    for r, parts in enumerate(plan.splits):
        for k in range(1, parts):
            for side in ("pre", "post"):
                out.append(Message(Role.OPERATOR, f"{plan.name}.{r}.{k}.{side}", Composition(ROOT_DIGITS)))
        out += _choice_pair(f"{plan.name}.{r}", parts)
    return out


@lru_cache(maxsize=16)
def messages(arities: tuple[int, ...], digest: int = MAX_DIGEST) -> Mapping[str, Message]:
    """All messages of a game by name, the roots with `digest` bits."""
    root = Composition(digest // DIGIT_BITS)
    roots = ["z0", "zN", *(f"init.{k}" for k in (1, 2, 3)), "step.r1", "step.r2"]
    nodes = [*(f"claim.{k}" for k in range(4)), "step.key", "path.bottom.pre", "path.bottom.post", "path.sibling"]
    out = [Message(Role.OPERATOR, name, root) for name in roots]
    out += [Message(Role.OPERATOR, name, Composition(ROOT_DIGITS)) for name in nodes]
    out += [Message(Role.OPERATOR, f"step.{g}", Composition(_words(g))) for g in GROUPS]
    out.append(Message(Role.OPERATOR, "path.address", Winternitz(ADDRESS_DIGITS)))
    out.append(Message(Role.OPERATOR, "path.side", Choice(2)))
    out += _search_messages(arities, root) + _path_messages(TREE) + _path_messages(MAP)
    return {m.name: m for m in out}


@dataclass(frozen=True, slots=True)
class GameId:
    """Which game: the domain of its keys."""

    deposit: str
    operator: str
    challenger: str


def message_seed(seed: bytes, game: GameId, name: str) -> bytes:
    """The seed of one message's one-time key."""
    return derive(seed, "one-time", game.deposit, game.operator, game.challenger, name)


def public_keys(
    seed: bytes, game: GameId, role: Role, arities: tuple[int, ...], digest: int = MAX_DIGEST
) -> dict[str, bytes]:
    """One side's one-time public keys of a game, by message name."""
    own = (m for m in messages(arities, digest).values() if m.by is role)
    return {m.name: m.code.public(message_seed(seed, game, m.name)) for m in own}
