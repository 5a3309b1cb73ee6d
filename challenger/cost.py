"""What a dispute costs on chain: every transaction of a graph built with its heaviest witness, and the sums over its
paths.

Sizes are those of the transactions themselves; the children that pay for version 3 moves (about 155 vB each) are not
counted. Signatures are 64 zero bytes here: their length is what counts. One-time values are chosen so that their
witness is as heavy as it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from challenger.game.kinds import CHAINS, MAP_STEP_CHAINS, STEP_CHAINS
from challenger.reveal import Items, RevealLeaf
from challenger.sample import SEED, sample_deposit, sample_terms
from challenger.turns import Game
from taproot.errors import InvalidInput
from taproot.ots import OneTimeCode
from taproot.presigned import Graph, Kind, Sign
from taproot.terms import MOST_ARITY, MOST_ARITY_FIRST, MOST_STEPS_LOG2
from taproot.units import MAX_DIGEST, TRUC_VERSION

CHALLENGERS = 5  # where nobody says how many; each adds 43 vB to `fan`
_LONGEST = 6


@dataclass(frozen=True, slots=True)
class MoveCost:
    """One transaction: `items` and `peak_stack` are those of its first input (0 where no script leaf is heavy)."""

    name: str
    leaf: str
    version: int
    weight: int
    vbytes: int
    items: int
    peak_stack: int


@dataclass(frozen=True, slots=True)
class Path:
    """A story from kickoff to its end."""

    vbytes: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Ways:
    """How a claim can end; `relation` and `worst` contain everything from kickoff to the kill."""

    undisputed: Path
    relation: Path
    worst: Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Sums in vbytes; `relation` and `worst` contain everything from kickoff to the kill."""

    undisputed: Path
    relation: Path
    worst: Path
    largest_v3: int
    heaviest: int
    moves: tuple[MoveCost, ...]

    def to_json(self) -> dict[str, object]:
        """The fields as JSON values."""
        return asdict(self)


