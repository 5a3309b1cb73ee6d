"""A challenger without reason who spares a move until the operator is paid: the penalty is his all the same."""

from __future__ import annotations

from challenger.agents.decide import Step
from challenger.agents.player import ChallengerAgent
from challenger.game.challenger import Choose
from taproot.connectors.stake import bond_name
from taproot.connectors.turn import Role
from tests.regtest.conftest import MakeStage, check_books, fibonacci_plot


def make_spared_move(alice: ChallengerAgent) -> bool:
    """The move that she has not made yet, played although the claim is paid."""
    tracked = alice.track(alice.name)
    assert tracked is not None and tracked.mover is Role.CHALLENGER and alice.hostile is not None
    answer = alice.hostile(tracked.state)
    assert isinstance(answer, Choose)
    return alice._perform(Step(f"alice/{answer.move}", answer.values, game="alice", turn=tracked.state.turn))


def test_a_challenger_who_moves_only_after_take2_is_answered_and_slashed(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(silent={"alice": ("pick",)}, objectors=("alice",), route=("pick_search",))
    stage = make_stage(plot)
    stage.confirm_vault()
    while stage.view.confirmed("take2") is None:
        stage.tick()
    olga, alice = stage.players[:2]
    assert isinstance(alice, ChallengerAgent)
    alice.silent = (*(turn.name for turn in alice.games["alice"].scripts.turns.values()),)
    alice.tick()
    assert make_spared_move(alice)
    for _ in range(3 * plot.terms.move_delay):
        stage.tick()
    answered = olga.track("alice")
    assert answered is not None and len(answered.state.moves) == 3
    assert olga.view.is_spent(bond_name("alice"))
    ending = stage.end()
    assert ending.outcome == "paid" and any("/slash." in sent.name for sent in ending.sent)
    check_books(ending, plot.terms)
