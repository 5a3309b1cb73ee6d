"""Who falls silent on his turn pays, whatever turn it is: the operator his stake, a challenger his penalty."""

from __future__ import annotations

import pytest

from challenger.game.kinds import CHAINS
from regtest.plot import Plot, silence_plot, turns_of
from taproot.errors import InvalidInput
from tests.regtest.conftest import (
    MAP_TERMS,
    STATEMENT,
    TERMS,
    MakeStage,
    blobsum_plot,
    check_books,
    fibonacci_plot,
)

ROUNDS = len(MAP_TERMS.arities)

# One of each kind of move; the rest of the matrix is long.
OPERATOR_KINDS = (
    "assert", "init", "search.1", "search.4", "step",
    "rs.open", "memory.show1", "control.show2", "register.last",
    "claim2.open", "final.last", "map-slot.open", "map-slot.show1", "map-slot.last", "rt.last_top",
)  # fmt: skip
CHALLENGER_KINDS = (
    "pick", "pick_claim", "choose.1", "choose.4", "verdict", "verdict_map",
    "fetch.cut0", "rt.cut1", "register.cut2", "memory.hash",
    "claim3.cut0", "final.hash", "map-key.hash", "map-slot.cut1", "control.hash_top",
)  # fmt: skip


def play_silence(make_stage: MakeStage, side: str, turn: str) -> None:
    plot = silence_plot(blobsum_plot().guest, MAP_TERMS, side, turn)
    ending = make_stage(plot).play()
    last = ending.sent[-1].name.partition("@")[0]
    if side == "operator":
        assert (ending.outcome, ending.winner) == ("timeout", "alice")
        assert (last, ending.leaf) == (f"alice/timeout.{turn}", "timeout")
    else:
        assert (ending.outcome, ending.winner) == ("paid", "olga")
        assert last == f"alice/slash.{turn}"
    check_books(ending, plot.terms)


@pytest.mark.parametrize("turn", OPERATOR_KINDS)
def test_an_operator_who_falls_silent_loses_his_stake(make_stage: MakeStage, turn: str) -> None:
    play_silence(make_stage, "operator", turn)


@pytest.mark.parametrize("turn", CHALLENGER_KINDS)
def test_a_challenger_who_falls_silent_pays_the_penalty(make_stage: MakeStage, turn: str) -> None:
    play_silence(make_stage, "challenger", turn)


@pytest.mark.long
@pytest.mark.parametrize("turn", [t for t in turns_of("operator", ROUNDS) if t not in OPERATOR_KINDS])
def test_an_operator_may_be_silent_on_no_turn_at_all(make_stage: MakeStage, turn: str) -> None:
    play_silence(make_stage, "operator", turn)


@pytest.mark.long
@pytest.mark.parametrize("turn", [t for t in turns_of("challenger", ROUNDS) if t not in CHALLENGER_KINDS])
def test_a_challenger_may_be_silent_on_no_turn_at_all(make_stage: MakeStage, turn: str) -> None:
    play_silence(make_stage, "challenger", turn)


def test_a_lying_operator_who_falls_silent_before_the_leaf_loses_his_stake_as_well(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(lie="operand", silent={"olga": ("rs.show1",)})
    ending = make_stage(plot).play()
    assert (ending.outcome, ending.winner, ending.leaf) == ("timeout", "alice", "timeout")
    check_books(ending, plot.terms)


def test_a_slow_operator_who_answers_before_the_timeout_confirms_is_not_punished(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(silent={"alice": ("timeout", "choose.1")}, objectors=("alice",), route=("choose.0",))
    stage = make_stage(plot)
    stage.confirm_vault()
    olga = stage.players[0]
    while not stage.is_over():
        stage.tick()
        tracked = olga.track("alice")
        since = 0 if tracked is None else tracked.since
        olga.silent = ("search.1",) if stage.view.height < since + plot.terms.move_delay + 3 else ()
    ending = stage.end()
    assert ending.outcome == "paid"
    check_books(ending, plot.terms)


@pytest.mark.parametrize("side", ["operator", "challenger"])
def test_the_list_of_turns_is_that_of_the_game(make_stage: MakeStage, side: str) -> None:
    game = make_stage(blobsum_plot()).games["alice"]
    assert set(turns_of(side, ROUNDS)) == {t.name for t in game.scripts.turns.values() if t.mover.value == side}


@pytest.mark.parametrize(
    ("side", "turn"),
    [("nobody", "assert"), ("operator", "pick"), ("challenger", "step"), ("operator", f"search.{len(TERMS.arities)}"),
     ("challenger", "map-slot.cut2"), ("operator", ""), ("operator", "rs")],
)  # fmt: skip
def test_silence_on_what_is_no_turn_of_that_side_is_refused(side: str, turn: str) -> None:
    with pytest.raises(InvalidInput):
        silence_plot(fibonacci_plot().guest, TERMS, side, turn, STATEMENT)


def test_silence_on_a_turn_about_map_needs_a_guest_that_maps() -> None:
    with pytest.raises(InvalidInput, match="maps nothing"):
        silence_plot(fibonacci_plot().guest, TERMS, "operator", "map-slot.open", STATEMENT)
    plot: Plot = silence_plot(blobsum_plot().guest, MAP_TERMS, "operator", "map-slot.open")
    assert plot.target is not None and "ask.map-slot" in plot.route
    assert "map-slot" in CHAINS
