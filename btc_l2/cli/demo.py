"""`btc-l2 demo honest|fraud|silence`: a whole story on a test chain, from deposit to the end of a dispute.

The story is told on stderr as it happens; the result (who won, by which leaf, what it cost whom) goes to stdout.
`--out` keeps everything that is needed to check the story with another validator.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.output import note
from taproot.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from btc_l2.chain.protocol import Chain
    from btc_l2.guests import Guest
    from regtest.plot import Plot
    from taproot.terms import Terms

app = typer.Typer(help="Play a whole story: deposit, claim, dispute, payout.", no_args_is_help=True)

GuestName = Annotated[str, typer.Option("--guest", help="Guest program whose execution is claimed.")]
Backend = Annotated[str, typer.Option(help="Who judges: `embedded` (no service) or `bitcoind`.")]
StepsLog2 = Annotated[int | None, typer.Option(help="log2 of the claimed steps; default: what the guest needs.")]
Seed = Annotated[int, typer.Option(help="Fixes all keys and choices.")]
Out = Annotated[Path | None, typer.Option(help="New folder for transactions, bundle and journals.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_GUEST = "hashchain"


@app.command()
def honest(
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator's claim is true: nobody objects, he takes the deposit."""
    from regtest.plot import Plot

    found = _find_guest(guest)
    _play("honest", Plot(found, _terms(found, steps_log2), seed=seed), backend, out, as_json)


@app.command()
def fraud(
    lie: Annotated[str, typer.Option(help="What is false (`--lie list` shows all).")] = "result",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator lies about the execution; a challenger takes his stake."""
    from challenger.disprove.relations import rows_without_leaf
    from challenger.game.lies import machine_lies
    from regtest.plot import Plot

    if lie == "list":
        print("\n".join(machine_lies()))
        return
    if lie not in machine_lies():
        raise InvalidInput(f"no lie is called {lie!r}; choose one of {', '.join(machine_lies())}")
    found = _find_guest(guest)
    if rows_without_leaf():
        note(f"not decided by a leaf yet, so a lie about them would win: {', '.join(rows_without_leaf())}")
    _play("fraud", Plot(found, _terms(found, steps_log2), lie=lie, seed=seed), backend, out, as_json)


@app.command()
def silence(
    side: Annotated[str, typer.Option(help="Who stops: `operator` or `challenger`.")] = "operator",
    turn: Annotated[str, typer.Option(help="The turn on which he stops (docs/spec/dispute.md).")] = "assert",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None, seed: Seed = 1,
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """A true claim is challenged without reason; then one side stops moving and pays for it."""
    from regtest.plot import silence_plot

    found = _find_guest(guest)
    _play("silence", silence_plot(found, _terms(found, steps_log2), side, turn, seed=seed), backend, out, as_json)


def _play(story: str, plot: Plot, backend: str, out: Path | None, as_json: bool) -> None:
    from regtest.report import describe, tell, write_evidence
    from regtest.story import Stage

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _prepare(out)
    with _open_chain(backend) as (chain, judge):
        ending = Stage(chain, plot, out, note).play()
    document: dict[str, Any] = describe(story, ending, judge, plot)
    if out is not None:
        write_evidence(out, ending, document)
    print(json.dumps(document) if as_json else tell(document))


def _find_guest(name: str) -> Guest:
    from btc_l2.guests import find_guest

    return find_guest(name)


def _terms(guest: Guest, steps_log2: int | None) -> Terms:
    from regtest.plot import arities_for
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
        used = any(out.iterdir())
    except OSError as error:
        raise Unavailable(f"cannot use {out}; {error.strerror}; choose another folder with --out") from error
    if used:
        raise InvalidInput(f"{out} is not empty; one-time keys must not be used twice; choose an empty folder")


@contextlib.contextmanager
def _open_chain(backend: str) -> Iterator[tuple[Chain, str]]:
    if backend == "embedded":
        from btc_l2.chain.embedded import EmbeddedChain

        with EmbeddedChain() as chain:
            yield chain, "libbitcoinkernel"
    elif backend == "bitcoind":
        from regtest.bitcoind import Bitcoind

        with Bitcoind() as node:
            yield node.chain(), node.version
    else:
        raise InvalidInput(f"no backend is called {backend!r}; choose embedded or bitcoind")
