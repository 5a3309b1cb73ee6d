"""`make scenarios`: every scenario on every back end; verdict, transactions and vbytes must be the same on all of them.

Each is played on a chain of its own. The table is out/scenarios.txt; exit code 1 if a scenario failed or two back ends
differ. A back end that cannot be had here is named with the reason, not passed over.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regtest.network import Network, open_network
from regtest.node.backends import BACKENDS
from regtest.scenarios import NAMES, find_scenario
from taproot.errors import BtcL2Error, Unavailable


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario on one back end; times in seconds; `failed` says why it has no verdict."""

    scenario: str
    backend: str
    judge: str
    seconds: float
    own: float  # of this process's processor, without the node's
    verdict: str = ""
    names: tuple[str, ...] = ()
    vbytes: int = 0
    failed: str = ""

    @property
    def story(self) -> tuple[str, tuple[str, ...], int]:
        """What must not depend on who judges."""
        return self.verdict, self.names, self.vbytes


def play(name: str, backend: str, network: Network) -> Row:
    """Raises nothing that a scenario may raise: it is in the row."""
    began, worked = time.perf_counter(), time.process_time()
    try:
        outcome, failed = find_scenario(name)(network), ""
    except BtcL2Error as error:
        outcome, failed = None, str(error)
    row = Row(name, backend, network.judge, time.perf_counter() - began, time.process_time() - worked, failed=failed)
    if outcome is None:
        return row
    names, vbytes = tuple(sent.name for sent in outcome.sent), sum(sent.tx.vbytes for sent in outcome.sent)
    return replace(row, verdict=outcome.verdict, names=names, vbytes=vbytes)


def differences(rows: Iterable[Row]) -> list[str]:
    """A line for each scenario that failed, or went otherwise than on the first back end."""
    first: dict[str, Row] = {}
    found = []
    for row in rows:
        known = first.setdefault(row.scenario, row)
        if row.failed:
            found.append(f"{row.scenario} failed on {row.backend}: {row.failed}")
        elif row.story != known.story:
            found.append(f"{row.scenario} is another story on {row.backend} than on {known.backend}")
    return found


def render(rows: Sequence[Row], absent: Sequence[str]) -> str:
    """The table, and what is missing from it."""
    numbers = f"{'txs':>4} {'vbytes':>8} {'seconds':>8} {'own CPU':>8}"
    lines = [f"{'scenario':<20} {'back end':<14} {numbers}  judge: verdict"]
    for row in sorted(rows, key=lambda row: NAMES.index(row.scenario)):
        words = (row.failed and f"FAILED: {row.failed}") or row.verdict
        numbers = f"{len(row.names):>4} {row.vbytes:>8,} {row.seconds:>8.1f} {row.own:>8.1f}"
        lines.append(f"{row.scenario:<20} {row.backend:<14} {numbers}  {row.judge}: {words}")
    found = differences(rows)
    same = f"{len(rows)} plays; verdict, transactions and vbytes of each scenario are the same on all back ends."
    return "\n".join([*lines, "", *(found or [same]), *absent, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, write the table again after each story."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--backend", action="append", choices=BACKENDS, help="once for each; default: all")
    options.add_argument("--scenario", action="append", choices=NAMES, help="once for each; default: all")
    options.add_argument("--out", type=Path, default=Path("out/scenarios.txt"))
    given = options.parse_args(arguments)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for name in given.scenario or NAMES:  # now: what stands in the files may change while the table is made
        find_scenario(name)
    rows: list[Row] = []
    absent: list[str] = []
    for backend in given.backend or BACKENDS:
        for name in given.scenario or NAMES:
            try:
                with open_network(backend) as network:
                    rows.append(play(name, backend, network))
            except Unavailable as error:
                absent.append(f"not played on {backend}: {error}")
                break
            given.out.write_text(render(rows, absent))
            print(f"scenarios: {name} on {backend}, {rows[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    given.out.write_text(render(rows, absent))
    print(given.out.read_text(), end="")
    return 1 if differences(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
