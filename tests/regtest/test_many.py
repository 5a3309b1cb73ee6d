"""Five challengers at once: winners, losers, colluders and sleepers; the invariant holds for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from btc_l2.chain.protocol import Chain, Rejected
from challenger.agents.decide import Step, plan_operator
from challenger.agents.player import OperatorAgent
from challenger.game.lies import STEP_LIES, LyingProver
from challenger.game.prover import TraceProver
from regtest.party import MORE_SIGNERS, OPERATOR, SIGNERS
from regtest.plot import Plot
from regtest.story import Ending, Stage
from taproot.keys import sign_schnorr
from taproot.tx import Transaction
from tests.regtest.conftest import MAP_TERMS, MakeStage, blobsum_plot
from tests.regtest.invariant import check_invariant
from tests.regtest.test_stories import leave, names

FIVE = (*SIGNERS, *MORE_SIGNERS)[:5]
ALICE, BOB, CAROL, DAN, ERIN = FIVE
LIES = ("operand", "next-pc", "control", "elsewhere", "register")
SLEEPS = ("fan", "challenge")


class ManyFacedOperator(OperatorAgent):
    """Tells each challenger another lie: roots are signed per game."""

    faces: Mapping[str, TraceProver] = {}

    def plan(self) -> list[Step]:
        terms, steps = self.graph.contract.terms, plan_operator(self.view, self.graph.contract.terms, (), self.prover)
        for name in self.games:
            game = self.track(name)
            if game is not None:
                steps += plan_operator(self.view, terms, (game,), self.faces[name])
        return list({step.name: step for step in steps}.values())


def play_five(make_stage: MakeStage, plot: Plot, prepare: Callable[[Stage], None] = lambda _: None) -> Ending:
    """The story with five challengers, the invariant checked at its end."""
    stage = make_stage(plot, challengers=5)
    prepare(stage)
    ending = stage.play()
    check_invariant(stage, ending)
    return ending


def kills(ending: Ending) -> list[str]:
    return [n for n in names(ending) if "/disprove." in n or "/timeout." in n]


def players_of(ending: Ending) -> set[str]:
    """Challengers who came to a move of their own in their game."""
    first = ("pick_", "choose.")
    return {n.partition("/")[0] for n in names(ending) if n.partition("/")[2].startswith(first)}


def tell_different_lies(stage: Stage) -> None:
    """The operator lies to each challenger about something else."""
    old = stage.players[0]
    truth = stage._truth(stage.prover.claim)
    faces = {
        name: LyingProver(stage.image, truth.claim, truth.total, STEP_LIES[lie], 0, truth.trace, stage.blobs)
        for name, lie in zip(FIVE, LIES, strict=True)
    }
    same = ("name", "secrets", "chain", "graph", "signatures", "games", "deposit_id", "journal", "start")
    shared = {name: getattr(old, name) for name in same}
    stage.players[0] = ManyFacedOperator(**shared, prover=stage.prover)
    stage.players[0].faces = faces


def test_of_five_who_see_the_same_lie_one_wins_and_nobody_loses(make_stage: MakeStage) -> None:
    ending = play_five(make_stage, blobsum_plot(lie="operand"))
    assert ending.outcome == "disproved" and len(kills(ending)) == 1
    assert players_of(ending) == set(FIVE)


def test_of_five_who_see_five_lies_one_wins_and_nobody_loses(make_stage: MakeStage) -> None:
    ending = play_five(make_stage, blobsum_plot(lie="operand"), tell_different_lies)
    assert ending.outcome == "disproved" and len(kills(ending)) == 1
    assert players_of(ending) == set(FIVE)


def test_one_honest_challenger_among_colluders_losers_and_sleepers_is_enough(make_stage: MakeStage) -> None:
    """Alice goes first and falls silent late, Bob errs on purpose, Carol and Dan sleep, Erin is honest."""
    plot = blobsum_plot(
        lie="operand", objectors=(BOB,), route=("pick_final",),
        silent={ALICE: ("verdict", "verdict_map"), CAROL: SLEEPS, DAN: SLEEPS},
    )  # fmt: skip
    ending = play_five(make_stage, plot)
    assert (ending.outcome, ending.winner) == ("disproved", ERIN)
    assert players_of(ending) == {ALICE, BOB, ERIN}


@pytest.mark.long
def test_all_sleep_but_the_last(make_stage: MakeStage) -> None:
    ending = play_five(make_stage, blobsum_plot(lie="operand", silent=dict.fromkeys(FIVE[:4], SLEEPS)))
    assert (ending.outcome, ending.winner) == ("disproved", ERIN)


@pytest.mark.long
def test_five_unfounded_challenges_are_all_paid_for_by_those_who_made_them(make_stage: MakeStage) -> None:
    ending = play_five(make_stage, blobsum_plot(objectors=FIVE))
    assert ending.outcome == "paid"
    assert {n.partition("/")[0] for n in names(ending) if "/slash." in n} == set(FIVE)
    gain = ending.books.accounts[OPERATOR].change - MAP_TERMS.deposit
    assert gain > 3 * MAP_TERMS.penalty
    for name in FIVE:
        assert ending.books.accounts[name].change == -ending.books.accounts[name].fees - MAP_TERMS.penalty


@pytest.mark.long
def test_an_operator_silent_towards_all_five_dies_once(make_stage: MakeStage) -> None:
    plot = blobsum_plot(objectors=FIVE, route=("choose.0",), silent={OPERATOR: ("search.1",)})
    ending = play_five(make_stage, plot)
    assert ending.outcome == "timeout" and len(kills(ending)) == 1


# ---- two winners at once -------------------------------------------------------------------------------------


class HeldKills:
    """A chain that keeps kills (version 2, more than one input) to itself instead of passing them on."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.kills: dict[bytes, Transaction] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        if isinstance(txs, Transaction) and txs.version == 2 and len(txs.inputs) > 1:
            self.kills[txs.txid] = txs
        else:
            self._chain.broadcast(txs)


