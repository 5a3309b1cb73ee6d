"""One-time signatures inside a leaf: the same list makes the script and the witness, and reads a witness back.

A leaf is a list of reveals and a body. The first reveal is checked first, so its items lie on top of the witness:

    witness (bottom → top):  hints…  items of the last reveal … items of the first reveal  signature(s)

`Check` verifies and leaves nothing; `Open` verifies and puts the digits on the alt stack (digit 0 on top); `Same`
checks a choice and the operator's copy of it; `Fixed` checks that the operator's copy of a choice is exactly k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from challenger.commit import Digits, Message
from taproot.connectors.turn import Leaf, make_leaf
from taproot.errors import VerificationFailed
from taproot.ots import Choice, Composition
from taproot.ots.code import number_as_script_reads_it
from taproot.ots.composition import open_all
from taproot.script import Op, Script, encode_number, join, script

Items = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """The one-time public keys of both sides of a game, and the messages they belong to."""

    messages: Mapping[str, Message]
    public: Mapping[str, bytes]

    def choice(self, name: str) -> Choice:
        """The code of a message that is a choice."""
        code = self.messages[name].code
        assert isinstance(code, Choice)
        return code


@dataclass(frozen=True, slots=True)
class Check:
    """Verify a message."""

    message: str

    def script(self, keys: Keys) -> Script:
        """stack: items → (nothing)"""
        return keys.messages[self.message].code.check(keys.public[self.message])

    def items(self, keys: Keys) -> int:
        """Witness items."""
        return keys.messages[self.message].code.items

    def witness(self, keys: Keys, signed: Mapping[str, Items]) -> Items:
        """The items, from the signatures by message."""
        return signed[self.message]

    def read(self, keys: Keys, items: Items) -> dict[str, tuple[Digits, Items]]:
        """What the items say, verified; VerificationFailed if they do not check."""
        return {self.message: (keys.messages[self.message].code.read(keys.public[self.message], items), items)}


@dataclass(frozen=True, slots=True)
class Open(Check):
    """Verify a message and put its digits on the alt stack."""

    def script(self, keys: Keys) -> Script:
        """stack: items → (nothing); alt: → digits, digit 0 on top"""
        return keys.messages[self.message].code.open(keys.public[self.message])

    def items(self, keys: Keys) -> int:
        """Witness items."""
        return keys.messages[self.message].code.open_items

    def witness(self, keys: Keys, signed: Mapping[str, Items]) -> Items:
        """The items in the layout for opening, from the signatures by message."""
        return keys.messages[self.message].code.to_open(signed[self.message])

    def read(self, keys: Keys, items: Items) -> dict[str, tuple[Digits, Items]]:
        """Nothing that was not signed before."""
        return {}


@dataclass(frozen=True, slots=True)
class Same:
    """Verify a choice of the challenger and the operator's copy of it, which must be the same."""

    name: str

    def script(self, keys: Keys) -> Script:
        """stack: items of the choice, items of the copy → (nothing)"""
        choice, copy = f"{self.name}.choice", f"{self.name}.copy"
        return keys.choice(choice).check_equal_pair(keys.public[choice], keys.public[copy])

    def items(self, keys: Keys) -> int:
        """Witness items."""
        return keys.choice(f"{self.name}.choice").items + keys.choice(f"{self.name}.copy").items

    def witness(self, keys: Keys, signed: Mapping[str, Items]) -> Items:
        """The items, from the signatures by message."""
        return signed[f"{self.name}.choice"] + signed[f"{self.name}.copy"]

    def read(self, keys: Keys, items: Items) -> dict[str, tuple[Digits, Items]]:
        """What the items say, verified."""
        cut = keys.choice(f"{self.name}.choice").items
        choice = Check(f"{self.name}.choice").read(keys, items[:cut])
        return choice | Check(f"{self.name}.copy").read(keys, items[cut:])


