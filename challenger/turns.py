"""All turns of one game with their leaves: the protocol of docs/spec/dispute.md as data.

    assert → pick → init → pick_claim → claimK.open …                 (the operator's z_0 is false)
                  → final.open …                                      (z_N does not show a clean exit)
                  → search.1 → choose.1 → … → step → verdict → X.open …   (z_N is not the root after N steps)

    X.open → X.cut0 → X.show1 → X.cut1 → … → X.last → X.hash          (the path to the leaf of access X is searched)
                                           → X.last_top → X.hash_top  (its first edge, whose upper end is a root)

Disproofs stand on `X.cut0` (plain leaves), `X.hash` and `X.hash_top` (hash leaves), `verdict` and `verdict_map`
(relations). A leaf that serves many accesses is built and hashed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btc_l2.zkvm.outcome import Endian
from challenger.commit import messages
from challenger.disprove.access import PlainLeaf, plain_leaves, side_leaf
from challenger.disprove.claim import CLAIM_LAYOUT
from challenger.disprove.hash_leaf import HASH_HINT, hash_body
from challenger.disprove.relations import relation, relation_names
from challenger.disprove.told import told_leaf
from challenger.game.challenger import node_message
from challenger.game.kinds import (
    CHAINS,
    CLAIM_CHAINS,
    MAP_STEP_CHAINS,
    STEP_CHAINS,
    Access,
    Origin,
    origins_of_a,
    origins_of_b,
)
from challenger.game.plan import Plan
from challenger.game.rules import turn_after
from challenger.game.semantics import MAP_TOLD_PLAINLY, NOT_MAP
from challenger.game.state import FIRST_TURN
from challenger.reveal import Check, Fixed, Keys, Open, Reveal, RevealLeaf, Same, reveal_leaf
from taproot.connectors.turn import GameScripts, Move, Role, Turn
from taproot.script import Op, Script, script
from taproot.units import MAX_DIGEST

KEY_BYTES = 32
MAP_ROW = "SYSCALL_MAP"
IMAGE = "image"
STEP_GROUPS = ("step.words", "step.before", "step.after")
STEP_ROOTS = ("step.r1", "step.r2")
EDGE = ("path.sibling", "path.side")  # what the operator shows of the edge that the search has found


@dataclass(frozen=True, slots=True)
class GameInput:
    """What the scripts of a game depend on: signing keys, one-time public keys, the program's image."""

    challenger: str
    all_key: bytes  # of the n-of-n: 32 bytes for each of its keys, the one that is checked first in front
    operator_key: bytes
    challenger_key: bytes
    arities: tuple[int, ...]
    public: Mapping[str, bytes]
    image_root: bytes
    endian: Endian
    digest: int = MAX_DIGEST

    @property
    def all_keys(self) -> tuple[bytes, ...]:
        """The keys of the n-of-n, one if nobody signs without MuSig2."""
        return tuple(self.all_key[at : at + KEY_BYTES] for at in range(0, len(self.all_key), KEY_BYTES))

    def keys(self) -> Keys:
        """The one-time keys with their messages."""
        return Keys(messages(self.arities, self.digest), self.public)


@dataclass(frozen=True, slots=True)
class Game:
    """The scripts of a game, and how the witness of each leaf is made and read: `leaves[turn, leaf name]`."""

    given: GameInput
    scripts: GameScripts
    leaves: Mapping[tuple[str, str], RevealLeaf]
    keys: Keys


def build_game(given: GameInput) -> Game:
    """All turns and leaves of one game."""
    builder = _Builder(given)
    builder.add_opening()
    builder.add_search()
    builder.add_verdicts()
    for prefix in CHAINS:
        builder.add_chain(prefix)
    scripts = GameScripts(given.challenger, FIRST_TURN, builder.turns)
    return Game(given, scripts, builder.leaves, builder.keys)


