"""Winternitz signatures: libbitcoinkernel accepts every honest one and refuses every change of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import hash160
from taproot.ots import OneTimeCode, Winternitz
from taproot.script import Op, Script, check_leaf, drop_many, encode_number, join, number, script

SEED = hashlib.sha256(b"winternitz tests").digest()
ROOT = Winternitz(64)
ADDRESS = Winternitz(7)
SMALL = Winternitz(3, base=5)
SHAPES = [ROOT, ADDRESS, SMALL, Winternitz(1), Winternitz(2), Winternitz(8), Winternitz(33), Winternitz(5, base=2)]
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "winternitz" / "vectors.json").read_text())
NOT_DIGITS = [-1, -5, 16, 17, 60, 127, 128, 700, 1 << 31]

Items = tuple[bytes, ...]


def some_digits(code: Winternitz, salt: int = 0) -> tuple[int, ...]:
    stream = hashlib.shake_128(bytes([salt])).digest(code.digits)
    return tuple(b % code.base for b in stream)


def check_leaf_of(code: OneTimeCode, public: bytes) -> bytes:
    return check_leaf(code.check(public) + number(1), code.items).code


def open_leaf_of(code: OneTimeCode, public: bytes, digits: tuple[int, ...]) -> bytes:
    """Opens and compares each digit with its minimal number, byte by byte."""
    compare = join(script(Op.FROMALTSTACK, encode_number(d), Op.EQUALVERIFY) for d in digits)
    return check_leaf(code.open(public) + compare + number(1), code.items).code


def replaced(items: Items, at: int, item: bytes) -> Items:
    return (*items[:at], item, *items[at + 1 :])


def swapped(items: Items, at: int) -> Items:
    return (*items[:at], items[at + 1], items[at], *items[at + 2 :])


def changes(code: Winternitz, items: Items) -> Iterator[tuple[str, Items]]:
    """Every single change of a signature that must not be accepted."""
    chains = len(code.bases)
    for at in range(chains):
        yield "hashed on", replaced(items, at, hash160(items[at]))
        yield "one byte more", replaced(items, at, items[at] + b"\x00")
        yield "one byte less", replaced(items, at, items[at][:-1])
        yield "one bit", replaced(items, at, bytes([items[at][0] ^ 1]) + items[at][1:])
    for at in range(chains, 2 * chains):
        digit = int.from_bytes(items[at], "little")
        for other in (digit + 1, digit - 1, *NOT_DIGITS):
            yield f"digit {digit} as {other}", replaced(items, at, encode_number(other))
    for at in range(2 * chains - 1):
        if items[at] != items[at + 1]:
            yield "swapped", swapped(items, at)
    yield "an item dropped", items[1:]
    yield "a checksum digit dropped", items[:-1]
    yield "an item more", (b"", *items)


@pytest.mark.parametrize("code", SHAPES, ids=str)
def test_an_honest_signature_is_accepted_and_opens_to_its_digits(code: Winternitz) -> None:
    public = code.public(SEED)
    top = code.base - 1
    for digits in (some_digits(code), some_digits(code, 1), (0,) * code.digits, (top,) * code.digits):
        items = code.sign(SEED, digits)
        assert len(items) == code.items
        assert code.read(public, items) == digits
        assert accepts(check_leaf_of(code, public), items)
        assert accepts(open_leaf_of(code, public, digits), items)


@pytest.mark.parametrize("code", [SMALL, ADDRESS, Winternitz(2)], ids=str)
def test_every_single_change_is_refused_by_check_open_and_read(code: Winternitz) -> None:
    public, digits = code.public(SEED), some_digits(code)
    leaf, opened = check_leaf_of(code, public), open_leaf_of(code, public, digits)
    for what, items in changes(code, code.sign(SEED, digits)):
        assert not accepts(leaf, items), what
        assert not accepts(opened, items), what
        with pytest.raises(VerificationFailed):
            code.read(public, items)


def test_every_single_change_of_a_root_is_refused() -> None:
    public, digits = ROOT.public(SEED), some_digits(ROOT)
    leaf, opened = check_leaf_of(ROOT, public), open_leaf_of(ROOT, public, digits)
    for what, items in changes(ROOT, ROOT.sign(SEED, digits)):
        assert not accepts(leaf, items), what
        assert not accepts(opened, items), what


def with_digit(code: Winternitz, items: Items, at: int, digit: int) -> Items:
    """What a third party can make of a signature: hash on an item and raise its digit."""
    chains = len(code.bases)
    item, old = items[chains - 1 - at], int.from_bytes(items[chains + at], "little")
    for _ in range(digit - old):
        item = hash160(item)
    return replaced(replaced(items, chains - 1 - at, item), chains + at, encode_number(digit))


def test_a_raised_digit_needs_a_lower_checksum() -> None:
    public = ADDRESS.public(SEED)
    items = ADDRESS.sign(SEED, (3, 3, 3, 3, 3, 3, 3))
    leaf = check_leaf_of(ADDRESS, public)
    lower = ADDRESS.sign(SEED, (4, 3, 3, 3, 3, 3, 3))
    assert accepts(leaf, lower)  # only the owner can make this one
    assert not accepts(leaf, with_digit(ADDRESS, items, 0, 4))
    forged = with_digit(ADDRESS, items, 0, 4)
    assert not accepts(leaf, replaced(forged, len(ADDRESS.bases) + 7, lower[len(ADDRESS.bases) + 7]))


def test_a_higher_digit_cannot_be_balanced_by_one_out_of_range() -> None:
    """Sum and checksum fit, all chain items are real: only the range check stands against it."""
    code = Winternitz(2)
    public = code.public(SEED)
    items = code.sign(SEED, (4, 9))
    chains = len(code.bases)
    higher = with_digit(code, items, 0, 12)
    for minus in (1, -7):
        forged = replaced(higher, chains + 1, encode_number(minus))
        assert not accepts(check_leaf_of(code, public), forged)
        assert not accepts(open_leaf_of(code, public, (12, minus)), forged)


@pytest.mark.parametrize("operation", ["check", "open"])
def test_a_foreign_item_below_cannot_stand_in_for_a_chain(operation: str) -> None:
    """The spender plants the public chain end below the signature and points at it with a digit of 16 or more."""
    code = Winternitz(2)
    public, chains = code.public(SEED), len(code.bases)
    forget = Script() if operation == "check" else script(*[Op.FROMALTSTACK, Op.DROP] * code.digits)
    body = code.check(public) if operation == "check" else code.open(public)
    leaf = check_leaf(body + forget + drop_many(40) + number(1), code.items + 40).code
    ends = [public[20 * i : 20 * i + 20] for i in range(chains)]
    honest = code.sign(SEED, (15, 0))
    assert accepts(leaf, (ends[0],) * 40 + honest)
    for digit in range(16, 60):
        junk = replaced(replaced(honest, chains - 1, bytes(20)), chains, encode_number(digit))
        assert not accepts(leaf, (ends[0],) * 40 + junk)


def test_a_key_made_from_a_longer_secret_cannot_be_used_with_it() -> None:
    code = Winternitz(1)
    public = bytearray(code.public(SEED))
    long_secret = bytes(21)
    end = long_secret
    for _ in range(15):
        end = hash160(end)
    public[:20] = end
    items = replaced(code.sign(SEED, (0,)), 1, long_secret)
    assert not accepts(check_leaf_of(code, bytes(public)), items)
    assert accepts(check_leaf_of(code, code.public(SEED)), code.sign(SEED, (0,)))


@pytest.mark.parametrize("long_form", [b"\x03\x00", b"\x03\x00\x00\x00"])
def test_a_digit_written_longer_means_the_same_and_is_opened_minimal(long_form: bytes) -> None:
    """Consensus does not forbid it, so a miner could do it to any signature: it must change nothing."""
    digits = (3, 0, 4, 1, 2, 3, 3)
    public, honest = ADDRESS.public(SEED), ADDRESS.sign(SEED, digits)
    at = len(ADDRESS.bases)
    assert honest[at] == b"\x03"
    items = replaced(replaced(honest, at, long_form), at + 1, b"\x80")  # the second: minus zero
    assert accepts(check_leaf_of(ADDRESS, public), items)
    assert accepts(open_leaf_of(ADDRESS, public, digits), items)
    assert ADDRESS.read(public, items) == digits
    assert ADDRESS.minimal(items) == honest


def test_another_key_refuses_the_signature() -> None:
    other = ADDRESS.public(hashlib.sha256(b"other").digest())
    items = ADDRESS.sign(SEED, some_digits(ADDRESS))
    assert not accepts(check_leaf_of(ADDRESS, other), items)
    with pytest.raises(VerificationFailed):
        ADDRESS.read(other, items)


numbers = st.one_of(st.integers(-2, 7).map(encode_number), st.binary(max_size=5))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_read_accepts_exactly_what_the_scripts_accept(data: st.DataObject) -> None:
    digits = tuple(data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=3)))
    public, items = SMALL.public(SEED), SMALL.sign(SEED, digits)
    chains = len(SMALL.bases)
    for at in data.draw(st.lists(st.integers(0, SMALL.items - 1), max_size=3)):
        change = data.draw(numbers) if at >= chains else hash160(items[at])
        items = replaced(items, at, change)
    try:
        read: tuple[int, ...] | None = SMALL.read(public, items)
    except VerificationFailed:
        read = None
    assert accepts(check_leaf_of(SMALL, public), items) == (read is not None)
    assert accepts(open_leaf_of(SMALL, public, read or digits), items) == (read is not None)


def test_the_checksum_has_as_many_values_as_it_needs() -> None:
    for digits in range(1, 129):
        for base in (2, 3, 10, 16):
            code = Winternitz(digits, base)
            checksum = code.bases[digits:]
            assert checksum[0] ** len(checksum) >= digits * (base - 1) + 1
            assert checksum[0] <= base


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['digits']}-{v['base']}-{v['seed'][:6]}")
def test_signatures_and_scripts_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    code, seed, digits = Winternitz(vector["digits"], vector["base"]), bytes.fromhex(vector["seed"]), vector["value"]
    public, items = code.public(seed), code.sign(seed, digits)
    assert hashlib.sha256(public).hexdigest() == vector["sha256(public)"]
    assert hashlib.sha256(code.check(public).code).hexdigest() == vector["sha256(check)"]
    assert hashlib.sha256(code.open(public).code).hexdigest() == vector["sha256(open)"]
    assert [i.hex() for i in items] == vector["items"]
    assert code.read(public, items) == tuple(digits)


def test_wrong_shapes_are_refused() -> None:
    for digits, base in ((0, 16), (129, 16), (4, 1), (4, 17)):
        with pytest.raises(InvalidInput):
            Winternitz(digits, base)
    for bad in ((16,) + (0,) * 6, (-1,) + (0,) * 6, (0,) * 6, (0,) * 8):
        with pytest.raises(InvalidInput):
            ADDRESS.sign(SEED, bad)
    with pytest.raises(InvalidInput):
        ADDRESS.check(bytes(20))
    with pytest.raises(InvalidInput):
        ADDRESS.public(b"short")


def test_six_roots_and_an_address_fit_one_move() -> None:
    """A version 3 move has at most 10,000 vB (BIP 431); 700 weight units are its other parts."""
    bytes_of = [
        len(code.check(code.public(SEED))) + sum(1 + len(item) for item in code.sign(SEED, (1,) * code.digits))
        for code in (ROOT, ADDRESS)
    ]
    assert 6 * bytes_of[0] + bytes_of[1] + 700 <= 40_000
    assert len(ROOT.check(ROOT.public(SEED))) == 4_735
    assert len(ROOT.open(ROOT.public(SEED))) == 4_857
