"""The stories of the crash matrix and how many combinations of each are played; `make crashes` writes out/crashes.txt.

What is chosen follows from the seed, so a row can be played again (`--only STORY --seed N`); several stories in one go
are named one after the other.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from regtest.crashes import life
from regtest.crashes.by_files import Gathering, Medium, Post, Stick
from regtest.crashes.disk import watching
from regtest.crashes.matrix import Dry, Ending, Row, Story, choose, play, play_dry, scenario_story, summary, told_story
from regtest.crashes.points import Point, Watch
from regtest.crashes.signing import noting_nonces
from regtest.party import DEPOSITOR
from regtest.scenarios import NAMES
from regtest.story import Ending as StoryEnding
from regtest.story import Stage
from regtest.workshop import Workshop
from tests.challenger.signers import DEADLINE, DEPOSIT, Table, outpoints_of
from tests.challenger.signers import DEPOSITOR as PAYER
from tests.regtest.crash_commands import refund_story
from tests.regtest.invariant import check_invariant

OUT = Path("out/crashes.txt")
SEED = 1
# Whose part a watchtower plays where the party is honest.
TOWERS = {
    "deposit_claim": "olga", "challenge_won": "alice", "challenge_lost": "olga", "challenger_silent": "olga",
    "five_challengers": "erin", "reorg": "alice", "fee_spike": "alice",
}  # fmt: skip
WITHOUT = ("swap",)  # no party with files, no graph
RATES = {"fee_spike": 30}  # sat/vB that a party may have to pay
# The depositor's points are the same in every dispute: they are places to die in these stories.
HER_STORIES = (
    "deposit_claim", "deposit_refund", "challenge_won", "reorg", "refresh", "several_claims", "signer_offline",
    "signer_restarts", "cooperative_payout", "cooperative_cancel",
)  # fmt: skip
MANY, FEW = (9, 3), (3, 1)  # combinations with one death, with two
COSTLY = ("five_challengers", "signer_offline", "signer_restarts", "refresh", "several_claims", "reorg")
DEFAULT: Mapping[str, tuple[int, int]] = {
    "deposit_claim": (3, 1), "deposit_refund": (2, 0), "challenge_won": (3, 1), "challenge_lost": (2, 0),
    "cooperative_payout": (2, 0), "deposit_claim, tower of olga": (2, 1), "ceremony by files": (4, 1),
    "ceremony by mail": (4, 1), "bridge commands": (2, 0),
}  # fmt: skip


def stories(workshop: Workshop) -> Iterator[Story]:
    """All of them; each is played when it is its turn."""
    for name in (n for n in NAMES if n not in WITHOUT):
        yield replace(scenario_story(name, "", workshop, _check(name)), covers=_covers(name))
    for name, party in TOWERS.items():
        yield replace(scenario_story(name, party, workshop, _check(name)), covers=_only(party))
    for party in ("", "alice"):
        name = "whole life" + (f", tower of {party}" if party else "")
        yield told_story(name, life.play, party, workshop, _check("whole life"))
    for medium in ("files", "mail"):
        for members in (2, 3):
            yield _ceremony(medium, members)
    yield refund_story()


def counts_of(name: str) -> tuple[int, int]:
    """Combinations of a story in the long run: with one death, with two."""
    if name.startswith("whole life") or name in COSTLY or name.startswith(COSTLY):
        return FEW
    return (20, 6) if name.startswith(("ceremony", "bridge")) else MANY


def rows_of(dry: Dry, once: int, twice: int, seed: int = SEED) -> Iterator[Row]:
    """Play so many combinations."""
    for combination in [*choose(dry, once, seed), *choose(dry, twice, seed, twice=True)]:
        yield play(combination, dry)


def _check(name: str) -> Callable[[Stage, StoryEnding], None]:
    return lambda stage, ending: check_invariant(stage, ending, rate=RATES.get(name, 1))


def _only(party: str) -> Callable[[Point], bool]:
    return lambda point: point.party == party


def _covers(name: str) -> Callable[[Point], bool]:
    """Not the depositor again; in `signer_offline` nothing after which a round begins anew: it is about its rounds."""
    if name == "signer_offline":
        return lambda point: "partials" not in point.about and not _spends_nonces(point)
    return lambda point: name in HER_STORIES or point.party != DEPOSITOR


def _spends_nonces(point: Point) -> bool:
    return point.about.endswith(".half") and point.kind.startswith(("file removed", "file settled"))


def _ceremony(kind: str, members: int) -> Story:
    """A ceremony about toy games."""

    def play(watch: Watch, folder: Path) -> Ending:
        table = Table(folder, members)
        with watching(watch), noting_nonces() as diary:
            first = next(iter(table.desks.values()))
            medium: Medium = Stick(watch, folder / "stick")
            if kind == "mail":
                medium = Post(watch, folder / "mail.sqlite", first)
            outpoints = {name: outpoints_of(table.policy, name) for name in table.desks}
            made = Gathering(watch, table.desks, outpoints, medium, PAYER, DEPOSIT, DEADLINE).presign()
            diary.check()
        return "presigned", ",".join(sorted(made))

    return Story(f"ceremony by {kind}" + (f" of {members}" if members > 2 else ""), play)


def main() -> int:
    """Play everything; exit code 1 if something did not end as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], help="stories whose names begin so")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--append", action="store_true", help="keep what the table has")
    asked = parser.parse_args()
    rows, began = list[Row](), time.monotonic()
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("a" if asked.append else "w") as file:
        for story in list(stories(Workshop())):
            if not story.name.startswith(tuple(asked.only)):
                continue
            dry = play_dry(story)
            print(f"# {story.name}: {len(list(dry.places()))} of {len(dry.points)} points", file=file, flush=True)
            for row in rows_of(dry, *counts_of(story.name), asked.seed):
                rows.append(row)
                print(row, file=file, flush=True)
                print(row if row.miss else f"{len(rows)} {row.story}", file=sys.stderr)
        print(f"# {summary(rows)}, {time.monotonic() - began:.0f} s in all", file=file)
    print(summary(rows))
    return int(any(row.miss for row in rows))


if __name__ == "__main__":
    sys.exit(main())
