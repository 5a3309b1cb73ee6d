"""The graphs that `btc-l2 standing` looks at: bundle files, folders of one ceremony, folders of such folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from challenger.watchtower.place import Place
    from taproot.presigned import Graph
    from taproot.tx import OutPoint

_DIGITS = 16
Bundles = Annotated[
    list[Path],
    typer.Option("--bundles", help="Folder that `combine` wrote, or a folder of such folders; once for each."),
]


def find_places(folders: list[Path]) -> list[Place]:
    """All bundles there. Raises InvalidInput if there are none."""
    from challenger.watchtower.place import list_folder, list_places

    found = [place for folder in folders for place in list_folder(folder) or list_places(folder)]
    if not found:
        raise InvalidInput(f"no bundles in {', '.join(map(str, folders))}; name folders that `combine` has written")
    return found


def read_skeletons(folders: list[Path]) -> dict[str, Graph]:
    """Graphs without their games by label; signatures are not checked, so hundreds take a second."""
    return dict(_skeletons(find_places(folders)))


def label_of(deposit: OutPoint, operator: str) -> str:
    """How a graph is named on a screen; deposits may be outputs of one transaction."""
    return f"{deposit.txid[::-1].hex()[:_DIGITS]}:{deposit.vout}.{operator}"


def _skeletons(places: list[Place]) -> Iterator[tuple[str, Graph]]:
    from btc_l2.bridge.skeleton import build_skeleton
    from challenger.presign.bundle import read_proposal

    for place in places:
        proposal = read_proposal(place.path)
        label = label_of(proposal.funding.deposit, proposal.parties.operator.name)
        yield label, build_skeleton(proposal.terms, proposal.parties, proposal.funding)
