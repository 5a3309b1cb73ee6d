"""`btc-l2 demo honest|fraud|silence`: a whole story on a test chain, from deposit to the end of a dispute.

Progress goes to stderr, the result (who won, by which leaf, what it cost) to stdout. `--out` keeps everything that is
needed to check the story with another validator.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.output import note, print_document
from taproot.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from btc_l2.chain.protocol import Chain
    from btc_l2.guests import Guest
    from regtest.story import Ending, Plot
    from taproot.terms import Terms

app = typer.Typer(help="Play a whole story: deposit, claim, dispute, payout.", no_args_is_help=True)

GuestName = Annotated[str, typer.Option("--guest", help="Guest program whose execution is claimed.")]
Backend = Annotated[str, typer.Option(help="Who judges: `embedded` (no service) or `bitcoind`.")]
StepsLog2 = Annotated[int | None, typer.Option(help="log2 of the claimed steps; default: what the guest needs.")]
Seed = Annotated[int, typer.Option(help="Fixes all keys and choices.")]
Out = Annotated[Path | None, typer.Option(help="Folder for transactions, bundle and journals.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_GUEST = "hashchain"


@app.command()
def honest(
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator's claim is true: nobody objects, he takes the deposit."""
    _play("honest", guest, backend, steps_log2, seed, out, as_json, {})


@app.command()
def fraud(
    lie: Annotated[str, typer.Option(help="What is false (`--lie list` shows all).")] = "result",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator lies about the execution; a challenger takes his stake."""
    from challenger.game.lies import machine_lies

    if lie == "list":
        print("\n".join(machine_lies()))
        return
    if lie not in machine_lies():
        raise InvalidInput(f"no lie is called {lie!r}; choose one of {', '.join(machine_lies())}")
    _play("fraud", guest, backend, steps_log2, seed, out, as_json, {"lie": lie})


@app.command()
def silence(
    side: Annotated[str, typer.Option(help="Who stops: `operator` or `challenger`.")] = "operator",
    turn: Annotated[str, typer.Option(help="The turn on which he stops.")] = "assert",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """One side stops moving and pays for it. A challenger who stops has objected to a true claim."""
    from regtest.story import route_to

    route = route_to(turn, side)
    if side == "operator":
        plot = {"lie": "result", "operator_silent": (turn,)}
        if route:
            plot = {"objectors": ("alice",), "operator_silent": (turn,), "route": route}
    else:
        plot = {"objectors": ("alice",), "challenger_silent": (turn,), "route": route}
    _play("silence", guest, backend, steps_log2, seed, out, as_json, plot)


def _play(
    story: str, guest_name: str, backend: str, steps_log2: int | None, seed: int, out: Path | None, as_json: bool,
    plot: dict[str, Any],
) -> None:  # fmt: skip
    from btc_l2.guests import find_guest
    from regtest.story import Plot, Stage

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    guest = find_guest(guest_name)
    terms = _terms(guest, steps_log2)
    _prepare(out)
    with _open_chain(backend) as (chain, judge):
        stage = Stage(chain, Plot(guest, terms, seed=seed, **plot), out, note)
        ending = stage.play()
    document = _document(story, ending, judge, stage.plot)
    if out is not None:
        _write_evidence(out, ending, document)
    if as_json:
        print(json.dumps(document))
    else:
        _tell(document)


def _terms(guest: Guest, steps_log2: int | None) -> Terms:
    from regtest.story import arities_for
    from taproot.terms import Terms

    needed = (guest.steps - 1).bit_length()
    log2 = needed + needed % 2 if steps_log2 is None else steps_log2
    if not 2 <= log2 <= 40:
        raise InvalidInput(f"--steps-log2 {log2} is out of range; choose 2 to 40")
    if log2 < needed:
        raise InvalidInput(f"guest {guest.name} runs {guest.steps} steps; --steps-log2 must be at least {needed}")
    return Terms(arities=arities_for(log2))


def _prepare(out: Path | None) -> None:
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot create {out}; {error.strerror}; choose another folder with --out") from error
    if any(out.iterdir()):
        raise InvalidInput(f"{out} is not empty; one-time keys must not be used twice; choose an empty folder")


@contextlib.contextmanager
def _open_chain(backend: str) -> Iterator[tuple[Chain, str]]:
    if backend == "embedded":
        from btc_l2.chain.embedded import EmbeddedChain

        with EmbeddedChain() as chain:
            yield chain, "libbitcoinkernel"
    elif backend == "bitcoind":
        from regtest.bitcoind import Bitcoind, find_bitcoind, find_version

        with Bitcoind() as node:
            yield node.chain(), find_version(find_bitcoind())
    else:
        raise InvalidInput(f"no backend is called {backend!r}; choose embedded or bitcoind")


def _document(story: str, ending: Ending, judge: str, plot: Plot) -> dict[str, Any]:
    rows = [
        {"name": s.name, "txid": s.tx.txid_hex, "vbytes": s.tx.vbytes, "weight": s.tx.weight, "height": s.height, "by": s.by}
        for s in ending.sent
    ]  # fmt: skip
    return {
        "story": story, "outcome": ending.outcome, "winner": ending.winner, "judge": judge, "guest": plot.guest.name,
        "lie": plot.lie, "steps": ending.steps, "claimed_steps": plot.terms.steps, "rounds": len(plot.terms.arities),
        "first_false_step": ending.first_false_step, "leaf": ending.leaf, "transactions": rows,
        "total_vbytes": sum(row["vbytes"] for row in rows),
        "balances": {name: {"before": b, "after": a, "change": a - b} for name, (b, a) in ending.balances.items()},
        "seconds": round(ending.seconds, 2),
    }  # fmt: skip


def _write_evidence(out: Path, ending: Ending, document: dict[str, Any]) -> None:
    """Every transaction as raw hex with the outputs it spends, and the result."""
    graph = ending.bundle.graph
    rows = [
        {
            "name": s.name, "txid": s.tx.txid_hex, "raw": s.tx.serialize().hex(),
            "spends": [
                {"value": o.value, "script_pubkey": o.script_pubkey.hex()} for o in graph.planned(s.name).prevouts
            ],
        }
        for s in ending.sent
    ]  # fmt: skip
    (out / "transactions.json").write_text(json.dumps(rows, indent=1))
    (out / "result.json").write_text(json.dumps(document, indent=1))


def _tell(document: dict[str, Any]) -> None:
    """The result for a person."""
    for row in document["transactions"]:
        print(f"{row['height']:>6}  {row['vbytes']:>7} vB  {row['by']:<8} {row['name']}")
    verdict = {
        "paid": "the claim stood: the operator took the deposit",
        "disproved": f"the claim was false: leaf {document['leaf']} gave the stake to {document['winner']}",
        "timeout": f"the operator fell silent: {document['winner']} took his stake",
    }[document["outcome"]]
    print(f"\n{verdict}")
    balances = {name: f"{row['change']:+d} sat" for name, row in document["balances"].items()}
    shown = ("judge", "guest", "steps", "rounds", "first_false_step", "leaf", "total_vbytes", "seconds")
    print_document({name: document[name] for name in shown} | {"changes": balances}, False)
