"""Whole stories to the end: every lie falls to a leaf that the judge accepts, a true claim is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from btc_l2.chain.protocol import Chain
from challenger.game.lies import MAP_LIES, machine_lies
from regtest.node.bitcoind import Bitcoind
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput
from taproot.keys import sign_schnorr
from taproot.terms import ANCHOR
from tests.chain.conftest import skip_without_bitcoind
from tests.regtest.conftest import MakeStage, blobsum_plot, check_books, fibonacci_plot, with_invariant

# Lie: the turn on which it is disproved, and what the leaf's name begins with.
DISPROVED_ON = {
    "result": ("verdict", "ADDIU"),
    "operand": ("rs.hash", "pre."),
    "operand-opened": ("rs.cut0", "word"),
    "operand-beside": ("rs.cut0", "address"),
    "instruction": ("fetch.hash", "pre."),
    "memory-read": ("memory.hash", "pre."),
    "memory-write": ("memory.hash", "post."),
    "elsewhere": ("memory.hash", "post."),
    "reserved": ("verdict", "ADDIU"),
    "next-pc": ("verdict", "ADDIU"),
    "control": ("control.hash", "pre."),
    "register": ("register.hash", "post."),
    "told-as-map": ("verdict_map", "NOT_MAP"),
    "map-told-plainly": ("verdict", "MAP"),
    "map-operand": ("map-rs.hash", "pre."),
    "map-key": ("map-key.hash", "pre."),
    "map-slot": ("verdict_map", "SYSCALL_MAP"),
    "map-node": ("map-slot.hash", "post."),
    "initial": ("claim3.hash", "post."),
    "final": ("final.hash", "pre."),
}
BENT = ("operand", "instruction", "memory-read", "control", "map-operand", "map-key", "final")


def plot_of(lie: str, **what: object) -> Plot:
    return blobsum_plot(lie=lie, **what) if lie in MAP_LIES else fibonacci_plot(lie=lie, **what)


def names(ending: Ending) -> list[str]:
    return [s.name.partition("@")[0] for s in ending.sent]


def check_disproved(ending: Ending, plot: Plot, winner: str = "alice") -> None:
    turn, leaf = DISPROVED_ON[plot.lie or ""]
    assert (ending.outcome, ending.winner) == ("disproved", winner)
    top = "_top" if (ending.leaf or "").split(".")[1:2] == ["0"] else ""  # the first edge has a turn of its own
    assert names(ending)[-1] == f"{winner}/disprove.{turn}{top}"
    assert (ending.leaf or "").startswith(leaf)
    assert not {"take1", "take2"} & set(names(ending))
    check_books(ending, plot.terms)


def test_every_lie_has_its_place() -> None:
    assert set(DISPROVED_ON) == set(machine_lies())


def test_a_true_claim_is_paid_when_nobody_objects(make_stage: MakeStage) -> None:
    plot = fibonacci_plot()
    ending = make_stage(plot).play()
    assert (ending.outcome, ending.winner, ending.leaf) == ("paid", "olga", None)
    assert names(ending) == ["confirm", "kickoff", "take1"]
    check_books(ending, plot.terms)


@pytest.mark.parametrize("lie", machine_lies())
def test_every_lie_is_disproved(make_stage: MakeStage, lie: str) -> None:
    stage = make_stage(plot := plot_of(lie))
    ending = stage.play()
    check_disproved(ending, plot)
    assert ending.first_false_step == getattr(stage.prover, "at", None)


def leave(stage: Stage, party: str, output: str) -> None:
    """The owner of a stake or bond publishes `leave`, the first step of taking it back; it is in a block on return."""
    key = stage.cast.secrets[party].key
    tx = stage.bundle.graph.assemble(
        f"leave.{output}", stage.bundle.signatures, {party: lambda message: sign_schnorr(key, message)}
    )
    stage.chain.broadcast([tx, stage.wallets[party].fee_child(tx, 1)])
    stage.mine()


def play_on(stage: Stage, occasion: str, act: Callable[[], None]) -> Ending:
    """Play to the end; `act` comes right after the transaction `occasion` has confirmed."""
    stage.confirm_vault()
    while stage.view.confirmed(occasion) is None:
        stage.tick()
    act()
    while not stage.is_over():
        stage.tick()
    return stage.end()


def test_a_stake_that_leaves_during_the_dispute_is_taken_all_the_same(make_stage: MakeStage) -> None:
    stage = make_stage(fibonacci_plot(lie="operand"))
    ending = play_on(stage, "alice/choose.2", lambda: leave(stage, "olga", "stake0"))
    assert ending.sent[-1].name == "alice/disprove.rs.hash@leaving0"
    assert ending.books.accounts["alice"].change > stage.plot.terms.stakes[0] // 2
    assert ending.books.total_before == ending.books.total_after


def test_a_bond_that_leaves_during_the_dispute_is_taken_all_the_same(make_stage: MakeStage) -> None:
    stage = make_stage(fibonacci_plot(objectors=("alice",), route=("choose.0",)))
    ending = play_on(stage, "alice/choose.2", lambda: leave(stage, "alice", "bond.alice"))
    assert ending.sent[-1].name.startswith("alice/slash.") and ending.sent[-1].name.endswith("@leaving")
    assert ending.books.accounts["olga"].change > stage.plot.terms.deposit
    assert ending.books.total_before == ending.books.total_after


def test_a_false_claim_dies_also_when_the_stake_is_gone(make_stage: MakeStage) -> None:
    stage = make_stage(fibonacci_plot(lie="operand"))
    stage.confirm_vault()
    leave(stage, "olga", "stake0")
    stage.chain.mine(stage.plot.terms.exit_delay)
    key = stage.cast.secrets["olga"].key
    graph, script = stage.bundle.graph, stage.wallets["olga"].script_pubkey
    stage.chain.broadcast(
        graph.finalize("exit.stake0", stage.bundle.signatures, {"olga": lambda m: sign_schnorr(key, m)}, script, 1)
    )
    while not stage.is_over():
        stage.tick()
    ending = stage.end()
    assert ending.sent[-1].name == "alice/disprove.rs.hash@bare"
    assert ending.books.vault == stage.plot.terms.deposit - ANCHOR
    assert ending.books.total_before == ending.books.total_after


def test_a_lie_that_heals_is_no_false_claim(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(lie="reserved", lie_at=0.99)  # near the end: an instruction that may be done twice
    with pytest.raises(InvalidInput, match="healed"):
        make_stage(plot)


@pytest.mark.parametrize("objectors", [("alice",), ("alice", "bob")])
def test_unfounded_challenges_cost_those_who_make_them(make_stage: MakeStage, objectors: tuple[str, ...]) -> None:
    plot = fibonacci_plot(objectors=objectors, route=("choose.0",))
    ending = make_stage(plot).play()
    assert (ending.outcome, ending.winner) == ("paid", "olga")
    assert {n.partition("/")[0] for n in names(ending) if "/slash." in n} == set(objectors)
    check_books(ending, plot.terms)


def test_a_challenger_who_is_slower_loses_his_fees_only(make_stage: MakeStage) -> None:
    stage = make_stage(plot := fibonacci_plot(lie="operand"))
    stage.confirm_vault()
    late = stage.players.pop()
    while not stage.is_over():
        stage.tick()
        if stage.view.confirmed("alice/choose.1") and late not in stage.players:
            stage.players.append(late)
    ending = stage.end()
    assert "bob/rs.open" in names(ending) and "bob/rs.last" not in names(ending)
    check_disproved(ending, plot)


@pytest.mark.parametrize("silent", ["pick", "choose.2", "verdict", "rs.cut1", "veto"])
def test_a_colluding_challenger_who_falls_silent_does_not_stop_the_honest_one(
    make_stage: MakeStage, silent: str
) -> None:
    plot = fibonacci_plot(lie="operand", silent={"alice": (silent, "rs.hash")})
    check_disproved(make_stage(plot).play(), plot, "bob")


def test_a_colluding_challenger_who_errs_on_purpose_does_not_stop_the_honest_one(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(lie="operand", objectors=("alice",), route=("choose.0",))
    check_disproved(make_stage(plot).play(), plot, "bob")


def test_a_false_claim_is_paid_if_every_challenger_sleeps(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(lie="operand", silent={"alice": ("fan",), "bob": ("fan",)})
    ending = make_stage(plot).play()
    assert (ending.outcome, names(ending)[-1]) == ("paid", "take1")


@pytest.mark.long
@pytest.mark.parametrize(("lie", "at"), product(machine_lies(), (0.0, 0.27, 0.75, 0.93)))
def test_every_lie_is_disproved_wherever_it_is_told(make_stage: MakeStage, lie: str, at: float) -> None:
    plot = plot_of(lie, lie_at=at)
    if lie not in ("result", "reserved", "next-pc"):  # the winning row depends on the place
        check_disproved(make_stage(plot).play(), plot)
        return
    ending = make_stage(plot).play()
    assert (ending.outcome, names(ending)[-1]) == ("disproved", "alice/disprove.verdict")
    check_books(ending, plot.terms)


@pytest.mark.long
@pytest.mark.parametrize(("lie", "depth"), product(BENT, (1, 9, 10, 18, 26, 27)))
def test_a_path_bent_at_any_depth_falls_to_a_hash_leaf(make_stage: MakeStage, lie: str, depth: int) -> None:
    plot = plot_of(lie, false_from=depth)
    ending = make_stage(plot).play()
    check_disproved(ending, plot)
    assert (ending.leaf or "").startswith(f"pre.{depth - 1}")


@pytest.fixture(scope="module")
def node() -> Iterator[Bitcoind]:
    skip_without_bitcoind()
    with Bitcoind() as running:
        yield running


@pytest.mark.bitcoind
@pytest.mark.parametrize(
    "plot",
    [
        fibonacci_plot(),
        fibonacci_plot(lie="operand"),
        blobsum_plot(lie="map-node"),
        blobsum_plot(objectors=("alice",), route=("pick_init",)),
    ],
    ids=["honest", "operand", "map-node", "unfounded"],
)
def test_bitcoind_relays_and_accepts_every_move(node: Bitcoind, workshop: Workshop, plot: Plot) -> None:
    chain: Chain = node.chain()
    ending = with_invariant(Stage(chain, plot, workshop=workshop)).play()
    assert ending.outcome == ("disproved" if plot.lie else "paid")
    check_books(ending, plot.terms)
