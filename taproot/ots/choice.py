"""One of n by Lamport: n hashes; showing the preimage of one of them chooses it, once.

Source: Lamport, "Constructing digital signatures from a one-way function" (1979). The witness is the preimage alone:
the script finds out which hash it belongs to, so there is no index that could be out of range or changed by others.

The secrets have 20 bytes and so must the preimage (a longer one could make a later opening too large to relay). A key
whose hashes are not all different still opens to one number only, the highest that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import hash160
from taproot.ots.code import (
    HASH_BYTES,
    Template,
    check_digits,
    check_items,
    check_public,
    make_template,
    secrets_from,
    split_public,
)
from taproot.script import Op, Script, join, script

MAX_OPTIONS = 16
_HASH_ITEM = script(Op.SIZE, HASH_BYTES, Op.EQUALVERIFY, Op.HASH160)


@dataclass(frozen=True, slots=True)
class Choice:
    """One digit, 0…options−1; options is 2…16."""

    options: int

    def __post_init__(self) -> None:
        if not 2 <= self.options <= MAX_OPTIONS:
            raise InvalidInput(f"a choice among {self.options}; possible are 2…{MAX_OPTIONS}")

    @property
    def digits(self) -> int:
        """One digit: the choice."""
        return 1

    @property
    def items(self) -> int:
        """One witness item: the preimage."""
        return 1

    @property
    def open_items(self) -> int:
        """The same as `items`."""
        return self.items

    def public(self, seed: bytes) -> bytes:
        """The hashes of the options, 20 bytes each."""
        return b"".join(map(hash160, self._secrets(seed)))

    def sign(self, seed: bytes, digits: Sequence[int]) -> tuple[bytes, ...]:
        """The preimage of the chosen hash. Raises InvalidInput for a choice out of range."""
        check_digits(digits, 1, self.options)
        return (self._secrets(seed)[digits[0]],)

    def check(self, public: bytes) -> Script:
        """stack:  preimage  →  (nothing)"""
        check_public(public, self.options)
        return _check_template(self.options).fill(public)

    def open(self, public: bytes) -> Script:
        """stack:  preimage  →  (nothing)        alt:  →  choice"""
        check_public(public, self.options)
        return _open_template(self.options).fill(public)

    def to_open(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same items: `open` takes them as they are."""
        return tuple(items)

    def check_is(self, public: bytes, option: int) -> Script:
        """Verify, in a disproof, that exactly `option` was chosen: its preimage was measured when it was shown first.

        stack:  preimage  →  (nothing)
        """
        check_digits([option], 1, self.options)
        return script(Op.HASH160, split_public(public, self.options)[option], Op.EQUALVERIFY)

    def check_equal_pair(self, public1: bytes, public2: bytes) -> Script:
        """Verify that two keys opened to the same choice: a choice and the other side's copy of it.

        stack:  preimage under public1, preimage under public2  →  (nothing)
        """
        same = script(Op.FROMALTSTACK, Op.FROMALTSTACK, Op.NUMEQUALVERIFY)
        return self.open(public2) + self.open(public1) + same

    def preimage(self, items: Sequence[bytes]) -> bytes:
        """The one item of a signature, as `check_is` takes it. Raises VerificationFailed if there is not one item."""
        check_items(items, 1)
        return items[0]

    def read(self, public: bytes, items: Sequence[bytes]) -> tuple[int, ...]:
        """The choice, verified by the script's rules. Raises VerificationFailed."""
        preimage = self.preimage(items)
        digest = hash160(preimage)
        fits = [k for k, h in enumerate(split_public(public, self.options)) if h == digest]
        if len(preimage) != HASH_BYTES or not fits:
            raise VerificationFailed(f"the item shown is no preimage of one of the {self.options} hashes")
        return (max(fits),)

    def minimal(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same items: there is no number among them."""
        return tuple(items)

    def _secrets(self, seed: bytes) -> list[bytes]:
        return secrets_from(seed, f"choice/{self.options}", self.options)


@dataclass(frozen=True, slots=True)
class LamportBits:
    """`digits` bits, each a choice of two; items lie in the order of the bits, bit 0 at the bottom."""

    digits: int

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= 256:
            raise InvalidInput(f"no code for {self.digits} bits: 1…256")

    @property
    def items(self) -> int:
        """One preimage for each bit."""
        return self.digits

    @property
    def open_items(self) -> int:
        """The same as `items`."""
        return self.items

    def public(self, seed: bytes) -> bytes:
        """Two hashes for each bit: of the preimages that mean 0 and 1."""
        return b"".join(map(hash160, self._secrets(seed)))

    def sign(self, seed: bytes, digits: Sequence[int]) -> tuple[bytes, ...]:
        """One preimage for each bit. Raises InvalidInput for digits that are no bits."""
        check_digits(digits, self.digits, 2)
        secrets = self._secrets(seed)
        return tuple(secrets[2 * i + bit] for i, bit in enumerate(digits))

    def check(self, public: bytes) -> Script:
        """stack:  preimages  →  (nothing)"""
        return join(_BIT.check(key) for key in reversed(self._split(public)))

    def open(self, public: bytes) -> Script:
        """stack:  preimages  →  (nothing)        alt:  →  bit n−1 … bit 0 (on top)"""
        return join(_BIT.open(key) for key in reversed(self._split(public)))

    def to_open(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same items: `open` takes them as they are."""
        return tuple(items)

    def read(self, public: bytes, items: Sequence[bytes]) -> tuple[int, ...]:
        """The bits, verified by the script's rules. Raises VerificationFailed."""
        check_items(items, self.digits)
        return tuple(_BIT.read(key, [item])[0] for key, item in zip(self._split(public), items, strict=True))

    def minimal(self, items: Sequence[bytes]) -> tuple[bytes, ...]:
        """The same items: there is no number among them."""
        return tuple(items)

    def _split(self, public: bytes) -> list[bytes]:
        check_public(public, 2 * self.digits)
        return [public[i : i + 2 * HASH_BYTES] for i in range(0, len(public), 2 * HASH_BYTES)]

    def _secrets(self, seed: bytes) -> list[bytes]:
        return secrets_from(seed, f"bits/{self.digits}", 2 * self.digits)


_BIT = Choice(2)


@lru_cache(maxsize=MAX_OPTIONS)
def _check_template(options: int) -> Template:
    """stack:  preimage  →  (nothing)"""
    last = options - 1
    parts: list[Script | int] = [_HASH_ITEM + script(Op.DUP), last, script(Op.EQUAL)]
    for k in range(last - 1, 0, -1):
        parts += [script(Op.OVER), k, script(Op.EQUAL, Op.BOOLOR)]
    return make_template([*parts, script(Op.SWAP), 0, script(Op.EQUAL, Op.BOOLOR, Op.VERIFY)])


@lru_cache(maxsize=MAX_OPTIONS)
def _open_template(options: int) -> Template:
    """The choice k is the number of j ≥ 1 for which the hash is one of j, j+1, …: a running OR, added up.

    stack:  preimage  →  (nothing)        alt:  →  choice
    """
    last = options - 1
    parts: list[Script | int] = [_HASH_ITEM + script(Op.DUP), last, script(Op.EQUAL, Op.DUP)]  # hash, sum, found
    for k in range(last - 1, 0, -1):
        parts += [script(2, Op.PICK), k, script(Op.EQUAL, Op.BOOLOR, Op.TUCK, Op.ADD, Op.SWAP)]
    return make_template([*parts, script(Op.ROT), 0, script(Op.EQUAL, Op.BOOLOR, Op.VERIFY, Op.TOALTSTACK)])
