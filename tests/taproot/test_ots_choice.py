"""One of n and single bits: libbitcoinkernel accepts each honest opening and nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import hash160
from taproot.ots import Choice, LamportBits, OneTimeCode, open_constant, open_signed
from taproot.script import Op, Script, check_leaf, encode_number, join, number, script

SEED = hashlib.sha256(b"choice tests").digest()
COPY = hashlib.sha256(b"the other side").digest()
CHOICES = [Choice(2), Choice(3), Choice(4), Choice(16)]


def leaf(body: Script, items: int) -> bytes:
    return check_leaf(body + number(1), items).code


def opens_to(body: Script, digits: tuple[int, ...], items: int) -> bytes:
    return leaf(body + join(script(Op.FROMALTSTACK, encode_number(d), Op.EQUALVERIFY) for d in digits), items)


@pytest.mark.parametrize("code", CHOICES, ids=str)
def test_a_choice_opens_to_its_number_and_to_no_other(code: Choice) -> None:
    public = code.public(SEED)
    for k in range(code.options):
        items = code.sign(SEED, [k])
        assert code.read(public, items) == (k,)
        assert accepts(leaf(code.check(public), 1), items)
        for other in range(code.options):
            assert accepts(opens_to(code.open(public), (other,), 1), items) == (other == k)
            assert accepts(leaf(code.check_is(public, other), 1), items) == (other == k)


@pytest.mark.parametrize("code", CHOICES, ids=str)
def test_what_is_no_preimage_of_the_key_is_refused(code: Choice) -> None:
    public, (good,) = code.public(SEED), code.sign(SEED, [1])
    for bad in (b"", good[:-1], good + b"\x00", hash160(good), public[:20], code.sign(COPY, [1])[0]):
        assert not accepts(leaf(code.check(public), 1), [bad])
        assert not accepts(leaf(code.check_is(public, 1), 1), [bad])
        assert not accepts(opens_to(code.open(public), (1,), 1), [bad])
        with pytest.raises(VerificationFailed):
            code.read(public, [bad])


def test_a_longer_secret_is_refused_even_if_the_key_was_made_from_it() -> None:
    code, long_secret = Choice(2), bytes(21)
    public = hash160(long_secret) + hash160(bytes(20))
    assert not accepts(leaf(code.check(public), 1), [long_secret])
    assert not accepts(opens_to(code.open(public), (0,), 1), [long_secret])
    assert accepts(leaf(code.check(public), 1), [bytes(20)])


@pytest.mark.parametrize("code", CHOICES, ids=str)
def test_a_pair_of_openings_is_accepted_iff_both_chose_the_same(code: Choice) -> None:
    pair = leaf(code.check_equal_pair(code.public(SEED), code.public(COPY)), 2)
    for k in range(code.options):
        for other in {0, 1, code.options - 1}:
            items = code.sign(SEED, [k]) + code.sign(COPY, [other])
            assert accepts(pair, items) == (k == other)
            assert not accepts(pair, items[::-1])


def test_a_key_with_equal_hashes_opens_to_one_number_only() -> None:
    code, secret = Choice(4), bytes(20)
    public = hash160(b"x" * 20) + hash160(secret) * 3
    assert code.read(public, [secret]) == (3,)
    assert [accepts(opens_to(code.open(public), (k,), 1), [secret]) for k in range(8)] == [k == 3 for k in range(8)]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=9))
def test_bits_open_in_their_order(bits: list[int]) -> None:
    code = LamportBits(len(bits))
    public, items = code.public(SEED), code.sign(SEED, bits)
    assert code.read(public, items) == tuple(bits)
    assert accepts(leaf(code.check(public), code.items), items)
    assert accepts(opens_to(code.open(public), tuple(bits), code.items), items)


def test_bits_refuse_exchanged_changed_and_missing_items() -> None:
    code = LamportBits(3)
    public, items = code.public(SEED), code.sign(SEED, [0, 1, 1])
    check = leaf(code.check(public), 3)
    for bad in (items[::-1], (items[1], items[0], items[2]), (items[0], items[1], bytes(20)), items[1:], (*items, b"")):
        assert not accepts(check, bad)
        with pytest.raises(VerificationFailed):
            code.read(public, bad)


def test_keys_of_different_codes_and_seeds_share_no_hash() -> None:
    codes: list[OneTimeCode] = [*CHOICES, LamportBits(2)]
    keys = [code.public(seed) for code in codes for seed in (SEED, COPY)]
    hashes = [key[i : i + 20] for key in keys for i in range(0, len(key), 20)]
    assert len(set(hashes)) == len(hashes)


def test_constants_and_signed_values_open_alike() -> None:
    code = Choice(4)
    signed = open_signed(code, code.public(SEED))
    constant = open_constant((3, 0, 16, 200))
    assert (signed.items, constant.items) == (1, 0)
    both = signed.script + constant.script
    assert accepts(opens_to(both, (3, 0, 16, 200, 2), 1), code.sign(SEED, [2]))
    assert not accepts(opens_to(both, (3, 0, 16, 200, 1), 1), code.sign(SEED, [2]))


def test_wrong_shapes_are_refused() -> None:
    for options in (0, 1, 17):
        with pytest.raises(InvalidInput):
            Choice(options)
    with pytest.raises(InvalidInput):
        LamportBits(0)
    for bad in ([4], [-1], [], [0, 0]):
        with pytest.raises(InvalidInput):
            Choice(4).sign(SEED, bad)
    with pytest.raises(InvalidInput):
        Choice(4).check_is(Choice(4).public(SEED), 4)
    with pytest.raises(InvalidInput):
        Choice(4).open(bytes(60))
    with pytest.raises(InvalidInput):
        Choice(4).public(b"")
