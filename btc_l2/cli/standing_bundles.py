"""The graphs that `btc-l2 standing` looks at: bundle files, folders of one ceremony, folders of such folders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from challenger.presign.ceremony.store import Files
    from challenger.watchtower.place import Place
    from taproot.presigned import Graph, Signatures
    from taproot.tx import OutPoint

_DIGITS = 16
Bundles = Annotated[
    list[Path],
    typer.Option("--bundles", help="Folder that `combine` wrote, or a folder of such folders; once for each."),
]
BundlesIfAny = Annotated[
    list[Path] | None,
    typer.Option("--bundles", help="Folders that `combine` wrote, or folders of such folders: all that name it."),
]
InCeremony = Annotated[
    str | None, typer.Option("--ceremony", help="Instead: a ceremony here that was never combined, by its id.")
]


class Source(Protocol):
    """Graphs by label, and the presigned signatures of one of some."""

    def graphs(self) -> dict[str, Graph]:
        """All graphs that are known there."""

    def signatures(self, labels: Collection[str]) -> Signatures:
        """Those of any graph with one of these labels."""


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


def choose(folders: list[Path] | None, ceremony: str | None, home: Path) -> Source:
    """Where the graphs come from. Raises InvalidInput unless bundles or a ceremony are named, one of them."""
    if (ceremony is None) == (not folders):
        raise InvalidInput("name folders of bundles with --bundles, or a broken ceremony with --ceremony; one of them")
    return _InCeremony.open(home, ceremony) if ceremony is not None else _InBundles(folders or [])


def label_of(deposit: OutPoint, operator: str) -> str:
    """How a graph is named on a screen; deposits may be outputs of one transaction."""
    return f"{deposit.txid[::-1].hex()[:_DIGITS]}:{deposit.vout}.{operator}"


@dataclass(frozen=True, slots=True)
class _InBundles:
    folders: list[Path]

    def graphs(self) -> dict[str, Graph]:
        return read_skeletons(self.folders)

    def signatures(self, labels: Collection[str]) -> Signatures:
        """Of a bundle that names one of these graphs, every signature checked."""
        from btc_l2.cli.signer_desk import CRAFT
        from challenger.presign.bundle import read_proposal

        for place in find_places(self.folders):
            proposal = read_proposal(place.path)
            if label_of(proposal.funding.deposit, proposal.parties.operator.name) in labels:
                return place.load(CRAFT.build_games).signatures
        raise AssertionError("the labels were read from these bundles")


@dataclass(frozen=True, slots=True)
class _InCeremony:
    """What was signed before `confirm`, for owners whose ceremony broke off after they had paid in."""

    files: Files
    by_label: Mapping[str, Graph]

    @classmethod
    def open(cls, home: Path, ceremony: str) -> _InCeremony:
        from btc_l2.cli.signer_desk import CRAFT
        from challenger.presign.ceremony.reading import read_graphs
        from challenger.presign.ceremony.store import Files, find_ceremony

        files = Files(find_ceremony(home, ceremony))
        plan, graphs = read_graphs(files, CRAFT)
        return cls(files, {label_of(plan.deposit, operator): graph for operator, graph in graphs.items()})

    def graphs(self) -> dict[str, Graph]:
        return dict(self.by_label)

    def signatures(self, labels: Collection[str]) -> Signatures:
        from challenger.presign.ceremony.reading import first_signatures

        graphs = {graph.contract.parties.operator.name: graph for graph in self.by_label.values()}
        found = first_signatures(self.files, graphs)
        return found[self.by_label[next(iter(labels))].contract.parties.operator.name]


def _skeletons(places: list[Place]) -> Iterator[tuple[str, Graph]]:
    from btc_l2.bridge.skeleton import build_skeleton
    from challenger.presign.bundle import read_proposal

    for place in places:
        proposal = read_proposal(place.path)
        label = label_of(proposal.funding.deposit, proposal.parties.operator.name)
        yield label, build_skeleton(proposal.terms, proposal.parties, proposal.funding)
