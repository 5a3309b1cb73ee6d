"""The rows of the instruction table share out all 2^32 words, and the decoder knows it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.zkvm.decode import decode
from btc_l2.zkvm.fast import borrow_arena, run
from btc_l2.zkvm.isa import INSTRUCTIONS, REMAINDERS, RESERVED, SYSCALL_OTHER
from btc_l2.zkvm.jit import compiled
from btc_l2.zkvm.kernel.fields import U8, U32
from btc_l2.zkvm.kernel.loop import run_steps
from btc_l2.zkvm.outcome import RESERVED_INSTRUCTION, SYSCALL
from btc_l2.zkvm.partition import (
    EVERY_WORD,
    WORDS,
    Cube,
    complement,
    count_words,
    cube_of,
    find_overlaps,
    partition,
)
from btc_l2.zkvm.step import step
from tests.zkvm.programs import DATA, machine_with

PARTS = partition()
WORD = st.integers(0, WORDS - 1)


@st.composite
def cubes(draw: st.DrawFn) -> Cube:
    mask = draw(WORD) & draw(WORD)
    return Cube(mask, draw(WORD) & mask)


def words_of(cube: Cube, rnd: random.Random, count: int) -> list[int]:
    """The lowest, the highest and some other words of a cube."""
    free = ~cube.mask & WORDS - 1
    return [cube.match, cube.match | free, *(rnd.getrandbits(32) & free | cube.match for _ in range(count))]


def test_the_rows_share_out_all_words() -> None:
    assert find_overlaps(PARTS) == []
    assert count_words(cube for part in PARTS.values() for cube in part) == WORDS


def test_a_missing_row_and_one_that_reaches_into_another_are_found() -> None:
    without = {name: part for name, part in PARTS.items() if name != "LUI"}
    assert count_words(cube for part in without.values() for cube in part) == WORDS - (1 << 21)
    assert ("LUI", "wide") in find_overlaps({"LUI": PARTS["LUI"], "wide": (Cube(0xFC00_0000, 0x3C00_0000),)})


@given(cubes(), cubes(), WORD)
def test_a_difference_has_the_words_of_the_one_outside_the_other(left: Cube, right: Cube, word: int) -> None:
    parts = left.without(right)
    for candidate in (word, word & ~left.mask | left.match, word & ~right.mask | right.match):
        expected = candidate & left.mask == left.match and candidate & right.mask != right.match
        assert sum(candidate & part.mask == part.match for part in parts) == expected
    both = Cube(left.mask | right.mask, left.match | right.match).size if left.meets(right) else 0
    assert count_words(parts) == left.size - both


def test_a_complement_and_what_it_leaves_are_everything() -> None:
    known = [cube_of(row) for row in INSTRUCTIONS]
    assert count_words(complement(known)) + count_words(known) == EVERY_WORD.size == WORDS


@pytest.mark.parametrize("name", PARTS)
def test_the_decoder_agrees_inside_of_every_part_and_one_bit_outside(name: str) -> None:
    rnd = random.Random(name)
    for cube in PARTS[name]:
        for word in words_of(cube, rnd, 2):
            assert decode.__wrapped__(word).name == name
        outside = cube.match ^ 1 << rnd.choice([k for k in range(32) if cube.mask >> k & 1])
        owner = decode.__wrapped__(outside).name
        assert any(outside & part.mask == part.match for part in PARTS[owner])


def test_every_reserved_encoding_traps_in_both_machines() -> None:
    rnd = random.Random(1)
    for name, cause in ((RESERVED.name, RESERVED_INSTRUCTION), (SYSCALL_OTHER.name, SYSCALL)):
        words = [word for cube in PARTS[name] for word in words_of(cube, rnd, 0)]
        for word in words:
            machine = machine_with([word], {k: rnd.getrandbits(32) for k in range(1, 32)})
            twin, before = machine.copy(), machine.control
            step(machine)
            assert machine.trap == cause and machine.control._replace(status=0) == before
            if word % 16 == 0:  # the compiled machine asks the readable step for each of them
                assert run(twin, 1) == 1 and twin.control == machine.control


@compiled
def _count_executed(
    mask: np.uint32, match: np.uint32,
    mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64,
) -> np.int64:  # fmt: skip
    """How many words of a cube the compiled loop executes as ordinary instructions, each put at PC in turn."""
    pc, npc, free = c[0], c[1], np.uint32(~mask)
    executed, part = np.int64(0), np.uint32(0)
    while True:
        mem[pc >> np.uint32(2)] = np.uint32(match | part)
        if run_steps(mem, r, c, dirty, missing, flip, np.int64(1)) != 0:
            executed += 1
            c[0], c[1] = pc, npc
        part = np.uint32(np.uint32(part - free) & free)
        if part == 0:
            return executed


def count_executed(cubes: Iterable[Cube]) -> int:
    """Words of the cubes that the compiled loop executes; registers point to data, so that loads and stores may."""
    machine = machine_with([0], dict.fromkeys(range(1, 32), DATA))
    executed = 0
    with borrow_arena() as arena:
        for cube in cubes:
            mask, match = np.uint32(cube.mask), np.uint32(cube.match)
            executed += arena.run(machine.copy(), 1, lambda *state, m=mask, n=match: _count_executed(m, n, *state))
    return executed


def test_the_compiled_machine_executes_no_reserved_word_of_the_smaller_parts() -> None:
    assert count_executed(cube for cube in PARTS[RESERVED.name] if cube.size <= 1 << 14) == 0
    assert count_executed([Cube(0xFFFF_0000, 0x2482_0000)]) == 1 << 16  # ADDIU: all of them


@pytest.mark.long
def test_the_compiled_machine_executes_none_of_all_reserved_words() -> None:
    assert count_executed((*PARTS[RESERVED.name], *PARTS[SYSCALL_OTHER.name])) == 0


@pytest.mark.long
def test_each_of_all_words_matches_exactly_one_row() -> None:
    """No cube arithmetic: all 2^32 words, one opcode after the other."""
    low = np.arange(1 << 26, dtype=np.uint32)
    counted = dict.fromkeys((row.name for row in (*INSTRUCTIONS, *REMAINDERS)), 0)
    for opcode in range(64):
        words = low | np.uint32(opcode << 26)
        owners = np.zeros(len(low), dtype=np.uint8)
        for row in (row for row in INSTRUCTIONS if row.match >> 26 == opcode):
            matching = words & np.uint32(row.mask) == np.uint32(row.match)
            owners += matching
            counted[row.name] += int(np.count_nonzero(matching))
        assert owners.max() <= 1
        rest = owners == 0
        other = rest & (words & np.uint32(SYSCALL_OTHER.mask) == np.uint32(SYSCALL_OTHER.match))
        counted[SYSCALL_OTHER.name] += int(np.count_nonzero(other))
        counted[RESERVED.name] += int(np.count_nonzero(rest & ~other))
    assert counted == {name: count_words(part) for name, part in PARTS.items()}
