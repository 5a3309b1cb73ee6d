"""`btc-l2 signer`, for plain signers whose key lives elsewhere: PSBTs for their software out, signed ones in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from btc_l2.cli.output import note
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from challenger.presign.ceremony.course import Course
    from challenger.presign.ceremony.seat import Desk
    from taproot.presigned import Graph
    from taproot.psbt import Psbt


def write_psbts(opened: Course, bundles: Path | None, out: Path, version: int) -> None:
    """What the key elsewhere has to sign now, a PSBT per transaction. Raises InvalidInput if that is nothing."""
    from btc_l2.durable import make_folder, replace_file
    from challenger.presign.ceremony.elsewhere import to_sign

    pending = opened.pending()
    if not pending:
        raise InvalidInput("there is nothing to sign now; `btc-l2 signer status` shows what is missing")
    psbts = to_sign(graphs_of(opened, bundles), pending, version)
    make_folder(out)
    for name, psbt in psbts.items():
        replace_file(out / name, psbt.to_bytes())
    note(f"written to {out}: {len(psbts)} PSBTs; let your key {_own_key(opened.desk)} sign each input that names it, "
         "then `btc-l2 signer sign --psbt`")  # fmt: skip


def with_signed(opened: Course, bundles: Path | None, folder: Path) -> Desk:
    """The desk with the signatures that the PSBTs of a folder hold."""
    from challenger.presign.ceremony.elsewhere import SUFFIX, read_signed

    psbts = [_read(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    if not psbts:
        raise InvalidInput(f"{folder} holds no *{SUFFIX}; name the folder with what your software signed")
    return replace(opened.desk, elsewhere=read_signed(psbts, graphs_of(opened, bundles), opened.desk.name))


def graphs_of(opened: Course, bundles: Path | None) -> Mapping[str, Graph]:
    """What is signed: an operator's graph each, or a settlement, for which one's own bundles are needed."""
    from btc_l2.cli.settle import find_graph
    from challenger.presign.ceremony.ceremony import Ceremony
    from challenger.presign.ceremony.settling import Settling

    if isinstance(opened, Settling):
        return {opened.kind: opened.rebuilt(find_graph(opened, bundles))}
    assert isinstance(opened, Ceremony), "there are two kinds"
    return opened.graphs()


def _own_key(desk: Desk) -> str:
    key = desk.policy.member(desk.name).party.plain_key
    if key is None:
        raise InvalidInput("you sign with MuSig2; `btc-l2 signer sign` does it by itself")
    return key.hex()


def _read(path: Path) -> Psbt:
    """A PSBT in bytes or base64."""
    from btc_l2.cli.arguments import read_file
    from taproot.psbt import MAGIC, Psbt

    content = read_file(path)
    if content.startswith(MAGIC):
        return Psbt.from_bytes(content)
    return Psbt.from_base64(content.decode("ascii", "replace"))
