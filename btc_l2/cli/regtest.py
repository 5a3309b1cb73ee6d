"""`btc-l2 regtest run|list|report|up|down|status`: scenarios on a test network, their reports, a node that stays.

`run` plays on a network of its own each time. `up` starts a node that stays, for looking around and for programs that
need one; `down` ends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

if TYPE_CHECKING:
    from regtest.outcome import Outcome

app = typer.Typer(help="Play scenarios on a test network; keep a node for a while.", no_args_is_help=True)

Backend = Annotated[str, typer.Option(help="`embedded` (no service), `bitcoind`, or `container`.")]
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
    backend: Backend = "embedded",
    out: Annotated[Path | None, typer.Option(help="New folder: evidence and a report per scenario.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play one scenario, or all; exit code 4 if one of them ends otherwise than it promises."""
    from regtest.scenarios import NAMES, find_scenario

    names = list(NAMES) if name == "all" else [name.replace("-", "_")]
    for each in names:
        find_scenario(each)
    documents, failures = [], []
    for each in names:
        try:
            documents.append(_play(each, backend, None if out is None else out / each))
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
    result, transactions = _read(folder / "result.json"), _read(folder / "transactions.json")
    plan = draw_deposit((max(4, result["claimed_steps"]) - 1).bit_length(), 4)
    _write(page, render_report(result, transactions, plan))
    return page


@app.command("up")
def start_node(backend: Backend = "bitcoind", state: State = _STATE, as_json: AsJson = False) -> None:
    """Start a node that stays: a private bitcoind, or one in a container. It is empty the first time."""
    from regtest.standing import start

    print_document(start(state, backend), as_json)


@app.command("down")
def stop_node(
    state: State = _STATE,
    forget: Annotated[bool, typer.Option("--forget", help="Delete its chain as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop the node that stays."""
    from regtest.standing import stop

    print_document(stop(state, forget), as_json)


@app.command("status")
def show_status(state: State = _STATE, as_json: AsJson = False) -> None:
    """Does the node run, where, how high is its chain? Exit code 3 if there is none."""
    from regtest.standing import status

    print_document(status(state), as_json)


def _play(name: str, backend: str, out: Path | None) -> Mapping[str, Any]:
    from regtest.network import open_network
    from regtest.outcome import describe_outcome
    from regtest.scenarios import find_scenario, story_of

    _prepare(out)
    note(f"{name}: {story_of(name)}")
    with open_network(backend, out, lambda text: note(f"  {text}")) as network:
        outcome = find_scenario(name)(network)
        document = describe_outcome(name, outcome, network.judge)
    if out is not None:
        _keep(out, outcome, document)
    return document


def _keep(out: Path, outcome: Outcome, document: Mapping[str, Any]) -> None:
    from regtest.outcome import transactions_of

    _write(out / "transactions.json", json.dumps(transactions_of(outcome), indent=1))
    _write(out / "result.json", json.dumps(document, indent=1))
    note(f"  report: {_report(out)}")


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


def _prepare(out: Path | None) -> None:
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        used = any(out.iterdir())
    except OSError as error:
        raise Unavailable(f"cannot use {out}; {error.strerror}; choose another folder with --out") from error
    if used:
        raise InvalidInput(f"{out} is not empty; one-time keys must not be used twice; choose an empty folder")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; free space and try again") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; play with --out first") from error
    except ValueError as error:
        raise VerificationFailed(f"{path} is no JSON ({error}); play with --out again") from error
