"""The translated tier around its code: that it runs, where it stops, what makes it stand back, whom it serves."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from btc_l2.guests import find_guest
from btc_l2.zkvm import llvm
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.layout import REGION_LEVEL, SLOT_BASE, slot_region
from btc_l2.zkvm.observe import count_steps
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.tiers import install, uninstall
from btc_l2.zkvm.trace import Trace
from btc_l2.zkvm.translate.blocks import find_block
from btc_l2.zkvm.translate.load import load_tier
from btc_l2.zkvm.translate.translation import translate
from taproot.errors import InvalidInput, Unavailable
from tests.zkvm.programs import CODE, DATA, encode, machine_with
from tests.zkvm.tiers import assert_same, translated

pytestmark = pytest.mark.skipif(not llvm.is_supported(), reason="no translated tier for this processor")

COUNT = [encode("ADDIU", rs=2, rt=2, low=1), encode("BEQ", low=-2), encode("ADDIU", rs=3, rt=3, low=5)]
# Copies words from $4 to $5 for ever, both go up; $6 counts.
COPY = [
    encode("LW", rs=4, rt=2), encode("SW", rs=5, rt=2), encode("ADDIU", rs=4, rt=4, low=4),
    encode("ADDIU", rs=6, rt=6, low=1), encode("BEQ", low=-5), encode("ADDIU", rs=5, rt=5, low=4),
]  # fmt: skip


def test_native_code_runs() -> None:
    """A tier made of another program, said to be this one's, shows in the result."""
    other = machine_with([encode("ADDIU", rs=2, rt=2, low=7), *COUNT[1:]])
    translation = translate(other.load_word, [CODE], "big")
    tier = load_tier(replace(translation, words=np.array(COUNT, dtype=np.uint32)))
    machine = machine_with(COUNT)
    plain = machine.copy()
    install(tier)
    try:
        run(machine, 300)
        run(plain, 300, translated=False)
    finally:
        uninstall(tier)
    assert (machine.register(2), plain.register(2)) == (700, 100)


@pytest.mark.parametrize("limit", [*range(12), 63, 64, 65, 66, 3 * 64 + 1, 10_000, 10_001])
def test_the_tier_stops_at_the_limit(limit: int) -> None:
    with translated(machine_with(COUNT), [CODE]):
        assert_same(machine_with(COUNT), limit)


@pytest.mark.parametrize(("source", "target", "traps"), [
    (DATA, 0xBFFF_FF00, True), (0xBFFF_FF00, DATA, False), (DATA + 2, DATA, True), (DATA, DATA + 1, True),
    (0xFFFF_EF00, DATA, True), (0xFF00, DATA, True), (DATA, 0xBFFE_FF80, False), (0xC000_0000, DATA, False),
    (0xFFFF_CFF0, DATA, False), (0x1_FFF0, 0x8000_0FF0, False), (DATA, 0x1_0000, False), (DATA, 0xFFFC, True),
])  # fmt: skip
def test_accesses_at_the_borders_of_memory_end_alike(source: int, target: int, traps: bool) -> None:
    with translated(machine_with(COPY), [CODE]):
        assert assert_same(machine_with(COPY, {4: source, 5: target}), 900).exited == traps


def test_a_trap_in_the_middle_of_a_block_comes_at_the_same_step() -> None:
    words = [encode("ADDIU", rs=2, rt=2, low=1), encode("TEQ", rs=2, rt=7), encode("ADD", rs=3, rt=2, rd=3),
             encode("BEQ", low=-4), encode("DIVU", rs=3, rt=8)]  # fmt: skip
    with translated(machine_with(words), [CODE]):
        assert assert_same(machine_with(words, {7: 500}), 10_000).trap == 13
        assert assert_same(machine_with(words, {3: 0x7FFF_F000}), 10_000).trap == 12


def test_code_that_is_rewritten_by_the_guest_is_run_as_it_is_now() -> None:
    """The loop adds one to the immediate of its own first instruction on every round."""
    words = [encode("ADDIU", rs=2, rt=2, low=1), encode("LW", rs=4, rt=5), encode("ADDIU", rs=5, rt=5, low=1),
             encode("SW", rs=4, rt=5), encode("BEQ", low=-5), 0]  # fmt: skip
    with translated(machine_with(words), [CODE]):
        machine = assert_same(machine_with(words, {4: CODE}), 6 * 50)
    assert machine.register(2) == sum(range(1, 51))


def test_a_store_beside_translated_code_does_not_stop_the_guest_again_and_again() -> None:
    """Data on a page with code: the tier stands back for the run and the interpreter goes on at its speed."""
    words = [encode("SW", rs=4, rt=2, low=0x800), encode("BEQ", low=-2), encode("ADDIU", rs=2, rt=2, low=1)]
    with translated(machine_with(words), [CODE]):
        machine = assert_same(machine_with(words, {4: CODE}), 3_000_000)
        assert assert_same(machine, 3000).load_word(CODE + 0x800) == 1_000_999


def test_code_that_the_host_changes_between_runs_is_not_run_as_before() -> None:
    machine = machine_with(COUNT)
    with translated(machine, [CODE]):
        run(machine, 300)
        machine.store_word(CODE, encode("ADDIU", rs=2, rt=2, low=3))
        run(machine, 300)
        assert machine.register(2) == 100 + 300
        machine.store_word(CODE, COUNT[0])
        assert_same(machine, 300)