@dataclass(slots=True)
class _Builder:
    given: GameInput
    turns: dict[str, Turn] = field(default_factory=dict)
    leaves: dict[tuple[str, str], RevealLeaf] = field(default_factory=dict)
    shared: dict[tuple[str, str], RevealLeaf] = field(default_factory=dict)
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = self.given.keys()

    def _key(self, role: Role) -> bytes:
        return self.given.operator_key if role is Role.OPERATOR else self.given.challenger_key

    def _move(self, turn: str, mover: Role, name: str, reveals: Sequence[Reveal]) -> Move:
        """A move: all have signed it; the mover's one-time signatures (or, without them, his own) make it his."""
        signers = (*self.given.all_keys, *(() if reveals else (self._key(mover),)))
        leaf = reveal_leaf(name, f"the {mover.value} moves: {name}", signers, self.keys, reveals)
        self.leaves[turn, name] = leaf
        return Move(name, leaf.tap, turn_after(name, self.given.arities))

    def _turn(
        self, name: str, mover: Role, moves: Mapping[str, Sequence[Reveal]],
        disproofs: Sequence[RevealLeaf] = (),
    ) -> None:  # fmt: skip
        """A turn from its moves, with what each reveals, and its disproofs."""
        made = tuple(self._move(name, mover, move, reveals) for move, reveals in moves.items())
        self.leaves |= {(name, leaf.tap.name): leaf for leaf in disproofs}
        self.turns[name] = Turn(name, mover, made, tuple(leaf.tap for leaf in disproofs))

    def add_opening(self) -> None:
        """assert, pick, init, pick_claim."""
        asserted = [*(f"claim.{k}" for k in range(4)), "z0", "zN"]
        self._turn("assert", Role.OPERATOR, {"assert": (*_checks(asserted), *self._shown_roots(0))})
        picks: dict[str, Sequence[Reveal]] = {f"pick_{part}": () for part in ("init", "final")}
        self._turn("pick", Role.CHALLENGER, picks | self._choice(0))
        self._turn("init", Role.OPERATOR, {"init": _checks(["init.1", "init.2", "init.3"])})
        self._turn("pick_claim", Role.CHALLENGER, {f"pick_{chain}": () for chain in CLAIM_CHAINS})

    def add_search(self) -> None:
        """search.r and choose.r after the first round, step."""
        last = len(self.given.arities) - 1
        for r in range(1, last + 1):
            shown = (Same(f"search.{r - 1}"), *self._shown_roots(r))
            self._turn(f"search.{r}", Role.OPERATOR, {f"reveal.{r}": shown})
            self._turn(f"choose.{r}", Role.CHALLENGER, self._choice(r))
        step = (Same(f"search.{last}"), *_checks([*STEP_GROUPS, *STEP_ROOTS]))
        self._turn("step", Role.OPERATOR, {"step": step, "step_map": (*step, Check("step.key"))})

    def _shown_roots(self, round_: int) -> tuple[Reveal, ...]:
        return _checks(f"search.{round_}.{k}" for k in range(1, self.given.arities[round_]))

    def _choice(self, round_: int) -> dict[str, Sequence[Reveal]]:
        return {f"choose.{round_}": _checks([f"search.{round_}.choice"])}

    def add_verdicts(self) -> None:
        """verdict and verdict_map: relations, and which access to ask for."""
        rows = [self._relation(name) for name in relation_names()]
        told = self._plain("verdict", told_leaf(MAP_TOLD_PLAINLY))
        self._turn("verdict", Role.CHALLENGER, _asks(STEP_CHAINS), [*rows, told])
        mapped = [self._relation(MAP_ROW), self._plain("verdict", told_leaf(NOT_MAP))]
        self._turn("verdict_map", Role.CHALLENGER, _asks(MAP_STEP_CHAINS), mapped)

    def _disproof(
        self, name: str, plan: str, proves: str, reveals: Sequence[Reveal], hints: Sequence[str], body: Script
    ) -> RevealLeaf:
        """A leaf signed by the challenger, built once per name and plan."""
        if (name, plan) not in self.shared:
            signers = (self.given.challenger_key,)
            self.shared[name, plan] = reveal_leaf(name, proves, signers, self.keys, reveals, hints, body)
        return self.shared[name, plan]

    def _relation(self, name: str) -> RevealLeaf:
        row = relation(name, self.given.endian == "big")
        opens = [Open(group) for group in reversed(STEP_GROUPS)]
        return self._disproof(name, "verdict", row.proves, opens, (), _all_from_alt(row.body))

    def _plain(self, variant: str, leaf: PlainLeaf) -> RevealLeaf:
        return self._disproof(leaf.name, variant, leaf.proves, [Open(m) for m in leaf.opens], leaf.hints, leaf.body)

    def add_chain(self, prefix: str) -> None:
        """X.open, X.cut0, X.show1, …, X.last and X.last_top, X.hash and X.hash_top."""
        access, rounds = CHAINS[prefix], CHAINS[prefix].plan.rounds
        plain = [self._plain(access.kind, leaf) for leaf in plain_leaves(access)]
        shown = {"open": (*_bottom(access), *_cuts(access, 0))}
        for r in range(1, rounds):
            shown[f"show{r}"] = (Same(f"{access.plan.name}.{r - 1}"), *_cuts(access, r))
        shown["last"] = (Same(f"{access.plan.name}.{rounds - 1}"), *_checks(EDGE))
        shown["last_top"] = _checks(EDGE)
        for turn, reveals in shown.items():
            name = f"{prefix}.{turn}"
            self._turn(name, Role.OPERATOR, {name: reveals})
        for r in range(rounds):
            name = f"{prefix}.cut{r}"
            moves: dict[str, Sequence[Reveal]] = {name: _checks([f"{access.plan.name}.{r}.choice"])}
            if r == rounds - 1:
                moves[f"{prefix}.cut_top"] = ()
            self._turn(name, Role.CHALLENGER, moves, () if r else plain)
        self._turn(f"{prefix}.hash", Role.CHALLENGER, {}, self._hash_leaves(access))
        self._turn(f"{prefix}.hash_top", Role.CHALLENGER, {}, self._top_hash_leaves(access))

    def _hash_leaves(self, access: Access) -> list[RevealLeaf]:
        """Those of all edges but the first, whose upper ends are nodes."""
        edges, sides = range(1, access.plan.edges), _sides(access)
        hashes = [self._hash_leaf(access, side, e, node_message(access, side, e)) for side in sides for e in edges]
        return [*hashes, *(self._side_leaf(access, e) for e in edges)]

    def _top_hash_leaves(self, access: Access) -> list[RevealLeaf]:
        """Those of the first edge: one for each place where its upper end, a root, can have been signed."""
        tops = [self._top_hash_leaf(access, side, o) for side in _sides(access) for o in self._origins(access, side)]
        return [*tops, self._side_leaf(access, 0)]

    def _origins(self, access: Access, side: str) -> Sequence[Origin]:
        root = access.pre if side == "pre" else access.post
        assert root is not None
        searched = {"A": origins_of_a, "B": origins_of_b}
        return searched[root](self.given.arities) if root in searched else (Origin(root, ()),)

    def _top_hash_leaf(self, access: Access, side: str, origin: Origin) -> RevealLeaf:
        search = [Fixed(f"search.{r}", c) for r, c in origin.choices]
        return self._hash_leaf(access, side, 0, origin.message, search)

    def _hash_leaf(
        self, access: Access, side: str, edge: int, parent: str, before: Sequence[Reveal] = ()
    ) -> RevealLeaf:
        """The node at depth `edge` is not the hash of the node below it and the sibling."""
        plan, child = access.plan, node_message(access, side, edge + 1)
        opened = [Open(m) for m in (parent, child, *EDGE) if m != IMAGE]
        if parent == IMAGE:
            body = hash_body(self.given.image_root)
        else:
            body = hash_body(parent_digits=self.keys.messages[parent].code.digits)
        name = f"{side}.{edge}" if edge else f"{side}.{edge}.{parent}"
        proves = f"{plan.name} path: node at depth {edge} is not the hash of its children ({side})"
        return self._disproof(name, plan.name, proves, [*_path_to(plan, edge), *before, *opened], (HASH_HINT,), body)

    def _side_leaf(self, access: Access, edge: int) -> RevealLeaf:
        plan = access.plan
        leaf = side_leaf(plan, edge)
        reveals = [*_path_to(plan, edge), *(Open(m) for m in leaf.opens)]
        return self._disproof(leaf.name, plan.name, leaf.proves, reveals, leaf.hints, leaf.body)


