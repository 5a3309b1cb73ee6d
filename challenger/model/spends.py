"""Who can spend what, when, and where it leads: one row for all outputs and leaves that are alike.

Read from a graph, for `docs/spec/spends.md`. `tests/challenger/test_spend_paths.py` tries each row on libbitcoinkernel,
with every coalition of keys and around each delay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from challenger.game.kinds import CHAINS
from challenger.model.system import delay_of, opens_secrets
from taproot.connectors.output import Output, SpendPath
from taproot.parties import N_OF_N
from taproot.presigned import Graph, Kind, Planned

ALL = "all signers and the operator"
DISPROOF = "a disproof"
HEAD = ("output", "leaf", "leaves", "keys", "after", "shows", "presigned for")
PAGE = """\
# Who can spend what

*Computed by `docs/generate.py` (`make docs`) from the graph of the default terms; `make check` fails when it is stale.*

One row for all leaves that are alike: `X` stands for every access, `K`, `J` and `r` for numbers and challengers. A leaf
that asks for the key of all leads where the presigned transactions lead, and nowhere else as long as one of the signers
or the operator is honest. `tests/challenger/test_spend_paths.py` tries each row on libbitcoinkernel: coalitions, a
block before the delay, at it and after it, without the values that must be shown, and the key path, by which nobody
spends. What the rows mean for everybody's money is searched in full: [model.md](model.md).

{rows}
"""
_CHAIN = "|".join(sorted(map(re.escape, CHAINS), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class SpendRow:
    """`output` and `leaf` are names with X for an access, K, J, r for numbers; `keys` are roles; `delay` in blocks.

    `shows`: what the witness needs besides signatures. `leads`: the presigned transactions by this leaf; nothing where
    a single key may lead the coins anywhere.
    """

    output: str
    leaf: str
    keys: tuple[str, ...]
    delay: int
    shows: str
    leads: tuple[str, ...]


def spend_rows(graph: Graph) -> dict[SpendRow, int]:
    """Every row with the number of leaves that it stands for, in the order of the graph; one game of all."""
    rows: dict[SpendRow, int] = {}
    others = graph.contract.parties.challengers[1:]
    for output in graph.outputs.values():
        if not output.name.startswith(tuple(f"{j}/" for j in others)):
            for row in rows_of(graph, output):
                rows[row] = rows.get(row, 0) + 1
    return rows


def spends_page(graph: Graph) -> str:
    """The rows as a Markdown page."""
    rows = [HEAD, ["---"] * len(HEAD), *(_cells(row, count) for row, count in spend_rows(graph).items())]
    return PAGE.format(rows="\n".join(f"| {' | '.join(cells)} |" for cells in rows))


def _cells(row: SpendRow, count: int) -> tuple[str, ...]:
    after = f"{row.delay} blocks" if row.delay else ""
    leaf = row.leaf if row.leaf == DISPROOF else f"`{row.leaf}`"
    return f"`{row.output}`", leaf, str(count), " and ".join(row.keys), after, row.shows, ", ".join(row.leads)


def family(name: str) -> str:
    """The name of an output, leaf or transaction without numbers, access, variant and challenger."""
    name = re.sub(r"^[^/]+/", "J/", name).partition("@")[0]
    name = re.sub(r"\b(search|reveal|choose)\.\d+", r"\1.r", name)
    name = re.sub(rf"(^|[/._])(?:{_CHAIN})(?=\.|$)", r"\1X", name)
    return re.sub(r"\b(stake|pick_claim|cut|show|p)\d+", r"\1#", name).replace("p#", "J").replace("stake#", "stakeK")


def rows_of(graph: Graph, output: Output) -> Iterator[SpendRow]:
    """The row of each leaf of an output, in the order of its leaves."""
    roles = _roles(graph)
    spenders = [graph.planned(name) for name in graph.spenders(output.name)]
    for name, path in output.paths.items():
        by_leaf = [p for p in spenders if _spends_by(p, output, name)]
        disproof = _is_disproof(output, path)
        shows = _shown(by_leaf, path, disproof)
        keys = tuple(roles[party] for party in path.parties)
        leads = tuple(dict.fromkeys(_lead(p, output.name) for p in by_leaf))
        yield SpendRow(family(output.name), DISPROOF if disproof else family(name), keys, path.delay, shows, leads)


def _roles(graph: Graph) -> Mapping[str, str]:
    parties = graph.contract.parties
    challengers = dict.fromkeys(parties.challengers, "challenger J")
    return challengers | {parties.operator.name: "operator", parties.depositor.name: "depositor", N_OF_N: ALL}


def _spends_by(planned: Planned, output: Output, leaf: str) -> bool:
    """Whether a transaction spends the output by that leaf (a disproof is planned without its leaf's name)."""
    spend = next(s for s in planned.inputs if s.output == output.name)
    return spend.leaf == leaf or (spend.leaf is None and _is_disproof(output, output.paths[leaf]))


def _is_disproof(output: Output, path: SpendPath) -> bool:
    return path.parties == (output.name.partition("/")[0],) and not path.delay


def _shown(planned: list[Planned], path: SpendPath, disproof: bool) -> str:
    if not opens_secrets(path):
        return ""
    if disproof:
        return "signed values of the operator that do not fit"
    mover = next(p.by for p in planned if p.kind is Kind.MOVE)
    return "one-time signatures of the " + ("challenger" if mover in planned[0].name.split("/")[:1] else "operator")


def _lead(planned: Planned, output: str) -> str:
    tx_in = next(i for s, i in zip(planned.inputs, planned.tx.inputs, strict=True) if s.output == output)
    spend = next(s for s in planned.inputs if s.output == output)
    delay = delay_of(tx_in.sequence) if spend.leaf == N_OF_N else 0
    name = family(planned.name)
    name = re.sub(r"(timeout|disprove|slash)\..*", r"\1", name)
    return f"`{name}`" + (f" after {delay}" if delay else "")
