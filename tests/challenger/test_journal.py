"""The journal: one value per key for ever, a move whole or not at all, bound to one deposit and one party."""

from __future__ import annotations

import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.database import IN_MEMORY
from challenger.journal import Journal
from taproot.errors import Refused, Unavailable, VerificationFailed

DEPOSIT = f"{'ab' * 32}:0"
MOST_ACKNOWLEDGED = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alice.journal"


def open_journal(path: Path | str, deposit: str = DEPOSIT, party: str = "alice") -> Journal:
    return Journal(path, deposit, party)


def test_a_move_is_there_after_reopening_with_all_its_values(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.commit_move("alice/choose.0", {"a": (3,), "b": (1, 15)}, b"raw", 100)
    with closing(open_journal(path)) as journal:
        assert journal.move("alice/choose.0") == b"raw"
        assert (journal.value("a"), journal.value("b")) == ((3,), (1, 15))
        assert journal.move("alice/choose.1") is None and journal.value("c") is None


def test_the_same_value_is_taken_again(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.commit_move("alice/choose.0", {"a": (3,)}, b"raw", 100)
        journal.commit_move("alice/choose.0", {"a": (3,)}, b"raw", 101)
        assert (journal.value("a"), journal.move("alice/choose.0")) == ((3,), b"raw")


def test_another_value_is_refused_and_the_whole_move_with_it(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.commit_move("first", {"a": (3,)}, b"raw", 100)
        with pytest.raises(Refused, match="already signed another value") as refused:
            journal.commit_move("second", {"b": (1,), "a": (4,)}, b"other", 101)
        assert "\n" not in str(refused.value)
        assert journal.value("a") == (3,)
        assert journal.value("b") is None and journal.move("second") is None


def test_a_second_agent_on_the_same_file_signs_no_second_value(path: Path) -> None:
    with closing(open_journal(path)) as one, closing(open_journal(path)) as other:
        one.commit_move("move", {"a": (3,)}, b"raw", 100)
        with pytest.raises(Refused):
            other.commit_move("move", {"a": (4,)}, b"other", 100)
        assert other.move("move") == b"raw"


Moves = list[tuple[int, dict[str, tuple[int, ...]]]]
VALUES = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 1)), max_size=3)


@given(st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_sequence_of_moves_leaves_what_was_committed_first(moves: Moves) -> None:
    signed: dict[str, tuple[int, ...]] = {}
    made: dict[str, bytes] = {}
    with closing(open_journal(IN_MEMORY)) as journal:
        for number, (name, values) in enumerate(moves):
            fits = all(signed.get(m, d) == d for m, d in values.items())
            try:
                journal.commit_move(str(name), values, bytes([number]), number)
                assert fits
                signed |= values
                made[str(name)] = bytes([number])
            except Refused:
                assert not fits
        assert {m: journal.value(m) for m in "abcd"} == {m: signed.get(m) for m in "abcd"}
        assert {n: journal.move(n) for n in "0123"} == {n: made.get(n) for n in "0123"}


def test_the_archive_keeps_the_last_version_of_each_transaction(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.archive([("kickoff", b"1", 100), ("fan", b"2", 101)])
        journal.archive([("fan", b"3", 102)])
        journal.archive([])
        assert [journal.seen(n) for n in ("kickoff", "fan", "veto")] == [b"1", b"3", None]


@pytest.mark.parametrize(("deposit", "party"), [(f"{'cd' * 32}:0", "alice"), (DEPOSIT, "bob")])
def test_the_journal_of_another_deposit_or_party_is_refused(path: Path, deposit: str, party: str) -> None:
    open_journal(path).close()
    with pytest.raises(VerificationFailed, match="belongs to") as refused:
        open_journal(path, deposit, party)
    assert refused.value.exit_code == 4 and "\n" not in str(refused.value)


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    open_journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = '999' WHERE name = 'version'")
        db.commit()
    with pytest.raises(VerificationFailed, match="version 999"):
        open_journal(path)


def test_a_file_that_is_no_journal_is_not_touched(path: Path) -> None:
    content = b"this is a letter, not a database. " * 200
    path.write_bytes(content)
    with pytest.raises(VerificationFailed, match="damaged"):
        open_journal(path)
    assert path.read_bytes() == content


def test_a_damaged_journal_is_found_out_when_it_is_read(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        for number in range(200):
            journal.commit_move(f"move{number}", {f"m{number}": (1,) * 64}, bytes(400), number)
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xa5" * len(whole[4096:])
    path.write_bytes(whole)
    with pytest.raises(VerificationFailed, match="damaged"):
        open_journal(path).move("move7")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere") as missing:
        open_journal(tmp_path / "nowhere" / "alice.journal")
    assert missing.value.exit_code == 3


def test_only_the_owner_can_read_the_files(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.commit_move("move", {"a": (3,)}, b"raw", 100)
        files = list(path.parent.iterdir())
        assert len(files) > 1
        assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in files)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_nothing_of_a_move_and_space_cures_it(path: Path) -> None:
    with closing(open_journal(path)) as journal:
        journal.commit_move("first", {"a": (3,)}, b"raw", 100)
        with full_disk(), pytest.raises(Unavailable, match="nothing was signed or sent") as full:
            journal.commit_move("second", {"b": (1,)}, bytes(20_000), 101)
        assert full.value.exit_code == 3 and "\n" not in str(full.value)
        assert journal.move("second") is None and journal.value("b") is None
        assert (journal.move("first"), journal.value("a")) == (b"raw", (3,))
        journal.commit_move("second", {"b": (2,)}, b"made later", 102)
    with closing(open_journal(path)) as journal:
        assert (journal.move("second"), journal.value("b")) == (b"made later", (2,))


def test_a_journal_cannot_be_begun_on_a_full_disk(path: Path) -> None:
    with full_disk(), pytest.raises(Unavailable, match="free space"):
        open_journal(path)
    open_journal(path).close()


WRITER = """
import sys
from challenger.journal import Journal
journal = Journal(sys.argv[1], sys.argv[2], "alice")
for n in range(10_000):
    journal.commit_move(f"move{n}", {f"m{n}": (n % 16,)}, bytes([n % 256]) * 500, n)
    print(n, flush=True)
"""


def test_a_process_killed_while_it_writes_loses_nothing_that_it_had_finished(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), DEPOSIT], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer:
        for line in writer.stdout:
            if int(line) >= MOST_ACKNOWLEDGED:
                writer.send_signal(signal.SIGKILL)
                break
        finished = [MOST_ACKNOWLEDGED, *(int(line) for line in writer.stdout if line.endswith("\n"))][-1]
    with closing(open_journal(path)) as journal:
        for n in range(finished + 1):
            assert journal.move(f"move{n}") == bytes([n % 256]) * 500
            assert journal.value(f"m{n}") == (n % 16,)
        after = finished + 2  # the one that was being written is there as a whole or not at all
        assert (journal.move(f"move{finished + 1}") is None) == (journal.value(f"m{finished + 1}") is None)
        assert journal.move(f"move{after}") is None and journal.value(f"m{after}") is None
