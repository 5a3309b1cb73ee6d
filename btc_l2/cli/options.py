"""Options that several commands of `btc-l2 vm` share, with the text that `--help` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MOST_STEPS = 1 << 32  # as many as the search of the dispute can cover

ImageArgument = Annotated[str, typer.Argument(metavar="IMAGE", help="ELF file, file of plain bytes (--raw) or guest.")]
Raw = Annotated[str | None, typer.Option(metavar="ADDR", help="IMAGE is plain bytes, loaded and entered here.")]
Order = Annotated[str | None, typer.Option("--endian", metavar="big|little", help="Byte order of plain bytes.")]
Statement = Annotated[str | None, typer.Option(metavar="FILE|HEX", help="Content of the statement page.")]
Claim = Annotated[str | None, typer.Option(metavar="FILE|HEX", help="The claim, up to 128 bytes; default zero.")]
Reg = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Register at the start: $4, a0, pc, hi …")]
Blob = Annotated[list[str] | None, typer.Option(metavar="FILE", help="A blob that the guest may map.")]
Blobs = Annotated[str | None, typer.Option(metavar="DIR", help="Blob store; default $BTCL2_BLOBS or its usual place.")]
Kernel = Annotated[
    bool, typer.Option("--kernel/--no-kernel", help="Compiled kernel, or the readable step (slow, same meaning).")
]
Stdin = Annotated[str | None, typer.Option(metavar="FILE", help="What a Linux program reads; becomes its statement.")]
Linux = Annotated[bool, typer.Option("--linux", help="IMAGE is a static Linux program: add the micro kernel.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]

InfoAt = Annotated[str | None, typer.Option(metavar="PATTERN", help="Say on stderr where it stands, how fast it is.")]
SnapshotAt = Annotated[str | None, typer.Option(metavar="PATTERN", help="Keep the state in --trace DIR.")]
StopAt = Annotated[str | None, typer.Option(metavar="PATTERN", help="Stop before the first of these steps.")]
ProofAt = Annotated[str | None, typer.Option(metavar="PATTERN", help="Write the step as vm step --json shows it.")]
ProofFormat = Annotated[str, typer.Option("--proof-fmt", metavar="NAME", help="Files of --proof-at; %d is the step.")]
TraceFolder = Annotated[
    Path | None, typer.Option("--trace", metavar="DIR", help="Keep snapshots here, go on from those that are here.")
]
