"""Command line of `guest/build`."""

from __future__ import annotations

import argparse
import sys

from guest.builder import golang, musl
from guest.builder.check import check
from guest.builder.manifest import build
from guest.builder.process import find_line
from guest.builder.recipe import Tree
from taproot.errors import BtcL2Error, Unavailable


def install_tools(tree: Tree) -> None:
    """Fetch what is in no package of the system: the C library's source, an older Go."""
    musl.install(tree)
    if find_line("go", "version", settings={"GOTOOLCHAIN": golang.OLD_RELEASE, "GOFLAGS": ""}) is None:
        raise Unavailable(f"{golang.OLD_RELEASE} cannot be fetched; Go or the network is missing; install Go")


def main(arguments: list[str], tree: Tree) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="guest/build", description="Build the guests, or compare them.")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--check", action="store_true", help="compare with the committed images, write nothing")
    task.add_argument("--tools", action="store_true", help="only fetch and build musl, fetch an older Go")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.check:
            check(tree)
        else:
            install_tools(tree)
        if not (chosen.check or chosen.tools):
            build(tree)
    except BtcL2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
