"""`btc-l2 script list|show|size`: the leaves of a game.

Leaves do not depend on the program or the deposit but for their keys; the ones shown here carry keys that everybody
knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from taproot.connectors.turn import Leaf

app = typer.Typer(help="Look at the scripts of a dispute.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Steps = Annotated[int, typer.Option(help="log2 of the claimed steps.")]
Arity = Annotated[int, typer.Option(help="Parts per round of the search.")]


@app.command("list")
def list_leaves(steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False) -> None:
    """Every leaf once, with the turns it stands on and what it proves; then the rows that have no relation leaf yet."""
    from challenger.disprove.relations import rows_without_leaf

    rows = [
        (leaf.name, _turns(turns), leaf.proves) for leaf, turns in _leaves(steps_log2, arity)
    ]
    print_rows(("leaf", "turns", "proves"), rows, as_json)
    missing = rows_without_leaf()
    if missing:
        note(f"rows of the instruction table without a relation leaf: {len(missing)}: {' '.join(sorted(missing))}")


@app.command("size")
def show_sizes(steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False) -> None:
    """Bytes, witness items and peak stack of every leaf."""
    rows = [
        (leaf.name, str(len(leaf.code)), str(leaf.items), str(leaf.items + leaf.script.effect.peak))
        for leaf, _ in _leaves(steps_log2, arity)
    ]
    print_rows(("leaf", "script_bytes", "witness_items", "peak_stack"), rows, as_json)


@app.command("show")
def show_leaf(
    leaf: Annotated[str, typer.Argument(help="Name of a leaf, or a unique prefix.")],
    steps_log2: Steps = 28, arity: Arity = 4, as_json: AsJson = False,
) -> None:  # fmt: skip
    """One leaf: what it proves, its size, its opcodes."""
    from taproot.script import disassemble

    found = _find(leaf, _leaves(steps_log2, arity))
    opcodes = disassemble(found.code)
    facts = {
        "leaf": found.name, "proves": found.proves, "script_bytes": len(found.code), "witness_items": found.items,
        "peak_stack": found.items + found.script.effect.peak, "leaf_hash": found.hash.hex(),
    }  # fmt: skip
    if as_json:
        print_document({**facts, "asm": opcodes}, True)
        return
    print_document(facts, False)
    print("\n".join(opcodes))


def _leaves(steps_log2: int, arity: int) -> list[tuple[Leaf, list[str]]]:
    """Each distinct leaf with the turns it stands on."""
    from challenger.cost import arities_of, sample_game, sample_parties

    parties = sample_parties(2)
    game = sample_game(arities_of(steps_log2, arity), parties, parties.challengers[0])
    found: dict[bytes, tuple[Leaf, list[str]]] = {}
    for (turn, _), spec in game.leaves.items():
        found.setdefault(spec.tap.hash, (spec.tap, []))[1].append(turn)
    return list(found.values())


def _turns(turns: list[str]) -> str:
    return " ".join(turns[:3]) + (f" +{len(turns) - 3}" if len(turns) > 3 else "")


def _find(name: str, leaves: list[tuple[Leaf, list[str]]]) -> Leaf:
    exact = [leaf for leaf, _ in leaves if leaf.name == name]
    fits = exact or [leaf for leaf, _ in leaves if leaf.name.startswith(name)]
    if len({leaf.name for leaf in fits}) != 1:
        hint = ", ".join(sorted({leaf.name for leaf in fits})[:6]) or "`btc-l2 script list` shows all"
        raise InvalidInput(f"{name!r} names {len(fits)} leaves; be more precise: {hint}")
    return fits[0]
