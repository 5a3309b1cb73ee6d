"""Mistakes on purpose: small changes of a graph, each of which lets somebody be robbed or get stuck.

They show that the search sees what it is there for. A mutant changes only what the model reads: leaves with their keys
and delays, inputs, outputs, sequence numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from taproot.connectors.game import TIMEOUT
from taproot.connectors.output import SpendPath
from taproot.parties import N_OF_N
from taproot.presigned import Graph, Kind, Planned, Spend
from taproot.tx import Transaction, TxIn

_OP_RETURN = 0x6A
KILLS = (Kind.TIMEOUT, Kind.DISPROVE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: what was done to the graph."""

    name: str
    change: Callable[[Graph], Graph]


def all_mutants() -> tuple[Mutant, ...]:
    """Every seeded mistake."""
    return (
        Mutant("a move's timeout ends before the answer must confirm", lambda g: _wait(g, _reaction(g) - 1, TIMEOUT)),
        Mutant("a move's timeout ends in the block of the last answer", lambda g: _wait(g, _reaction(g), TIMEOUT)),
        Mutant("a stake that leaves late in a turn saves the claim", lambda g: _wait(g, 2 * _reaction(g), TIMEOUT)),
        Mutant("one turn of the operator has no timeout", _without_timeout),
        Mutant("the operator's timeout has no delay", lambda g: _wait(g, 0, TIMEOUT, "pick")),
        Mutant("take1 may confirm in the block of the last veto", lambda g: _delay(g, Kind.TAKE1, 3 * _reaction(g))),
        Mutant("take1 does not need the unchallenged output", lambda g: _drop_input(g, (Kind.TAKE1,), "unchallenged")),
        Mutant("take2 is possible during a running dispute", lambda g: _delay(g, Kind.TAKE2, _total(g) // 2)),
        Mutant("take2 and the last kill may share a block", lambda g: _delay(g, Kind.TAKE2, _without_slack(g))),
        Mutant("a kill does not spend the kill token", lambda g: _drop_input(g, KILLS, "asset")),
        Mutant("a kill burns nothing", _without_burn),
        Mutant("no kill with a stake that is leaving", _without_leaving_kill),
        Mutant("a move asks for the other side instead of all", _other_side_signs),
        Mutant("a disproof opens nothing that was signed", _unbound_disproof),
        Mutant("the last turn has no disproof", _without_disproof),
        Mutant("a slash needs no receipt of take2", lambda g: _drop_input(g, (Kind.SLASH,), "receipt")),
        Mutant("one turn of the challenger has no slash", _without_slash),
        Mutant("a bond may be withdrawn before its game is over", lambda g: _wait(g, _one_turn(g), "exit")),
        Mutant("the deposit's refund may confirm with confirm", lambda g: _wait(g, 2 * _reaction(g), "refund")),
        Mutant("the vault has a refund", _refundable_vault),
        Mutant("a gate needs the challenger alone", _open_gate),
    )


def _reaction(graph: Graph) -> int:
    return graph.contract.terms.reaction


def _total(graph: Graph) -> int:
    return graph.contract.terms.total_delay


def _one_turn(graph: Graph) -> int:
    """A dispute, and one turn of the challenger after take2: he can spare all of his moves until then."""
    terms = graph.contract.terms
    return terms.total_delay + terms.move_delay + 2 * terms.reaction + 1


def _without_slack(graph: Graph) -> int:
    """Age of the claim at the last kill: total_delay without what stands over at its end."""
    terms = graph.contract.terms
    return terms.total_delay - terms.margin - 2 * terms.reaction


def _rebuilt(
    graph: Graph,
    plan: Callable[[Planned], Planned | None] = lambda planned: planned,
    path: Callable[[str, SpendPath], SpendPath | None] = lambda _, path: path,
) -> Graph:
    """The graph with each transaction and each leaf changed or (None) left out."""
    planned = {name: kept for name, old in graph.transactions.items() if (kept := plan(old)) is not None}
    outputs = {}
    for name, output in graph.outputs.items():
        paths = {leaf: new for leaf, was in output.paths.items() if (new := path(name, was)) is not None}
        outputs[name] = replace(output, paths=paths)
    return Graph(graph.contract, outputs, graph.outpoints, planned)


def _with_inputs(planned: Planned, spends: list[tuple[Spend, TxIn]]) -> Planned:
    inputs = tuple(replace(tx_in, sequence=spend.sequence) for spend, tx_in in spends)
    tx = Transaction(planned.tx.version, inputs, planned.tx.outputs, planned.tx.locktime)
    return replace(planned, tx=tx, inputs=tuple(spend for spend, _ in spends))


def _each_spend(planned: Planned, change: Callable[[Spend], Spend | None]) -> Planned:
    pairs = zip(planned.inputs, planned.tx.inputs, strict=True)
    return _with_inputs(planned, [(new, tx_in) for spend, tx_in in pairs if (new := change(spend)) is not None])


def _wait(graph: Graph, delay: int, leaf: str, turn: str = "") -> Graph:
    """Another delay in all leaves of that name (of that turn), and in what spends by them."""

    def in_spend(spend: Spend) -> Spend:
        return replace(spend, sequence=delay) if spend.leaf == leaf and spend.output.endswith(turn) else spend

    def in_path(output: str, path: SpendPath) -> SpendPath:
        return replace(path, delay=delay) if path.leaf.name == leaf and output.endswith(turn) else path

    return _rebuilt(graph, lambda planned: _each_spend(planned, in_spend), in_path)


def _delay(graph: Graph, kind: Kind, delay: int) -> Graph:
    """Another delay in the sequence numbers of a transaction where it has one."""

    def shorter(spend: Spend) -> Spend:
        return replace(spend, sequence=delay) if spend.sequence < 1 << 31 else spend

    return _rebuilt(graph, lambda p: _each_spend(p, shorter) if p.kind is kind else p)


def _drop_input(graph: Graph, kinds: tuple[Kind, ...], output: str) -> Graph:
    def without(spend: Spend) -> Spend | None:
        return None if spend.output.startswith(output) else spend

    return _rebuilt(graph, lambda p: _each_spend(p, without) if p.kind in kinds else p)


def _drop(graph: Graph, is_dropped: Callable[[Planned], bool]) -> Graph:
    return _rebuilt(graph, lambda planned: None if is_dropped(planned) else planned)


def _first_game(graph: Graph) -> str:
    return graph.contract.parties.challengers[0] + "/"


def _without_timeout(graph: Graph) -> Graph:
    step = f"{_first_game(graph)}step"
    cut = _drop(graph, lambda p: p.kind is Kind.TIMEOUT and p.inputs[0].output == step)
    return _rebuilt(cut, path=lambda output, path: None if (output, path.leaf.name) == (step, TIMEOUT) else path)


def _without_slash(graph: Graph) -> Graph:
    return _drop(graph, lambda p: p.kind is Kind.SLASH and p.inputs[0].output == f"{_first_game(graph)}verdict")


def _without_disproof(graph: Graph) -> Graph:
    return _drop(graph, lambda p: p.kind is Kind.DISPROVE and p.inputs[0].output.endswith(".hash"))


def _without_leaving_kill(graph: Graph) -> Graph:
    return _drop(graph, lambda p: p.kind in KILLS and any(s.output.endswith(".leaving") for s in p.inputs))


def _without_burn(graph: Graph) -> Graph:
    """Output 1 pays the same amount to the script of output 0."""

    def kept(planned: Planned) -> Planned:
        if planned.kind not in KILLS:
            return planned
        first = planned.tx.outputs[0].script_pubkey
        tx, is_burn = planned.tx, [o.script_pubkey[0] == _OP_RETURN for o in planned.tx.outputs]
        outputs = (replace(o, script_pubkey=first) if burn else o for o, burn in zip(tx.outputs, is_burn, strict=True))
        return replace(planned, tx=Transaction(tx.version, tx.inputs, tuple(outputs), tx.locktime))

    return _rebuilt(graph, kept)


def _other_side_signs(graph: Graph) -> Graph:
    """Moves that show one-time signatures: the challenger's key on the operator's turn and the other way round."""
    parties = graph.contract.parties
    movers = {p.inputs[0].output: p.by for p in graph.transactions.values() if p.kind is Kind.MOVE}

    def other(output: str) -> str:
        operator = parties.operator.name
        return output.partition("/")[0] if movers[output] == operator else operator

    def in_spend(spend: Spend) -> Spend:
        if spend.output not in movers or tuple(s.party for s in spend.slots) != (N_OF_N,):
            return spend
        return replace(spend, slots=(replace(spend.slots[0], party=other(spend.output)),))

    def in_path(output: str, path: SpendPath) -> SpendPath:
        return replace(path, parties=(other(output),)) if output in movers and path.parties == (N_OF_N,) else path

    return _rebuilt(graph, lambda p: _each_spend(p, in_spend), in_path)


def _unbound_disproof(graph: Graph) -> Graph:
    """A disproof that asks for the challenger's signature and nothing else."""
    turn = f"{_first_game(graph)}verdict"

    def unbound(output: str, path: SpendPath) -> SpendPath:
        is_disproof = output == turn and path.parties == (_first_game(graph)[:-1],) and not path.delay
        return replace(path, leaf=replace(path.leaf, items=1)) if is_disproof else path

    return _rebuilt(graph, path=unbound)


def _refundable_vault(graph: Graph) -> Graph:
    refund = graph.outputs["deposit"].paths["refund"]
    vault = graph.outputs["vault"]
    return Graph(
        graph.contract,
        {**graph.outputs, "vault": replace(vault, paths={**vault.paths, "refund": refund})},
        graph.outpoints,
        graph.transactions,
    )


def _open_gate(graph: Graph) -> Graph:
    def alone(spend: Spend) -> Spend:
        return replace(spend, slots=spend.slots[:1]) if spend.output.startswith("gate.") else spend

    def path(output: str, old: SpendPath) -> SpendPath:
        if not output.startswith("gate."):
            return old
        return replace(old, parties=old.parties[:1], leaf=replace(old.leaf, items=1))

    return _rebuilt(graph, lambda p: _each_spend(p, alone), path)
