"""`btc-l2 cost`: what a dispute costs on chain, measured on built transactions; which arity suits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput, Unavailable
from taproot.units import MAX_DIGEST

AUTO = "auto"


def show_cost(
    steps_log2: Annotated[int, typer.Option(help="log2 of the claimed steps.")] = 32,
    arity: Annotated[str, typer.Option(help="Parts per round: 4; mixed rounds: 4,8,8; or `auto`: the cheapest.")] = "4",
    digest: Annotated[int, typer.Option(help="Bits of a signed root: 160, 192 or 256.")] = MAX_DIGEST,
    challengers: Annotated[int, typer.Option(help="Challengers in the graph.")] = 5,
    plain_signers: Annotated[int, typer.Option(help="Signers without MuSig2, besides those with it.", min=0)] = 0,
    fee_rate: Annotated[float, typer.Option(help="With `auto`: sat/vB.")] = 10,
    interest: Annotated[float, typer.Option(help="With `auto`: percent a year on deposit and stake.")] = 5,
    max_rounds: Annotated[int | None, typer.Option(help="With `auto`: most rounds of search.")] = None,
    max_days: Annotated[float | None, typer.Option(help="With `auto`: longest dispute.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw cost over duration for all digests into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Weight, vbytes, witness items and peak stack of every move, and the sums of the ways a claim can end."""
    if svg is not None:
        _draw(svg, steps_log2, fee_rate, interest)
    elif arity == AUTO:
        _choose(steps_log2, digest, fee_rate, interest, max_rounds, max_days, as_json)
    else:
        _show(_rounds(steps_log2, arity), digest, challengers, plain_signers, as_json)


def _rounds(steps_log2: int, arity: str) -> tuple[int, ...]:
    from btc_l2.cli.tradeoff import parse_arities
    from challenger.cost import arities_of

    arities = parse_arities(arity)
    return arities_of(steps_log2, arities[0]) if len(arities) == 1 else arities


def _show(arities: tuple[int, ...], digest: int, challengers: int, plain: int, as_json: bool) -> None:
    from challenger.cost import compute_cost

    cost = compute_cost(arities, challengers, digest, plain)
    given = {"arities": list(arities), "rounds": len(arities), "digest": digest, "challengers": challengers}
    document = {**given, **({"plain_signers": plain} if plain else {}), **cost.to_json()}
    if as_json:
        print(json.dumps(document))
        return
    columns = ("name", "leaf", "version", "weight", "vbytes", "items", "peak_stack")
    rows = {tuple(str(getattr(m, c)) for c in columns) for m in cost.moves if "@leaving" not in m.name}
    print_rows(columns, sorted(rows), False)
    print_document({name: value for name, value in document.items() if name != "moves"}, False)


def _choose(
    steps_log2: int, digest: int, fee_rate: float, interest: float, max_rounds: int | None, max_days: float | None,
    as_json: bool,
) -> None:  # fmt: skip
    from btc_l2.cli.tradeoff import candidates, choose, label_of, weigh

    if fee_rate <= 0 or interest < 0:
        raise InvalidInput(f"fee rate {fee_rate} and interest {interest}; give one above zero and one not below")
    options = [weigh(arities, digest, fee_rate, interest) for arities in candidates(steps_log2)]
    best = choose(options, max_rounds, max_days)
    if as_json:
        print(json.dumps({"chosen": best.to_json(), "options": [o.to_json() for o in options]}))
        return
    columns = ("rounds", "worst_vbytes", "transactions", "days", "fees", "interest", "total")
    rows = [(label_of(o.arities), *(str(o.to_json()[c]) for c in columns[1:])) for o in options]
    print_rows(columns, rows, False)
    print(f"chosen: {label_of(best.arities)}")


def _draw(path: Path, steps_log2: int, fee_rate: float, interest: float) -> None:
    from btc_l2.cli.tradeoff import draw_all

    picture = draw_all(steps_log2, fee_rate, interest)
    try:
        path.write_text(picture)
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; choose another file with --svg") from error
    note(f"wrote {path}")
