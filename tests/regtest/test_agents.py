"""Agents that are killed, agents whose chain reorganises: they go on, and no key ever signs a second value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from btc_l2.chain.protocol import Chain
from btc_l2.database import IN_MEMORY
from challenger.agents.decide import plan_operator
from challenger.agents.player import OperatorAgent
from challenger.game.lies import STEP_LIES, LyingProver
from challenger.journal import Journal
from challenger.presign.settlement import plan_exit_of_all, sign_settlement
from regtest.cooperation import exit_together, signers_of
from regtest.crashes.stage import check_single_use
from regtest.party import OPERATOR
from regtest.plot import Plot
from regtest.story import Ending, Stage
from regtest.trouble import Killed, restart, tick_with_restarts
from taproot.errors import Unavailable, VerificationFailed
from taproot.tx import Transaction
from tests.challenger.test_journal import full_disk
from tests.regtest.conftest import MakeStage, blobsum_plot, check_books, fibonacci_plot

MOST_BLOCKS = 600


class WatchedChain:
    """Passes everything on and remembers what was sent; `interrupt` stands in for the first broadcast of each txid."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.sent: list[Transaction] = []
        self.interrupt: Callable[[Callable[[], None]], None] | None = None
        self.rate = 1
        self._interrupted: set[bytes] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def estimate_fee(self) -> int:
        return self.rate

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        first = txs if isinstance(txs, Transaction) else txs[0]
        self.sent.append(first)
        if self.interrupt is None or first.txid in self._interrupted:
            self._chain.broadcast(txs)
            return
        self._interrupted.add(first.txid)
        self.interrupt(lambda: self._chain.broadcast(txs))


def dispute(**what: object) -> Plot:
    """A lie with one challenger: every kind of move down to a hash leaf."""
    return blobsum_plot(lie="operand", silent={"bob": ("fan", "challenge")}, **what)


def unfounded() -> Plot:
    """A hostile challenger who makes each choice by chance, another one after each restart."""
    return blobsum_plot(objectors=("alice",), route=("choose.0", "ask.memory"), silent={"bob": ("fan",)})


def tick_until_done(stage: Stage, tick: Callable[[], None]) -> Ending:
    for _ in range(MOST_BLOCKS):
        tick()
        if stage.is_over():
            return stage.end()
    raise AssertionError("the story does not end")


def kill_before_sending(_send: Callable[[], None]) -> None:
    raise Killed


def kill_after_sending(send: Callable[[], None]) -> None:
    send()
    raise Killed


