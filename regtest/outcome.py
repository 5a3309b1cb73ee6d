"""How a story ended, whatever it was about, with books that balance.

`conclude` refuses books in which a satoshi is missing: a story cannot end with less than an account of everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from challenger.agents.view import UNKNOWN
from regtest.books import Books
from regtest.eve import Eve
from regtest.narrative import find_leaf
from regtest.party import DEPOSITOR, OPERATOR
from regtest.plot import Plot
from regtest.story import Ending, Sent, Stage
from taproot.connectors.stake import bond_name, stake_name
from taproot.errors import VerificationFailed
from taproot.presigned import Graph, Kind
from taproot.tx import OutPoint, Transaction, TxOut


@dataclass(frozen=True, slots=True)
class Outcome:
    """`verdict`: one sentence; `remarks`: what a person should have seen besides the transactions."""

    verdict: str
    outcome: str  # paid, disproved, timeout, refunded, cancelled, swapped
    winner: str
    leaf: str | None
    sent: tuple[Sent, ...]
    prevouts: Mapping[bytes, tuple[TxOut, ...]]  # by txid
    books: Books
    plot: Plot
    steps: int
    first_false_step: int | None
    seconds: float
    remarks: tuple[str, ...] = ()


def expect(holds: bool, what: str) -> None:
    """What a scenario promises. Raises VerificationFailed, saying which promise did not hold."""
    if not holds:
        raise VerificationFailed(f"the story went otherwise: {what}; its transactions show where")


def verdict_of(ending: Ending, plot: Plot) -> str:
    """One sentence about any end of a claim."""
    if ending.outcome == "paid":
        return f"the claim stood, {ending.winner} took the deposit."
    if ending.outcome == "timeout":
        return f"{OPERATOR} fell silent, {ending.winner} took the stake."
    where = "" if ending.first_false_step is None else f" at step {ending.first_false_step:,}"
    return f"the claim ({plot.lie}) is false{where}; leaf {ending.leaf} gave the stake to {ending.winner}."


def conclude(ending: Ending, stage: Stage, verdict: str, remarks: Sequence[str] = ()) -> Outcome:
    """The outcome of a story that a Stage played to its end. Raises VerificationFailed if a satoshi is missing."""
    graph = ending.bundle.graph
    return _balanced(
        Outcome(
            verdict=verdict, outcome=ending.outcome, winner=ending.winner, leaf=ending.leaf, sent=tuple(ending.sent),
            prevouts={s.tx.txid: graph.planned(s.name).prevouts for s in ending.sent}, books=ending.books,
            plot=stage.plot, steps=ending.steps, first_false_step=ending.first_false_step, seconds=ending.seconds,
            remarks=tuple(remarks),
        )
    )  # fmt: skip


def conclude_early(
    scene: Eve | Stage, outcome: str, winner: str, verdict: str, remarks: Sequence[str] = (),
    told: Mapping[str, str] | None = None, others: Sequence[Sent] = (),
) -> Outcome:  # fmt: skip
    """The outcome of a story in which no claim was decided. `others`: confirmed ones that the graph does not plan."""
    scene.view.refresh()
    graph = scene.graph if isinstance(scene, Eve) else scene.bundle.graph
    planned = [c for c in scene.view.by_name.values() if c.name != UNKNOWN]
    sent = [Sent(c.name, c.tx, c.height, _player(scene, graph, c.name), (told or {}).get(c.name, "")) for c in planned]
    prevouts = {c.tx.txid: graph.planned(c.name).prevouts for c in planned}
    prevouts |= {s.tx.txid: _spent(graph, s.tx) for s in others}
    rows = sorted([*sent, *others], key=lambda s: (s.height, s.name))
    by = {s.tx.txid: s.by for s in rows}
    return _balanced(
        Outcome(
            verdict=verdict, outcome=outcome, winner=winner, leaf=_leaf(scene, graph), sent=tuple(rows),
            prevouts=prevouts, books=scene.ledger.close(_standing(scene, graph), graph.outpoints["vault"], by),
            plot=scene.plot, steps=0, first_false_step=None, seconds=time.perf_counter() - scene.began,
            remarks=tuple(remarks),
        )
    )  # fmt: skip


def conclude_together(
    stages: Mapping[str, Stage], deciding: str, verdict: str, remarks: Sequence[str] = (), others: Sequence[Sent] = (),
) -> Outcome:  # fmt: skip
    """The outcome of stages on one ground, as the one that is `deciding` ended, whose vault may still hold coins.

    The stages' names go before those of their transactions. `others`: confirmed ones that spend outputs of the graphs.
    """
    main, sent, prevouts, own = stages[deciding], list(others), dict[bytes, tuple[TxOut, ...]](), dict[OutPoint, str]()
    outputs: dict[OutPoint, TxOut] = {}
    for name, stage in stages.items():
        graph = stage.bundle.graph
        stage.observe()
        sent += [replace(stage.sent(c), name=f"{name}: {c.name}") for c in stage.view.by_name.values()]
        prevouts |= {c.tx.txid: graph.planned(c.name).prevouts for c in stage.view.by_name.values()}
        outputs |= {graph.outpoints[output]: graph.outputs[output].tx_out for output in graph.outputs}
        own |= _standing(stage, graph)
    prevouts |= {s.tx.txid: tuple(outputs[i.prevout] for i in s.tx.inputs) for s in others}
    ending = main.end()
    vault, by = main.bundle.graph.outpoints["vault"], {s.tx.txid: s.by for s in sent}
    return _balanced(
        Outcome(
            verdict=verdict, outcome=ending.outcome, winner=ending.winner, leaf=ending.leaf,
            sent=tuple(sorted(sent, key=lambda s: (s.height, s.name))), prevouts=prevouts,
            books=main.ledger.close(own, vault, by), plot=main.plot, steps=ending.steps,
            first_false_step=ending.first_false_step, remarks=tuple(remarks),
            seconds=time.perf_counter() - min(stage.began for stage in stages.values()),
        )
    )  # fmt: skip


def conclude_plain(
    outcome: str, winner: str, verdict: str, plot: Plot, books: Books, began: float, remarks: Sequence[str],
    sent: Mapping[Sent, tuple[TxOut, ...]],
) -> Outcome:  # fmt: skip
    """The outcome of a story without a graph: `sent` with the outputs that each transaction spends."""
    return _balanced(
        Outcome(
            verdict=verdict, outcome=outcome, winner=winner, leaf=None, sent=tuple(sent),
            prevouts={s.tx.txid: spends for s, spends in sent.items()}, books=books, plot=plot, steps=0,
            first_false_step=None, seconds=time.perf_counter() - began, remarks=tuple(remarks),
        )
    )  # fmt: skip


def _leaf(scene: Eve | Stage, graph: Graph) -> str | None:
    spent = scene.view.spent.get("deposit")
    refunded = spent is not None and spent.name != UNKNOWN and graph.planned(spent.name).kind is Kind.REFUND
    return find_leaf(graph, spent) if spent is not None and refunded else None


def _player(scene: Eve | Stage, graph: Graph, name: str) -> str:
    return scene.sent_by.get(name, graph.planned(name).by)


def _standing(scene: Eve | Stage, graph: Graph) -> dict[OutPoint, str]:
    """What each party can still get back by itself."""
    owners = {stake_name(k): OPERATOR for k in range(len(scene.plot.terms.stakes))}
    owners |= {"ticket": OPERATOR, "deposit": DEPOSITOR}
    owners |= {bond_name(name): name for name in scene.cast.parties.challengers}
    return {graph.outpoints[output]: owner for output, owner in owners.items()}


def _spent(graph: Graph, tx: Transaction) -> tuple[TxOut, ...]:
    """The outputs of the graph that a transaction spends."""
    known = {graph.outpoints[name]: output.tx_out for name, output in graph.outputs.items()}
    return tuple(known[i.prevout] for i in tx.inputs)


def _balanced(outcome: Outcome) -> Outcome:
    before, after = outcome.books.total_before, outcome.books.total_after
    if before != after:
        raise VerificationFailed(f"the books do not balance: {before} sat before, {after} after; a coin was overlooked")
    return outcome
