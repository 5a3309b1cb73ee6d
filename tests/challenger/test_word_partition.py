"""The patterns of the relation leaves share out the words as the decoder does; the judge is libbitcoinkernel."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.isa import INSTRUCTIONS, RESERVED, SYSCALL_OTHER, Instruction
from btc_l2.zkvm.partition import Cube, partition
from challenger.disprove.control import BAD
from challenger.disprove.pattern import require_pattern, require_syscall_other
from challenger.disprove.reserved import require_reserved
from taproot.gadgets.u32 import NIBBLES, digits_of, nibble
from taproot.script import Stack, encode_number

PARTS = partition()
ANY_WORD = 0xFFFF_FFFF


def code_of(require: Callable[[Stack], None]) -> bytes:
    """What a leaf does to the instruction word alone; the flag that stays is set, so that success is success."""
    s = Stack(*(nibble("instruction", i) for i in range(NIBBLES)))
    s.push(1, BAD)
    require(s)
    return s.finish(BAD).code


def has(code: bytes, word: int) -> bool:
    return accepts(code, [encode_number(digit) for digit in digits_of(word)])


def words_of(cube: Cube, rnd: random.Random, count: int) -> list[int]:
    free = ~cube.mask & ANY_WORD
    return [cube.match, cube.match | free, *(rnd.getrandbits(32) & free | cube.match for _ in range(count))]


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.name)
def test_the_pattern_of_a_leaf_is_that_of_its_row_in_each_nibble(row: Instruction) -> None:
    """Each nibble is required by itself, so all sixteen values of each say which words pass."""
    code = code_of(lambda s: require_pattern(s, row.mask, row.match))
    word = random.Random(row.name).getrandbits(32) & ~row.mask | row.match
    for shift in range(0, 32, 4):
        passing = {v for v in range(16) if has(code, word & ~(15 << shift) | v << shift)}
        mask, match = row.mask >> shift & 15, row.match >> shift & 15
        assert passing == {v for v in range(16) if v & mask == match}


def check_remainder(name: str, code: bytes, count: int, others: int) -> None:
    """All cubes of a remainder pass; words of all rows and of the other remainder do not."""
    rnd = random.Random(name)
    for cube in PARTS[name]:
        assert all(has(code, word) for word in words_of(cube, rnd, count)), hex(cube.match)
    for part in (part for other, part in PARTS.items() if other != name):
        for cube in part[:64]:
            assert not any(has(code, word) for word in words_of(cube, rnd, others)), hex(cube.match)


def test_the_leaf_of_other_system_calls_is_for_their_words_and_no_others() -> None:
    check_remainder(SYSCALL_OTHER.name, code_of(require_syscall_other), 20, 0)


def test_the_leaf_of_reserved_words_is_for_every_part_of_them_and_for_no_row() -> None:
    check_remainder(RESERVED.name, code_of(require_reserved), 0, 1)


@pytest.mark.long
def test_the_leaf_of_reserved_words_at_length() -> None:
    check_remainder(RESERVED.name, code_of(require_reserved), 20, 200)