def _path_to(plan: Plan, edge: int) -> list[Reveal]:
    """The operator's copies of the choices lead to this edge; the last choice of the first edge is a transaction."""
    choices = plan.choices_to(edge)
    return [Fixed(f"{plan.name}.{r}", c) for r, c in enumerate(choices if edge else choices[:-1])]


def _sides(access: Access) -> tuple[str, ...]:
    return ("pre", "post") if access.writes else ("pre",)


def _checks(names: Iterable[str]) -> tuple[Reveal, ...]:
    return tuple(Check(name) for name in names)


def _asks(chains: Iterable[str]) -> dict[str, tuple[Reveal, ...]]:
    return {f"ask.{chain}": () for chain in chains}


def _bottom(access: Access) -> tuple[Reveal, ...]:
    return (Check("path.address"), *(Check(f"path.bottom.{side}") for side in _sides(access)))


def _cuts(access: Access, round_: int) -> tuple[Reveal, ...]:
    parts = range(1, access.plan.splits[round_])
    return tuple(Check(f"{access.plan.name}.{round_}.{k}.{side}") for k in parts for side in _sides(access))


def _all_from_alt(body: Script) -> Script:
    """Bring all digits of the step's claim back to the main stack, then run a relation's body."""
    return script(*[Op.FROMALTSTACK] * len(CLAIM_LAYOUT)) + body
