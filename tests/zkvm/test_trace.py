"""Traces: any root and state of a run is that of stepping there; thinning and disk change nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.zkvm import trace as trace_module
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.page import Page
from btc_l2.zkvm.pagefile import SLOT_COST
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.trace import LEAST_SNAPSHOTS, Trace
from taproot.errors import InvalidInput
from tests.zkvm.programs import DATA, encode, machine_with, random_machine


def writer(halts_after: int) -> Machine:
    """Writes $5 to one page after the other, counting down $6, then exits with code 3."""
    words = [
        encode("SW", rs=4, rt=5), encode("ADDIU", rs=5, rt=5, low=1), encode("ADDIU", rs=6, rt=6, low=-1),
        encode("BNE", rs=6, rt=0, low=-4), encode("ADDIU", rs=4, rt=4, low=1024),
        encode("ADDIU", rt=4, low=3), encode("SYSCALL_HALT"),
    ]  # fmt: skip
    return machine_with(words, {4: DATA, 5: 1, 6: halts_after})


def roots_by_stepping(machine: Machine, steps: int) -> list[bytes]:
    machine = machine.copy()
    roots = [machine.root()]
    for _ in range(steps):
        step(machine)
        roots.append(machine.root())
    return roots


@pytest.mark.parametrize("every", [1, 7, 64, 10_000])
def test_every_root_is_that_of_stepping_there(every: int) -> None:
    machine = random_machine(random.Random(3), 60, "big")
    expected = roots_by_stepping(machine, 150)
    trace = Trace(machine, snapshot_every=every)
    assert trace.run(max_steps=150) == 150
    positions = random.Random(4).sample(range(151), 151)
    assert trace.roots_at(positions) == [expected[position] for position in positions]
    assert [trace.root_at(position) for position in range(151)] == expected


def test_the_machine_at_a_position_is_in_that_state_and_is_a_copy() -> None:
    trace = Trace(writer(50), snapshot_every=16)
    trace.run()
    machine = trace.machine_at(77)
    assert machine.root() == trace.root_at(77)
    machine.store_word(DATA, 99)
    machine.set_register(5, 99)
    assert trace.machine_at(77).root() == trace.root_at(77) != machine.root()
    assert trace.final.exit_code == 3


def test_a_run_goes_to_the_exit_and_everything_behind_it_is_the_end() -> None:
    trace = Trace(writer(50))
    assert trace.run() == trace.steps == 5 * 50 + 2
    assert trace.root_at(trace.steps) == trace.root_at(1 << 32) == trace.root_at(trace.steps + 1)
    assert trace.root_at(trace.steps) != trace.root_at(trace.steps - 1)
    assert trace.machine_at(1 << 40).exit_code == 3


@pytest.mark.parametrize("position", [-1, 101, 1 << 32])
def test_a_position_that_was_not_reached_is_refused(position: int) -> None:
    trace = Trace(writer(50))
    trace.run(max_steps=100)
    with pytest.raises(InvalidInput):
        trace.root_at(position)


def test_a_run_can_be_continued() -> None:
    whole, pieces = Trace(writer(500), 64), Trace(writer(500), 64)
    whole.run()
    for until in (1, 63, 64, 65, 1000, 1000, 900):
        assert pieces.run(max_steps=until) == max(until, pieces.steps)
    pieces.run()
    positions = list(range(0, whole.steps, 37))
    assert pieces.steps == whole.steps
    assert pieces.roots_at(positions) == whole.roots_at(positions)


def test_progress_is_told_at_every_snapshot() -> None:
    seen: list[int] = []
    Trace(writer(50), snapshot_every=100).run(progress=seen.append)
    assert seen == [100, 200, 252]


def test_the_given_machine_is_not_changed_and_changing_it_does_not_change_the_trace() -> None:
    machine = writer(50)
    before = machine.root()
    trace = Trace(machine)
    trace.run()
    assert machine.root() == before
    machine.store_word(DATA, 5)
    assert trace.root_at(0) == before


def test_a_trace_goes_on_from_a_corrupted_machine() -> None:
    honest = Trace(writer(50))
    honest.run()
    corrupted = honest.machine_at(100)
    corrupted.store_word(DATA, 12345)
    lying = Trace(corrupted)
    assert lying.run() == honest.steps - 100
    assert lying.root_at(0) == corrupted.root() != honest.root_at(100)
    assert lying.root_at(lying.steps) != honest.root_at(honest.steps)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), st.integers(2, 9), st.lists(st.integers(0, 2002), min_size=1, max_size=12))
def test_thinned_snapshots_give_the_same_roots(every: int, most: int, positions: list[int]) -> None:
    plain = Trace(writer(400))
    plain.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_module, "MAX_SNAPSHOTS", most)
        thinned = Trace(writer(400), snapshot_every=every)
        thinned.run()
    assert len(thinned.positions) <= most
    assert thinned.roots_at(positions) == plain.roots_at(positions)


def test_snapshots_stay_within_the_disk_limit() -> None:
    limit = 40 * SLOT_COST
    trace = Trace(writer(400), snapshot_every=10, disk_limit=limit)
    trace.run()
    assert trace._kept.file.used * SLOT_COST <= limit or len(trace.positions) <= LEAST_SNAPSHOTS
    plain = Trace(writer(400))
    plain.run()
    assert trace.roots_at(range(0, 2002, 333)) == plain.roots_at(range(0, 2002, 333))


def test_a_copy_keeps_its_state_when_the_snapshot_it_came_from_is_left_out() -> None:
    """The pages of a machine that was handed out may stand in slots that get another content later."""
    trace = Trace(writer(4000), snapshot_every=10, disk_limit=300 * SLOT_COST)
    trace.run(max_steps=500)
    copies = {position: trace.machine_at(position) for position in (40, 50, 333, 490)}
    before = trace.positions
    trace.run()
    assert not set(before) <= set(trace.positions)
    plain = Trace(writer(4000))
    plain.run()
    for position, machine in copies.items():
        for page in all_pages(machine):
            page.root = None
        for region in machine.memory.regions.values():
            region.root = None
        assert machine.root() == plain.root_at(position)


def all_pages(machine: Machine) -> list[Page]:
    return [page for region in machine.memory.regions.values() for page in region.pages.values()]


def test_pages_of_snapshots_are_not_held_in_memory() -> None:
    trace = Trace(writer(400), snapshot_every=1000)
    trace.run(max_steps=1000)
    held = [page for page in all_pages(trace._last.machine) if page._words is not None]
    assert len(held) < 5 < len(all_pages(trace._last.machine))


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 40), st.lists(st.integers(0, 2002), min_size=1, max_size=12))
def test_finer_snapshots_of_an_interval_give_the_same_roots(fine: int, positions: list[int]) -> None:
    plain = Trace(writer(400))
    plain.run()
    coarse = Trace(writer(400), snapshot_every=1 << 10)
    coarse.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_module, "FINE_FROM", fine)
        assert [coarse.root_at(position) for position in positions] == plain.roots_at(positions)


def test_a_search_that_narrows_walks_through_an_interval_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(writer(20_000), snapshot_every=1 << 14)
    trace.run()
    monkeypatch.setattr(trace_module, "FINE_FROM", 1 << 8)
    made: list[int] = []
    monkeypatch.setattr(trace_module, "run", lambda machine, limit, **_: made.append(limit) or run(machine, limit))
    low, width = 3 << 14, 1 << 14
    while width > 1:
        width //= 4
        trace.roots_at([low + k * width for k in (1, 2, 3)])
        low += 2 * width
    assert sum(made) < 2 << 14  # from the snapshot each time it would be 3 · 7 times the half


def test_a_slot_that_is_mapped_over_written_pages_and_mapped_again_is_restored() -> None:
    """Mapped nodes come, hide pages of the start and change; every state between is that of stepping there."""
    blobs = {blob_root(data, "big"): data for data in (bytes(range(256)) * 20, b"another" * 999)}
    words: list[int] = []
    for root in blobs:
        for k in range(8):
            word = int.from_bytes(root[4 * k : 4 * k + 4], "little")
            words += [encode("LUI", rt=8 + k, low=word >> 16), encode("ORI", rs=8 + k, rt=8 + k, low=word & 0xFFFF)]
        words += [encode("SYSCALL_MAP"), encode("LW", rs=5, rt=6), encode("SW", rs=7, rt=6)]
    machine = machine_with([*words, encode("SYSCALL_HALT")], {4: 1, 5: 0xC400_0000, 7: DATA})
    machine.memory.blobs = Machine("big", blobs).memory.blobs
    machine.store_word(0xC400_0000, 77)  # a page that the first MAP hides
    expected = roots_by_stepping(machine, len(words) + 1)
    for every in (1, 3, 17):
        trace = Trace(machine, snapshot_every=every)
        trace.run()
        order = random.Random(every).sample(range(len(expected)), len(expected))
        assert trace.roots_at(order) == [expected[position] for position in order]
        assert [trace.machine_at(p).load_word(0xC400_0000) for p in (0, 18, len(words) + 1)] == [
            77, int.from_bytes(bytes(range(4)), "big"), int.from_bytes(b"anot", "big")
        ]  # fmt: skip


def test_a_distance_of_no_steps_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Trace(writer(1), snapshot_every=0)


@pytest.mark.long
def test_a_search_over_a_long_run_finds_every_root() -> None:
    """Three roots in each of 16 rounds over 2^32 positions, against a run without snapshots between."""
    trace = Trace(writer(30_000_000), snapshot_every=1 << 20)
    trace.run()
    low, width, rnd = 0, 1 << 32, random.Random(5)
    while width > 1:
        width //= 4
        positions = [low + k * width for k in (1, 2, 3)]
        roots = trace.roots_at(positions)
        machine = writer(30_000_000)
        made = 0
        for position, root in zip(positions, roots, strict=True):
            made += run(machine, position - made)
            assert machine.root() == root
            made = position
        low += width * rnd.randrange(3) if low + width < trace.steps else 0
