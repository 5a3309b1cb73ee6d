"""A watchtower in a dispute: it wins alone, whatever happens to its node, its disk, its clock or the chain."""

from __future__ import annotations

from tests.regtest.conftest import check_books
from tests.watchtower.conftest import MakeScene


def test_a_challengers_tower_wins_a_dispute_alone(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.play()
    ending = scene.stage.end()
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    check_books(ending, scene.stage.plot.terms)
