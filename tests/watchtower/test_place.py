"""A deposit's folder is what `signer combine` has written, whole, or nothing in it is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from challenger.agents.player import Secrets
from challenger.presign.ceremony.agreement import CEREMONY, domain_of
from challenger.presign.ceremony.result import MANIFEST, make_bundles, read_manifest, write_folder
from challenger.watchtower.orders import Orders
from challenger.watchtower.place import find_place, list_folder, list_places
from challenger.watchtower.tower import Tower
from taproot.errors import InvalidInput, VerificationFailed
from tests.challenger.signers import Table, keys_of
from tests.taproot.toy import build_toy_games


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deposits with one folder: three signers, two of them operators; toy games."""
    folder = tmp_path_factory.mktemp("place")
    table = Table(folder / "signers", 3, 2).open()
    signatures = table.finish()["carol"]
    seat = table.seat("carol")
    write_folder(folder / "deposits" / "d1", seat.plan, make_bundles(seat.proposals(), seat.graphs(), signatures))
    return folder / "deposits"


@pytest.fixture
def deposits(combined: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return shutil.copytree(combined, tmp_path / "deposits")


def test_a_folder_of_several_operators_has_a_graph_of_each(combined: Path) -> None:
    places = list(list_places(combined))
    assert [p.name for p in places] == ["d1.alice", "d1.bob"]
    assert [p.claim.name for p in places] == ["alice.claim.json", "bob.claim.json"]
    manifest = read_manifest(combined / "d1")
    for place in places:
        proposal = place.load(build_toy_games).proposal
        assert proposal.parties.operator.name == place.operator
        ceremony = proposal.constants[CEREMONY].hex()
        assert domain_of(proposal) == manifest["domain"] == f"{manifest['deposit']}/{ceremony}"
    with pytest.raises(InvalidInput, match=r"no graph is called 'd1'.*d1\.alice, d1\.bob"):
        find_place(combined, "d1")


def test_a_tower_watches_each_graph_in_its_role(combined: Path, tmp_path: Path) -> None:
    keys, library = keys_of("alice"), SimpleNamespace(scripts=build_toy_games)
    (tmp_path / "state").mkdir()
    with EmbeddedChain() as chain:
        tower = Tower(chain, Orders("alice", combined, tmp_path / "state"), Secrets(keys.key, keys.one_time), library)  # type: ignore[arg-type]
        assert {d.name: d.role for d in tower.add_deposits()} == {"d1.alice": "operator", "d1.bob": "challenger"}
        tower.close()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: (d / MANIFEST).unlink(), "has no manifest.json"),
        (lambda d: (d / "bob.bundle").unlink(), "lacks bob.bundle"),
        (lambda d: shutil.copy(d / "bob.bundle", d / "alice.bundle"), "not the one that the manifest names"),
        (lambda d: (d / "alice.bundle").write_bytes((d / "alice.bundle").read_bytes()[:-1]), "digest does not fit"),
        (lambda d: edit(d / MANIFEST, domain="another"), "was changed"),
        (lambda d: (d / MANIFEST).write_text("{}"), "not of format"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(deposits: Path, spoil: object, says: str) -> None:
    spoil(deposits / "d1")  # type: ignore[operator]
    with pytest.raises(VerificationFailed, match=says):
        list_folder(deposits / "d1")[0].load(build_toy_games)


def test_a_folder_that_is_still_being_copied_is_taken_up_when_it_is_whole(deposits: Path, tmp_path: Path) -> None:
    keys, library = keys_of("carol"), SimpleNamespace(scripts=build_toy_games)
    (tmp_path / "state").mkdir()
    (deposits / "d1" / MANIFEST).rename(tmp_path / MANIFEST)
    with EmbeddedChain() as chain:
        tower = Tower(chain, Orders("carol", deposits, tmp_path / "state"), Secrets(keys.key, keys.one_time), library)  # type: ignore[arg-type]
        tower.tick()
        assert {alarm.kind for alarm in tower.board.standing.values()} == {"case.failed"}
        (tmp_path / MANIFEST).rename(deposits / "d1" / MANIFEST)
        tower.tick()
        assert not tower.board.standing and len(tower.store.deposits()) == 2
        tower.close()


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
