"""Traces in a folder: the next process goes on where the last one stopped; damage and mix-ups are told, not used."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.pagefile import SLOT_COST
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.trace import Trace
from taproot.errors import BtcL2Error, InvalidInput, Unavailable, VerificationFailed
from tests.zkvm.programs import DATA, encode, machine_with
from tests.zkvm.test_trace import writer

WRITES = 400
STEPS = 5 * WRITES + 2


@pytest.fixture(scope="module")
def plain() -> Trace:
    trace = Trace(writer(WRITES))
    trace.run()
    return trace


def stored(folder: Path, until: int | None = None, every: int = 100, limit: int = 1 << 30) -> Trace:
    trace = Trace(writer(WRITES), snapshot_every=every, disk_limit=limit, directory=folder)
    trace.run(until)
    return trace


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stops=st.lists(st.integers(0, STEPS), min_size=1, max_size=4).map(sorted),
    every=st.integers(20, 300),
    pages=st.integers(30, 500),
    positions=st.lists(st.integers(0, STEPS), min_size=1, max_size=6),
)
def test_a_trace_that_is_continued_again_and_again_is_the_trace(
    tmp_path_factory: pytest.TempPathFactory,
    plain: Trace,
    stops: list[int],
    every: int,
    pages: int,
    positions: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("trace")
    for stop in stops:
        trace = stored(folder, stop, every, pages * SLOT_COST)
        assert trace.steps == stop
        trace.close()
    trace = stored(folder, None, every, pages * SLOT_COST)
    assert trace.steps == STEPS
    assert trace.roots_at(positions) == plain.roots_at(positions)
    trace.close()
    again = Trace(writer(WRITES), directory=folder)
    assert again.final.exit_code == 3
    assert again.roots_at(positions) == plain.roots_at(positions)
    assert again.steps == STEPS


def test_what_is_done_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path).close()
    monkeypatch.setattr("btc_l2.zkvm.trace.run", None)
    assert stored(tmp_path).steps == STEPS


def test_a_pinned_snapshot_stays_when_others_go(tmp_path: Path) -> None:
    trace = Trace(writer(WRITES), snapshot_every=10, disk_limit=60 * SLOT_COST, directory=tmp_path)
    trace.keep()
    trace.run(777)  # the end of a run in a folder is a snapshot, but not one that stays
    trace.run(778)
    trace.keep()
    trace.keep()
    trace.run()
    trace.close()
    again = Trace(writer(WRITES), snapshot_every=10, disk_limit=60 * SLOT_COST, directory=tmp_path)
    assert 778 in again.positions and 777 not in again.positions
    assert len(again.positions) < 30


def test_the_trace_of_another_claim_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    stored(tmp_path, 500).close()
    with pytest.raises(InvalidInput, match="another image, statement or claim"):
        Trace(writer(WRITES + 1), directory=tmp_path)
    assert Trace(writer(WRITES), directory=tmp_path).steps == 500


def test_a_folder_in_use_is_refused_until_it_is_given_up(tmp_path: Path) -> None:
    trace = stored(tmp_path, 500)
    with pytest.raises(Unavailable, match="in use"):
        Trace(writer(WRITES), directory=tmp_path)
    trace.close()
    assert Trace(writer(WRITES), directory=tmp_path).steps == 500


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(InvalidInput, match="letter"):
        Trace(writer(WRITES), directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_an_index_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    for content in (b"short", b"some other file " * 20):
        (tmp_path / "index").write_bytes(content)
        with pytest.raises((InvalidInput, VerificationFailed)):
            Trace(writer(WRITES), directory=tmp_path)
        assert (tmp_path / "index").read_bytes() == content


def test_a_file_instead_of_a_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        Trace(writer(WRITES), directory=tmp_path / "file")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 1 << 16), where=st.sampled_from(["index", "pages"]))
def test_a_cut_file_gives_a_shorter_trace_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, plain: Trace, cut: int, where: str
) -> None:
    """An index cut short is what a killed process leaves; pages that are missing are damage."""
    folder = tmp_path_factory.mktemp("trace")
    stored(folder).close()
    os.truncate(folder / where, cut % (folder / where).stat().st_size)
    refused(folder, plain) if where == "pages" else refused_or_right(folder, plain)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 1 << 30), bit=st.integers(0, 7), where=st.sampled_from(["index", "pages"]))
def test_an_altered_byte_is_found_or_not_needed(
    tmp_path_factory: pytest.TempPathFactory, plain: Trace, at: int, bit: int, where: str
) -> None:
    folder = tmp_path_factory.mktemp("trace")
    stored(folder).close()
    data = bytearray((folder / where).read_bytes())
    data[at % len(data)] ^= 1 << bit
    (folder / where).write_bytes(data)
    refused_or_right(folder, plain)


def refused_or_right(folder: Path, plain: Trace) -> None:
    try:
        trace = stored(folder)
        assert trace.roots_at(range(0, STEPS, 97)) == plain.roots_at(range(0, STEPS, 97))
        for position in (150, 1050, STEPS):
            machine = trace.machine_at(position)
            assert [machine.load_word(at) for at in range(0x40_0000, 0x60_0000, 0x1000)] == [
                plain.machine_at(position).load_word(at) for at in range(0x40_0000, 0x60_0000, 0x1000)
            ]
    except BtcL2Error as error:
        assert str(folder) in str(error)
        assert isinstance(error, VerificationFailed | InvalidInput)


def refused(folder: Path, plain: Trace) -> None:
    with pytest.raises(VerificationFailed, match="was cut"):
        Trace(writer(WRITES), directory=folder)


def test_an_altered_page_is_found_when_it_is_read(tmp_path: Path) -> None:
    stored(tmp_path).close()
    data = bytearray((tmp_path / "pages").read_bytes())
    (tmp_path / "pages").write_bytes(bytes(byte ^ 0x55 for byte in data))
    with pytest.raises(VerificationFailed, match="was altered"):
        Trace(writer(WRITES), directory=tmp_path).root_at(555)


def test_an_index_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    stored(tmp_path, 500).close()
    os.truncate(tmp_path / "index", 1 << 40)
    with pytest.raises(VerificationFailed, match="larger than any"):
        Trace(writer(WRITES), directory=tmp_path)


def test_a_full_disk_is_told_and_what_was_kept_goes_on(
    tmp_path: Path, plain: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = stored(tmp_path, 500)

    def full(descriptor: int, data: memoryview, *at: int) -> int:
        raise OSError(28, "No space left on device")

    for name in ("pwrite", "write"):
        with monkeypatch.context() as patch, pytest.raises(Unavailable, match="No space left"):
            patch.setattr(os, name, full)
            trace.run()
        assert trace.steps == 500
        assert trace.root_at(444) == plain.root_at(444)
    trace.close()
    again = stored(tmp_path)
    assert again.steps == STEPS
    assert again.root_at(STEPS) == plain.root_at(STEPS)


@pytest.mark.parametrize("at", range(5))
def test_killed_between_any_two_writes_the_folder_opens_and_goes_on(
    tmp_path: Path, plain: Trace, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The process ends at a write of its own, half of it done; thinning happens on the way."""
    rng = random.Random(at)
    deadline = rng.randrange(1, 120)
    calls = 0

    def dies(real: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, data: memoryview, *place: int) -> int:
            nonlocal calls
            calls += 1
            if calls >= deadline:
                real(descriptor, data[: len(data) // 2], *place)
                raise KeyboardInterrupt
            return real(descriptor, data, *place)

        return write

    trace = Trace(writer(WRITES), snapshot_every=10, disk_limit=60 * SLOT_COST, directory=tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "pwrite", dies(os.pwrite))
        patch.setattr(os, "write", dies(os.write))
        trace.run()
    trace.close()
    again = Trace(writer(WRITES), snapshot_every=10, disk_limit=60 * SLOT_COST, directory=tmp_path)
    assert again.steps % 10 == 0
    again.run()
    assert again.roots_at(range(0, STEPS, 101)) == plain.roots_at(range(0, STEPS, 101))


def endless() -> Machine:
    """Counts in $5 and writes it to two pages in turn, for ever."""
    words = [
        encode("SW", rs=4, rt=5), encode("ADDIU", rs=5, rt=5, low=1), encode("BEQ", low=-3),
        encode("XORI", rs=4, rt=4, low=0x1000),
    ]  # fmt: skip
    return machine_with(words, {4: DATA})


RUN = """
import sys
from pathlib import Path
from btc_l2.zkvm.trace import Trace
from tests.zkvm.test_trace_folder import endless
trace = Trace(endless(), snapshot_every=50_000, disk_limit=200 * 4200, directory=Path(sys.argv[1]))
trace.run(progress=lambda steps: print(steps, flush=True))
"""


def test_after_kill_9_no_more_than_two_intervals_are_lost(tmp_path: Path) -> None:
    """The one that runs and the one being kept. Twice, on what the first has left; thinning happens on the way."""
    for lines in (70, 150):
        process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split()]
        process.wait()
        trace = Trace(endless(), directory=tmp_path)
        assert trace.steps >= max(step for step in told if step < max(told))  # told when the one before it was kept
        trace.close()
    fresh = Trace(endless())
    fresh.run(trace.steps)
    assert trace.root_at(trace.steps) == fresh.root_at(trace.steps)


def test_the_folder_holds_an_index_pages_and_a_lock(tmp_path: Path) -> None:
    stored(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "lock", "pages"]
