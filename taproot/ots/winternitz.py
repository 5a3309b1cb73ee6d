"""Winternitz one-time signatures over HASH160, with the digits beside the chain items.

Sources: Merkle, "A certified digital signature" (1989), section 5; base w with checksum: RFC 8391, section 3.1.

A digit d of base w is shown by item d of a chain: item 0 is a secret, item i + 1 is HASH160 of item i, item w−1 is
public. Hashing on would raise a digit, so the signature also carries, in chains of their own, the digits of

    checksum = Σ (w − 1 − dᵢ)

in the smallest base r ≤ w that needs the fewest digits (for 64 digits of base 16: three of base 10). The script
demands Σ dᵢ + checksum = n·(w − 1), so raising a digit needs a lower checksum, hence a lower digit in one of its
chains.

Witness, bottom to top (n digits, k checksum digits, lowest checksum digit first):

    chain items of: checksum k−1 … checksum 0, digit n−1 … digit 0;  numbers: digit 0 … digit n−1, checksum 0 … k−1

Strict: every chain item has 20 bytes (else a later opening could be too large to relay), every number is in range.
Range: OP_PICK with the number as index fails below 0; the largest number is compared with the base. In `open` an index
out of range can pick a foreign item before that comparison, which then fails the whole script all the same.

`check` first moves the numbers to the alt stack, computing their sum and maximum on the way, two at a time (10 bytes a
pair), then takes one number back per chain. `open` runs the chains with the numbers still lying on the main stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.errors import InvalidInput, VerificationFailed
from taproot.gadgets.bits import times
from taproot.hashes import hash160
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
from taproot.script import Op, Script, drop_many, join, pick_within, script

MAX_DIGITS = 128  # keeps the fixed indices of `open` at two bytes, and 2·MAX_DIGITS far below the stack limit
MAX_BASE = 16  # OP_16 is the largest one-byte constant
_SIZED = script(Op.SIZE, HASH_BYTES, Op.EQUALVERIFY)
_KEEP = script(Op.TOALTSTACK)
_KEEP_MINIMAL = script(Op.ABS, Op.TOALTSTACK)  # OP_ABS writes a number that is not negative back minimally


@dataclass(frozen=True, slots=True)
class Winternitz:
    """`digits` digits of base `base` (2…16) with their checksum; see the module's text."""

    digits: int
    base: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= MAX_DIGITS or not 2 <= self.base <= MAX_BASE:
            raise InvalidInput(f"no code for {self.digits} digits of base {self.base}: 1…{MAX_DIGITS}, 2…{MAX_BASE}")

    @property
    def bases(self) -> tuple[int, ...]:
        """The base of each chain: digits first, then checksum digits."""
        return _bases(self.digits, self.base)

    @property
    def items(self) -> int:
        """Witness items: a chain item and a number for each chain."""
        return 2 * len(self.bases)

    @property
    def open_items(self) -> int:
        """The same as `items`."""
        return self.items

    def public(self, seed: bytes) -> bytes:
        """The chains' ends, 20 bytes each, digits first."""
        bases = self.bases
        return b"".join(_hash_on(s, w - 1) for s, w in zip(self._secrets(seed), bases, strict=True))

    def sign(self, seed: bytes, digits: Sequence[int]) -> tuple[bytes, ...]:
        """Witness items, bottom first. Raises InvalidInput for digits out of range."""
        check_digits(digits, self.digits, self.base)
        numbers = (*digits, *_checksum_digits(digits, self.bases))
        chains = [_hash_on(s, d) for s, d in zip(self._secrets(seed), numbers, strict=True)]
        return (*reversed(chains), *number_items(numbers))

    def check(self, public: bytes) -> Script:
        """stack:  items…  →  (nothing)"""
        check_public(public, len(self.bases))
        return _check_template(self.digits, self.base).fill(public)

    def open(self, public: bytes) -> Script:
        """stack:  items…  →  (nothing)        alt:  →  digit n−1 … digit 0 (on top)"""
        check_public(public, len(self.bases))
        return _open_template(self.digits, self.base).fill(public)

    def to_open(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same items: `open` takes them as they are."""
        return tuple(items)

    def read(self, public: bytes, items: Sequence[bytes]) -> tuple[int, ...]:
        """The digits, verified by the script's rules. Raises VerificationFailed."""
        bases = self.bases
        check_items(items, self.items)
        numbers = [number_as_script_reads_it(item) for item in items[len(bases) :]]
        if not all(0 <= d < w for d, w in zip(numbers, bases, strict=True)):
            raise VerificationFailed("one-time signature with a digit out of range")
        digits = tuple(numbers[: self.digits])
        if numbers[self.digits :] != list(_checksum_digits(digits, bases)):
            raise VerificationFailed("one-time signature whose checksum does not fit its digits")
        ends = split_public(public, len(bases))
        for item, d, w, end in zip(reversed(items[: len(bases)]), numbers, bases, ends, strict=True):
            if len(item) != HASH_BYTES or _hash_on(item, w - 1 - d) != end:
                raise VerificationFailed("one-time signature with a false chain item")
        return digits

    def minimal(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same signature with minimal numbers. Raises VerificationFailed for items that are no numbers."""
        check_items(items, self.items)
        count = len(self.bases)
        return (*items[:count], *number_items([number_as_script_reads_it(item) for item in items[count:]]))

    def _secrets(self, seed: bytes) -> list[bytes]:
        return secrets_from(seed, f"winternitz/{self.base}/{self.digits}", len(self.bases))


def _hash_on(item: bytes, times: int) -> bytes:
    for _ in range(times):
        item = hash160(item)
    return item


@lru_cache(maxsize=256)
def _bases(digits: int, base: int) -> tuple[int, ...]:
    values = digits * (base - 1) + 1  # the checksum takes this many values
    count = next(k for k in range(1, values + 1) if base**k >= values)
    smallest = next(r for r in range(2, base + 1) if r**count >= values)
    return (base,) * digits + (smallest,) * count


def _checksum_digits(digits: Sequence[int], bases: tuple[int, ...]) -> tuple[int, ...]:
    """The checksum, lowest digit first."""
    value = len(digits) * (bases[0] - 1) - sum(digits)
    out = []
    for r in bases[len(digits) :]:
        out.append(value % r)
        value //= r
    return tuple(out)


@lru_cache(maxsize=64)
def _check_template(digits: int, base: int) -> Template:
    bases = _bases(digits, base)
    parts: list[Script | int] = [_numbers_to_alt(bases[digits:], digits, base)]
    for i, w in enumerate(bases):
        climbed = _SIZED + _climb(w) + script(Op.FROMALTSTACK, pick_within(w - 1))
        parts += [climbed, i, script(Op.EQUALVERIFY) + drop_many(w)]
    return make_template(parts)


@lru_cache(maxsize=64)
def _open_template(digits: int, base: int) -> Template:
    bases = _bases(digits, base)
    count = len(bases)
    parts: list[Script | int] = []
    for i, w in enumerate(bases):
        number = script(w + count - 1 - i, Op.PICK, pick_within(w - 1))
        parts += [script(count, Op.ROLL) + _climb(w) + number, i, script(Op.EQUALVERIFY) + drop_many(w)]
    return make_template([*parts, _digits_to_alt(bases[digits:], digits, base)])


def _climb(base: int) -> Script:
    """The chain from an item on.

    stack:  x  →  x, HASH160(x), HASH160²(x), … (base items)
    """
    return script(*[Op.DUP, Op.HASH160] * (base - 1))


def _numbers_to_alt(checksum: tuple[int, ...], digits: int, base: int) -> Script:
    """Check ranges and sum of all numbers and move them away.

    stack:  digits, checksum digits  →  (nothing)        alt:  →  checksum (highest first), digit n−1 … digit 0
    """
    lower = script(Op.OVER, Op.TOALTSTACK, Op.ADD)
    value = _checksum_range(checksum) + script(Op.DUP, Op.TOALTSTACK) + _horner(checksum, lower)
    return value + _fold_digits(digits, base, _KEEP)


def _digits_to_alt(checksum: tuple[int, ...], digits: int, base: int) -> Script:
    """As `_numbers_to_alt`, but the checksum digits are dropped and the digits made minimal."""
    return _checksum_range(checksum) + _horner(checksum, script(Op.ADD)) + _fold_digits(digits, base, _KEEP_MINIMAL)


def _checksum_range(checksum: tuple[int, ...]) -> Script:
    """stack:  checksum digits  →  checksum digits, all of them below their base"""
    largest = {1: script(Op.DUP), 2: script(Op.TWODUP, Op.MAX), 3: script(Op.THREEDUP, Op.MAX, Op.MAX)}
    copies = largest.get(len(checksum)) or script(*_copy_all(len(checksum)), *[Op.MAX] * (len(checksum) - 1))
    return copies + script(checksum[0], Op.LESSTHAN, Op.VERIFY)


def _copy_all(count: int) -> list[Op | int]:
    return [part for _ in range(count) for part in (count - 1, Op.PICK)]


def _horner(checksum: tuple[int, ...], add_lower: Script) -> Script:
    """stack:  checksum digits (highest on top)  →  checksum"""
    return join(times(r) + add_lower for r in checksum[:-1])


def _fold_digits(digits: int, base: int, keep: Script) -> Script:
    """Move the digits to the alt stack; they must be below the base, and their sum plus the checksum n·(base − 1).

    stack:  digits, checksum  →  (nothing)        alt:  →  digit n−1 … digit 0

    Two running numbers lie above the digits, sum and maximum; each pair of digits exchanges their places.
    """
    parts = [script(0)]  # the maximum so far, above the sum so far
    sum_on_top = False
    for _ in range(digits // 2):
        parts.append(_fold_pair(sum_on_top, keep))
        sum_on_top = not sum_on_top
    include: tuple[Script, Script] = (Script(), Script())
    if digits % 2:  # the last digit goes below the running number on top: d a b → a d b
        parts.append(script(Op.ROT, Op.DUP) + keep + script(Op.TUCK))
        include = (script(Op.ADD), script(Op.MAX))
    sum_fits = include[0] + script(digits * (base - 1), Op.NUMEQUALVERIFY)
    in_range = include[1] + script(base, Op.LESSTHAN, Op.VERIFY)
    return join([*parts, *((sum_fits, in_range) if sum_on_top else (in_range, sum_fits))])


def _fold_pair(sum_on_top: bool, keep: Script) -> Script:
    """Ten bytes (without `keep`'s second opcode) for two digits d, e.

    stack:  d e sum max  →  max' sum'        or        d e max sum  →  sum' max'        alt:  →  e d
    """
    if sum_on_top:
        copies = script(Op.TWOOVER, Op.TWODUP) + keep * 2
        return copies + script(Op.ADD, Op.ADD, Op.TWOSWAP, Op.MAX, Op.ROT, Op.MAX)
    copies = script(Op.TWOOVER, Op.MAX, Op.MAX, Op.TWOSWAP, Op.TWODUP) + keep * 2
    return copies + script(Op.ADD, Op.ROT, Op.ADD)
