"""`btc-l2 regtest run|list|report|up|down|status`: scenarios on a test network, their reports, a node that stays.

`up` starts a node that stays, `run` plays on it, one story after the other, and `status` shows them; without such a
node `run` plays on a network of its own each time. `down` ends the node.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.evidence import prepare_folder, read_files, write_evidence, write_text
from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import VerificationFailed

if TYPE_CHECKING:
    from regtest.network import Network

app = typer.Typer(help="Play scenarios on a test network; keep a node for a while.", no_args_is_help=True)

_CHOICE = "`embedded` (no service), `bitcoind`, `bitcoind-core`, `container`"
Backend = Annotated[str, typer.Option(help="`bitcoind`, `bitcoind-core`, or `container`.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
State = Annotated[Path, typer.Option("--state", metavar="DIR", help="Folder of the node that stays.")]
_STATE = Path("out/regtest")


@app.command("list")
def list_scenarios(as_json: AsJson = False) -> None:
    """Every scenario with its story in one line."""
    from regtest.scenarios import NAMES, story_of

    print_rows(("name", "story"), [(name, story_of(name)) for name in NAMES], as_json)


@app.command("run")
def run_scenarios(
    name: Annotated[str, typer.Argument(help="A scenario (`regtest list`), or `all`.")],
    backend: Annotated[str | None, typer.Option(help=f"A network of its own: {_CHOICE}.")] = None,
    state: State = _STATE,
    out: Annotated[Path | None, typer.Option(help="New folder: evidence and a report per scenario.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play one scenario, or all; exit code 4 if one of them ends otherwise than it promises.

    Without --backend on the node that `regtest up` started, if there is one, else `embedded`.
    """
    from regtest.scenarios import NAMES, find_scenario

    names = list(NAMES) if name == "all" else [name.replace("-", "_")]
    for each in names:
        find_scenario(each)
    documents, failures = [], []
    for each in names:
        try:
            documents.append(_play(each, backend, state, None if out is None else out / each))
        except VerificationFailed as error:
            failures.append(each)
            note(f"{each}: {error}")
    _print_results(documents, as_json, single=name != "all")
    if failures:
        raise VerificationFailed(f"{len(failures)} of {len(names)} scenarios failed: {', '.join(failures)}; see above")


@app.command("report")
def write_report(
    folder: Annotated[Path, typer.Argument(help="What `regtest run --out` or `demo --out` left.")],
) -> None:
    """One HTML page that needs nothing else: the transactions as a graph, a timeline, costs, books."""
    print(_report(folder))


def _report(folder: Path) -> Path:
    from btc_l2.cli.drawing import draw_deposit
    from regtest.html import render_report

    page = folder / "report.html"
    result, transactions = read_files(folder)
    plan = draw_deposit((max(4, result["claimed_steps"]) - 1).bit_length(), 4)
    write_text(page, render_report(result, transactions, plan))
    return page


@app.command("up")
def start_node(backend: Backend = "bitcoind", state: State = _STATE, as_json: AsJson = False) -> None:
    """Start a node that stays: a private bitcoind, or one in a container. It is empty the first time."""
    from regtest.node.standing import start

    _print_status(start(state, backend), as_json)


@app.command("down")
def stop_node(
    state: State = _STATE,
    forget: Annotated[bool, typer.Option("--forget", help="Delete its chain as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop the node that stays."""
    from regtest.node.standing import stop

    print_document(stop(state, forget), as_json)


@app.command("status")
def show_status(state: State = _STATE, as_json: AsJson = False) -> None:
    """Does the node run, where, how high is its chain, what was played on it? Exit code 3 if there is none."""
    from regtest.node.standing import status

    _print_status(status(state), as_json)


def _print_status(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_document(facts, True)
        return
    print_document({key: value for key, value in facts.items() if key != "played"}, False)
    for entry in facts["played"]:
        blocks = f"blocks {entry['from']} to {entry['to']}" if "to" in entry else f"from block {entry['from']} on"
        print(f"story {entry['run']}: {entry['story']}, {blocks}: {entry.get('verdict', 'did not end')}")


def _play(name: str, backend: str | None, state: Path, out: Path | None) -> Mapping[str, Any]:
    from regtest.report import describe, transactions_of
    from regtest.scenarios import find_scenario, story_of

    prepare_folder(out)
    note(f"{name}: {story_of(name)}")
    with _open(name, backend, state, out) as (network, entry):
        outcome = find_scenario(name)(network)
        document = describe(name, outcome, network.judge)
        entry |= {"verdict": outcome.verdict, "to": network.chain.tip().height, "vbytes": document["total_vbytes"]}
    if out is not None:
        write_evidence(out, document, transactions_of(outcome))
        note(f"  report: {_report(out)}")
    return document


@contextlib.contextmanager
def _open(
    name: str, backend: str | None, state: Path, out: Path | None
) -> Iterator[tuple[Network, dict[str, Any]]]:
    """The network of one story, and what is to be remembered of it: kept with the node that stays."""
    from regtest.network import Network, open_network
    from regtest.node.backends import EMBEDDED
    from regtest.node.standing import is_up, open_standing, record

    def tell(text: str) -> None:
        note(f"  {text}")

    if backend is None and is_up(state):
        with record(state, name) as entry:
            note(f"  story {entry['run']} on the node of {state}")
            yield Network(open_standing(state), entry["judge"], out, tell, run=entry["run"]), entry
    else:
        with open_network(backend or EMBEDDED, out, tell) as network:
            yield network, {}


def _print_results(documents: list[Mapping[str, Any]], as_json: bool, single: bool) -> None:
    from regtest.report import tell

    if single and documents:
        document = documents[0]
        print(json.dumps(document) if as_json else tell(document))
        return
    columns = ("scenario", "verdict", "transactions", "vbytes", "seconds")
    rows = [
        (d["story"], d["verdict"], str(len(d["transactions"])), str(d["total_vbytes"]), str(d["seconds"]))
        for d in documents
    ]
    print_rows(columns, rows, as_json)
