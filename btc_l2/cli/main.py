"""The command `btc-l2`: one Typer application, its subcommands each in a module of their own.

Modules import what they need inside their commands, so that `btc-l2 version` does not load numba or a
Bitcoin library. `run` is the entry point: it turns the project's errors into one line on stderr and the exit
code that the error carries (`taproot.errors`); tracebacks only with BTCL2_DEBUG=1.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from copy import copy

import typer

from btc_l2.cli import (
    bridge,
    coordinator,
    cost,
    demo,
    dispute,
    doctor,
    regtest,
    regtest_parties,
    script,
    signer,
    standing,
    version,
    vm,
    watchtower,
)
from taproot.errors import BtcL2Error

app = typer.Typer(
    name="btc-l2",
    help="A Bitcoin L2 bridge that settles a dispute about a program down to one machine instruction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("version")(version.show_version)
app.command("doctor")(doctor.examine)
app.command("cost")(cost.show_cost)
app.add_typer(script.app, name="script")
app.add_typer(demo.app, name="demo")
app.add_typer(dispute.app, name="dispute")
app.add_typer(bridge.app, name="bridge")
app.add_typer(signer.app, name="signer")
app.add_typer(coordinator.app, name="coordinator")
app.add_typer(standing.app, name="standing")
app.add_typer(vm.app, name="vm")
app.add_typer(watchtower.app, name="watchtower")
regtest_parties.register(regtest.app)
app.add_typer(regtest.app, name="regtest")


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        signal.signal(signal.SIGTERM, _end)
    try:
        _narrowed(given[:1])(given)
    except KeyboardInterrupt:
        sys.exit(130)
    except BtcL2Error as error:
        _fail(error, error.exit_code)
    except Exception as error:
        _fail(error, 1)


def _end(_number: int, _frame: object) -> None:
    """What was started ends, too: a private node, a container."""
    sys.exit(143)


def _narrowed(names: Sequence[str]) -> typer.Typer:
    """The application with no group but the one that is named first, if one is: Typer makes all commands of all."""
    named = [group for group in app.registered_groups if group.name in names]
    if not named:
        return app
    narrow = copy(app)
    narrow.registered_groups, narrow.registered_commands = named, []
    return narrow


def _fail(error: Exception, exit_code: int) -> None:
    if os.environ.get("BTCL2_DEBUG") == "1":
        raise error
    if isinstance(error, BtcL2Error):
        line = str(error)
    else:
        line = f"unexpected {type(error).__name__}; {error}; BTCL2_DEBUG=1 shows where, please report it"
    print("error: " + " ".join(line.split()), file=sys.stderr)
    sys.exit(exit_code)
