"""Composition code: libbitcoinkernel accepts honest signatures, refuses every change; what it accepts can be opened."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import hash160
from taproot.ots import Composition
from taproot.ots.arrangement import Hints, shape_for, split_rank
from taproot.ots.code import number_items, secrets_from
from taproot.ots.composition import open_all
from taproot.ots.decode import decode_items
from taproot.script import Op, Script, check_leaf, drop_many, encode_number, join, number, script

SEED = hashlib.sha256(b"composition tests").digest()
SMALL, ROOT = Composition(8), Composition(64)
SHAPES = [SMALL, Composition(40), Composition(48), Composition(58), ROOT]
NOT_HINTS = [-1, -5, 17, 18, 60, 76, 77, 127, 128, 700, 1 << 31]
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "composition" / "vectors.json").read_text())

Items = tuple[bytes, ...]


def some_digits(code: Composition, salt: int = 0) -> tuple[int, ...]:
    stream = hashlib.shake_128(bytes([salt])).digest(code.digits)
    return tuple(b % 16 for b in stream)


def check_leaf_of(code: Composition, public: bytes) -> bytes:
    return check_leaf(code.check(public) + number(1), code.items).code


def open_leaf_of(code: Composition, public: bytes, digits: tuple[int, ...]) -> bytes:
    """Opens and compares each digit with its minimal number, byte by byte."""
    compare = join(script(Op.FROMALTSTACK, encode_number(d), Op.EQUALVERIFY) for d in digits)
    return check_leaf(code.open(public) + compare + number(1), code.open_items).code


def chain_item(code: Composition, chain: int, depth: int) -> bytes:
    """What only the owner of the seed knows: the item so many hashes below the end."""
    item = secrets_from(SEED, f"composition/{code.digits}", code.shape.chains)[chain]
    for _ in range(len(code.shape.classes) - depth):
        item = hash160(item)
    return item


def signed(code: Composition, hints: Hints) -> Items:
    """Any arrangement, also one that `sign` never makes."""
    slots = zip(code.shape.positions(hints), code.shape.depths, strict=True)
    items = [chain_item(code, chain, depth) for chain, depth in slots]
    return tuple(i for pair in zip(number_items(hints), items, strict=True) for i in pair)


def hints_in(items: Items) -> Hints:
    return tuple(int.from_bytes(item, "little") for item in items[::2])


def any_arrangement(code: Composition, rng: random.Random) -> Hints:
    """Slots of a class in any order, ranks of any size."""
    slots = len(code.shape.depths)
    return tuple(rng.randrange(code.shape.chains - slot) for slot in range(slots))


def is_negated(item: bytes, other: bytes) -> bool:
    """A piece of a digit is taken without its sign, so −n means what n means."""
    return len(item) == len(other) == 1 and other[0] == item[0] | 0x80 and other != item


def replaced(items: Items, at: int, item: bytes) -> Items:
    return (*items[:at], item, *items[at + 1 :])


def changed_chain_items(items: Items, where: range) -> Iterator[tuple[str, Items]]:
    for at in where:
        yield "hashed on", replaced(items, at, hash160(items[at]))
        yield "one byte more", replaced(items, at, items[at] + b"\x00")
        yield "one byte less", replaced(items, at, items[at][:-1])
        yield "one bit", replaced(items, at, bytes([items[at][0] ^ 1]) + items[at][1:])


def changed_numbers(items: Items, where: range) -> Iterator[tuple[str, Items]]:
    for at in where:
        n = int.from_bytes(items[at], "little")
        for other in (n + 1, n - 1, n + 2, n + 16, *(m for m in NOT_HINTS if m != n)):
            yield f"item {at}: {n} as {other}", replaced(items, at, encode_number(other))


def rearranged(items: Items) -> Iterator[tuple[str, Items]]:
    for at in range(len(items) - 1):
        if items[at] != items[at + 1]:
            yield "swapped", (*items[:at], items[at + 1], items[at], *items[at + 2 :])
    yield "an item dropped", items[1:]
    yield "the top dropped", items[:-1]
    yield "an item more", (b"", *items)


def changes(items: Items) -> Iterator[tuple[str, Items]]:
    """Every single change of a signature that must not be accepted."""
    yield from changed_chain_items(items, range(1, len(items), 2))
    yield from changed_numbers(items, range(0, len(items), 2))
    yield from rearranged(items)


def changes_when_open(code: Composition, items: Items) -> Iterator[tuple[str, Items]]:
    numbers = len(decode_items(code.shape))
    yield from changed_chain_items(items, range(numbers, len(items)))
    yield from changed_numbers(items, range(numbers))
    yield from rearranged(items)


@pytest.mark.parametrize("code", SHAPES, ids=str)
def test_an_honest_signature_is_accepted_and_opens_to_its_digits(code: Composition) -> None:
    public = code.public(SEED)
    for digits in (some_digits(code), some_digits(code, 1), (0,) * code.digits, (15,) * code.digits):
        items = code.sign(SEED, digits)
        assert len(items) == code.items
        assert code.read(public, items) == digits
        assert accepts(check_leaf_of(code, public), items)
        assert accepts(open_leaf_of(code, public, digits), code.to_open(items))


@pytest.mark.parametrize("code", [SMALL, ROOT], ids=str)
def test_every_single_change_is_refused_by_check_and_read(code: Composition) -> None:
    public = code.public(SEED)
    leaf = check_leaf_of(code, public)
    for what, items in changes(code.sign(SEED, some_digits(code))):
        assert not accepts(leaf, items), what
        with pytest.raises(VerificationFailed):
            code.read(public, items)


@pytest.mark.parametrize("code", [SMALL, ROOT], ids=str)
def test_every_single_change_is_refused_by_open(code: Composition) -> None:
    public, digits = code.public(SEED), some_digits(code)
    any_digits = check_leaf(code.open(public) + number(1), code.open_items).code
    honest = code.to_open(code.sign(SEED, digits))
    assert accepts(any_digits, honest)
    for what, items in changes_when_open(code, honest):
        if not any(is_negated(a, b) for a, b in zip(honest, items, strict=False)):
            assert not accepts(any_digits, items), what


def test_a_negated_piece_means_what_it_is_without_its_sign() -> None:
    public, digits = SMALL.public(SEED), some_digits(SMALL)
    honest, names = SMALL.to_open(SMALL.sign(SEED, digits)), decode_items(SMALL.shape)
    leaf = open_leaf_of(SMALL, public, digits)
    for at, (name, number_in_group) in enumerate(names):
        if honest[at]:
            negated = replaced(honest, at, bytes([honest[at][0] | 0x80]))
            assert accepts(leaf, negated) == (name.startswith("piece") and number_in_group > 0)


def test_a_class_is_a_set_and_whoever_opens_brings_it_into_order() -> None:
    """Slots of one class can be exchanged by everybody: it must mean the same, and `open` knows one order only."""
    public, digits = SMALL.public(SEED), some_digits(SMALL)
    items = SMALL.sign(SEED, digits)
    positions, pair = SMALL.shape.positions(hints_in(items)), next(c for c in SMALL.shape.classes if c.size == 2)
    positions[pair.slot], positions[pair.slot + 1] = positions[pair.slot + 1], positions[pair.slot]
    other = signed(SMALL, SMALL.shape.hints_of(positions))
    assert other != items
    assert accepts(check_leaf_of(SMALL, public), other)
    assert SMALL.read(public, other) == digits
    assert SMALL.to_open(other) == SMALL.to_open(items)
    opened = list(SMALL.to_open(items))
    names, numbers = decode_items(SMALL.shape), len(decode_items(SMALL.shape))
    for slot in pair.slots:
        opened[names.index(("hint", slot))] = other[2 * slot]
        opened[numbers + slot] = other[2 * slot + 1]
    assert not accepts(open_leaf_of(SMALL, public, digits), tuple(opened))


def out_of_order(code: Composition, hints: Hints) -> Iterator[Hints]:
    """The same sets of chains, one class in an order that is not ascending."""
    positions = code.shape.positions(hints)
    for c in code.shape.classes:
        for order in list(permutations(c.slots))[1:]:
            changed = list(positions)
            changed[c.slot : c.slot + c.size] = [positions[slot] for slot in order]
            yield code.shape.hints_of(changed)


@pytest.mark.parametrize("code", [SMALL, ROOT], ids=str)
def test_another_order_cannot_be_opened_to_another_value(code: Composition) -> None:
    """The spender takes the numbers of the rank that the formula gives for hints out of order."""
    public, shape = code.public(SEED), code.shape
    leaf, names = check_leaf(code.open(public) + number(1), code.open_items).code, decode_items(code.shape)
    for salt in range(4):
        honest = shape.hints_for(some_digits(code, salt))
        for hints in out_of_order(code, honest):
            items = signed(code, hints)
            values = {("hint", slot): hint for slot, hint in enumerate(hints)}
            for g, (group, rank) in enumerate(zip(shape.groups, shape.ranks(hints), strict=True)):
                values |= {(f"piece {g}", i): piece for i, piece in enumerate(split_rank(group, rank))}
            forged = (*number_items([values[name] for name in names]), *items[1::2])
            assert not accepts(leaf, forged)
            assert accepts(leaf, code.to_open(items))


@pytest.mark.parametrize(("code", "count"), [(SMALL, 150), (ROOT, 15)], ids=str)
def test_every_arrangement_that_check_accepts_opens_to_what_read_says(code: Composition, count: int) -> None:
    """Also those that no honest signer makes: any order, ranks with more bits than a group carries."""
    public, rng, beyond = code.public(SEED), random.Random(1), 0
    for _ in range(count):
        items = signed(code, any_arrangement(code, rng))
        digits = code.read(public, items)
        assert accepts(check_leaf_of(code, public), items)
        assert accepts(open_leaf_of(code, public, digits), code.to_open(items))
        beyond += code.minimal(items) != code.sign(SEED, digits)
    assert beyond > count // 2


def test_what_a_rank_has_above_its_bits_cannot_be_hidden_in_a_piece() -> None:
    public, shape = SMALL.public(SEED), SMALL.shape
    rng = random.Random(2)
    names = decode_items(shape)
    above, highest = names.index(("piece 0", 0)), names.index(("piece 0", 1))
    hints = next(h for h in iter(lambda: any_arrangement(SMALL, rng), ()) if SMALL.to_open(signed(SMALL, h))[above])
    opened = SMALL.to_open(signed(SMALL, hints))
    digits = SMALL.read(public, signed(SMALL, hints))
    assert accepts(open_leaf_of(SMALL, public, digits), opened)
    hidden = replaced(replaced(opened, above, b""), highest, encode_number(digits[0] + 16))
    assert not accepts(check_leaf(SMALL.open(public) + number(1), SMALL.open_items).code, hidden)


@pytest.mark.parametrize("operation", ["check", "open"])
def test_a_foreign_item_below_cannot_stand_in_for_an_end(operation: str) -> None:
    """The spender plants the end of a chain of his own below the signature and points at it with a hint."""
    public, shape, below = SMALL.public(SEED), SMALL.shape, 40
    items = SMALL.sign(SEED, some_digits(SMALL))
    forget = Script() if operation == "check" else script(*[Op.FROMALTSTACK, Op.DROP] * SMALL.digits)
    body = SMALL.check(public) if operation == "check" else SMALL.open(public)
    if operation == "open":
        items = SMALL.to_open(items)
    leaf = check_leaf(body + forget + drop_many(below) + number(1), len(items) + below).code
    last = len(shape.depths) - 1
    hint = 2 * last if operation == "check" else decode_items(shape).index(("hint", last))
    planted = junk = bytes(20)
    for _ in range(shape.depths[last]):
        planted = hash160(planted)
    assert accepts(leaf, (planted,) * below + items)
    for index in range(7, 70):
        forged = replaced(replaced(items, len(items) - 1, junk), hint, encode_number(index))
        assert not accepts(leaf, (planted,) * below + forged)


def test_another_arrangement_needs_an_item_that_lies_deeper() -> None:
    """Two chains exchange their classes: hashing on gives the shallower item, only the owner has the deeper one."""
    public, items = SMALL.public(SEED), SMALL.sign(SEED, some_digits(SMALL))
    leaf, depths = check_leaf_of(SMALL, public), SMALL.shape.depths
    positions = SMALL.shape.positions(hints_in(items))
    deep, shallow = depths.index(max(depths)), depths.index(min(depths))
    positions[deep], positions[shallow] = positions[shallow], positions[deep]
    by_owner = signed(SMALL, SMALL.shape.hints_of(positions))
    assert accepts(leaf, by_owner)
    lower = items[2 * deep + 1]
    for _ in range(depths[deep] - depths[shallow]):
        lower = hash160(lower)
    assert lower == by_owner[2 * shallow + 1]
    for item in (items[2 * shallow + 1], items[2 * deep + 1], lower):
        assert not accepts(leaf, replaced(by_owner, 2 * deep + 1, item))


def test_a_key_made_from_a_longer_secret_cannot_be_used_with_it() -> None:
    items = SMALL.sign(SEED, some_digits(SMALL))
    chain, depth = SMALL.shape.positions(hints_in(items))[0], SMALL.shape.depths[0]
    long_secret = end = bytes(21)
    for _ in range(depth):
        end = hash160(end)
    public = SMALL.public(SEED)
    public = public[: 20 * chain] + end + public[20 * chain + 20 :]
    false = replaced(items, 1, long_secret)
    assert not accepts(check_leaf_of(SMALL, public), false)
    with pytest.raises(VerificationFailed):
        SMALL.read(public, false)


def test_several_values_are_opened_with_one_set_of_tables() -> None:
    codes = [ROOT, SMALL, Composition(58)]
    publics, values = [c.public(SEED) for c in codes], [some_digits(c, n) for n, c in enumerate(codes)]
    opened = [c.to_open(c.sign(SEED, v)) for c, v in zip(codes, values, strict=True)]
    code = open_all(codes, publics)
    compare = join(script(Op.FROMALTSTACK, encode_number(d), Op.EQUALVERIFY) for v in reversed(values) for d in v)
    leaf = check_leaf(code + compare + number(1), sum(c.open_items for c in codes)).code
    items = tuple(item for of_one in reversed(opened) for item in of_one)
    assert accepts(leaf, items)
    assert len(code) < sum(len(c.open(p)) for c, p in zip(codes, publics, strict=True)) - 300
    for at in range(0, len(items), 17):
        assert not accepts(leaf, replaced(items, at, items[at] + b"\x01"))


def test_numbers_written_longer_mean_the_same_and_digits_are_opened_minimal() -> None:
    """Consensus does not forbid it, so a miner could do it to any signature: it must change nothing."""
    digits = (0, 3, 0, 0, 15, 0, 8, 1)
    public, honest = SMALL.public(SEED), SMALL.sign(SEED, digits)
    longer = tuple((i or b"\x80") if n % 2 or not i else i + b"\x00\x00" for n, i in enumerate(honest))
    assert longer != honest
    assert accepts(check_leaf_of(SMALL, public), longer)
    assert SMALL.read(public, longer) == digits
    assert SMALL.minimal(longer) == honest
    assert SMALL.to_open(longer) == SMALL.to_open(honest)
    numbers = len(decode_items(SMALL.shape))
    opened = tuple((i or b"\x00") + b"\x00" if n < numbers else i for n, i in enumerate(SMALL.to_open(honest)))
    assert accepts(open_leaf_of(SMALL, public, digits), opened)


def test_another_key_refuses_the_signature() -> None:
    other = SMALL.public(hashlib.sha256(b"other").digest())
    items = SMALL.sign(SEED, some_digits(SMALL))
    assert not accepts(check_leaf_of(SMALL, other), items)
    with pytest.raises(VerificationFailed):
        SMALL.read(other, items)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_read_accepts_exactly_what_the_script_accepts_and_that_can_be_opened(data: st.DataObject) -> None:
    public = SMALL.public(SEED)
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    items = signed(SMALL, any_arrangement(SMALL, rng))
    number_of = st.one_of(st.integers(-2, 20).map(encode_number), st.binary(max_size=5))
    for at in data.draw(st.lists(st.integers(0, SMALL.items - 1), max_size=2)):
        same = items[at] + b"\x00" if items[at] and items[at][-1] < 128 else items[at]
        change = hash160(items[at]) if at % 2 else data.draw(st.one_of(number_of, st.just(same)))
        items = replaced(items, at, change)
    try:
        read: tuple[int, ...] | None = SMALL.read(public, items)
    except VerificationFailed:
        read = None
    assert accepts(check_leaf_of(SMALL, public), items) == (read is not None)
    try:
        opened: Items | None = SMALL.to_open(items)
    except VerificationFailed:
        opened = None
    opens = opened is not None and accepts(open_leaf_of(SMALL, public, read or (0,) * 8), opened)
    assert opens == (read is not None)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([8, 40, 48, 58, 64]), st.data())
def test_every_value_has_an_arrangement_in_order_that_means_it(count: int, data: st.DataObject) -> None:
    digits = tuple(data.draw(st.lists(st.integers(0, 15), min_size=count, max_size=count)))
    shape = shape_for(count)
    hints = shape.hints_for(digits)
    positions = shape.positions(hints)
    assert shape.digits_of(shape.ranks(hints)) == digits
    assert shape.hints_of(positions) == hints
    assert shape.canonical_order(positions) == list(range(len(hints)))
    assert all(rank < 1 << g.bits for rank, g in zip(shape.ranks(hints), shape.groups, strict=True))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['digits']}-{v['value'][:8]}")
def test_signatures_and_scripts_are_those_of_the_vectors(vector: dict[str, object]) -> None:
    code = Composition(len(str(vector["value"])))
    digits = tuple(int(c, 16) for c in str(vector["value"]))
    seed = bytes.fromhex(str(vector["seed"]))
    public, items = code.public(seed), code.sign(seed, digits)
    assert code.digits == vector["digits"]
    assert hashlib.sha256(public).hexdigest() == vector["sha256(public)"]
    assert hashlib.sha256(code.check(public).code).hexdigest() == vector["sha256(check)"]
    assert hashlib.sha256(code.open(public).code).hexdigest() == vector["sha256(open)"]
    assert [i.hex() for i in items] == vector["items"]
    assert [i.hex() for i in code.to_open(items)] == vector["items of open"]


def test_wrong_shapes_are_refused() -> None:
    for count in (0, 7, 63, 65):
        with pytest.raises(InvalidInput):
            Composition(count)
    for bad in ((16,) + (0,) * 7, (-1,) + (0,) * 7, (0,) * 7, (0,) * 9):
        with pytest.raises(InvalidInput):
            SMALL.sign(SEED, bad)
    for build in (SMALL.check, SMALL.open):
        with pytest.raises(InvalidInput):
            build(bytes(20))
    with pytest.raises(InvalidInput):
        SMALL.public(b"short")
    with pytest.raises(VerificationFailed):
        SMALL.to_open((b"",) * (SMALL.items - 1))


@pytest.mark.parametrize(
    ("code", "check", "opened", "items", "open_items"),
    [(SMALL, 496, 788, 20, 31), (Composition(40), 1768, 3177, 68, 120), (ROOT, 2703, 5031, 100, 180)],
    ids=str,
)
def test_sizes_are_those_of_the_documents(
    code: Composition, check: int, opened: int, items: int, open_items: int
) -> None:
    public = code.public(SEED)
    assert (len(code.check(public)), len(code.open(public))) == (check, opened)
    assert (code.items, code.open_items) == (items, open_items)
