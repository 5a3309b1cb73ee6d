"""`btc-l2 demo honest|fraud|silence`: a whole story on a test chain, from deposit to the end of a dispute.

The story is told on stderr as it happens; the result (who won, by which leaf, what it cost whom) goes to stdout.
`--out` keeps everything that is needed to check the story with another validator.
"""

from __future__ import annotations

import json
import logging
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.evidence import prepare_folder, write_evidence
from btc_l2.cli.output import note
from taproot.errors import InvalidInput
from taproot.units import MAX_DIGEST

if TYPE_CHECKING:
    from btc_l2.guests import Guest
    from regtest.plot import Plot
    from taproot.terms import Terms

app = typer.Typer(help="Play a whole story: deposit, claim, dispute, payout.", no_args_is_help=True)

GuestName = Annotated[str, typer.Option("--guest", help="Guest program whose execution is claimed.")]
Backend = Annotated[str, typer.Option(help="Who judges: `embedded`, `bitcoind`, `bitcoind-core`, `container`.")]
StepsLog2 = Annotated[int | None, typer.Option(help="log2 of the claimed steps; default: what the guest needs.")]
Arity = Annotated[str, typer.Option(help="Parts per round of the search; mixed rounds: 4,2,8.")]
Digest = Annotated[int, typer.Option(help="Bits of a signed root: 160, 192 or 256.")]
Seed = Annotated[int, typer.Option(help="Fixes all keys and choices.")]
Out = Annotated[Path | None, typer.Option(help="New folder for transactions, bundle and journals.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_GUEST = "hashchain"
_EXIT, _SLOW = 2016, 60_000  # blocks: the usual exit delay, one that no dispute is longer than


@app.command()
def honest(
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None,
    arity: Arity = "4", digest: Digest = MAX_DIGEST, seed: Seed = 1, out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator's claim is true: nobody objects, he takes the deposit."""
    from regtest.plot import Plot

    found = _find_guest(guest)
    _play("honest", Plot(found, _terms(found, steps_log2, arity, digest), seed=seed), backend, out, as_json)


@app.command()
def fraud(
    lie: Annotated[str, typer.Option(help="What is false (`--lie list` shows all).")] = "result",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None,
    arity: Arity = "4", digest: Digest = MAX_DIGEST, seed: Seed = 1, out: Out = None, as_json: AsJson = False,
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
    _play("fraud", Plot(found, _terms(found, steps_log2, arity, digest), lie=lie, seed=seed), backend, out, as_json)


@app.command()
def silence(
    side: Annotated[str, typer.Option(help="Who stops: `operator` or `challenger`.")] = "operator",
    turn: Annotated[str, typer.Option(help="The turn on which he stops (docs/spec/dispute.md).")] = "assert",
    guest: GuestName = DEFAULT_GUEST, backend: Backend = "embedded", steps_log2: StepsLog2 = None,
    arity: Arity = "4", digest: Digest = MAX_DIGEST, seed: Seed = 1, out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """A true claim is challenged without reason; then one side stops moving and pays for it."""
    from regtest.plot import silence_plot

    found = _find_guest(guest)
    plot = silence_plot(found, _terms(found, steps_log2, arity, digest), side, turn, seed=seed)
    _play("silence", plot, backend, out, as_json)


def _play(story: str, plot: Plot, backend: str, out: Path | None, as_json: bool) -> None:
    from regtest.network import open_network
    from regtest.outcome import conclude, verdict_of
    from regtest.report import describe, tell, transactions_of

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    prepare_folder(out)
    with open_network(backend, out, note) as network:
        stage = network.stage(plot)
        ending = stage.play()
        outcome = conclude(ending, stage, verdict_of(ending, plot))
    document = describe(story, outcome, network.judge)
    if out is not None:
        write_evidence(out, document, transactions_of(outcome))
    print(json.dumps(document) if as_json else tell(document))


def _find_guest(name: str) -> Guest:
    from btc_l2.guests import find_guest

    return find_guest(name)


def _terms(guest: Guest, steps_log2: int | None, arity: str, digest: int) -> Terms:
    """Terms with as many rounds as the guest's steps, or those asked for, need; exits slow enough for them."""
    from taproot.terms import Terms

    arities = _rounds(guest, steps_log2, arity)
    slow = Terms(arities=arities, digest=digest, exit_delay=_SLOW)
    return Terms(arities=arities, digest=digest, exit_delay=max(_EXIT, slow.total_delay + slow.slash_delay + 1))


def _rounds(guest: Guest, steps_log2: int | None, arity: str) -> tuple[int, ...]:
    from btc_l2.cli.tradeoff import parse_arities
    from challenger.cost import arities_of
    from regtest.plot import arities_for

    needed = (guest.steps - 1).bit_length()
    log2 = needed + needed % 2 if steps_log2 is None else steps_log2
    if not 2 <= log2 <= 40:
        raise InvalidInput(f"--steps-log2 {log2} is out of range; choose 2 to 40")
    if log2 < needed:
        raise InvalidInput(f"guest {guest.name} runs {guest.steps} steps; --steps-log2 must be at least {needed}")
    given = parse_arities(arity)
    if len(given) > 1 and prod(given) < guest.steps:
        raise InvalidInput(f"guest {guest.name} runs {guest.steps} steps; --arity {arity} covers {prod(given)}")
    if len(given) > 1:
        return given
    return arities_for(log2) if given == (4,) else arities_of(log2, given[0])
