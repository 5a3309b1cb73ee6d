"""Whole stories to the end: every lie falls to a leaf that the judge accepts, a true claim is paid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from btc_l2.chain.protocol import Chain
from challenger.game.lies import MAP_LIES, machine_lies
from regtest.bitcoind import Bitcoind
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput
from tests.chain.conftest import skip_without_bitcoind
from tests.regtest.conftest import MakeStage, blobsum_plot, check_books, fibonacci_plot

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
    assert names(ending)[-1] == f"{winner}/disprove.{turn}"
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
    plot = plot_of(lie)
    ending = make_stage(plot).play()
    check_disproved(ending, plot)
    assert (ending.first_false_step is None) == (lie in ("initial", "final"))


def test_a_lie_that_heals_is_no_false_claim(make_stage: MakeStage) -> None:
    plot = fibonacci_plot(lie="reserved", lie_at=0.99)  # near the end: an instruction that may be done twice
    with pytest.raises(InvalidInput, match="healed"):
        make_stage(plot)


@pytest.mark.parametrize("objectors", [("alice",), ("alice", "bob")])
def test_unfounded_challenges_cost_those_who_make_them(make_stage: MakeStage, objectors: tuple[str, ...]) -> None:
    plot = fibonacci_plot(objectors=objectors, route=("pick_search",))
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
    plot = fibonacci_plot(lie="operand", objectors=("alice",), route=("pick_search",))
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
    ending = Stage(chain, plot, workshop=workshop).play()
    assert ending.outcome == ("disproved" if plot.lie else "paid")
    check_books(ending, plot.terms)
