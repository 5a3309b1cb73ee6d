"""What an adversary can do between mempool and chain: pin, replace, swap witnesses, reorganise, at any restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from btc_l2.database import IN_MEMORY
from challenger.agents.player import OperatorAgent
from challenger.agents.wallet import CHILD_VBYTES, Wallet
from challenger.game.lies import STEP_LIES, LyingProver
from challenger.journal import Journal
from regtest.node.bitcoind import Bitcoind, find_bitcoind, find_core
from regtest.party import OPERATOR
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.workshop import Workshop
from taproot.keys import sign_schnorr
from taproot.presigned import Kind
from taproot.sighash import SighashCache
from taproot.tx import P2A_SCRIPT, Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_RBF, TRUC_CHILD_MAX_VBYTES, Sats
from tests.regtest.conftest import MAP_TERMS, MakeStage, blobsum_plot
from tests.regtest.invariant import check_invariant
from tests.regtest.test_agents import WatchedChain, check_single_use, dispute, restart, tick_until_done, waiting_rate
from tests.regtest.test_relay import binary_or_skip
from tests.regtest.test_stories import names

D = MAP_TERMS.confirmations
LARGE_PACKAGE_RATE, MARKET_RATE = 3, 8  # sat/vB: what the adversary pays, what is needed


# ---- pinning ----------------------------------------------------------------------------------------------------

BACKENDS = [
    pytest.param(None, id="embedded"),
    pytest.param(find_bitcoind, marks=pytest.mark.bitcoind, id="bitcoind"),
    pytest.param(find_core, marks=pytest.mark.bitcoind, id="core"),
]


@pytest.fixture(params=BACKENDS)
def any_chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    """Our own policy, Knots', Core's: replacement differs in detail."""
    if request.param is None:
        with EmbeddedChain() as chain:
            yield chain
        return
    with Bitcoind(binary=binary_or_skip(request.param)) as node:
        yield node.chain()


def stage_on(chain: Chain, workshop: Workshop, plot: Plot) -> Stage:
    stage = Stage(WatchedChain(chain), plot, workshop=workshop)
    stage.confirm_vault()
    return stage


def padded_child(wallet: Wallet, parent: Transaction, vbytes: int, fee: int) -> Transaction:
    """A child at the anchor of `parent` with outputs up to `vbytes`, of the parent's version."""
    coin = wallet.coins()[-1]
    anchor = next(i for i, out in enumerate(parent.outputs) if out.script_pubkey == P2A_SCRIPT)
    count = (vbytes - CHILD_VBYTES) // 43
    left = coin.output.value + parent.outputs[anchor].value - fee - 330 * count
    outputs = (TxOut(Sats(left), wallet.script_pubkey), *[TxOut(Sats(330), wallet.script_pubkey)] * count)
    inputs = (TxIn(parent.outpoint(anchor), SEQUENCE_RBF), TxIn(coin.outpoint, SEQUENCE_RBF))
    child = Transaction(parent.version, inputs, outputs, 0)
    message = SighashCache(child, [parent.outputs[anchor], coin.output]).key_path(1)
    return child.with_witness(1, [sign_schnorr(wallet._secret, message)])


def tick_until(stage: Stage, name: str, index: int) -> None:
    """Blocks until the player would send `name` now; nothing of it is sent yet."""
    player = stage.players[index]
    for _ in range(200):
        player._look()
        if any(step.name == name for step in player.plan()):
            return
        stage.tick()
    raise AssertionError(f"{name} does not come")


@pytest.mark.parametrize("name", ["fan", "veto.alice"])
def test_what_an_adversary_publishes_with_too_little_fee_is_paid_for(
    any_chain: Chain, workshop: Workshop, name: str
) -> None:
    """Fan and veto carry no live signature: the operator himself can publish them, in the way that suits him."""
    stage = stage_on(any_chain, workshop, dispute())
    tick_until(stage, name, 1)
    parent = stage.bundle.graph.assemble(name, stage.bundle.signatures)
    child = padded_child(stage.wallets[OPERATOR], parent, TRUC_CHILD_MAX_VBYTES - 50, 0)
    fee = LARGE_PACKAGE_RATE * (parent.vbytes + child.vbytes)
    stage.chain.broadcast([parent, padded_child(stage.wallets[OPERATOR], parent, TRUC_CHILD_MAX_VBYTES - 50, fee)])
    stage.chain.rate = MARKET_RATE
    assert waiting_rate(stage, name) < MARKET_RATE
    assert name in stage.players[1].tick()
    assert waiting_rate(stage, name) >= MARKET_RATE
    assert name not in stage.players[1].tick()


