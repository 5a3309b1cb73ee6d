"""`btc-l2 script list|size|show|debug|tree`: the leaves of a game.

Leaves do not depend on the program or the deposit but for their keys; the ones shown here carry keys that everybody
knows. `debug` takes a transaction that was played.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from btc_l2.cli.script_view import Found
    from taproot.connectors.turn import Leaf

app = typer.Typer(help="Look at the scripts of a dispute.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Steps = Annotated[int, typer.Option(help="log2 of the claimed steps.")]
Arity = Annotated[int, typer.Option(help="Parts per round of the search.")]


@app.command("list")
def list_leaves(steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False) -> None:
    """Every leaf once, with the turns it stands on and what it proves; then the rows that have no relation leaf yet."""
    from challenger.disprove.relations import rows_without_leaf

    rows = [(found.leaf.name, _turns(found.turns), found.leaf.proves) for found in _leaves(steps_log2, arity)]
    print_rows(("leaf", "turns", "proves"), rows, as_json)
    missing = rows_without_leaf()
    if missing:
        note(f"rows of the instruction table without a relation leaf: {len(missing)}: {' '.join(sorted(missing))}")


@app.command("size")
def show_sizes(steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False) -> None:
    """Bytes, witness items and peak stack of every leaf."""
    leaves = [found.leaf for found in _leaves(steps_log2, arity)]
    rows = [(leaf.name, str(len(leaf.code)), str(leaf.items), str(_peak(leaf))) for leaf in leaves]
    print_rows(("leaf", "script_bytes", "witness_items", "peak_stack"), rows, as_json)


@app.command("show")
def show_leaf(
    leaf: Annotated[str, typer.Argument(help="Name of a leaf, or a unique prefix.")],
    steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False,
) -> None:  # fmt: skip
    """One leaf: what it proves, its size, its opcodes with the named stack beside them."""
    from taproot.script.origin import recording

    with recording():
        found = _find(leaf, _leaves(steps_log2, arity))
    from btc_l2.cli.script_view import tell_moments
    from taproot.script import disassemble

    facts = {
        "leaf": found.leaf.name, "proves": found.leaf.proves, "script_bytes": len(found.leaf.code),
        "witness_items": found.leaf.items, "peak_stack": _peak(found.leaf), "leaf_hash": found.leaf.hash.hex(),
    }  # fmt: skip
    if as_json:
        print_document({**facts, "items": list(found.items), "asm": disassemble(found.leaf.code)}, True)
        return
    print_document(facts, False)
    for line in tell_moments(found.leaf.script, found.unknown()):
        print(line)


@app.command("debug")
def debug_spend(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `btc-l2 demo … --out FOLDER` left.")],
    transaction: Annotated[str, typer.Argument(metavar="TX", help="Name or txid of a transaction, or a prefix.")],
    index: Annotated[int, typer.Option("--input", min=0, help="Which input.")] = 0,
    start: Annotated[int, typer.Option("--from", min=0, help="First offset (bytes) that is shown.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Lines at most.")] = 1_000_000,
) -> None:
    """Walk through a script that was spent: every opcode, the named stack with its values; on a terminal, Enter steps.

    The verdict in the end is libbitcoinkernel's. A number before Enter goes on by as many lines, q ends.
    """
    from btc_l2.chain.kernel import verify_spend
    from btc_l2.cli.evidence import read_evidence
    from taproot.script.origin import recording

    evidence = read_evidence(folder)
    played = evidence.find(transaction)
    last = len(played.tx.inputs) - 1
    if index > last:
        raise InvalidInput(f"{played.name} has no input {index}; its inputs are 0 to {last}; choose one")
    *stack, code, _control = played.tx.inputs[index].witness
    with recording():
        found = _like(code, tuple(evidence.result["arities"]))
    from btc_l2.cli.script_view import tell_moments

    note(f"{played.name}, input {index}: leaf {found.leaf.name}, {len(code):,} bytes, {len(stack)} items")
    spent = replace(found.leaf.script, code=code)  # with the keys of this game
    lines = (line for line in tell_moments(spent, found.known(stack)) if _offset(line) >= start)
    _page(islice(lines, count))
    prevouts = [(out.value, out.script_pubkey) for out in played.prevouts]
    verdict = verify_spend(played.tx.serialize(), index, prevouts)
    note(f"libbitcoinkernel: {'accepted' if verdict else 'refused'}")


@app.command("tree")
def draw_tree(
    turn: Annotated[str, typer.Argument(help="Name of a turn, such as `verdict` or `search.1`.")],
    steps_log2: Steps = 28, arity: Arity = 4,
) -> None:  # fmt: skip
    """The tree of a turn's leaves as SVG: names, sizes, timelocks."""
    from btc_l2.cli.drawing import draw_turn

    print(draw_turn(turn, steps_log2, arity))


def _leaves(steps_log2: int, arity: int) -> list[Found]:
    from btc_l2.cli.script_view import find_leaves
    from challenger.cost import arities_of

    return find_leaves(arities_of(steps_log2, arity))


def _like(code: bytes, arities: tuple[int, ...]) -> Found:
    """The leaf that a script is, but for its keys."""
    from btc_l2.cli.script_view import find_leaves, same_shape

    for little in (False, True):
        for found in find_leaves(arities, little):
            if same_shape(found.leaf.code, code):
                return found
    raise InvalidInput("this input spends no leaf of a game; only those can be walked through; choose another one")


def _page(lines: islice[str]) -> None:
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    pause = 1
    for line in lines:
        print(line)
        pause -= 1
        if interactive and pause <= 0:
            answer = input().strip()
            if answer == "q":
                return
            pause = int(answer) if answer.isdigit() else 1


def _offset(line: str) -> int:
    """Offset that a line is about; headings and the end belong to everything."""
    head = line[:6].strip()
    return int(head) if head.isdigit() else sys.maxsize


def _peak(leaf: Leaf) -> int:
    return leaf.items + leaf.script.effect.peak


def _turns(turns: tuple[str, ...]) -> str:
    return " ".join(turns[:3]) + (f" +{len(turns) - 3}" if len(turns) > 3 else "")


def _find(name: str, leaves: list[Found]) -> Found:
    exact = [found for found in leaves if found.leaf.name == name]
    fits = exact or [found for found in leaves if found.leaf.name.startswith(name)]
    if len({found.leaf.name for found in fits}) != 1:
        hint = ", ".join(sorted({found.leaf.name for found in fits})[:6]) or "`btc-l2 script list` shows all"
        raise InvalidInput(f"{name!r} names {len(fits)} leaves; be more precise: {hint}")
    return fits[0]