def test_of_two_winners_at_once_the_second_loses_nothing_and_a_reorganisation_may_change_them(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(blobsum_plot(lie="operand"), None, HeldKills)
    stage.confirm_vault()
    chain = stage.chain
    while len(chain.kills) < 2:
        stage.tick()
    (first, second), find = chain.kills.values(), stage.bundle.graph.find_played
    chain.check(first)
    chain.check(second)
    chain.mine_block([first])
    with pytest.raises(Rejected, match="missingorspent"):
        chain.check(second)
    chain.invalidate(chain.tip().hash)
    chain.mine_block([second])
    chain.mine(stage.plot.terms.confirmations)
    stage.view.refresh()
    assert stage.is_over()
    ending = stage.end()
    assert {find(first), find(second)} == {f"{name}/{find(first).partition('/')[2]}" for name in (ALICE, BOB)}
    assert ending.sent[-1].name == find(second)
    check_invariant(stage, ending)
    with pytest.raises(Rejected, match="missingorspent"):
        chain.check(first)


# ---- stake or bond spent before -------------------------------------------------------------------------------


def exit_now(stage: Stage, party: str, output: str) -> None:
    """The owner has waited for his stake or bond and takes it."""
    leave(stage, party, output)
    stage.chain.mine(stage.plot.terms.exit_delay)
    key = stage.cast.secrets[party].key
    graph, script = stage.bundle.graph, stage.wallets[party].script_pubkey
    stage.chain.broadcast(
        graph.finalize(f"exit.{output}", stage.bundle.signatures, {party: lambda m: sign_schnorr(key, m)}, script, 1)
    )
    stage.mine()


def test_a_timeout_kills_also_when_the_stake_is_gone(make_stage: MakeStage) -> None:
    plot = blobsum_plot(lie="operand", silent={OPERATOR: ("search.2",)})
    stage = make_stage(plot)
    stage.confirm_vault()
    exit_now(stage, OPERATOR, "stake0")
    while not stage.is_over():
        stage.tick()
    ending = stage.end()
    assert ending.sent[-1].name.endswith("/timeout.search.2@bare")
    check_invariant(stage, ending)


def test_who_has_no_bond_any_more_cannot_stop_the_operator_from_being_paid(make_stage: MakeStage) -> None:
    stage = make_stage(blobsum_plot(objectors=("alice",)))
    stage.confirm_vault()
    exit_now(stage, "alice", "bond.alice")
    for _ in range(stage.plot.terms.total_delay + 20):
        stage.tick()
    stage.view.refresh()
    assert stage.view.spent["asset"].name == "take2"
    assert not any("/slash." in name for name in stage.view.by_name)
    check_invariant(stage, stage.end(), dishonest=("alice",))
