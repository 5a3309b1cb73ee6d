"""Gadgets on nibbles and bits, judged by libbitcoinkernel on every value they can meet."""

from __future__ import annotations

import pytest

from btc_l2.chain.kernel import accepts
from taproot.gadgets.bits import double, nibble_bit, swap_if, verify_below
from taproot.script import Op, Script, ScriptError, check_leaf, encode_number, script


def leaf(body: Script, items: int) -> bytes:
    return check_leaf(body, items).code


@pytest.mark.parametrize("bit", range(4))
def test_nibble_bit_is_that_bit_of_every_nibble(bit: int) -> None:
    code = leaf(nibble_bit(bit) + script(Op.NUMEQUAL), 2)
    for nibble in range(16):
        for claimed in (0, 1):
            expected = claimed == nibble >> bit & 1
            assert accepts(code, [encode_number(claimed), encode_number(nibble)]) == expected


@pytest.mark.parametrize("bit", [-1, 4])
def test_a_nibble_has_four_bits(bit: int) -> None:
    with pytest.raises(ScriptError):
        nibble_bit(bit)


def test_swap_if_exchanges_two_items_only_for_one() -> None:
    code = leaf(swap_if() + script(b"upper", Op.EQUALVERIFY, b"lower", Op.EQUAL), 3)
    assert accepts(code, [b"lower", b"upper", encode_number(0)])
    assert accepts(code, [b"upper", b"lower", encode_number(1)])
    assert not accepts(code, [b"lower", b"upper", encode_number(1)])
    assert not accepts(code, [b"upper", b"lower", encode_number(0)])


def test_double_doubles() -> None:
    code = leaf(double() + script(Op.NUMEQUAL), 2)
    assert all(accepts(code, [encode_number(2 * n), encode_number(n)]) for n in range(-3, 17))
    assert not accepts(code, [encode_number(7), encode_number(3)])


@pytest.mark.parametrize("limit", [1, 2, 16, 64])
def test_verify_below_accepts_exactly_the_numbers_in_range(limit: int) -> None:
    code = leaf(verify_below(limit) + script(Op.DROP, 1), 1)
    for n in (-(1 << 31) + 1, -limit, -1, 0, 1, limit - 1, limit, limit + 1, 1000, (1 << 31) - 1):
        assert accepts(code, [encode_number(n)]) == (0 <= n < limit), n
    assert not accepts(code, [bytes(5)])  # no script number
