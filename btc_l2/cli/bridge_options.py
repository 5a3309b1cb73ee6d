"""Options that the commands of `btc-l2 bridge` share, with the text that `--help` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[Path | None, typer.Option("--home", help="State folder; default $BTCL2_HOME, else ~/.btc-l2.")]
Node = Annotated[str | None, typer.Option("--node", envvar="BTCL2_NODE", help="The node: http://HOST:PORT.")]
Cookie = Annotated[Path | None, typer.Option("--cookie", envvar="BTCL2_COOKIE", help="The node's .cookie file.")]
Network = Annotated[str, typer.Option("--network", help="regtest, signet or testnet4.")]
ChainFolder = Annotated[Path | None, typer.Option("--chain", help="Instead of a node: folder of an embedded chain.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask the node whether it would take it, send nothing.")]
FeeRate = Annotated[int | None, typer.Option("--fee-rate", min=1, max=1000, help="sat/vB; default: asked of the node.")]
To = Annotated[str | None, typer.Option("--to", help="Address to pay to; default the party's own key.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Id = Annotated[str, typer.Argument(metavar="DEPOSIT", help="Id or unique prefix.")]