def test_a_machine_of_the_other_byte_order_does_not_use_the_tier() -> None:
    words = [encode("LBU", rs=4, rt=5), encode("ADDU", rs=6, rt=5, rd=6), encode("BEQ", low=-3), 0]
    with translated(machine_with(words), [CODE]):
        big, little = (machine_with(words, {4: DATA}, endian) for endian in ("big", "little"))
        for machine in (big, little):
            machine.store_word(DATA, 0x0102_0304)
            assert_same(machine, 400)
    with translated(little, [CODE]):
        assert_same(big, 400)
        assert_same(little, 400)


def test_two_tiers_and_machines_that_take_turns_do_not_mix() -> None:
    other = [encode("ADDIU", rs=2, rt=2, low=9), *COUNT[1:]]
    machines = [machine_with(COUNT), machine_with(other), machine_with([*COUNT[:2], 0])]
    with translated(machines[0], [CODE]), translated(machines[1], [CODE]):
        for _ in range(4):
            machines = [assert_same(machine, 301) for machine in machines]
    assert [machine.register(2) for machine in machines] == [402, 3618, 402]


def test_threads_run_the_same_tier_at_once() -> None:
    guest = find_guest("hashchain")
    start = guest.load_image().machine()
    hot = [address for address in range(0x40_0000, 0x40_1000, 4) if find_block(start.load_word, address)]
    limits = [1_000_003, 2_000_001, 1_500_000, 999_999]

    def finish(limit: int, native: bool) -> bytes:
        machine = start.copy()
        run(machine, limit, native)
        return machine.root()

    plain = [finish(limit, False) for limit in limits]
    with translated(start, hot[::4]), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda limit: finish(limit, True), limits)) == plain


def test_roots_of_a_trace_are_the_same_with_the_tier() -> None:
    machine = machine_with(COPY, {4: CODE, 5: DATA})
    positions = sorted(random.Random(3).sample(range(400_000), 30))
    traces = [Trace(machine, snapshot_every=10_000), Trace(machine, snapshot_every=10_000)]
    traces[0].run(400_000)
    plain = traces[0].roots_at(positions)
    with translated(machine, [CODE]):
        traces[1].run(400_000)
        assert traces[1].roots_at(positions) == plain
    assert len(set(plain)) > 25


def test_steps_are_counted_alike_while_a_tier_is_installed() -> None:
    machine = machine_with(COPY, {4: CODE, 5: DATA})
    plain = count_steps(machine.copy(), 5000)
    with translated(machine, [CODE]):
        run(machine.copy(), 5000)  # leaves an arena that knows the tier
        assert count_steps(machine.copy(), 5000) == plain


def test_a_linked_store_succeeds_and_fails_as_without_the_tier() -> None:
    words = [encode("LL", rs=4, rt=2), encode("ADDIU", rs=2, rt=2, low=1), encode("SC", rs=4, rt=2),
             encode("ADDU", rs=7, rt=2, rd=7), encode("SC", rs=4, rt=2), encode("BEQ", low=-6), 0]  # fmt: skip
    with translated(machine_with(words), [CODE]):
        machine = assert_same(machine_with(words, {4: DATA}), 7 * 300)
    assert (machine.register(7), machine.load_word(DATA)) == (300, 300)


def test_a_mapped_blob_is_read_and_a_missing_one_stops_at_the_same_step() -> None:
    blob = bytes(range(256)) * 64
    root = blob_root(blob, "big")

    def mapped(blobs: dict[bytes, bytes]) -> Machine:
        machine = Machine("big", blobs)
        for k, word in enumerate(COPY):
            machine.store_word(CODE + 4 * k, word)
        machine.write_node(REGION_LEVEL, slot_region(1), root)
        machine.registers = [0, 0, 0, 0, SLOT_BASE + 2**26 - 400, DATA, *[0] * 26]
        machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
        return machine

    with translated(machine_with(COPY), [CODE]):
        machines = [mapped({}), mapped({})]
        for machine, native in zip(machines, (True, False), strict=True):
            with pytest.raises(Unavailable):
                run(machine, 1200, native)
        assert_same(mapped({root: blob}), 1200)
    assert machines[0].control == machines[1].control and machines[0].registers == machines[1].registers
    assert machines[0].register(6) == 100


def test_a_program_without_translatable_code_has_no_tier() -> None:
    with pytest.raises(InvalidInput):
        translate(machine_with([encode("SYSCALL_HALT")]).load_word, [CODE, CODE + 2], "big")


def test_a_block_ends_before_what_the_tier_does_not_know() -> None:
    words = [0, encode("ADDU"), encode("BREAK"), 0, encode("BEQ"), encode("J"), 0]
    fetch = machine_with(words).load_word
    block, none, branch = (find_block(fetch, CODE + 4 * k) for k in (0, 2, 3))
    assert block is not None and (len(block.words), block.branch) == (2, False)
    assert none is None
    assert branch is not None and (len(branch.words), branch.branch) == (1, False)  # a branch in the delay slot
