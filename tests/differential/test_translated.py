"""The translated tier and the machine that it accelerates: rows, delay slots, borders, random programs, guests."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import Guest, find_guest, list_guests
from btc_l2.zkvm import llvm
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.isa import INSTRUCTIONS, Instruction
from btc_l2.zkvm.observe import count_steps
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.translate.profile import find_hot
from tests.zkvm.programs import CODE, DATA, encode, machine_with, random_machine, random_value, random_word
from tests.zkvm.tiers import assert_same, translated

pytestmark = pytest.mark.skipif(not llvm.is_supported(), reason="no translated tier for this processor")
ENDIANS: tuple[Endian, ...] = ("big", "little")
BRANCHES = [row for row in INSTRUCTIONS if row.group == "branch"]
STRAIGHT = [row for row in INSTRUCTIONS if row.group != "branch"]
BORDERS = (0, 0x1_0000, 0x2_0000, DATA, 0x8000_0000, 0xBFFE_0000, 0xC000_0000, 0xFC00_0000, 0xFFFF_D000, 0xFFFF_F000)
WORDS_OF_A_ROW, STATES, CELL = 4, 4, 32  # CELL: bytes between two cases
BASE = 28
# Mark DATA's page, jump to the word in question: there the tier takes over.
PROLOGUE = (encode("SW", rs=29, rt=0, low=0x400), encode("BEQ", low=1), 0)


def case_word(rnd: random.Random, row: Instruction) -> int:
    """Any word of a row; an access goes through register 28, mostly with a small offset."""
    word = random_word(rnd, row)
    if row.access == "none":
        return word
    offset = rnd.choice((rnd.randrange(-64, 64) * 4, rnd.randrange(-64, 64), rnd.randrange(-0x8000, 0x8000)))
    return word & ~(31 << 21) & ~0xFFFF | BASE << 21 | offset & 0xFFFF


def case_registers(rnd: random.Random) -> dict[int, int]:
    """Registers for a case; 28 points into data, or near a border."""
    calm = DATA + 0x200 + rnd.choice((0, 0, 4, 1, 2, 3))
    base = calm if rnd.random() < 0.7 else rnd.choice(BORDERS) + rnd.randrange(-9, 9) & 0xFFFF_FFFF
    return {k: random_value(rnd) for k in range(1, 32)} | {28: base, 29: DATA, 30: DATA}


def run_readable(machine: Machine, steps: int) -> Machine:
    """The readable step, up to so many times."""
    twin = machine.copy()
    for _ in range(steps):
        if not twin.exited:
            step(twin)
    return twin


def assert_case(machine: Machine, start: int, rnd: random.Random, steps: int, linked: bool) -> None:
    """From an address on, the tier and the readable step end alike."""
    twin = machine.copy()
    for number, value in case_registers(rnd).items():
        twin.set_register(number, value)
    base = twin.register(BASE)
    link = rnd.choice((base + 4 | 1, base | 1, 0)) & 0xFFFF_FFFF if linked else 0
    twin.control = twin.control._replace(
        pc=start, npc=start + 4, hi=random_value(rnd), lo=random_value(rnd), ll=link, tls=random_value(rnd)
    )
    slow = run_readable(twin, steps)
    run(twin, steps)
    assert (twin.control, twin.registers) == (slow.control, slow.registers)
    assert twin.root() == slow.root()


def data_machine(words: list[int], endian: Endian) -> Machine:
    """Words at CODE and random words at DATA."""
    rnd = random.Random(5)
    machine = machine_with(words, endian=endian)
    for k in range(1024):
        machine.store_word(DATA + 4 * k, rnd.getrandbits(32))
    return machine


@pytest.mark.parametrize("endian", ENDIANS)
def test_the_tier_and_the_readable_step_agree_on_every_row(endian: Endian) -> None:
    rnd = random.Random(1)
    cases = [(row, case_word(rnd, row)) for row in STRAIGHT for _ in range(WORDS_OF_A_ROW)]
    words: list[int] = []
    for _, word in cases:
        words += [*PROLOGUE, word, encode("SYSCALL_HALT")] + [0] * (CELL // 4 - 5)
    machine = data_machine(words, endian)
    starts = [CODE + CELL * k for k in range(len(cases))]
    with translated(machine, [*starts, *(start + 12 for start in starts)]):
        for start, (row, _) in zip(starts, cases, strict=True):
            for _ in range(STATES):
                assert_case(machine, start, rnd, 4, row.name == "SC")


@pytest.mark.parametrize("endian", ENDIANS)
def test_the_tier_and_the_readable_step_agree_on_branches_with_every_row_in_the_delay_slot(endian: Endian) -> None:
    rnd = random.Random(2)
    cases = [(branch, slot) for branch in BRANCHES for slot in rnd.sample(list(INSTRUCTIONS), 24)]
    words: list[int] = []
    for branch, slot in cases:
        jump = random_word(rnd, branch)
        if branch.name in ("J", "JAL"):
            jump = encode(branch.name, index=CODE // 4 + rnd.randrange(8 * len(cases)))
        elif branch.name not in ("JR", "JALR"):
            jump = jump & ~0xFFFF | rnd.randrange(-64, 64) & 0xFFFF
        words += [*PROLOGUE, jump, case_word(rnd, slot), encode("ADDIU", rs=2, rt=3, low=1), 0, 0]
    machine = data_machine(words, endian)
    starts = [CODE + CELL * k for k in range(len(cases))]
    hot = [*starts, *(start + 12 for start in starts), *(start + 20 for start in starts)]
    with translated(machine, hot):
        for start, (_, slot) in zip(starts, cases, strict=True):
            for steps in (4, 5, 7):
                assert_case(machine, start, rnd, steps, slot.name == "SC")


@pytest.mark.parametrize("name", ["JR", "JALR"])
def test_a_jump_through_a_register_ends_where_the_readable_step_ends(name: str) -> None:
    """Into the middle of a block, into a delay slot, to cold code, to unaligned and forbidden addresses, to 0."""
    body = [encode("ADDIU", rs=2, rt=2, low=k) for k in range(1, 8)]
    words = [encode(name, rs=4, **({"rd": 31} if name == "JALR" else {})), encode("ADDIU", rs=5, rt=5, low=9), *body,
             encode("BEQ", low=-4), encode("ADDIU", rs=6, rt=6, low=1)]  # fmt: skip
    strange = [CODE + 9, CODE + 10, 0, 1, 3, 4, 0xFFFF_F000, 0xC000_0000, CODE + 2**26]
    targets = [CODE + 4 * k for k in range(11)] + strange
    with translated(machine_with(words), [CODE, CODE + 12, CODE + 24, CODE + 40]):
        for target in targets:
            for steps in (1, 2, 3, 9, 40):
                assert_same(machine_with(words, {4: target}), steps)


def compare_random_programs(seed: int, programs: int) -> None:
    """Random programs under random choices of hot addresses, at random stops."""
    rnd = random.Random(seed)
    for _ in range(programs):
        length = rnd.randrange(8, 60)
        machine = random_machine(rnd, length, rnd.choice(ENDIANS))
        with translated(machine, [CODE, *(CODE + 4 * k for k in range(length) if rnd.random() < 0.4)]):
            for _ in range(6):
                assert_same(machine, rnd.choice((rnd.randrange(60), rnd.randrange(3000))))


@settings(max_examples=16, deadline=None)
@given(seed=st.integers(0, (1 << 32) - 1))
def test_random_programs_run_alike_with_and_without_the_tier(seed: int) -> None:
    compare_random_programs(seed, 1)


def compare_wild_programs(seed: int, programs: int) -> None:
    """Any words of the table, every address hot, registers that often point to code or data: jumps lead anywhere."""
    rnd = random.Random(seed)
    for _ in range(programs):
        length = rnd.randrange(4, 40)
        words = [case_word(rnd, rnd.choice((rnd.choice(BRANCHES), *rnd.choices(STRAIGHT, k=2)))) for _ in range(length)]
        machine = data_machine(words, rnd.choice(ENDIANS))
        places = [*(CODE + 4 * k for k in range(-1, length + 2)), DATA, DATA + 0x200, DATA + 0x202, *BORDERS]
        with translated(machine, [CODE, *(CODE + 4 * k for k in range(length))]):
            for _ in range(24):
                registers = {k: rnd.choice((rnd.choice(places), random_value(rnd))) for k in range(1, 32)}
                twin = machine.copy()
                twin.registers = [0, *registers.values()]
                start = CODE + 4 * rnd.randrange(length)
                npc = rnd.choice((start + 4, start + 4, rnd.choice(places)))
                twin.control = twin.control._replace(pc=start, npc=npc)
                assert_same(twin, rnd.choice((1, 2, 3, 10, 300)))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, (1 << 32) - 1))
def test_wild_programs_run_alike_with_and_without_the_tier(seed: int) -> None:
    compare_wild_programs(seed, 1)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(200, 206))
def test_many_wild_programs_run_alike_with_and_without_the_tier(seed: int) -> None:
    compare_wild_programs(seed, 100)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_random_programs_run_alike_with_and_without_the_tier(seed: int) -> None:
    compare_random_programs(seed, 100)


def compare_stops(guest: Guest, stops: int, coverage: float, most: int) -> None:
    """One run with the tier and one without, from random stop to random stop, compared at each."""
    start = guest.load_image().machine(blobs=guest.blobs())
    profiled = start.copy()
    steps = count_steps(profiled, most)
    rnd = random.Random(guest.name)
    plain, native = start.copy(), start.copy()
    positions = sorted(rnd.randrange(steps.steps + 1) for _ in range(stops))
    with translated(start, find_hot(steps.counts, start.load_word, coverage)):
        for position, before in zip(positions, [0, *positions], strict=False):
            run(plain, position - before, translated=False)
            run(native, position - before)
            assert (native.control, native.registers) == (plain.control, plain.registers)
            assert native.root() == plain.root()


@pytest.mark.parametrize(
    ("name", "coverage"), [("hashchain", 1.0), ("sortproof", 1.0), ("go-sha256", 0.99), ("go-library", 0.7)]
)
def test_a_guest_runs_alike_at_random_stops(name: str, coverage: float) -> None:
    compare_stops(find_guest(name), 50, coverage, 4_000_000)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("guest", list_guests(), ids=lambda guest: guest.name)
def test_every_guest_runs_alike_at_a_thousand_random_stops(guest: Guest) -> None:
    compare_stops(guest, 1000, 0.9999, 200_000_000)


@pytest.fixture(autouse=True)
def _no_other_tiers() -> Iterator[None]:
    from btc_l2.zkvm.tiers import installed

    assert installed() == ()
    yield
    assert installed() == ()
