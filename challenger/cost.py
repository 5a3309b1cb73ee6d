"""What a dispute costs on chain: every transaction of a graph built with its heaviest witness, and the sums over its
paths.

Sizes are those of the transactions themselves; the children that pay for version 3 moves (about 155 vB each) are not
counted. Signatures are 64 zero bytes here: their length is what counts. One-time values are chosen so that their
witness is as heavy as it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from btc_l2.zkvm.outcome import Endian
from challenger.commit import GameId, public_keys
from challenger.game.kinds import CHAINS, MAP_STEP_CHAINS, STEP_CHAINS
from challenger.reveal import Items, RevealLeaf
from challenger.turns import Game, GameInput, build_game
from taproot.connectors.turn import Role
from taproot.errors import InvalidInput
from taproot.graph import Funding, build_graph
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.ots import OneTimeCode
from taproot.presigned import Graph, Kind, Sign
from taproot.terms import MAX_DIGEST, MOST_ARITY, MOST_ARITY_FIRST, MOST_STEPS_LOG2, Parties, Party, Terms
from taproot.tx import OutPoint
from taproot.units import TRUC_VERSION

SEED = bytes(range(32))


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


def compute_cost(arities: tuple[int, ...], challengers: int, digest: int = MAX_DIGEST) -> Cost:
    """Build the graph for these rounds, `challengers` challengers and roots of `digest` bits, and weigh it."""
    graph, game = sample_graph(arities, challengers, digest)
    rows = tuple(_weigh_all(graph, game))
    by_name = {row.name: row for row in rows}
    before = ["kickoff", "fan", f"challenge.{game.given.challenger}", f"veto.{game.given.challenger}"]
    before += [_move(game, m) for m in ("assert", "choose.0")]
    for r in range(1, len(arities)):
        before += [_move(game, f"reveal.{r}"), _move(game, f"choose.{r}")]
    relations = [r for r in rows if r.name.startswith(_move(game, "disprove.verdict"))]
    relation = max(relations, key=_vbytes)
    chains = (*STEP_CHAINS, *MAP_STEP_CHAINS)
    return Cost(
        undisputed=_sum(by_name, ["kickoff", "take1"]),
        relation=_with(_sum(by_name, [*before, _move(game, "step")]), relation),
        worst=max((_access_path(game, rows, by_name, before, c) for c in chains), key=_vbytes),
        largest_v3=max(r.vbytes for r in rows if r.version == TRUC_VERSION),
        heaviest=max(r.weight for r in rows),
        moves=rows,
    )


def _access_path(
    game: Game, rows: Sequence[MoveCost], by_name: Mapping[str, MoveCost], before: Sequence[str], chain: str
) -> Path:
    step = "step_map" if chain in MAP_STEP_CHAINS else "step"
    rounds = CHAINS[chain].plan.rounds
    moves = [step, f"ask.{chain}", f"{chain}.open", *(f"{chain}.cut{r}" for r in range(rounds - 1))]
    moves += [f"{chain}.show{r}" for r in range(1, rounds)]
    ways = []
    for cut, end in ((f"cut{rounds - 1}", ""), ("cut_top", "_top")):
        kill = max((r for r in rows if r.name.startswith(_move(game, f"disprove.{chain}.hash{end}@"))), key=_vbytes)
        shown = [*moves, f"{chain}.{cut}", f"{chain}.last{end}"]
        ways.append(_with(_sum(by_name, [*before, *(_move(game, m) for m in shown)]), kill))
    return max(ways, key=_vbytes)


def _vbytes(row: MoveCost | Path) -> int:
    return row.vbytes


def _move(game: Game, name: str) -> str:
    return f"{game.given.challenger}/{name}"


def _sum(by_name: Mapping[str, MoveCost], names: Iterable[str]) -> Path:
    rows = [by_name[name] for name in names]
    return Path(sum(r.vbytes for r in rows), len(rows))


def _with(path: Path, last: MoveCost) -> Path:
    return Path(path.vbytes + last.vbytes, path.transactions + 1)


def _weigh_all(graph: Graph, game: Game) -> Iterable[MoveCost]:
    """Every transaction of the graph that is not of another challenger's game; kills once per disproof leaf."""
    j, signed = game.given.challenger, _Heaviest(game)
    for name, planned in graph.transactions.items():
        if "/" in name and not name.startswith(f"{j}/"):
            continue
        if planned.kind is Kind.DISPROVE:
            turn = name.removeprefix(f"{j}/disprove.").partition("@")[0]
            for (where, leaf), spec in game.leaves.items():
                if where == turn and leaf in {d.name for d in game.scripts.turns[turn].disproofs}:
                    yield _weigh(graph, game, name, spec, signed)
        elif planned.kind is Kind.MOVE:
            turn = planned.inputs[0].output.removeprefix(f"{j}/")
            yield _weigh(graph, game, name, game.leaves[turn, name.removeprefix(f"{j}/")], signed)
        else:
            yield _weigh(graph, game, name, None, signed)


