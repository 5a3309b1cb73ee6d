"""Options that the commands of `btc-l2 signer` share, with the text that `--help` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option("--home", help="State folder; default $BTCL2_HOME, else ~/.btc-l2.")]
Nonces = Annotated[
    Path | None, typer.Option("--nonces", help="Folder for halves of nonces; default $BTCL2_NONCES, else memory.")
]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File (0600); default $BTCL2_PASSPHRASE_FILE, else asked.")
]
PassphraseFd = Annotated[int | None, typer.Option("--passphrase-fd", help="File descriptor to read it from.")]
Accept = Annotated[
    str | None, typer.Option("--accept", help="Yes without a terminal: first 8 digits of the digest, or more.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Which = Annotated[str, typer.Argument(metavar="[CEREMONY]", help="Its id or a unique prefix, if there are several.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the files that the others need.")]
RelayRate = Annotated[
    int, typer.Option("--relay-rate", min=1, help="Least fee rate that nodes take, sat/vB; terms below are refused.")
]
