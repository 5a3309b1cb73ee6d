"""Gadgets of products and bit fields against Python's integers; the judge is libbitcoinkernel."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from taproot.gadgets.fields import leading_bits, push_low_bits, push_low_bits_table, push_row
from taproot.gadgets.product import (
    Digit,
    Entry,
    Multiple,
    clamp,
    entry,
    push_multiples,
    raise_into,
    sum_columns,
    wrap,
)
from taproot.gadgets.u32 import NIBBLES, digits_of, magnitude, nibble, word
from taproot.script import Op, Stack
from tests.taproot.test_gadgets_u32 import MASK, X, examples, gives, stack_of, words

numbers = st.integers(-(1 << 24), 1 << 24)


def pushed(value: int) -> Stack:
    s = Stack()
    s.push(value, "x")
    return s


@given(x=numbers, limit=st.integers(0, 1 << 24))
@examples
def test_clamp_brings_a_number_between_the_limits(x: int, limit: int) -> None:
    s = pushed(x)
    clamp(s, limit)
    assert gives(s, (), max(-limit, min(limit, x)))


@given(q=st.integers(-1, 1), x=st.integers(-(1 << 19), (1 << 19) - 1))
@examples
def test_wrap_finds_the_representative_next_to_zero(q: int, x: int) -> None:
    s = pushed(x + (q << 20))
    wrap(s, 1 << 20)
    assert gives(s, (), x)


@given(x=st.integers(-4096 * 1023, 4095))
@examples
def test_raise_into_leaves_the_number_modulo_the_modulus(x: int) -> None:
    s = pushed(x)
    raise_into(s, 4096, 10)
    assert gives(s, (), x % 4096)


@given(limb=st.integers(0, 0xFFFF), y=st.integers(0, 0xF_FFFF), start=st.integers(0, 15), mask=st.sampled_from((0, 15)))
@settings(max_examples=40, deadline=None)
def test_columns_sum_up_digits_and_multiples(limb: int, y: int, start: int, mask: int) -> None:
    s = Stack()
    for i, digit in enumerate(digits_of(y, 5)):
        s.push(digit, nibble("y", i))
    s.push(mask, "mask")
    s.push(limb)
    push_multiples(s, "limb")
    columns: list[list[Entry]] = [
        [Digit(nibble("y", 4), -1, True, "mask"), Multiple("limb", nibble("y", i))] for i in (0, 1)
    ]
    columns.append([Digit(nibble("y", 3)), Multiple("limb", nibble("y", 2), 1)])
    s.push(start, "sum")
    sum_columns(s, columns)
    d = digits_of(y, 5)
    low = -min(d[4], mask) - limb * d[0]
    middle = -min(d[4], mask) - limb * d[1]
    assert entry("limb", 15) in s.main
    assert gives(s, (), (start << 12) + (d[3] + limb * d[2] << 8) + (middle << 4) + low)


@given(x=words, flag=st.integers(0, 1))
@examples
def test_magnitude_and_the_flag_are_the_number_or_its_complement(x: int, flag: int) -> None:
    for i in range(NIBBLES):
        s = stack_of("x")
        s.push(flag, "negative")
        magnitude(s, X, "negative", "m")
        s.copy(nibble("m", i))
        assert gives(s, (x,), (x ^ MASK * flag) >> 4 * i & 15)  # and ~x + 1 = 2^32 − x


@given(x=words, ones=st.booleans())
@examples
def test_leading_bits_are_counted(x: int, ones: bool) -> None:
    for value in (x, x >> 5, x >> 21, 0, MASK):
        s = stack_of("x")
        leading_bits(s, X, ones, "count")
        assert gives(s, (value,), 32 - (value ^ MASK * ones).bit_length())


@given(x=words, end=st.integers(0, 32), i=st.integers(0, NIBBLES - 1))
@examples
def test_low_bits_are_those_below_the_end_of_a_field(x: int, end: int, i: int) -> None:
    s = stack_of("x")
    push_low_bits_table(s)
    s.push(16 * end, "end")
    push_row(s, "end", i, "row")
    push_low_bits(s, word("x").items[i], "row")
    s.op(Op.NIP, "low")
    assert gives(s, (x,), (x & (1 << end) - 1) >> 4 * i & 15)
