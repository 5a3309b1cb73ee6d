"""The matrix: every story × every point at which a party can die in it; a part of it, chosen so that all kinds occur.

A run without deaths tells the points of a story and how it ends. Each combination plays the story again with one death
(or two, the second while the party recovers): it has to end as it did, with everything that the story promises.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from regtest.crashes.points import Death, Point, Watch
from regtest.crashes.signing import mortal_signers, noting_nonces
from regtest.crashes.stage import Check, open_crash_network
from regtest.outcome import expect
from regtest.scenarios import Play, find_scenario
from regtest.workshop import Workshop

RECOVERY = 14  # points after a death within which a second one falls: opening the files takes about as many
Ending = tuple[str, ...]  # what must be the same with and without deaths


@dataclass(frozen=True, slots=True)
class Story:
    """Something to be played with deaths in a folder; `play` raises if a promise is broken.

    `covers` says which of its points are places to die: those that another story does not have as well.
    """

    name: str
    play: Callable[[Watch, Path], Ending]
    covers: Callable[[Point], bool] = lambda _point: True


@dataclass(frozen=True, slots=True)
class Combination:
    """A story, and who dies at which of his points."""

    story: Story
    deaths: tuple[Death, ...]


@dataclass(frozen=True, slots=True)
class Dry:
    """A story without deaths: all its points in order, how it ended."""

    story: Story
    points: tuple[Point, ...]
    ending: Ending

    def places(self) -> Iterator[tuple[Death, Point]]:
        """Every way of dying once."""
        counts: dict[str, int] = {}
        for point in self.points:
            at = counts.get(point.party, 0)
            counts[point.party] = at + 1
            if self.story.covers(point):
                yield Death(point.party, at), point


@dataclass(frozen=True, slots=True)
class Row:
    """A combination and what became of it; `miss` says what was not as promised, empty if all was."""

    story: str
    died: tuple[Point, ...]
    ending: Ending
    seconds: float
    miss: str = ""

    def __str__(self) -> str:
        where = " then ".join(f"{p.party} at {p.kind}: {p.about or '-'}" for p in self.died)
        ending = " ".join(self.ending[:2])
        return f"{self.story:<30} {where:<84} {ending:<18} {self.seconds:6.2f} s  {self.miss or 'ok'}"


def scenario_story(name: str, tower: str, workshop: Workshop, check: Check) -> Story:
    """A scenario of `regtest.scenarios`; `tower`: the party that its watchtower plays, or nobody."""
    return told_story(f"{name}, tower of {tower}" if tower else name, find_scenario(name), tower, workshop, check)


def told_story(
    name: str, tell: Play, tower: str, workshop: Workshop, check: Check,
    covers: Callable[[Point], bool] = lambda _point: True,
) -> Story:  # fmt: skip
    """Something that is played on a network."""
    towers = frozenset([tower]) if tower else frozenset[str]()

    def play(watch: Watch, folder: Path) -> Ending:
        with open_crash_network(folder, workshop, watch, towers, check) as network:
            with noting_nonces() as diary, mortal_signers(watch, network.watched().scenes):
                outcome = tell(network)
            diary.check()
            network.check_end()
        return outcome.outcome, outcome.winner, outcome.verdict

    return Story(name, play, covers)


def play_dry(story: Story) -> Dry:
    """The story as it is."""
    watch = Watch()
    with scratch() as folder:
        ending = story.play(watch, folder)
    return Dry(story, tuple(watch.points), ending)


def play(combination: Combination, dry: Dry) -> Row:
    """The story with its deaths. What goes wrong stands in the row."""
    began, watch, miss, ending = time.perf_counter(), Watch(combination.deaths), "", Ending()
    with scratch() as folder:
        try:
            ending = combination.story.play(watch, folder)
            _compare(combination, watch, dry, ending)
        except Exception as error:  # whatever it is, it belongs into the table
            miss = f"{type(error).__name__}: {error}"
    return Row(combination.story.name, tuple(watch.died), ending, time.perf_counter() - began, miss)


def _compare(combination: Combination, watch: Watch, dry: Dry, ending: Ending) -> None:
    """The first death was where it was planned; a second one may come too late."""
    expect(bool(watch.died), "the point was not reached")
    first = combination.deaths[0]
    planned = [point for point in dry.points if point.party == first.party][first.at]
    expect(watch.died[0] == planned, f"another point than {planned} was there")
    expect(ending == dry.ending, f"it ended as {ending}, without deaths as {dry.ending}")


def choose(dry: Dry, count: int, seed: int, twice: bool = False) -> list[Combination]:
    """So many combinations of a story: all parties in turn, of each all classes of points in turn, then by chance.

    `twice`: a second death of the same party while it recovers.
    """
    chance = random.Random(f"{seed}/{dry.story.name}/{twice}")
    groups: dict[str, dict[str, list[Death]]] = {}
    for death, point in dry.places():
        groups.setdefault(point.party, {}).setdefault(class_of(point), []).append(death)
    parties = [_in_turn([_mixed(deaths, chance) for deaths in classes.values()], chance) for classes in groups.values()]
    chosen = islice(_in_turn(parties, chance), count)
    return [Combination(dry.story, _deaths(death, twice, chance)) for death in chosen]


def class_of(point: Point) -> str:
    """What kinds of point have in common: what is on the disk then, or who has seen what."""
    what = point.kind.partition(" ")[0]
    if point.kind.startswith("commit") and "before" not in point.kind:
        return "commit"
    return {"pragma": "open", "create": "open"}.get(what, "inside" if what in _STATEMENTS else point.kind)


_STATEMENTS = ("begin", "insert", "update", "delete", "replace", "commit")


def _deaths(first: Death, twice: bool, chance: random.Random) -> tuple[Death, ...]:
    return (first, Death(first.party, first.at + chance.randint(1, RECOVERY))) if twice else (first,)


def _mixed(deaths: list[Death], chance: random.Random) -> Iterator[Death]:
    return iter(chance.sample(deaths, len(deaths)))


def _in_turn(sources: list[Iterator[Death]], chance: random.Random) -> Iterator[Death]:
    """One of each, in an order by chance, until all are empty."""
    chance.shuffle(sources)
    while sources:
        for source in list(sources):
            found = next(source, None)
            if found is None:
                sources.remove(source)
            else:
                yield found


class scratch:
    """A folder in memory where there is one: every statement asks for its fsync."""

    def __enter__(self) -> Path:
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="btcl2-crashes-", dir=memory if memory.is_dir() else None))
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def summary(rows: Sequence[Row]) -> str:
    """The last line of the table."""
    deaths, misses = sum(len(row.died) for row in rows), sum(bool(row.miss) for row in rows)
    stories, kinds = len({row.story for row in rows}), len({p.kind for row in rows for p in row.died})
    seconds = sum(row.seconds for row in rows)
    return (
        f"{len(rows)} combinations, {deaths} deaths, {stories} stories, {kinds} kinds of point, "
        f"{seconds:.0f} s, {misses} misses"
    )
