"""How every command speaks: the result on stdout, everything else on stderr.

`--json` prints one document; without it the same fields come as a table on a terminal and as `name: value`
lines in a pipe, where rich would crop at 80 columns. Bytes are hex, numbers are integers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_document(document: Mapping[str, Any], as_json: bool) -> None:
    """The one result of a command: a flat or nested mapping."""
    if as_json:
        print(json.dumps(document))
    elif sys.stdout.isatty():
        _print_table(("field", "value"), [(name, format_value(value)) for name, value in document.items()])
    else:
        for name, value in document.items():
            print(f"{name}: {format_value(value)}")


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    """A table: JSON list of objects, rich table on a terminal, tab-separated lines in a pipe."""
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows]))
    elif sys.stdout.isatty():
        _print_table(columns, rows)
    else:
        for row in rows:
            print("\t".join(row))


def note(text: str) -> None:
    """A label, warning or progress line for the person at the terminal."""
    print(text, file=sys.stderr)


def format_value(value: object) -> str:
    """One value on one line; what has parts is shown as JSON."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else str(value)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(table)
