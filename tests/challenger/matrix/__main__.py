"""`make matrix`: at least ten thousand games, the table in out/matrix.txt; exit code 1 if one of them was missed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.challenger.matrix.table import Tally, play_false, play_honest, render, schedule

BLOCK = 250


def main() -> int:
    """Play, write the table again after each block of games, say how it stands."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--games", type=int, default=10_000, help="games against falsehoods")
    options.add_argument("--honest", type=int, default=505, help="games against honest operators")
    options.add_argument("--first", type=int, default=0, help="number of the first game")
    options.add_argument("--out", type=Path, default=Path("out/matrix.txt"))
    given = options.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    tally, began = Tally(), time.perf_counter()
    for done in range(0, given.games, BLOCK):
        count = min(BLOCK, given.games - done)
        play_false(tally, schedule(given.first + done, count))
        played, to_play = (given.honest * games // given.games for games in (done, done + count))
        play_honest(tally, range(played, to_play))
        given.out.write_text(render(tally))
        print(
            f"matrix: {tally.games.total()} games, {len(tally.misses)} misses, {tally.honest.total()} honest games, "
            f"{len(tally.spent)} lost; {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True,
        )  # fmt: skip
    print(given.out.read_text(), end="")
    return 1 if tally.misses or tally.spent else 0


if __name__ == "__main__":
    sys.exit(main())
