"""`btc-l2 signer psbt`: a transaction of the presigned graphs as a PSBT for other software, and a PSBT read back.

BIP 174 or 370 with the fields of BIP 371 and 373. Nothing is signed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.output import note, print_document, print_rows
from btc_l2.cli.signer_options import AsJson
from taproot.errors import InvalidInput, VerificationFailed

if TYPE_CHECKING:
    from challenger.presign.bundle import Bundle
    from taproot.psbt import Psbt


def psbt(
    bundles: Annotated[Path, typer.Argument(metavar="BUNDLES", help="Folder that `combine` wrote.")],
    name: Annotated[str, typer.Argument(metavar="[TX]", help="Name in the graph; without it all are listed.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; default: base64 on the screen.")] = None,
    show: Annotated[Path | None, typer.Option(help="A PSBT to compare with the graphs; bytes or base64.")] = None,
    operator: Annotated[str | None, typer.Option(help="Whose graph, if there are several.")] = None,
    leaf: Annotated[str | None, typer.Option(help="Where any disproof may be spent: which one to show.")] = None,
    version: Annotated[int, typer.Option(help="Of the PSBT: 0 (BIP 174) or 2 (BIP 370).")] = 0,
    signatures: Annotated[bool, typer.Option("--signatures", help="With the presigned signatures of all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a transaction of a graph as a PSBT; with --show say which one a PSBT is and what differs (exit code 4)."""
    from btc_l2.cli.signer_desk import CRAFT
    from challenger.presign.ceremony.result import verify_folder

    if show is not None and (name or out or leaf or signatures):
        raise InvalidInput("--show compares a PSBT with the graphs; give it with BUNDLES alone")
    found = verify_folder(bundles, CRAFT.build_games)[1]
    if show is not None:
        _show(show, found, as_json)
        return
    bundle = _choose(found, operator)
    if name:
        _write(bundle, name, leaf, version, signatures, out, as_json)
        return
    rows = [
        (n, p.kind.value, p.by, ", ".join(s.output for s in p.inputs)) for n, p in bundle.graph.transactions.items()
    ]
    print_rows(("transaction", "kind", "by", "spends"), rows, as_json)


def _choose(found: dict[str, Bundle], operator: str | None) -> Bundle:
    if operator is None and len(found) > 1:
        raise InvalidInput(f"operators {', '.join(sorted(found))} have a graph; name one with --operator")
    name = operator or next(iter(found))
    if name not in found:
        raise InvalidInput(f"{name} has no graph here; choose one of {', '.join(sorted(found))}")
    return found[name]


def _write(
    bundle: Bundle, name: str, leaf: str | None, version: int, signatures: bool, out: Path | None, as_json: bool
) -> None:
    from btc_l2.durable import replace_file
    from challenger.presign.psbts import with_signatures
    from taproot.psbt_graph import make_psbt

    made = make_psbt(bundle.graph, name, version, leaf)
    if signatures:
        made = with_signatures(made, bundle.graph, name, bundle.signatures)
    if out is None:
        print(made.to_base64())
        return
    content = made.to_bytes()
    replace_file(out, content)
    if _leaves_left_out(made):
        note("the outputs' trees of leaves are too large for wallets and left out; address and amount are there")
    print_document(
        {"transaction": name, "txid": made.tx.txid_hex, "version": version, "bytes": len(content), "file": str(out)},
        as_json,
    )


def _leaves_left_out(made: Psbt) -> bool:
    """Whether an output that later transactions spend by its leaves is shown without them."""
    from taproot import psbt_fields as f
    from taproot.psbt import record

    internal, tree = (next(iter(record(kind, b""))) for kind in (f.OUT_TAP_INTERNAL_KEY, f.OUT_TAP_TREE))
    return any(internal in records and tree not in records for records in made.outputs)


def _show(path: Path, found: dict[str, Bundle], as_json: bool) -> None:
    from challenger.presign.psbts import compare

    read = _read(path)
    compared = compare(read, {operator: bundle.graph for operator, bundle in found.items()})
    document: dict[str, Any] = {"txid": read.tx.txid_hex, "version": read.version}
    if compared is not None:
        document |= {
            "operator": compared.operator, "transaction": compared.name, "differences": list(compared.differences),
            "added": list(compared.added),
        }  # fmt: skip
    print_document(document, as_json)
    if compared is None:
        raise VerificationFailed("this PSBT spends nothing of these graphs; it is of another deposit, or a forgery")
    if compared.differences:
        raise VerificationFailed(f"this PSBT is not {compared.name} of {compared.operator}'s graph as it was agreed; "
                                 f"{compared.differences[0]}; sign nothing with it")  # fmt: skip


def _read(path: Path) -> Psbt:
    from btc_l2.cli.arguments import read_file
    from taproot.psbt import MAGIC, Psbt

    content = read_file(path)
    if content.startswith(MAGIC):
        return Psbt.from_bytes(content)
    return Psbt.from_base64(content.decode("ascii", "replace"))
