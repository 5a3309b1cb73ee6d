"""`btc-l2 version`."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

from btc_l2.cli.output import print_document


def show_version(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Version of this program and of the Python that runs it."""
    version = metadata.version("btc-l2")
    if as_json:
        print_document({"version": version, "python": platform.python_version()}, as_json)
    else:
        print(version)
