"""The transition system of a deposit, read from its presigned graph: outputs, who can spend them after how many blocks.

Nothing is written by hand here: `System.of` takes outputs, leaves, keys, delays and amounts from a `Graph`. Besides the
transactions of the graph there are *foreign* ones: whoever holds all keys of a leaf can spend the output elsewhere.
The n-of-n key signs nothing but the graph as long as one of its holders is honest, and in every play one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taproot.connectors.output import Output, SpendPath
from taproot.parties import N_OF_N
from taproot.presigned import Graph, Kind, Planned, Spend
from taproot.units import SEQUENCE_LOCKTIME_DISABLE_FLAG, SEQUENCE_LOCKTIME_MASK

_OP_RETURN = 0x6A
EXITED = "exited."  # marker that an output's owner has his coins back, so that a play knows since when


@dataclass(frozen=True, slots=True)
class Need:
    """An input: the output and the age (blocks) that it must have."""

    output: str
    delay: int


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction. `kind` is None for a foreign spend. `live`: parties who sign when it is played.

    `secret_of`: the party whose fresh one-time signatures it shows, if it shows any. `needs_lie`: it opens what the
    operator signed and is good only if that is false. `wrong`: why no block can hold it, empty if nothing is wrong.
    """

    name: str
    kind: Kind | None
    by: str
    needs: tuple[Need, ...]
    makes: tuple[str, ...]
    live: frozenset[str]
    secret_of: str = ""
    needs_lie: bool = False
    wrong: str = ""

    @property
    def spends(self) -> tuple[str, ...]:
        """The outputs that it spends."""
        return tuple(need.output for need in self.needs)


@dataclass(frozen=True, slots=True)
class System:
    """Transactions by name; `spenders` by output. Outputs that no transaction spends are left out."""

    txs: Mapping[str, Tx]
    spenders: Mapping[str, tuple[Tx, ...]]
    first: frozenset[str]  # outputs that stand before the graph

    @classmethod
    def of(cls, graph: Graph) -> System:
        """The system of a graph, with foreign spends."""
        all_planned = graph.transactions.values()
        planned = [_read(graph, p) for p in all_planned]
        moves = (p for p in all_planned if p.kind is Kind.MOVE)
        movers = {(p.inputs[0].output, p.inputs[0].leaf): p.by for p in moves}
        alone = {(p.inputs[0].output, p.inputs[0].leaf) for p in all_planned if p.free and len(p.inputs) == 1}
        foreign = [tx for output in graph.outputs.values() for tx in _foreign(output, movers, alone)]
        made = {output for tx in planned for output in tx.makes}
        return cls.make((*planned, *foreign), frozenset(graph.outputs) - made)

    @classmethod
    def make(cls, txs: Iterable[Tx], first: frozenset[str]) -> System:
        """Index transactions; those that no block can hold are dropped."""
        by_name = {tx.name: tx for tx in txs if not tx.wrong}
        spenders: dict[str, list[Tx]] = {}
        for tx in by_name.values():
            for output in tx.spends:
                spenders.setdefault(output, []).append(tx)
        return cls(by_name, {o: tuple(found) for o, found in spenders.items()}, first)

    def of_kind(self, *kinds: Kind) -> list[Tx]:
        """All transactions of these kinds."""
        return [tx for tx in self.txs.values() if tx.kind in kinds]


def delay_of(sequence: int) -> int:
    """Blocks that an input with this sequence number waits (BIP68); 0 where the number means no delay."""
    return 0 if sequence & SEQUENCE_LOCKTIME_DISABLE_FLAG else sequence & SEQUENCE_LOCKTIME_MASK


def disproofs(output: Output, challenger: str) -> list[SpendPath]:
    """The disproof leaves of a challenger's turn: his key alone, at once."""
    return [path for path in output.paths.values() if path.parties == (challenger,) and not path.delay]


def opens_secrets(path: SpendPath) -> bool:
    """Whether a leaf asks for more than signatures."""
    return path.leaf.items > path.signatures


def burn_of(planned: Planned) -> int:
    """Satoshis that a transaction burns."""
    return sum(out.value for out in planned.tx.outputs if out.script_pubkey[0] == _OP_RETURN)


def _read(graph: Graph, planned: Planned) -> Tx:
    first = planned.inputs[0]
    paths = _paths(graph, first)
    needs = tuple(Need(s.output, delay_of(i.sequence)) for s, i in zip(planned.inputs, planned.tx.inputs, strict=True))
    gone = tuple(EXITED + s.output for s in planned.inputs if planned.kind is Kind.EXIT)
    return Tx(
        name=planned.name,
        kind=planned.kind,
        by=planned.by,
        needs=needs,
        makes=(*(name for name in planned.outputs if name is not None), *gone),
        live=frozenset(slot.party for spend in planned.inputs for slot in spend.slots if not slot.presigned),
        secret_of=planned.by if planned.kind is Kind.MOVE and any(map(opens_secrets, paths)) else "",
        needs_lie=planned.kind is Kind.DISPROVE and all(map(opens_secrets, paths)),
        wrong=_find_wrong(graph, planned),
    )


def _paths(graph: Graph, spend: Spend) -> list[SpendPath]:
    output = graph.outputs[spend.output]
    if spend.leaf is None:
        return disproofs(output, spend.slots[0].party)
    return [output.paths[spend.leaf]] if spend.leaf in output.paths else []


def _find_wrong(graph: Graph, planned: Planned) -> str:
    """A leaf that is not there, or whose signatures or delay are not those of the plan."""
    for spend, tx_in in zip(planned.inputs, planned.tx.inputs, strict=True):
        paths = _paths(graph, spend)
        if not paths or graph.outpoints[spend.output] != tx_in.prevout:
            return f"{spend.output} has no leaf {spend.leaf}"
        if any(path.delay > delay_of(tx_in.sequence) for path in paths):
            return f"{spend.output} is older in the leaf than in the sequence number"
        if any(path.parties != tuple(slot.party for slot in spend.slots) for path in paths):
            return f"{spend.output} wants other signatures"
    return ""


_Leaf = tuple[str, str | None]  # output, leaf


def _foreign(output: Output, movers: Mapping[_Leaf, str], alone: set[_Leaf]) -> Iterable[Tx]:
    """Spends to anywhere by those who hold the keys of a leaf; leaves that ask for the same once.

    `movers`: whose one-time signatures the leaf of a move asks for; `alone`: leaves with a free transaction of their
    own.
    """
    seen: set[object] = set()
    for name, path in output.paths.items():
        mover = movers.get((output.name, name), "") if opens_secrets(path) else ""
        lie = opens_secrets(path) and not mover
        shape = (path.parties, path.delay, mover, lie)
        if N_OF_N in path.parties or shape in seen or (output.name, name) in alone:
            continue
        seen.add(shape)
        need, live = Need(output.name, path.delay), frozenset(path.parties)
        yield Tx(f"elsewhere({output.name}, {name})", None, "", (need,), (), live, mover, lie)
