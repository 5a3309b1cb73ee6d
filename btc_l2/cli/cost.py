"""`btc-l2 cost`: what a dispute costs on chain, measured on built transactions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from btc_l2.cli.output import print_document, print_rows
from taproot.errors import InvalidInput

DIGEST_BITS = 256


def show_cost(
    steps_log2: Annotated[int, typer.Option(help="log2 of the claimed steps.")] = 32,
    arity: Annotated[int, typer.Option(help="Parts per round of the search.")] = 4,
    digest: Annotated[int, typer.Option(help="Bits of a tree node.")] = DIGEST_BITS,
    challengers: Annotated[int, typer.Option(help="Challengers in the graph.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Weight, vbytes, witness items and peak stack of every move, and the sums of the ways a claim can end."""
    from challenger.cost import arities_of, compute_cost

    if digest != DIGEST_BITS:
        raise InvalidInput(f"a digest of {digest} bits is not built; nodes have {DIGEST_BITS} bits; leave --digest out")
    cost = compute_cost(arities_of(steps_log2, arity), challengers)
    document = {
        "steps_log2": steps_log2, "arity": arity, "rounds": len(arities_of(steps_log2, arity)), "digest": digest,
        "challengers": challengers, **cost.to_json(),
    }  # fmt: skip
    if as_json:
        print(json.dumps(document))
        return
    columns = ("name", "leaf", "version", "weight", "vbytes", "items", "peak_stack")
    rows = {tuple(str(getattr(m, c)) for c in columns) for m in cost.moves if "@leaving" not in m.name}
    print_rows(columns, sorted(rows), False)
    print_document({name: value for name, value in document.items() if name != "moves"}, False)