@pytest.mark.parametrize(("name", "index"), [("alice/assert", 0), ("alice/challenge", 1)])
def test_a_child_in_place_of_ours_does_not_pin_a_move(
    any_chain: Chain, workshop: Workshop, name: str, index: int
) -> None:
    """The adversary outbids our child with a large one; when fees rise we outbid him."""
    name = "challenge.alice" if name.endswith("challenge") else name
    stage = stage_on(any_chain, workshop, dispute())
    tick_until(stage, name, index)
    assert name in stage.players[index].tick()
    parent = next(tx for tx in stage.chain.mempool() if stage.bundle.graph.name_of(tx.txid) == name)
    adversary = stage.wallets["bob"]
    draft = padded_child(adversary, parent, TRUC_CHILD_MAX_VBYTES - 50, 0)
    ours = parent.vbytes + CHILD_VBYTES
    fee = max(ours * draft.vbytes // CHILD_VBYTES + draft.vbytes, LARGE_PACKAGE_RATE * (parent.vbytes + draft.vbytes))
    stage.chain.broadcast([parent, padded_child(adversary, parent, TRUC_CHILD_MAX_VBYTES - 50, fee)])
    stage.chain.rate = int(waiting_rate(stage, name)) + 1
    assert name in stage.players[index].tick()
    assert waiting_rate(stage, name) >= stage.chain.rate


def test_children_at_the_anchor_of_a_kill_do_not_pin_it(any_chain: Chain, workshop: Workshop) -> None:
    """A kill is version 2: its anchor can carry much more than a move's; what hangs there is paid for and replaced."""
    stage = stage_on(any_chain, workshop, dispute())
    kill = advance_to_kill(stage)
    tx = next(t for t in stage.chain.mempool() if stage.bundle.graph.find_played(t) == kill)
    stage.chain.broadcast([tx, padded_child(stage.wallets[OPERATOR], tx, 20_000, 20_500)])
    stage.chain.rate = 2
    assert kill in stage.players[1].tick()
    assert waiting_rate(stage, kill) >= 2
    paid = next(t for t in stage.chain.mempool() if stage.bundle.graph.find_played(t) == kill)
    assert paid.txid != tx.txid and len(stage.chain.mempool()) == 1
    stage.mine()
    assert stage.view.confirmed(kill) is not None


def test_a_late_move_with_too_little_fee_does_not_keep_the_timeout_out(any_chain: Chain, workshop: Workshop) -> None:
    """The move and its large child pay more together than the small timeout would at its rate, but not enough."""
    plot = blobsum_plot(lie="operand", silent={OPERATOR: ("step",), "bob": ("fan", "challenge")})
    stage = stage_on(any_chain, workshop, plot)
    timeout = "alice/timeout.step@stake0"
    tick_until(stage, timeout, 1)
    olga = stage.players[0]
    olga._look()
    (late,) = [step for step in olga.plan() if step.turn == "step"]
    move = olga._make(late, 1)
    draft = padded_child(stage.wallets[OPERATOR], move, TRUC_CHILD_MAX_VBYTES - 50, 0)
    fee = LARGE_PACKAGE_RATE * (move.vbytes + draft.vbytes)
    stage.chain.broadcast([move, padded_child(stage.wallets[OPERATOR], move, TRUC_CHILD_MAX_VBYTES - 50, fee)])
    stage.chain.rate = MARKET_RATE
    assert timeout in stage.players[1].tick()
    assert [stage.bundle.graph.find_played(tx) for tx in stage.chain.mempool()] == [timeout]
    stage.mine()
    assert stage.view.confirmed(timeout) is not None


def advance_to_kill(stage: Stage) -> str:
    """Until Alice's kill waits in the mempool; its name."""
    for _ in range(400):
        sent = [name for player in stage.players for name in player.tick()]
        kills = [n for n in sent if stage.bundle.graph.planned(n).kind is Kind.DISPROVE]
        if kills:
            return kills[0]
        stage.mine()
    raise AssertionError("nobody kills")


# ---- replacement ------------------------------------------------------------------------------------------------


def test_an_operator_who_replaces_a_kill_by_leaving_his_stake_loses_it_all_the_same(make_stage: MakeStage) -> None:
    stage = make_stage(dispute(), None, WatchedChain)
    stage.confirm_vault()
    kill = advance_to_kill(stage)
    key, graph, wallet = stage.cast.secrets[OPERATOR].key, stage.bundle.graph, stage.wallets[OPERATOR]
    tx = graph.assemble("leave.stake0", stage.bundle.signatures, {OPERATOR: lambda m: sign_schnorr(key, m)})
    stage.chain.broadcast([tx, wallet.fee_child(tx, 100)])
    assert graph.name_of(stage.chain.mempool()[0].txid) == "leave.stake0"
    stage.mine()
    ending = tick_until_done(stage, stage.tick)
    assert ending.sent[-1].name == kill.replace("@stake0", "@leaving0")
    check_invariant(stage, ending)


def test_a_challenger_who_replaces_his_choice_is_answered_on_the_one_that_confirmed(make_stage: MakeStage) -> None:
    """`pick` and `ask` carry no one-time signature: he may publish one and mine another, in a reorganisation too."""
    stage = make_stage(blobsum_plot(objectors=("alice",), route=("pick_final",), silent={"bob": ("fan",)}), None,
                       WatchedChain)  # fmt: skip
    stage.confirm_vault()
    tick_until(stage, "alice/pick_final", 1)
    assert "alice/pick_final" in stage.players[1].tick()
    key, graph = stage.cast.secrets["alice"].key, stage.bundle.graph
    other = graph.assemble("alice/pick_init", stage.bundle.signatures, {"alice": lambda m: sign_schnorr(key, m)})
    stage.players[0].tick()
    stage.chain.mine_block([])
    stage.chain.mine()  # pick_final, one block deep
    stage.players[0].tick()
    stage.chain.invalidate(stage.chain.tip().hash)
    stage.chain.mine_block([other])
    stage.view.refresh()
    ending = tick_until_done(stage, stage.tick)
    assert (ending.outcome, "alice/init" in names(ending), "alice/final.open" in names(ending)) == ("paid", True, False)
    check_single_use(stage, stage.chain.sent)
    check_invariant(stage, ending)


def test_a_choice_replaced_after_its_answer_was_shown_gets_no_second_signature_of_a_key(
    make_stage: MakeStage, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond what the terms promise (docs/spec/graph.md, Clock): D blocks are replaced, with another access in them."""
    stage = make_stage(blobsum_plot(objectors=("alice",), route=("choose.0", "ask.fetch"), silent={"bob": ("fan",)}),
                       None, WatchedChain)  # fmt: skip
    stage.confirm_vault()
    tick_until(stage, "alice/ask.fetch", 1)
    act(stage)
    chain, key, graph = stage.chain, stage.cast.secrets["alice"].key, stage.bundle.graph
    other = graph.assemble("alice/ask.register", stage.bundle.signatures, {"alice": lambda m: sign_schnorr(key, m)})
    chain.mine(D)
    assert "alice/fetch.open" in stage.players[0].tick()
    chain.invalidate(chain.block(chain.tip().height - D + 1).hash)
    chain.mine_block([other])
    chain.mine(D)
    with caplog.at_level("WARNING"):
        assert stage.players[0].tick() == []
    assert [step.name for step in stage.players[0].wanted] == ["alice/register.open"]
    assert "already signed another value" in caplog.text
    check_single_use(stage, chain.sent)


# ---- another witness under the same txid --------------------------------------------------------------------------


def twin(stage: Stage, lie: str, start: int) -> OperatorAgent:
    """The operator's other face: same keys, another lie, no memory of what he signed."""
    old, truth = stage.players[0], stage._truth(stage.prover.claim)
    prover = LyingProver(stage.image, truth.claim, truth.total, STEP_LIES[lie], start, truth.trace, stage.blobs)
    return OperatorAgent(
        name=OPERATOR, secrets=old.secrets, chain=stage.chain, graph=old.graph, signatures=old.signatures,
        games=old.games, deposit_id=old.deposit_id, start=old.start,
        journal=Journal(IN_MEMORY, old.deposit_id, OPERATOR), prover=prover,
    )  # fmt: skip


@pytest.mark.parametrize("lie", ["register", pytest.param("next-pc", marks=pytest.mark.long)])
def test_every_move_shown_in_the_mempool_is_swapped_for_another_in_the_block(make_stage: MakeStage, lie: str) -> None:
    """Alice hears one story in the mempool and reads another in the blocks, under the same txids; the blocks count."""
    stage = make_stage(dispute(), None, WatchedChain)
    stage.confirm_vault()
    shown, mined = stage.players[0], twin(stage, lie, 300)
    swapped = 0
    for _ in range(400):
        sent = shown.tick()
        mined.view.refresh()
        mined._look()
        instead = [mined._make(step, 1) for step in mined.plan() if "/" in step.name]
        for player in stage.players[1:]:
            player.tick()
        waiting = [tx for tx in stage.chain.mempool() if tx.txid not in {t.txid for t in instead}]
        if instead and any("/" in name for name in sent):
            swapped += 1
            orphans = {i.prevout.txid for tx in waiting for i in tx.inputs} & {t.txid for t in instead}
            waiting = [tx for tx in waiting if not any(i.prevout.txid in orphans for i in tx.inputs)]
        stage.chain.mine_block([*waiting, *instead])
        stage.view.refresh()
        shown.journal = Journal(IN_MEMORY, shown.deposit_id, OPERATOR)  # he does not mind signing twice
        if stage.is_over():
            break
    ending = stage.end()
    assert swapped > 5
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    alice = [tx for tx in stage.chain.sent if (n := stage.bundle.graph.name_of(tx.txid)) and n.startswith("alice/")
             and stage.bundle.graph.planned(n).by == "alice"]  # fmt: skip
    assert len({tx.serialize() for tx in alice}) == len({tx.txid for tx in alice})


# ---- reorganisations and restarts -----------------------------------------------------------------------------------


def reorganise(stage: Stage, depth: int, empty: bool) -> None:
    """The last `depth` blocks give way to a longer branch, its first block with everything or with nothing.

    Longer, as nodes follow the most work. With the same length and the first block empty, after every block, nothing
    would ever come to depth 2: that is censorship, which no delay outlasts.
    """
    chain = stage.chain
    chain.invalidate(chain.block(chain.tip().height - depth + 1).hash)
    act(stage)
    for k in range(depth + 1):
        chain.mine_block([]) if empty and k == 0 else chain.mine()
    stage.view.refresh()


def act(stage: Stage) -> set[str]:
    """Every agent acts once, nothing is mined; what was sent."""
    return {name for player in stage.players for name in player.tick()}


def check_depths(ending: Ending, terms_confirmations: int) -> None:
    """Each answer stands at least D blocks above what it answers."""
    heights = {tx.tx.txid: tx.height for tx in ending.sent}
    for sent in ending.sent:
        if "/" not in sent.name or "/slash." in sent.name or "/timeout." in sent.name:
            continue
        before = heights.get(sent.tx.inputs[0].prevout.txid)
        assert before is None or sent.height >= before + terms_confirmations, sent.name


@pytest.mark.parametrize(("depth", "empty"), [
    (2, False), (2, True), pytest.param(1, True, marks=pytest.mark.long),
    pytest.param(1, False, marks=pytest.mark.long),
])  # fmt: skip
@pytest.mark.parametrize("plot", [
    dispute(),
    pytest.param(blobsum_plot(objectors=("alice",), silent={"bob": ("fan",)}), marks=pytest.mark.long),
], ids=["dispute", "unfounded"])  # fmt: skip
def test_reorganisations_down_to_the_agreed_depth_at_every_move(
    make_stage: MakeStage, plot: Plot, depth: int, empty: bool
) -> None:
    stage = make_stage(plot, None, WatchedChain)
    stage.confirm_vault()

    def tick() -> None:
        stage.tick()
        height = stage.view.height
        moved = any(len(stage.chain.block(height - k).transactions) > 1 for k in range(depth))
        if height > stage.start + 2 * depth and (moved or height % 16 == 0):  # in long waits now and then
            reorganise(stage, depth, empty)

    ending = tick_until_done(stage, tick)
    check_single_use(stage, stage.chain.sent)
    assert ending.winner == ("alice" if plot.lie else OPERATOR)
    check_invariant(stage, ending)


def test_what_has_been_answered_is_undone_and_comes_back(make_stage: MakeStage) -> None:
    """Right after each first sending the last D blocks are replaced: the move that is answered waits again."""
    stage = make_stage(dispute(), None, WatchedChain)
    stage.confirm_vault()
    met: set[str] = set()

    def tick() -> None:
        new = act(stage) - met
        if new and stage.view.height > stage.start + 2 * D:
            reorganise(stage, D, empty=True)
        else:
            stage.mine()
        met.update(new)

    ending = tick_until_done(stage, tick)
    check_single_use(stage, stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    with pytest.raises(AssertionError, match="alice/"):
        check_depths(ending, 1)  # it stands in one block with its answer
    check_invariant(stage, ending)


def test_agents_wait_for_the_agreed_depth(make_stage: MakeStage) -> None:
    stage = make_stage(dispute())
    ending = stage.play()
    check_depths(ending, D)
    with pytest.raises(AssertionError):
        check_depths(ending, D + 1)


def test_both_agents_restart_after_every_block(make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(dispute(), tmp_path, WatchedChain)
    stage.confirm_vault()

    def tick() -> None:
        stage.tick()
        for index in range(len(stage.players)):
            restart(stage, index)

    ending = tick_until_done(stage, tick)
    check_single_use(stage, stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    check_depths(ending, D)
    check_invariant(stage, ending)