@dataclass(frozen=True, slots=True)
class Fixed:
    """Verify that the operator's copy of a choice is exactly `value`."""

    name: str
    value: int

    def script(self, keys: Keys) -> Script:
        """stack: preimage → (nothing)"""
        return keys.choice(f"{self.name}.copy").check_is(keys.public[f"{self.name}.copy"], self.value)

    def items(self, keys: Keys) -> int:
        """Witness items."""
        return 1

    def witness(self, keys: Keys, signed: Mapping[str, Items]) -> Items:
        """The preimage alone."""
        return (keys.choice(f"{self.name}.copy").preimage(signed[f"{self.name}.copy"]),)

    def read(self, keys: Keys, items: Items) -> dict[str, tuple[Digits, Items]]:
        """Nothing that was not signed before."""
        return {}


Reveal = Check | Open | Same | Fixed


@dataclass(frozen=True, slots=True)
class RevealLeaf:
    """A leaf that opens one-time signatures: its signature keys (first checked first), reveals, body, hints.

    `tap` is the finished tapleaf; the rest makes and reads its witness.
    """

    tap: Leaf
    reveals: tuple[Reveal, ...]
    hints: tuple[str, ...] = ()
    signers: int = 1

    def witness(self, keys: Keys, signed: Mapping[str, Items], hints: Mapping[str, int]) -> Items:
        """Items below the signatures."""
        numbers = tuple(encode_number(hints[name]) for name in self.hints)
        return numbers + tuple(i for r in reversed(self.reveals) for i in r.witness(keys, signed))

    def read(self, keys: Keys, witness: Sequence[bytes]) -> dict[str, tuple[Digits, Items]]:
        """The values (with their items) that a spend of this leaf showed.

        `witness` is the whole witness, script and control block included. Raises VerificationFailed on false items.
        """
        items = tuple(_normal(i) for i in witness[len(self.hints) : len(witness) - 2 - self.signers])
        if len(items) != sum(r.items(keys) for r in self.reveals):
            raise VerificationFailed(f"leaf {self.tap.name}: witness has {len(items)} items")
        found: dict[str, tuple[Digits, Items]] = {}
        for reveal in reversed(self.reveals):
            count = reveal.items(keys)
            found |= reveal.read(keys, items[:count])
            items = items[count:]
        return found


def _normal(item: bytes) -> bytes:
    """A number in minimal form: consensus takes others, and a miner may change them, but relay does not."""
    return encode_number(number_as_script_reads_it(item)) if len(item) <= 4 else item


def reveal_leaf(
    name: str, proves: str, signers: Sequence[bytes], keys: Keys, reveals: Sequence[Reveal],
    hints: Sequence[str] = (), body: Script | None = None,
) -> RevealLeaf:  # fmt: skip
    """Build a leaf: signatures, reveals in order, then `body` (default: push true).

    stack:  hints… items… signatures  →  verdict
    """
    signatures = join(script(key, Op.CHECKSIGVERIFY) for key in signers)
    code = join([signatures, *_scripts(reveals, keys), script(1) if body is None else body])
    items = len(hints) + sum(r.items(keys) for r in reveals) + len(signers)
    return RevealLeaf(make_leaf(name, code, items, proves), tuple(reveals), tuple(hints), len(signers))


def _scripts(reveals: Sequence[Reveal], keys: Keys) -> Iterator[Script]:
    """Values in the composition code that are opened one after the other share the tables of their decoding."""
    for together, group in groupby(reveals, lambda r: isinstance(r, Open) and _composition(r, keys) is not None):
        if together:
            opened = [r for r in group if isinstance(r, Open)]
            codes = [code for r in opened if (code := _composition(r, keys)) is not None]
            yield open_all(codes, [keys.public[r.message] for r in opened])
        else:
            yield from (r.script(keys) for r in group)


def _composition(reveal: Open, keys: Keys) -> Composition | None:
    code = keys.messages[reveal.message].code
    return code if isinstance(code, Composition) else None
