"""The matrix of docs/spec/matrix.md: a stratified part of it here, all of it by `make matrix`.

Each game is played by the sides' own code; libbitcoinkernel decides on the leaf at which the challenger ends.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from challenger.game.prover import TraceProver
from challenger.game.semantics import row_name
from tests.challenger.matrix.falsehoods import cells
from tests.challenger.matrix.games import CLAIM_TEXT, TOTAL, play_falsehood, play_hostile
from tests.challenger.matrix.scenes import CLASSES, make_scene
from tests.challenger.matrix.table import Tally, play_false, play_honest, render, schedule

GAMES, BLOCK = 300, 50

wide = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
widest = settings(wide, max_examples=1500)
any_endian = st.sampled_from(("big", "little"))
any_random = st.randoms(use_true_random=False)


@pytest.mark.parametrize("first", range(0, GAMES, BLOCK))
def test_every_field_and_kind_of_falsehood_loses_on_the_kernel(first: int) -> None:
    tally = Tally()
    play_false(tally, schedule(first, BLOCK))
    assert tally.misses == []


def test_the_default_games_meet_every_row_field_and_kind() -> None:
    games = list(schedule(0, GAMES))
    assert {(g.name, g.kind) for g in games} == set(cells())
    assert {g.row for g in games} == set(CLASSES)
    everything = {(g.row, g.name, g.kind) for g in schedule(0, len(cells()) * len(CLASSES))}
    assert len(everything) == len(cells()) * len(CLASSES)


@pytest.mark.parametrize("first", [7, 29, 53, 71])
def test_no_leaf_can_be_spent_against_an_honest_step_of_any_group(first: int) -> None:
    tally = Tally()
    play_honest(tally, range(first, first + 6))
    assert tally.spent == [] and tally.tried.total() > 600


@pytest.mark.parametrize("row", CLASSES)
def test_a_scene_executes_its_row(row: str) -> None:
    scene = make_scene(row, random.Random(row))
    claim = TraceProver(scene, CLAIM_TEXT, TOTAL).step(scene.at).claim
    assert row_name(claim) == row


@wide
@given(st.sampled_from(CLASSES), st.sampled_from(cells()), any_random, any_endian)
def test_any_falsehood_loses(row: str, cell: tuple[str, str], rng: random.Random, endian: str) -> None:
    played = play_falsehood(row, *cell, rng, endian)
    assert played is not None and played.won, played


@pytest.mark.long
@widest
@given(st.sampled_from(CLASSES), st.sampled_from(cells()), any_random, any_endian)
def test_any_falsehood_loses_widely(row: str, cell: tuple[str, str], rng: random.Random, endian: str) -> None:
    played = play_falsehood(row, *cell, rng, endian)
    assert played is not None and played.won, played


@pytest.mark.long
@settings(wide, max_examples=100)
@given(st.sampled_from(CLASSES), any_random, any_endian)
def test_no_leaf_can_be_spent_against_any_honest_step(row: str, rng: random.Random, endian: str) -> None:
    tried, spent = play_hostile(row, rng, endian)
    assert tried and spent == []


def test_the_table_names_what_was_missed() -> None:
    tally = Tally()
    cell = next(schedule(0, 1))
    tally.count(cell, None)
    assert "1 games against falsehoods, 1 misses" in render(tally)
    assert f"game 0: {cell.row}, {cell.name}, {cell.kind}" in render(tally)
