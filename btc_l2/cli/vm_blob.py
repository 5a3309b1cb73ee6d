"""`btc-l2 vm blob`: the store of what guests map by root (SYSCALL 2, `docs/spec/machine.md`).

Exit codes: 2 for a file above 64 MiB or a root that is none, 3 for a blob, file or folder that is not there, 4 for a
blob whose file is damaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.options import AsJson, Blobs
from btc_l2.cli.output import print_document, print_rows

if TYPE_CHECKING:
    from btc_l2.blobstore import BlobStore

app = typer.Typer(help="Blobs that guests map by their root.", no_args_is_help=True)

Root = Annotated[str | None, typer.Argument(metavar="[ROOT]", help="Root, 64 hexadecimal digits; default: all.")]


@app.command("add")
def add_blob(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of up to 64 MiB.")],
    blobs: Blobs = None,
    as_json: AsJson = False,
) -> None:
    """Keep files as blobs; print the root of each for big- and for little-endian guests.

    Example: btc-l2 vm blob add README.md
    """
    from btc_l2.blobstore import read_blob_file

    store = open_store(blobs)
    rows = []
    for file in files:
        roots = store.add(read_blob_file(file))
        rows.append((str(file), roots["big"].hex(), roots["little"].hex()))
    print_rows(("file", "big", "little"), rows, as_json)


@app.command("root")
def show_blob_root(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of up to 64 MiB.")],
    as_json: AsJson = False,
) -> None:
    """The roots that a file has as a blob; nothing is kept.

    Example: btc-l2 vm blob root README.md
    """
    from btc_l2.blobstore import read_blob_file
    from btc_l2.zkvm.blobs import blob_root

    data = read_blob_file(file)
    print_document({"big": blob_root(data, "big").hex(), "little": blob_root(data, "little").hex()}, as_json)


@app.command("show")
def show_blob(root: Root = None, blobs: Blobs = None, as_json: AsJson = False) -> None:
    """Where blobs stand, after checking them: one by its root, or all.

    Example: btc-l2 vm blob show
    """
    from btc_l2.blobstore import ENDIANS, parse_root

    store = open_store(blobs)
    wanted = parse_root(root) if root is not None else None
    rows = []
    for endian in ENDIANS:
        for known in store.roots(endian) if wanted is None else [wanted]:
            if wanted is None or store.path(known, endian).is_file():
                data = store.read(known, endian)
                rows.append((known.hex(), endian, str(len(data)), str(store.path(known, endian))))
    if wanted is not None and not rows:
        store.read(wanted, "big")  # says that it is not here
    print_rows(("root", "endian", "bytes", "file"), rows, as_json)


def open_store(folder: str | None) -> BlobStore:
    """The store in a folder that the user named, or in the usual one."""
    from btc_l2.blobstore import BlobStore, default_folder

    return BlobStore(Path(folder) if folder is not None else default_folder())
