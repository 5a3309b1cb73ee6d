"""Where each satoshi of a graph can go: every output with every way out of it, computed from the graph itself.

Nothing here knows what the protocol means by a transaction. What a person reads is what the outputs' leaves, the
transactions' inputs and sequences, and the scripts they pay to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taproot.connectors.output import Output, payout_script
from taproot.graph import Graph, Planned
from taproot.parties import N_OF_N
from taproot.presigned import ANYONE, Kind, Spend
from taproot.tx import P2A_SCRIPT, TxOut, witness_size
from taproot.units import SEQUENCE_LOCKTIME_MASK

CHILD_VBYTES = 155  # what pays for a version 3 transaction by its anchor
ITEM_BYTES = 20  # a witness item of a one-time signature: a hash, or less
FEE_ANCHOR, BURN, FREE = "anchor", "burned", "free choice"
TAKEN_BY_OTHERS = (Kind.TIMEOUT, Kind.DISPROVE, Kind.SLASH)


@dataclass(frozen=True, slots=True)
class Goal:
    """One output of a transaction: where its satoshis go (an output's name, a party, one of the words above)."""

    where: str
    value: int


@dataclass(frozen=True, slots=True)
class Way:
    """One transaction that spends an output."""

    name: str
    kind: Kind
    by: str
    after: int  # blocks since this output confirmed
    beside: tuple[tuple[str, int], ...]  # other outputs that it spends, with their own delays
    goals: tuple[Goal, ...]
    vbytes: int  # of the heaviest leaf, with the child that pays for it
    free: bool


@dataclass(frozen=True, slots=True)
class Freedom:
    """Those whose signatures alone can send an output anywhere, not only where a planned transaction sends it."""

    party: str  # N_OF_N: all together
    after: int
    proof: bool  # they have to show more than signatures: what one-time keys have signed


@dataclass(frozen=True, slots=True)
class Holding:
    """An output: satoshis, its ways out, and who can send it elsewhere."""

    name: str
    value: int
    ways: tuple[Way, ...]
    free_to: tuple[Freedom, ...]


def holdings(graph: Graph) -> list[Holding]:
    """Every output of the graph, in its order."""
    scale, owners = _Scale(graph), _owners(graph)
    weights = {name: scale.weigh(planned) for name, planned in graph.transactions.items()}
    goals = {name: tuple(_goals(planned, owners)) for name, planned in graph.transactions.items()}
    return [
        Holding(
            name, output.value,
            tuple(_way(graph.planned(s), name, goals[s], weights[s]) for s in graph.spenders(name)), _freedoms(output),
        )
        for name, output in graph.outputs.items()
    ]  # fmt: skip


def _freedoms(output: Output) -> tuple[Freedom, ...]:
    """A leaf that asks for all and for something else besides is none: only planned transactions have been signed."""
    found: dict[Freedom, None] = {}
    for path in output.paths.values():
        shows_more = path.leaf.items > path.signatures
        if len(path.parties) == 1 and not (path.parties == (N_OF_N,) and shows_more):
            found[Freedom(path.parties[0], path.delay, shows_more)] = None
    return tuple(found)


def locked_by(graph: Graph) -> dict[str, dict[str, int]]:
    """What each party has paid in, by output: those outputs that no transaction of the graph makes."""
    parties = graph.contract.parties
    made = {name for planned in graph.transactions.values() for name in planned.outputs if name}
    owners = {"deposit": parties.depositor.name}
    locked: dict[str, dict[str, int]] = {}
    for name, output in graph.outputs.items():
        if name not in made:
            owner = owners.get(name, name.removeprefix("bond.") if name.startswith("bond.") else parties.operator.name)
            locked.setdefault(owner, {})[name] = output.value
    return locked


def worst_loss(graph: Graph, party: str) -> tuple[int, str | None]:
    """Most that another's single transaction can take from what a party has locked, and its name (None: nothing)."""
    own = _own_outputs(graph, party)
    script = payout_script(graph.contract, party)
    worst: tuple[int, str | None] = (0, None)
    for name, planned in graph.transactions.items():
        if planned.kind in TAKEN_BY_OTHERS and planned.by != party:
            spent = sum(o.value for s, o in zip(planned.inputs, planned.prevouts, strict=True) if s.output in own)
            back = sum(out.value for out in planned.tx.outputs if out.script_pubkey == script)
            if spent - back > worst[0]:
                worst = spent - back, name
    return worst


def _own_outputs(graph: Graph, party: str) -> set[str]:
    """What a party has locked, and what comes of it by transactions that spend nothing of anybody else."""
    own = set(locked_by(graph).get(party, {}))
    for planned in graph.transactions.values():  # parents stand before children
        if all(spend.output in own for spend in planned.inputs) and planned.by in (party, ANYONE):
            own |= {name for name in planned.outputs if name}
    return own


@dataclass(frozen=True, slots=True)
class Group:
    """Outputs of one game that can go the same ways, told once."""

    holdings: tuple[Holding, ...]
    ways: tuple[tuple[Way, ...], ...]  # ways that differ in names and amounts only

    @property
    def values(self) -> tuple[int, int]:
        """Smallest and largest value."""
        values = [h.value for h in self.holdings]
        return min(values), max(values)


def grouped(all_holdings: Sequence[Holding], apart: bool = False) -> list[Group]:
    """Holdings with the same ways out together; `apart`: each output by itself."""
    groups: dict[object, list[Holding]] = {}
    for holding in all_holdings:
        kinds = tuple(sorted({repr(_likeness(way)) for way in holding.ways}))
        stands_alone = apart or "/" not in holding.name
        key = holding.name if stands_alone else (holding.name.partition("/")[0], kinds, holding.free_to)
        groups.setdefault(key, []).append(holding)
    return [Group(tuple(together), _alike(together)) for together in groups.values()]


def _alike(together: Sequence[Holding]) -> tuple[tuple[Way, ...], ...]:
    ways: dict[object, list[Way]] = {}
    for holding in together:
        for way in holding.ways:
            ways.setdefault(_likeness(way), []).append(way)
    return tuple(tuple(w) for w in ways.values())


def _likeness(way: Way) -> object:
    """What two ways share if a person would read the same sentence twice."""
    return way.kind, way.by, way.after, max((d for _, d in way.beside), default=0), tuple(map(plain_goal, way.goals))


def plain_goal(goal: Goal) -> str:
    """Where the satoshis go, the turns of a game all by one name."""
    return "next turn" if "/" in goal.where else goal.where


def _way(planned: Planned, output: str, goals: tuple[Goal, ...], weight: int) -> Way:
    at = next(i for i, spend in enumerate(planned.inputs) if spend.output == output)
    beside = tuple((s.output, _delay(s)) for i, s in enumerate(planned.inputs) if i != at)
    vbytes = weight + (0 if planned.free else CHILD_VBYTES)
    after = _delay(planned.inputs[at])
    return Way(planned.name, planned.kind, planned.by, after, beside, goals, vbytes, planned.free)


def _delay(spend: Spend) -> int:
    """Blocks that the sequence number asks for (BIP68)."""
    return spend.sequence if spend.sequence <= SEQUENCE_LOCKTIME_MASK else 0


def _goals(planned: Planned, owners: Mapping[bytes, str]) -> Iterator[Goal]:
    for index, (out, name) in enumerate(zip(planned.tx.outputs, planned.outputs, strict=True)):
        if planned.free and index == 0:
            yield Goal(FREE, out.value)
        else:
            yield Goal(name or _where(out, owners), out.value)


def _owners(graph: Graph) -> Mapping[bytes, str]:
    parties = graph.contract.parties
    return {payout_script(graph.contract, p.name): p.name for p in (*parties.cosigners, parties.depositor)}


def _where(out: TxOut, owners: Mapping[bytes, str]) -> str:
    if out.script_pubkey == P2A_SCRIPT:
        return FEE_ANCHOR
    return BURN if out.script_pubkey[:1] == b"\x6a" else owners.get(out.script_pubkey, out.script_pubkey.hex())


class _Scale:
    """Weighs transactions with the heaviest leaf that each input allows."""

    def __init__(self, graph: Graph) -> None:
        self._outputs = graph.outputs
        self._known: dict[tuple[str, str | None], tuple[bytes, ...]] = {}

    def weigh(self, planned: Planned) -> int:
        """Virtual bytes of a transaction, without a child."""
        return planned.tx.with_witnesses({i: self._heaviest(s) for i, s in enumerate(planned.inputs)}).vbytes

    def _heaviest(self, spend: Spend) -> tuple[bytes, ...]:
        """A witness of the right size."""
        key = spend.output, spend.leaf
        if key not in self._known:
            output = self._outputs[spend.output]
            names: Sequence[str] = [spend.leaf] if spend.leaf else list(output.paths)
            self._known[key] = max((_witness(output, name) for name in names), key=witness_size)
        return self._known[key]


def _witness(output: Output, leaf: str) -> tuple[bytes, ...]:
    path = output.paths[leaf]
    items = (bytes(ITEM_BYTES),) * (path.leaf.items - path.signatures) + (bytes(65),) * path.signatures
    return (*items, path.leaf.code, output.tree.control_block(leaf))