def arities_of(steps_log2: int, arity: int) -> tuple[int, ...]:
    """Rounds of one arity that cover 2^steps_log2 steps; the first is as small as suffices.

    InvalidInput out of range.
    """
    if not 1 <= steps_log2 <= MOST_STEPS_LOG2 or not 2 <= arity <= MOST_ARITY:
        raise InvalidInput(
            f"2^{steps_log2} steps with arity {arity}; possible are 1…{MOST_STEPS_LOG2} and 2…{MOST_ARITY}"
        )
    steps, rounds = 1 << steps_log2, 0
    while arity**rounds * min(arity, MOST_ARITY_FIRST) < steps:
        rounds += 1
    return (max(2, -(-steps // arity**rounds)), *(arity,) * rounds)


def compute_cost(arities: tuple[int, ...], challengers: int, digest: int = MAX_DIGEST, plain: int = 0) -> Cost:
    """Build the graph for these rounds, `challengers` challengers and roots of `digest` bits, and weigh it.

    `plain` signers sign the n-of-n beside the MuSig2 signers; n of them without any are as dear as n - 1 with.
    """
    scale = _scale(arities, challengers, digest, plain)
    rows = tuple(_weigh_all(scale))
    ways = _weigh_ways(scale)
    return Cost(
        undisputed=ways.undisputed,
        relation=ways.relation,
        worst=ways.worst,
        largest_v3=max(r.vbytes for r in rows if r.version == TRUC_VERSION),
        heaviest=max(r.weight for r in rows),
        moves=rows,
    )


def compute_ways(
    arities: tuple[int, ...], digest: int = MAX_DIGEST, challengers: int = CHALLENGERS, plain: int = 0
) -> Ways:
    """The sums alone: only what lies on the ways is weighed."""
    return _weigh_ways(_scale(arities, challengers, digest, plain))


def _scale(arities: tuple[int, ...], challengers: int, digest: int, plain: int) -> _Scale:
    """Sizes do not depend on keys, so the game of one challenger is weighed."""
    graph, games = sample_deposit(sample_terms(arities, digest), challengers, plain)
    return _Scale(graph, next(iter(games.values())))


def _weigh_ways(scale: _Scale) -> Ways:
    j, rounds = scale.game.given.challenger, range(1, len(scale.game.given.arities))
    opening = ["kickoff", "fan", f"challenge.{j}", f"veto.{j}", f"{j}/assert", f"{j}/choose.0"]
    before = [*opening, *(f"{j}/{move}.{r}" for r in rounds for move in ("reveal", "choose"))]
    chains = (*STEP_CHAINS, *MAP_STEP_CHAINS)
    return Ways(
        undisputed=scale.sum(["kickoff", "take1"]),
        relation=scale.sum([*before, f"{j}/step"], "verdict"),
        worst=max((w for c in chains for w in _access_ways(scale, before, c)), key=_vbytes),
    )


def _access_ways(scale: _Scale, before: Sequence[str], chain: str) -> Iterable[Path]:
    """An access searched down to the heaviest hash leaf: of an inner edge, and of the first one."""
    rounds = CHAINS[chain].plan.rounds
    moves = ["step_map" if chain in MAP_STEP_CHAINS else "step", f"ask.{chain}", f"{chain}.open"]
    moves += [f"{chain}.{move}" for r in range(rounds - 1) for move in (f"cut{r}", f"show{r + 1}")]
    for cut, end in ((f"cut{rounds - 1}", ""), ("cut_top", "_top")):
        ends = (f"{chain}.{cut}", f"{chain}.last{end}")
        names = [*before, *(f"{scale.game.given.challenger}/{m}" for m in (*moves, *ends))]
        yield scale.sum(names, f"{chain}.hash{end}")


def _vbytes(row: MoveCost | Path) -> int:
    return row.vbytes


class _Scale:
    """Weighs transactions of a graph with their heaviest witnesses."""

    def __init__(self, graph: Graph, game: Game) -> None:
        self.graph, self.game = graph, game
        self._signed = _Heaviest(game)

    def sum(self, names: Iterable[str], killed_on: str | None = None) -> Path:
        """All of these, and the heaviest kill by a disproof of a turn."""
        rows = [self.weigh(name, self.spec(name)) for name in names]
        rows += [] if killed_on is None else [self._heaviest_kill(killed_on)]
        return Path(sum(r.vbytes for r in rows), len(rows))

    def weigh(self, name: str, spec: RevealLeaf | None) -> MoveCost:
        """One transaction whose first input is spent by that leaf; None: by one without one-time values."""
        planned = self.graph.planned(name)
        leaf = None if spec is None else spec.tap
        items: Items = () if spec is None else spec.witness(self.game.keys, self._signed, dict.fromkeys(spec.hints, 1))
        wanted = leaf.name if leaf is not None and planned.kind is Kind.DISPROVE else None
        blank = _Blank(self.graph.contract.cosigners.signature_bytes)
        tx = self.graph.assemble(name, blank, _signers(self.graph), wanted, items)
        peak = 0 if leaf is None else leaf.items + leaf.script.effect.peak
        label, count = (leaf.name, leaf.items) if leaf else ("", 0)
        return MoveCost(name, label, tx.version, tx.weight, tx.vbytes, count, peak)

    def spec(self, name: str) -> RevealLeaf | None:
        """The leaf by which a move spends its turn; None for what is no move."""
        planned = self.graph.planned(name)
        if planned.kind is not Kind.MOVE:
            return None
        j = self.game.given.challenger
        return self.game.leaves[planned.inputs[0].output.removeprefix(f"{j}/"), name.removeprefix(f"{j}/")]

    def _heaviest_kill(self, turn: str) -> MoveCost:
        """Witnesses grow with scripts, so the longest few scripts are enough to look at."""
        specs = [self.game.leaves[turn, d.name] for d in self.game.scripts.turns[turn].disproofs]
        longest = sorted(specs, key=lambda spec: -len(spec.tap.code))[:_LONGEST]
        name = f"{self.game.given.challenger}/disprove.{turn}@stake0"
        return max((self.weigh(name, spec) for spec in longest), key=_vbytes)


def _weigh_all(scale: _Scale) -> Iterable[MoveCost]:
    """Every transaction of the graph that is not of another challenger's game; kills once per disproof leaf."""
    game, j = scale.game, scale.game.given.challenger
    for name, planned in scale.graph.transactions.items():
        if "/" in name and not name.startswith(f"{j}/"):
            continue
        if planned.kind is Kind.DISPROVE:
            turn = name.removeprefix(f"{j}/disprove.").partition("@")[0]
            for disproof in game.scripts.turns[turn].disproofs:
                yield scale.weigh(name, game.leaves[turn, disproof.name])
        else:
            yield scale.weigh(name, scale.spec(name))


class _Blank(dict[tuple[str, int], bytes]):
    """Presigned signatures of the right length."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._blank = bytes(length)

    def get(self, key: object, default: object = None) -> bytes:
        """Zero bytes, whatever the key."""
        return self._blank


class _Heaviest(dict[str, Items]):
    """One-time signatures of the heaviest values, by message."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        self._messages = game.keys.messages
        self._by_code: dict[OneTimeCode, Items] = {}

    def __missing__(self, name: str) -> Items:
        code = self._messages[name].code
        if code not in self._by_code:
            self._by_code[code] = heaviest_items(code)
        self[name] = self._by_code[code]
        return self[name]


def heaviest_items(code: OneTimeCode) -> Items:
    """Witness items of a value whose numbers are all one byte long, as far as the code allows."""
    candidates = [(d,) * code.digits for d in range(1, 16)] if code.digits > 1 else [(1,)]
    return max((code.sign(SEED, c) for c in candidates), key=lambda items: sum(len(i) for i in items))


def _signers(graph: Graph) -> dict[str, Sign]:
    parties = graph.contract.parties
    return {p.name: lambda _message: bytes(64) for p in (*parties.cosigners, parties.depositor)}
