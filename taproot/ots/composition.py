"""Composition code: values of 32 to 256 bits signed by how deep chains are opened, with a fixed number at each depth.

Source: constant-weight encodings for one-time signatures go back to Bleichenbacher and Maurer, "Directed acyclic
graphs, one-way functions and digital signatures" (1994); the ranks are Knuth's combinatorial number system
(`arrangement`).

Every chain is a secret hashed on with HASH160 to its end, which is public. A signature shows, of kᵢ chains for every
class i, the item that lies dᵢ hashes below the end; of the other chains nothing. Which chains belong to which class is
the value. No checksum is needed: each arrangement has the same sum of depths, so every other arrangement opens some
chain deeper than this one, and that item is a preimage that only the owner knows. Exchanging the slots of one class
changes nothing: a class means the set of its chains. (An owner who makes ends equal, or one chain the beginning of
another, gives third parties another reading of his own signature. That can only harm him.)

Each slot comes with a hint: how many of the chains left stand before its chain. `check` hashes all items, lays the ends
out with chain 0 on top and ROLLs to each item the end that its hint says. Below the ends lies an empty item: if every
ROLL took an end, it is on top when the rest is dropped. Had one taken something foreign, an end would be there, and an
end is no number. So no hint needs a range check of its own.

`check`, bottom → top:   for each slot:  hint, chain item
`open`, bottom → top:    for each group: hints of its classes (last first), rank above its bits, pieces;  chain items

`open` takes the same signature in another layout (`to_open`): hints in canonical order, and for each group the parts of
digits that its rank consists of, because Script cannot divide. It requires the order, computes the ranks with tables of
C(h + j − 1, j) and compares. Every signature that passes `check` can be opened, to one value only: whoever opens
brings it into order, and ranks with more than the group's bits are taken modulo 2^bits. `open_all` opens several values
with the tables pushed once. Only `check` measures the items: what is opened has been checked before, and an item of
another length with the same hash cannot be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.errors import VerificationFailed
from taproot.hashes import hash160
from taproot.ots.arrangement import Hints, Shape, shape_for, split_rank
from taproot.ots.code import (
    HASH_BYTES,
    Template,
    check_digits,
    check_items,
    check_public,
    make_template,
    number_as_script_reads_it,
    number_items,
    secrets_from,
    split_public,
)
from taproot.ots.decode import decode_arrangements, decode_items
from taproot.script import Op, Script, drop_many, join, roll_within, script

_BASE = 16
_SIZED = script(Op.SIZE, HASH_BYTES, Op.EQUALVERIFY)


@dataclass(frozen=True, slots=True)
class Composition:
    """`digits` digits of base 16: 8, 40, 48, 58 or 64; see the module's text."""

    digits: int = 64

    def __post_init__(self) -> None:
        shape_for(self.digits)

    @property
    def shape(self) -> Shape:
        """Chains and classes."""
        return shape_for(self.digits)

    @property
    def items(self) -> int:
        """Witness items of `check`: a hint and a chain item for each slot."""
        return 2 * len(self.shape.depths)

    @property
    def open_items(self) -> int:
        """Witness items of `open`."""
        return _open_items(self.digits)

    def public(self, seed: bytes) -> bytes:
        """The chains' ends, 20 bytes each."""
        length = len(self.shape.classes)
        return b"".join(_hash_on(secret, length) for secret in self._secrets(seed))

    def sign(self, seed: bytes, digits: Sequence[int]) -> tuple[bytes, ...]:
        """Witness items of `check`, bottom first. Raises InvalidInput for digits out of range."""
        check_digits(digits, self.digits, _BASE)
        shape, secrets = self.shape, self._secrets(seed)
        hints = shape.hints_for(digits)
        length = len(shape.classes)
        slots = zip(shape.positions(hints), shape.depths, strict=True)
        return _interleave(hints, [_hash_on(secrets[chain], length - depth) for chain, depth in slots])

    def check(self, public: bytes) -> Script:
        """stack:  items…  →  (nothing)"""
        check_public(public, self.shape.chains)
        return _check_template(self.digits).fill(public)

    def open(self, public: bytes) -> Script:
        """stack:  items of `to_open`…  →  (nothing)        alt:  →  digit n−1 … digit 0 (on top)"""
        return open_all([self], [public])

    def to_open(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The signature as `open` takes it. Raises VerificationFailed for hints that no script accepts."""
        hints, chain_items = self._canonical(items)
        values = {("hint", slot): hint for slot, hint in enumerate(hints)}
        for g, (group, rank) in enumerate(zip(self.shape.groups, self.shape.ranks(hints), strict=True)):
            values |= {(f"piece {g}", i): piece for i, piece in enumerate(split_rank(group, rank))}
        return (*number_items([values[name] for name in decode_items(self.shape)]), *chain_items)

    def read(self, public: bytes, items: Sequence[bytes]) -> tuple[int, ...]:
        """The digits, verified by the script's rules. Raises VerificationFailed."""
        shape, ends = self.shape, split_public(public, self.shape.chains)
        hints, chain_items = self._canonical(items)
        for item, chain, depth in zip(chain_items, shape.positions(hints), shape.depths, strict=True):
            if len(item) != HASH_BYTES or _hash_on(item, depth) != ends[chain]:
                raise VerificationFailed("one-time signature with a false chain item")
        return shape.digits_of(shape.ranks(hints))

    def minimal(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same signature with minimal numbers. Raises VerificationFailed for items that are no numbers."""
        check_items(items, self.items)
        return _interleave([number_as_script_reads_it(item) for item in items[::2]], items[1::2])

    def _canonical(self, items: Sequence[bytes]) -> tuple[Hints, list[bytes]]:
        """Hints and chain items, the slots of each class in ascending order of their chains."""
        check_items(items, self.items)
        try:
            positions = self.shape.positions([number_as_script_reads_it(item) for item in items[::2]])
        except IndexError as error:
            raise VerificationFailed("one-time signature with a hint out of range") from error
        order = self.shape.canonical_order(positions)
        return self.shape.hints_of([positions[slot] for slot in order]), [items[2 * slot + 1] for slot in order]

    def _secrets(self, seed: bytes) -> list[bytes]:
        return secrets_from(seed, f"composition/{self.digits}", self.shape.chains)


def open_all(codes: Sequence[Composition], publics: Sequence[bytes]) -> Script:
    """Open several values; the items of the first lie on top.

    stack:  items of `to_open`…  →  (nothing)        alt:  →  digits of the first … of the last (its digit 0 on top)
    """
    for code, public in zip(codes, publics, strict=True):
        check_public(public, code.shape.chains)
    verified = [_verify_template(code.digits).fill(public) for code, public in zip(codes, publics, strict=True)]
    return join([*verified, _decode(tuple(code.digits for code in codes))])


def _hash_on(item: bytes, times: int) -> bytes:
    for _ in range(times):
        item = hash160(item)
    return item


def _interleave(hints: Sequence[int], chain_items: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(item for pair in zip(number_items(hints), chain_items, strict=True) for item in pair)


def _hash_to_end(depth: int) -> Script:
    """stack:  chain item  →  (nothing)        alt:  →  the end that it belongs to"""
    return script(*[Op.HASH160] * depth, Op.TOALTSTACK)


def _lay_out(shape: Shape) -> list[Script | int]:
    """stack:  →  empty item, all ends with chain 0 on top"""
    return [script(0), *reversed(range(shape.chains))]


def _drop_rest(shape: Shape) -> Script:
    """Fails unless what lies below the ends left is the empty item.

    stack:  empty item, ends left  →  (nothing)
    """
    return drop_many(shape.chains - len(shape.depths)) + script(Op.NOT, Op.VERIFY)


@lru_cache(maxsize=8)
def _check_template(digits: int) -> Template:
    shape = shape_for(digits)
    parts: list[Script | int] = [_SIZED + _hash_to_end(d) + script(Op.TOALTSTACK) for d in reversed(shape.depths)]
    parts += _lay_out(shape)
    for left in range(shape.chains, shape.chains - len(shape.depths), -1):
        parts.append(script(Op.FROMALTSTACK, roll_within(left - 1), Op.FROMALTSTACK, Op.EQUALVERIFY))
    return make_template([*parts, _drop_rest(shape)])


@lru_cache(maxsize=8)
def _verify_template(digits: int) -> Template:
    """stack:  items of `to_open`…  →  (nothing)        alt:  →  the numbers, as the decoding takes them"""
    shape = shape_for(digits)
    numbers = decode_items(shape)
    parts: list[Script | int] = [_hash_to_end(depth) for depth in reversed(shape.depths)]
    parts += _lay_out(shape)
    for slot in range(len(shape.depths)):
        left = shape.chains - slot
        hint = left + len(numbers) - numbers.index(("hint", slot))  # above it: numbers, the empty item, ends
        parts.append(script(hint, Op.PICK, roll_within(left - 1), Op.FROMALTSTACK, Op.EQUALVERIFY))
    return make_template([*parts, _drop_rest(shape) + script(*[Op.TOALTSTACK] * len(numbers))])


@lru_cache(maxsize=8)
def _open_items(digits: int) -> int:
    shape = shape_for(digits)
    return len(decode_items(shape)) + len(shape.depths)


@lru_cache(maxsize=32)
def _decode(digits: tuple[int, ...]) -> Script:
    return decode_arrangements([shape_for(n) for n in digits])
