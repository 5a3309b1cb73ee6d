"""All turns of one game with their leaves: the protocol of docs/spec/dispute.md as data.

    assert → pick → init → pick_claim → claimK.open …                 (the operator's z_0 is false)
                  → final.open …                                      (z_N does not show a clean exit)
                  → search.0 → choose.0 → … → step → verdict → X.open …   (z_N is not the root after N steps)

    X.open → X.cut0 → X.show1 → X.cut1 → … → X.last → X.hash          (the path to the leaf of access X is searched)

Disproofs stand on `X.cut0` (plain leaves), `X.hash` (hash leaves), `verdict` and `verdict_map` (relations). A leaf
that serves many accesses is built and hashed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btc_l2.zkvm.outcome import Endian
from challenger.commit import messages
from challenger.disprove.access import PlainLeaf, plain_leaves
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
from challenger.game.rules import turn_after
from challenger.game.semantics import MAP_TOLD_PLAINLY, NOT_MAP
from challenger.game.state import FIRST_TURN
from challenger.reveal import Check, Fixed, Keys, Open, Reveal, RevealLeaf, Same, reveal_leaf
from taproot.connectors.turn import GameScripts, Move, Role, Turn
from taproot.script import Op, Script, script

MAP_ROW = "SYSCALL_MAP"
IMAGE = "image"
STEP_GROUPS = ("step.words", "step.before", "step.after")
STEP_ROOTS = ("step.r1", "step.r2")


@dataclass(frozen=True, slots=True)
class GameInput:
    """What the scripts of a game depend on: signing keys, one-time public keys, the program's image."""

    challenger: str
    all_key: bytes
    operator_key: bytes
    challenger_key: bytes
    arities: tuple[int, ...]
    public: Mapping[str, bytes]
    image_root: bytes
    endian: Endian

    def keys(self) -> Keys:
        """The one-time keys with their messages."""
        return Keys(messages(self.arities), self.public)


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
        signers = (self.given.all_key,) if reveals else (self.given.all_key, self._key(mover))
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
        self._turn("assert", Role.OPERATOR, {"assert": _checks(asserted)})
        self._turn("pick", Role.CHALLENGER, {f"pick_{part}": () for part in ("init", "final", "search")})
        self._turn("init", Role.OPERATOR, {"init": _checks(["init.1", "init.2", "init.3"])})
        self._turn("pick_claim", Role.CHALLENGER, {f"pick_{chain}": () for chain in CLAIM_CHAINS})

    def add_search(self) -> None:
        """search.r, choose.r, step."""
        last = len(self.given.arities) - 1
        for r, arity in enumerate(self.given.arities):
            shown = _checks(f"search.{r}.{k}" for k in range(1, arity))
            copied = (Same(f"search.{r - 1}"), *shown) if r else shown
            self._turn(f"search.{r}", Role.OPERATOR, {f"reveal.{r}": copied})
            self._turn(f"choose.{r}", Role.CHALLENGER, {f"choose.{r}": _checks([f"search.{r}.choice"])})
        step = (Same(f"search.{last}"), *_checks([*STEP_GROUPS, *STEP_ROOTS]))
        self._turn("step", Role.OPERATOR, {"step": step, "step_map": (*step, Check("step.key"))})

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
        """X.open, X.cut0, X.show1, …, X.last, X.hash."""
        access, rounds = CHAINS[prefix], CHAINS[prefix].plan.rounds
        plain = [self._plain(access.kind, leaf) for leaf in plain_leaves(access)]
        shown = {"open": (*_bottom(access), *_cuts(access, 0))}
        for r in range(1, rounds):
            shown[f"show{r}"] = (Same(f"{access.plan.name}.{r - 1}"), *_cuts(access, r))
        shown["last"] = (Same(f"{access.plan.name}.{rounds - 1}"), Check("path.sibling"))
        for turn, reveals in shown.items():
            name = f"{prefix}.{turn}"
            self._turn(name, Role.OPERATOR, {name: reveals})
        for r in range(rounds):
            name = f"{prefix}.cut{r}"
            choice = _checks([f"{access.plan.name}.{r}.choice"])
            self._turn(name, Role.CHALLENGER, {name: choice}, () if r else plain)
        self._turn(f"{prefix}.hash", Role.CHALLENGER, {}, self._hash_leaves(access))

    def _hash_leaves(self, access: Access) -> list[RevealLeaf]:
        sides = ("pre", "post") if access.writes else ("pre",)
        tops = [self._hash_leaf(access, side, 0, origin) for side in sides for origin in self._origins(access, side)]
        rest = [self._hash_leaf(access, side, e, None) for side in sides for e in range(1, access.plan.edges)]
        return [*tops, *rest]

    def _origins(self, access: Access, side: str) -> Sequence[Origin]:
        root = access.pre if side == "pre" else access.post
        assert root is not None
        searched = {"A": origins_of_a, "B": origins_of_b}
        return searched[root](self.given.arities) if root in searched else (Origin(root, ()),)

    def _hash_leaf(self, access: Access, side: str, edge: int, origin: Origin | None) -> RevealLeaf:
        """The node at depth `edge` is not the hash of the node below it and the sibling."""
        plan = access.plan
        parent = node_message(access, side, edge) if origin is None else origin.message
        child = node_message(access, side, edge + 1)
        path = [Fixed(f"{plan.name}.{r}", c) for r, c in enumerate(plan.choices_to(edge))]
        search = [Fixed(f"search.{r}", c) for r, c in (origin.choices if origin else ())]
        opened = [Open(m) for m in (parent, child, "path.sibling", "path.address") if m != IMAGE]
        body = hash_body(plan.path_bit(edge), self.given.image_root if parent == IMAGE else None)
        name = f"{side}.{edge}" if origin is None else f"{side}.{edge}.{origin.message}"
        proves = f"{plan.name} path: node at depth {edge} is not the hash of its children ({side})"
        return self._disproof(name, plan.name, proves, [*path, *search, *opened], (HASH_HINT,), body)


def _checks(names: Iterable[str]) -> tuple[Reveal, ...]:
    return tuple(Check(name) for name in names)


def _asks(chains: Iterable[str]) -> dict[str, tuple[Reveal, ...]]:
    return {f"ask.{chain}": () for chain in chains}


def _bottom(access: Access) -> tuple[Reveal, ...]:
    sides = ("pre", "post") if access.writes else ("pre",)
    return (Check("path.address"), *(Check(f"path.bottom.{side}") for side in sides))


def _cuts(access: Access, round_: int) -> tuple[Reveal, ...]:
    sides = ("pre", "post") if access.writes else ("pre",)
    parts = range(1, access.plan.splits[round_])
    return tuple(Check(f"{access.plan.name}.{round_}.{k}.{side}") for k in parts for side in sides)


def _all_from_alt(body: Script) -> Script:
    """Bring all digits of the step's claim back to the main stack, then run a relation's body."""
    return script(*[Op.FROMALTSTACK] * len(CLAIM_LAYOUT)) + body