def kill_before_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt to record each move kills the process."""
    commit, tried = Journal.commit_move, set()

    def killed_once(self: Journal, name: str, *rest: object) -> None:
        if name not in tried:
            tried.add(name)
            raise Killed
        commit(self, name, *rest)

    monkeypatch.setattr(Journal, "commit_move", killed_once)


@pytest.mark.parametrize("when", ["before journal", "before sending", "after sending"])
@pytest.mark.parametrize("plot", [dispute(), unfounded()], ids=["dispute", "unfounded"])
def test_agents_killed_at_every_move_go_on_and_sign_nothing_twice(
    make_stage: MakeStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plot: Plot, when: str
) -> None:
    stage = make_stage(plot, tmp_path, WatchedChain)
    stage.confirm_vault()
    if when == "before journal":
        kill_before_journal(monkeypatch)
    else:
        stage.chain.interrupt = kill_before_sending if when == "before sending" else kill_after_sending
    ending = tick_until_done(stage, lambda: tick_with_restarts(stage))
    assert check_single_use(stage, stage.chain.sent)
    assert ending.winner == ("alice" if plot.lie else "olga")
    check_books(ending, plot.terms)


def test_what_the_network_loses_is_sent_again_as_it_was(make_stage: MakeStage) -> None:
    stage = make_stage(dispute(), None, WatchedChain)
    stage.confirm_vault()
    stage.chain.interrupt = lambda _send: None
    ending = tick_until_done(stage, stage.tick)
    assert check_single_use(stage, stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    moves = [stage.bundle.graph.name_of(tx.txid) for tx in stage.chain.sent]
    assert moves.count("alice/assert") == moves.count("alice/rs.open") == 2


def waiting_rate(stage: Stage, name: str) -> float:
    """Fee rate of a transaction that waits, with its child if it has one."""
    inputs = [i.prevout for i in stage.bundle.graph.planned(name).tx.inputs]
    family: list[Transaction] = []
    for tx in stage.chain.mempool():
        if [i.prevout for i in tx.inputs] == inputs or any(i.prevout.txid == t.txid for i in tx.inputs for t in family):
            family.append(tx)
    made = {tx.outpoint(k): out for tx in family for k, out in enumerate(tx.outputs)}
    made |= {stage.bundle.graph.outpoints[n]: o.tx_out for n, o in stage.bundle.graph.outputs.items()}
    spent = [made.get(i.prevout) or stage.chain.utxo(i.prevout).output for tx in family for i in tx.inputs]
    fee = sum(o.value for o in spent) - sum(o.value for tx in family for o in tx.outputs)
    return fee / sum(tx.vbytes for tx in family)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_waits_too_long_is_paid_more_for_when_fees_rise(
    make_stage: MakeStage, tmp_path: Path, restarted: bool
) -> None:
    stage = make_stage(dispute(), tmp_path, WatchedChain)
    stage.confirm_vault()
    kill = "alice/disprove.rs.hash@stake0"
    for name, index in (("kickoff", 0), ("alice/assert", 0), ("alice/choose.1", 1), (kill, 1)):
        stage.chain.rate = 1
        while name not in stage.players[index].tick():
            stage.tick()
        assert 1 <= waiting_rate(stage, name) < 1.2
        if restarted:
            restart(stage, index)
        else:
            assert stage.players[index].tick() == []
        stage.chain.rate = 5
        assert name in stage.players[index].tick()
        assert waiting_rate(stage, name) >= 5
        assert stage.players[index].tick() == []
    assert check_single_use(stage, stage.chain.sent)


def reorganise(stage: Stage, empty: bool) -> None:
    """The last block is replaced by another one, with the same transactions or with none."""
    chain = stage.chain
    chain.invalidate(chain.tip().hash)
    for player in stage.players:
        player.tick()
    if empty:
        chain.mine_block([])
    stage.mine()


@pytest.mark.parametrize("empty", [False, True], ids=["same", "emptied"])
def test_a_reorganisation_of_each_block_changes_nothing_but_heights(make_stage: MakeStage, empty: bool) -> None:
    stage = make_stage(dispute(), None, WatchedChain)
    stage.confirm_vault()

    def tick() -> None:
        stage.tick()
        reorganise(stage, empty)

    ending = tick_until_done(stage, tick)
    assert check_single_use(stage, stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    check_books(ending, stage.plot.terms)


def test_a_challenger_judges_the_claim_that_stands_after_a_reorganisation(make_stage: MakeStage) -> None:
    stage = make_stage(fibonacci_plot(lie="final", silent={"bob": ("fan", "challenge")}))
    stage.confirm_vault()
    while stage.view.confirmed("alice/assert") is None:
        stage.tick()
    alice = stage.players[1]
    alice.tick()  # she has seen the first claim, one block deep
    stage.chain.invalidate(stage.chain.tip().hash)
    olga = twin_with_another_claim(stage)
    olga.view.refresh()
    (assertion,) = olga.plan()
    stage.chain.mine_block([olga._make(assertion, 1)])
    stage.players[0] = olga
    ending = tick_until_done(stage, stage.tick)
    assert (ending.outcome, ending.winner, ending.leaf) == ("disproved", "alice", "pre.4")
    assert ending.sent[-1].name == "alice/disprove.rs.hash@stake0"


def twin_with_another_claim(stage: Stage) -> OperatorAgent:
    """A false operator starts anew, without his journal, and claims something else."""
    honest = stage.plot.guest.honest_claim(stage.plot.statement)
    old = stage.players[0]
    return OperatorAgent(
        name=OPERATOR, secrets=old.secrets, chain=old.chain, graph=old.graph, signatures=old.signatures,
        games=old.games, deposit_id=old.deposit_id, start=old.start,
        journal=Journal(IN_MEMORY, old.deposit_id, OPERATOR),
        prover=LyingProver(stage.image, honest, stage.plot.terms.steps, STEP_LIES["operand"], 5000),
    )  # fmt: skip


def test_an_agent_refuses_the_journal_of_another_deposit(make_stage: MakeStage, tmp_path: Path) -> None:
    Journal(tmp_path / "olga.journal", f"{'00' * 32}:0", OPERATOR).close()
    with pytest.raises(VerificationFailed, match="belongs to deposit") as refused:
        make_stage(fibonacci_plot(), tmp_path)
    assert refused.value.exit_code == 4


def test_an_agent_refuses_the_journal_of_another_party(make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(fibonacci_plot(), tmp_path)
    for player in stage.players:
        player.journal.close()
    (tmp_path / "bob.journal").unlink()
    (tmp_path / "alice.journal").rename(tmp_path / "bob.journal")
    with pytest.raises(VerificationFailed, match="belongs to party alice"):
        stage.make_player("bob")


def test_an_agent_with_a_full_disk_sends_nothing_and_goes_on_when_there_is_space(
    make_stage: MakeStage, tmp_path: Path
) -> None:
    stage = make_stage(dispute(), tmp_path, WatchedChain)
    stage.confirm_vault()
    while stage.view.confirmed("alice/assert") is None:
        stage.tick()
    before = len(stage.chain.sent)
    with full_disk():
        for player in stage.players:
            with pytest.raises(Unavailable, match="journal"):
                player.tick()
    assert len(stage.chain.sent) == before
    ending = tick_until_done(stage, stage.tick)
    assert check_single_use(stage, stage.chain.sent)
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    assert stage.players[1].journal.seen("alice/assert") == next(
        s.tx.serialize() for s in ending.sent if s.name == "alice/assert"
    )


# ---- a vault that is gone --------------------------------------------------------------------------------


def names_on_chain(stage: Stage, rounds: int) -> set[str]:
    for _ in range(rounds):
        stage.tick()
    return set(stage.view.by_name)


def test_an_operator_claims_the_vault_when_it_is_buried(make_stage: MakeStage) -> None:
    stage = make_stage(blobsum_plot())
    stage.confirm_vault()
    assert {"confirm", "kickoff"} <= names_on_chain(stage, stage.plot.terms.confirmations + 2)


def test_an_operator_claims_no_vault_that_all_have_paid_out(make_stage: MakeStage) -> None:
    stage = make_stage(blobsum_plot())
    stage.confirm_vault()
    exit_together(stage, "vault", OPERATOR)
    assert names_on_chain(stage, stage.plot.terms.confirmations + 2) == {"confirm"}


def test_an_operator_waits_for_no_take_of_a_vault_that_is_gone(make_stage: MakeStage) -> None:
    stage = make_stage(blobsum_plot())
    stage.confirm_vault()
    assert "kickoff" in names_on_chain(stage, stage.plot.terms.confirmations + 2)
    graph = stage.bundle.graph
    settlement = plan_exit_of_all(graph, "exit", ("vault",), stage.wallets[OPERATOR].script_pubkey, 1)
    stage.chain.broadcast(sign_settlement(settlement, signers_of(stage, settlement, OPERATOR)))
    assert names_on_chain(stage, stage.plot.terms.total_delay + 4) == {"confirm", "kickoff"}
    assert plan_operator(stage.view, stage.plot.terms, [], stage.prover) == []
