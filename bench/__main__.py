"""`python -m bench` measures everything but the long sections, each in a process of its own, and writes
`docs/benchmarks.md`.

`python -m bench NAME …` measures these sections and prints them; with `--write` they take their place on the page.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bench.figure import Figure

SECTIONS = {
    "zkvm": "The zkMIPS machine, one core",
    "translated": "The translated tier, beside its peers (seconds of the processor)",
    "traces": "Traces of long runs",
    "scripts": "Scripts",
    "costs": "Costs on chain",
    "presign": "Presigning a deposit",
    "ceremony": "Presigning by files, one signer of several",
    "growth": "How presigning by files grows (one signer: CPU, memory; files sent: keys + nonces + parts)",
    "coordinator": "Presigning over HTTP",
    "peers": "The machine beside a peer",
    "chain": "Chains",
    "watchtower": "The watchtower",
    "stories": "The demo",
    "suite": "The default tests",
}
LONG = ("growth",)  # measured only when they are named
FAILED = "This section failed."
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

*Written by `make bench`; figures are those of the machine below at that commit, not promises.*

{machine}, Python {python}, {system}; commit {commit}, {date}. {verdict}
"""


def main(arguments: Sequence[str]) -> int:
    """Measure and report; 1 if a section failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="NAME",
                        help=f"one of {', '.join(SECTIONS)}; all but {', '.join(LONG)} if none")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put the named sections on the page, keep the others")
    parser.add_argument("--json", action="store_true", help="measure in this process and print JSON")
    given = parser.parse_args(arguments)
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    names = given.sections or [name for name in SECTIONS if name not in LONG]
    if given.json:
        print(json.dumps([asdict(figure) for name in names for figure in _measure_here(name)]))
        return 0
    tables = {name: text for name, text in _known_tables().items() if given.write or name in LONG}
    for name in names:
        tables[name] = _table(name, _measure(name))
        print(tables[name])
        if given.write or not given.sections:
            PAGE.write_text(_page(tables))
    return 1 if any(FAILED in tables[name] for name in names) else 0


def _measure_here(name: str) -> Sequence[Figure]:
    return list(import_module(f"bench.{name}").measure())


def _measure(name: str) -> list[Figure] | None:
    """The figures of a section, measured in a process of its own; None if it failed."""
    print(f"bench: {name}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "bench", "--json", name], stdout=subprocess.PIPE, text=True)
    return None if done.returncode else [Figure(**row) for row in json.loads(done.stdout)]


def _table(name: str, figures: Sequence[Figure] | None) -> str:
    if figures is None:
        return f"## {SECTIONS[name]}\n\n{FAILED}\n"
    rows = [("figure", "measured", "asked", "met"), ("---",) * 4]
    rows += [(f.what, f.value, f.asked, {True: "yes", False: "**no**", None: ""}[f.met]) for f in figures]
    return f"## {SECTIONS[name]}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _known_tables() -> dict[str, str]:
    """The sections of the page as it is."""
    parts = re.split(r"^(?=## )", PAGE.read_text(), flags=re.MULTILINE)[1:] if PAGE.is_file() else []
    titles = {title: name for name, title in SECTIONS.items()}
    known = {titles.get(part.splitlines()[0].removeprefix("## ")): part.rstrip("\n") + "\n" for part in parts}
    return {name: text for name, text in known.items() if name is not None}


def _page(tables: Mapping[str, str]) -> str:
    """Head and sections in their order."""
    body = "\n".join(tables[name] for name in SECTIONS if name in tables)
    met, missed = body.count("| yes |"), body.count("| **no** |")
    head = HEAD.format(
        machine=f"{_processor()}, {os.cpu_count()} cores",
        python=platform.python_version(),
        system=platform.system(),
        commit=_commit(),
        date=datetime.datetime.now(datetime.UTC).date(),
        verdict=f"{met} of {met + missed} targets met.",
    )
    return f"{head}\n{body}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
