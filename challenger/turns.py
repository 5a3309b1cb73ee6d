"""All turns of one game with their leaves: the protocol of docs/spec/dispute.md as data.

    assert → pick → init → pick_claim → claimK.open …                 (the operator's z_0 is false)
                  → final.open …                                      (z_N does not show a clean exit)
                  → search.0 → choose.0 → … → step → verdict → X.open …   (z_N is not the root after N steps)

    X.open → X.cut0 → X.show1 → X.cut1 → … → X.last → X.hash          (the path to the leaf of access X is searched)

Disproofs stand on `X.cut0` (plain leaves), `X.hash` (hash leaves), `verdict` and `verdict_map` (relations). A leaf that serves
many accesses is built and hashed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btc_l2.zkvm.outcome import Endian
from challenger.commit import messages
from challenger.disprove.access import PlainLeaf, plain_leaves
from challenger.disprove.hash_leaf import HASH_HINT, hash_body
from challenger.disprove.relations import relation, relation_names
from challenger.disprove.told import told_leaf
from challenger.game.challenger import node_message
from challenger.game.kinds import (
    CHAINS,
    CLAIM_CHAINS,
    FINAL_ACCESS,
    MAP_STEP_CHAINS,
    STEP_CHAINS,
    Access,
    Origin,
    origins_of_a,
    origins_of_b,
)
from challenger.game.semantics import MAP_TOLD_PLAINLY, NOT_MAP
from challenger.game.state import FIRST_TURN
from challenger.reveal import Check, Fixed, Keys, Open, Reveal, RevealLeaf, Same, reveal_leaf
from taproot.connectors.turn import GameScripts, Move, Role, Turn

MAP_ROW = "SYSCALL_MAP"
STEP_GROUPS = ("step.words", "step.before", "step.after")
STEP_ROOTS = ("step.r1", "step.r2")


@dataclass(frozen=True, slots=True)
class GameInput:
    """What the scripts of a game depend on: signing keys, one-time public keys, the program's image."""

    challenger: str
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

    def _move(self, turn: str, mover: Role, name: str, after: str, reveals: Sequence[Reveal]) -> Move:
        """A move: the other side's signature, then one-time signatures (or, without them, the mover's own)."""
        own = () if reveals else (self._key(mover),)
        leaf = reveal_leaf(name, f"the {mover.value} moves: {name}", (self._key(mover.other), *own), self.keys, reveals)
        self.leaves[turn, name] = leaf
        return Move(name, leaf.tap, after)

    def _turn(
        self, name: str, mover: Role, moves: Iterable[tuple[str, str, Sequence[Reveal]]],
        disproofs: Sequence[RevealLeaf] = (),
    ) -> None:  # fmt: skip
        """A turn from (move, next turn, reveals) and its disproofs."""
        made = tuple(self._move(name, mover, move, after, reveals) for move, after, reveals in moves)
        self.leaves |= {(name, leaf.tap.name): leaf for leaf in disproofs}
        self.turns[name] = Turn(name, mover, made, tuple(leaf.tap for leaf in disproofs))

    def add_opening(self) -> None:
        """assert, pick, init, pick_claim."""
        asserted = [*(f"claim.{k}" for k in range(4)), "z0", "zN"]
        self._turn("assert", Role.OPERATOR, [("assert", "pick", _checks(asserted))])
        picks = {"init": "init", "final": f"{FINAL_ACCESS.kind}.open", "search": "search.0"}
        self._turn("pick", Role.CHALLENGER, [(f"pick_{p}", after, ()) for p, after in picks.items()])
        self._turn("init", Role.OPERATOR, [("init", "pick_claim", _checks(["init.1", "init.2", "init.3"]))])
        claims = [(f"pick_{kind}", f"{kind}.open", ()) for kind in CLAIM_CHAINS]
        self._turn("pick_claim", Role.CHALLENGER, claims)

    def add_search(self) -> None:
        """search.r, choose.r, step."""
        last = len(self.given.arities) - 1
        for r, arity in enumerate(self.given.arities):
            shown = _checks(f"search.{r}.{k}" for k in range(1, arity))
            copied = (Same(f"search.{r - 1}"), *shown) if r else shown
            self._turn(f"search.{r}", Role.OPERATOR, [(f"reveal.{r}", f"choose.{r}", copied)])
            after = "step" if r == last else f"search.{r + 1}"
            self._turn(f"choose.{r}", Role.CHALLENGER, [(f"choose.{r}", after, _checks([f"search.{r}.choice"]))])
        step = (Same(f"search.{last}"), *_checks([*STEP_GROUPS, *STEP_ROOTS]))
        moves = [("step", "verdict", step), ("step_map", "verdict_map", (*step, Check("step.key")))]
        self._turn("step", Role.OPERATOR, moves)

    def add_verdicts(self) -> None:
        """verdict and verdict_map: relations, and which access to ask for."""
        plain = [*(self._relation(name) for name in relation_names()), self._plain("verdict", told_leaf(MAP_TOLD_PLAINLY))]
        asks = [(f"ask.{chain}", f"{chain}.open", ()) for chain in STEP_CHAINS]
        self._turn("verdict", Role.CHALLENGER, asks, plain)
        map_asks = [(f"ask.{chain}", f"{chain}.open", ()) for chain in MAP_STEP_CHAINS]
        mapped = [self._relation(MAP_ROW), self._plain("verdict", told_leaf(NOT_MAP))]
        self._turn("verdict_map", Role.CHALLENGER, map_asks, mapped)

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
        self._operator_turn(prefix, "open", "cut0", (*_bottom(access), *_cuts(access, 0)))
        self._challenger_turn(prefix, 0, "show1", plain)
        for r in range(1, rounds):
            copied = Same(f"{access.plan.name}.{r - 1}")
            self._operator_turn(prefix, f"show{r}", f"cut{r}", (copied, *_cuts(access, r)))
            self._challenger_turn(prefix, r, "last" if r == rounds - 1 else f"show{r + 1}", ())
        copied = Same(f"{access.plan.name}.{rounds - 1}")
        self._operator_turn(prefix, "last", "hash", (copied, Check("path.sibling")))
        self._turn(f"{prefix}.hash", Role.CHALLENGER, (), self._hash_leaves(access))

    def _operator_turn(self, prefix: str, turn: str, after: str, reveals: Sequence[Reveal]) -> None:
        self._turn(f"{prefix}.{turn}", Role.OPERATOR, [(f"{prefix}.{turn}", f"{prefix}.{after}", reveals)])

    def _challenger_turn(self, prefix: str, round_: int, after: str, disproofs: Sequence[RevealLeaf]) -> None:
        name = f"{prefix}.cut{round_}"
        choice = Check(f"{CHAINS[prefix].plan.name}.{round_}.choice")
        self._turn(name, Role.CHALLENGER, [(name, f"{prefix}.{after}", (choice,))], disproofs)

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
        bit = plan.path_bit(edge)
        path = [Fixed(f"{plan.name}.{r}", c) for r, c in enumerate(plan.choices_to(edge))]
        search = [Fixed(f"search.{r}", c) for r, c in (origin.choices if origin else ())]
        opened = [Open(m) for m in HASH_ORDER(parent, child)]
        constant = self.given.image_root if parent == IMAGE else None
        reveals = [*path, *search, *(o for o in opened if o.message != IMAGE)]
        name = f"{side}.{edge}" if origin is None else f"{side}.{edge}.{origin.message}"
        proves = f"{plan.name} path: node at depth {edge} is not the hash of its children ({side})"
        return self._disproof(name, plan.name, proves, reveals, (HASH_HINT,), hash_body(bit, constant))


def _checks(names: Iterable[str]) -> tuple[Reveal, ...]:
    return tuple(Check(name) for name in names)


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
