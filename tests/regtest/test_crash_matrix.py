"""Every crash point × story: a part of it here, all that `make crashes` plays in the long run; and that it can fail."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_l2 import durable
from btc_l2.bridge.deposits import DepositStore
from challenger.journal import Journal
from regtest.crashes.disk import POWER, watching
from regtest.crashes.matrix import Combination, Row, Story, play, play_dry
from regtest.crashes.points import Death, Died, Kept, Watch
from regtest.workshop import Workshop
from tests.regtest.crash_matrix import DEFAULT, counts_of, rows_of, stories

KILLED = 9
NAMES = [story.name for story in stories(Workshop())]


def find(workshop: Workshop, name: str) -> Story:
    return next(story for story in stories(workshop) if story.name == name)


def check(rows: list[Row], wanted: int) -> None:
    assert not [str(row) for row in rows if row.miss]
    assert len(rows) == wanted and all(row.died for row in rows)


@pytest.mark.parametrize("name", DEFAULT)
def test_whoever_dies_somewhere_the_story_ends_as_it_promises(workshop: Workshop, name: str) -> None:
    once, twice = DEFAULT[name]
    check(list(rows_of(play_dry(find(workshop, name)), once, twice)), once + twice)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_whoever_dies_anywhere_the_story_ends_as_it_promises(workshop: Workshop, name: str) -> None:
    once, twice = counts_of(name)
    check(list(rows_of(play_dry(find(workshop, name)), once, twice)), once + twice)


def test_there_are_as_many_combinations_as_promised() -> None:
    assert sum(once + twice for once, twice in DEFAULT.values()) >= 20
    assert sum(once + twice for once, twice in map(counts_of, NAMES)) >= 200


# ---- the matrix can fail ---------------------------------------------------------------------------------------------


def first_point(story: Story, party: str, kind: str, about: str = "") -> tuple[Combination, Row]:
    """The story with a death at the first point of that kind."""
    dry = play_dry(story)
    death = next(d for d, p in dry.places() if p.party == party and p.kind == kind and about in p.about)
    combination = Combination(story, (death,))
    return combination, play(combination, dry)


def test_an_agent_that_keeps_no_journal_signs_twice_and_is_found(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, where = find(workshop, "challenge_lost"), ("alice", "send lost", "alice/choose.2")
    assert first_point(story, *where)[1].miss == ""
    monkeypatch.setattr(Journal, "commit_move", lambda *_: None)
    assert "was sent with two witnesses" in first_point(story, *where)[1].miss


def test_a_record_that_reads_first_and_writes_later_is_found(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, apply = find(workshop, "deposit_claim"), DepositStore.apply

    def twice(self: DepositStore, name: str, *rest: object, **more: object) -> object:
        self._db.execute("UPDATE deposits SET detail = detail WHERE id = ?", (name,))
        return apply(self, name, *rest, **more)  # type: ignore[arg-type]

    assert first_point(story, "dora", "update after")[1].miss == ""
    monkeypatch.setattr(DepositStore, "apply", twice)
    assert "the record of the deposit says" in first_point(story, "dora", "update after")[1].miss


# ---- what the disk has ----------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder


def die(home: Path, kind: str, work: object) -> Watch:
    """Let a party do its work, dying at the first point of that kind; its disk is as it was then."""
    seen = Watch()
    with watching(seen):
        seen.live("party", work)  # type: ignore[arg-type]
    for path in home.iterdir():
        path.unlink()
    at = [point.kind for point in seen.points].index(kind)
    watch = Watch([Death("party", at)], homes={"party": (home,)})
    with watching(watch), pytest.raises(Died), watch.acting("party"):
        work()  # type: ignore[operator]
    watch.bury("party")
    return watch


@pytest.mark.parametrize(
    ("kind", "left"),
    [("file linked", b"new"), (f"file linked{POWER}", None), ("file settled", b"new"), ("file synced", None)],
)
def test_a_new_file_is_there_after_its_link_and_with_the_power_gone_after_the_sync(
    home: Path, kind: str, left: bytes | None
) -> None:
    die(home, kind, lambda: durable.write_once(home / "file", b"new"))
    assert ((home / "file").read_bytes() if (home / "file").exists() else None) == left


def test_a_killed_process_leaves_its_temporary_file_and_the_name_as_it_was(home: Path) -> None:
    die(home, "file written", lambda: durable.write_once(home / "file", b"new"))
    (temporary,) = home.iterdir()
    assert temporary.name.startswith(".file.") and temporary.read_bytes() == b"new"
    die(home, f"file written{POWER}", lambda: durable.write_once(home / "file", b"new"))
    (temporary,) = home.iterdir()
    assert temporary.read_bytes() == b""


def write_row(home: Path) -> None:
    database = sqlite3.connect(home / "file", isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
        database.execute(statement)
    database.executescript("CREATE TABLE IF NOT EXISTS rows (value)")
    for statement in ("BEGIN", "INSERT INTO rows VALUES (1)", "COMMIT"):
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(("kind", "left"), [("commit before", 0), (f"commit torn{POWER}", 0), ("commit after", 1)])
def test_rows_are_there_after_their_commit_and_not_if_it_was_torn(home: Path, kind: str, left: int) -> None:
    die(home, kind, lambda: write_row(home))
    assert sqlite3.connect(home / "file").execute("SELECT count(*) FROM rows").fetchone() == (left,)


class KilledForReal(Watch):
    """Ends the process instead of telling what its disk has."""

    def _read(self, party: str) -> Kept:
        os._exit(KILLED)


def sizes(home: Path) -> dict[str, int]:
    """What lies in a folder; the names of temporary files without what is there by chance."""
    return {re.sub(r"^(\.\w+\.).*", r"\1", path.name): path.stat().st_size for path in home.iterdir()}


def test_a_death_leaves_what_a_process_that_is_really_killed_leaves(tmp_path: Path) -> None:
    def work(home: Path) -> None:
        home.mkdir(exist_ok=True)
        durable.write_once(home / "secret", b"seed")
        write_row(home)
        durable.replace_file(home / "kit", b"kit")
        durable.remove_file(home / "secret")

    dry = Watch()
    with watching(dry):
        dry.live("party", lambda: work(tmp_path / "dry"))
    places = [at for at, point in enumerate(dry.points) if not point.kind.endswith(POWER)]
    for at in places:
        home, real = tmp_path / f"{at}", tmp_path / f"{at}.real"
        watch = Watch([Death("party", at)], homes={"party": (home,)})
        with watching(watch), pytest.raises(Died), watch.acting("party"):
            work(home)
        watch.bury("party")
        if (child := os.fork()) == 0:
            killed = KilledForReal([Death("party", at)])
            with watching(killed), killed.acting("party"):
                work(real)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        assert sizes(home) == sizes(real), dry.points[at]
    assert len(places) > 20


def test_nobody_dies_where_nobody_was_told_to(home: Path) -> None:
    watch = Watch([Death("another", 0)])
    with watching(watch):
        watch.live("party", lambda: durable.write_once(home / "file", b"new"))
    assert not watch.died and {point.party for point in watch.points} == {"party"}