def _weigh(graph: Graph, game: Game, name: str, spec: RevealLeaf | None, signed: Mapping[str, Items]) -> MoveCost:
    planned = graph.planned(name)
    leaf = None if spec is None else spec.tap
    items: Items = () if spec is None else spec.witness(game.keys, signed, dict.fromkeys(spec.hints, 1))
    wanted = leaf.name if leaf is not None and planned.kind is Kind.DISPROVE else None
    tx = graph.assemble(name, _Blank(), _signers(graph), wanted, items)
    peak = 0 if leaf is None else leaf.items + leaf.script.effect.peak
    label, count = (leaf.name, leaf.items) if leaf else ("", 0)
    return MoveCost(name, label, tx.version, tx.weight, tx.vbytes, count, peak)


class _Blank(dict[tuple[str, int], bytes]):
    """Presigned signatures of the right length."""

    def get(self, key: object, default: object = None) -> bytes:
        """64 zero bytes, whatever the key."""
        return bytes(64)


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


def sample_parties(challengers: int) -> Parties:
    """Parties with public keys that everybody knows: for weighing only."""
    count = max(3, challengers)
    party = [Party(f"p{i}", SecretKey(sha256(b"weigh/%d" % i)).public_key) for i in range(count + 2)]
    return Parties(tuple(party[:count]), party[count], tuple(p.name for p in party[:challengers]), party[count + 1])


def sample_game(
    arities: tuple[int, ...], parties: Parties, name: str, endian: Endian = "big", digest: int = MAX_DIGEST
) -> Game:
    """The game of a challenger with keys that everybody knows."""
    game = GameId("weigh", parties.operator.name, name)
    public = {m: key for role in Role for m, key in public_keys(SEED, game, role, arities, digest).items()}
    keys = (parties.aggregate().output_key, parties.operator.x_only, parties.party(name).x_only)
    return build_game(GameInput(name, *keys, arities, public, bytes(32), endian, digest))


def sample_graph(arities: tuple[int, ...], challengers: int, digest: int = MAX_DIGEST) -> tuple[Graph, Game]:
    """A graph in which all challengers play by the scripts of the first: sizes do not depend on keys."""
    parties = sample_parties(challengers)
    terms = Terms(arities=arities, digest=digest, exit_delay=20_000)
    games = {name: sample_game(arities, parties, name, digest=digest) for name in parties.challengers}
    outpoints = [OutPoint(sha256(b"weigh/out/%d" % i), 0) for i in range(challengers + 3)]
    bonds = dict(zip(parties.challengers, outpoints[3:], strict=True))
    funding = Funding(outpoints[0], (outpoints[1],), bonds, outpoints[2])
    graph = build_graph(terms, parties, funding, {name: game.scripts for name, game in games.items()})
    return graph, games[parties.challengers[0]]
