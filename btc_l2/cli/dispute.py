"""`btc-l2 dispute show|verify|graph`: a story that was played, as a ladder; its transactions, judged again; the plan.

FOLDER is what `btc-l2 demo … --out FOLDER` or `btc-l2 regtest run … --out` left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_l2.cli.output import note, print_document
from taproot.errors import VerificationFailed

app = typer.Typer(help="Look at a dispute that was played, or at the plan of all disputes.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="What `btc-l2 demo … --out FOLDER` left.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_LANE = 34  # columns of one side of the ladder


@app.command("show")
def show_dispute(folder: Folder, told: Annotated[bool, typer.Option(help="Say what each move means.")] = True,
                 as_json: AsJson = False) -> None:  # fmt: skip
    """The ladder: the operator's transactions on the left, everybody else's on the right, one line each."""
    from btc_l2.cli.evidence import read_evidence

    result = read_evidence(folder).result
    if as_json:
        print_document(result, True)
        return
    for line in _ladder(result, told):
        print(line)


@app.command("verify")
def verify_dispute(folder: Folder, as_json: AsJson = False) -> None:
    """Let libbitcoinkernel judge every input of every transaction again; exit code 4 if it refuses one."""
    from btc_l2.chain.kernel import find_bad_input
    from btc_l2.cli.evidence import read_evidence

    played = read_evidence(folder).played
    for p in played:
        bad = find_bad_input(p.tx.serialize(), [(out.value, out.script_pubkey) for out in p.prevouts])
        if bad is not None:
            raise VerificationFailed(f"input {bad} of {p.name} does not satisfy the output it spends; judged by "
                                     "libbitcoinkernel; the folder was changed")  # fmt: skip
    inputs = sum(len(p.tx.inputs) for p in played)
    print_document({"transactions": len(played), "inputs": inputs, "judge": "libbitcoinkernel", "valid": True}, as_json)


@app.command("graph")
def draw_graph_of_a_deposit(
    steps_log2: Annotated[int, typer.Option(help="log2 of the claimed steps.")] = 28,
    arity: Annotated[int, typer.Option(help="Parts per round of the search.")] = 4,
    out: Annotated[Path | None, typer.Option(help="File to write; default stdout.")] = None,
) -> None:
    """Every transaction and output of a deposit as SVG: who plays it, after how many blocks, how large it is."""
    from btc_l2.cli.drawing import draw_deposit
    from taproot.errors import Unavailable

    picture = draw_deposit(steps_log2, arity)
    if out is None:
        print(picture)
        return
    try:
        out.write_text(picture)
    except OSError as error:
        raise Unavailable(f"cannot write {out}; {error.strerror}; choose another file") from error
    note(f"written: {out}")


def _ladder(result: Mapping[str, Any], told: bool) -> Iterator[str]:
    rows = result["transactions"]
    operator = next((row["by"] for row in rows if row["name"].endswith("kickoff")), None)  # none: nothing was claimed
    yield f"{'block':>5}  {operator or 'the operator':<{_LANE}}│ {'the others':<{_LANE}}    vB"
    height = None
    for row in rows:
        mine = row["by"] == operator
        block = "" if row["height"] == height else str(row["height"])
        height = row["height"]
        yield f"{block:>5}  {_rung(row, mine)} {row['vbytes']:>6,}"
        if told and row.get("told"):
            yield f"{'':>5}  {'' if mine else ' ' * _LANE + '│'}  {row['told']}"
    by = f" by leaf {result['leaf']}" if result["leaf"] else ""
    yield f"{'':>5}  {result['outcome']}: {result['winner']} wins{by}"


def _rung(row: Mapping[str, Any], mine: bool) -> str:
    if mine:
        name = row["name"]
        return f"{name} {'─' * max(1, _LANE - len(name) - 3)}▶ │ {'':<{_LANE}}"
    name = f"{row['by']}: {row['name']}" if not row["name"].startswith(row["by"]) else row["name"]
    return f"{'':<{_LANE}}│ ◀{'─' * max(1, _LANE - len(name) - 2)} {name}"

