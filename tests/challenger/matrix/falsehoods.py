"""Falsehoods about one step: which field is false, and in which way (docs/spec/matrix.md lists both).

A falsehood is a claim, what is changed in the trees behind the claim's back, and roots that are replaced outright. Each
leads to a false root after the step; where it would not, a word of memory is false besides, so that there is a game.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.layout import (
    CLAIM,
    CONTROL_LEAF,
    G0,
    G1,
    LEAF_BYTES,
    REGION_BYTES,
    REGION_LEVEL,
    SLOT_BASE,
    SLOTS,
    STATEMENT,
)
from btc_l2.zkvm.outcome import MASK, Control, Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.tree import ZERO_NODES
from challenger.game.prover import ShownStep, leaf_bytes, register_place, with_word
from challenger.game.semantics import MAP_WORD, complete_claim, maps
from tests.challenger.matrix.scenes import EDGES

Change = Callable[[Machine], None]

INPUTS = ("before", "instruction", "a", "b", "old")
OUTPUTS = ("after", "dest", "result", "address", "new")
ROOTS = {"R1": "step.r1", "R2": "step.r2", "B": "B"}
FIELDS = (*INPUTS, *OUTPUTS, "key", *ROOTS)
KINDS = ("bit", "boundary", "random", "tree", "no-op", "other step")
NO_NOOP = ("before", "instruction", "a", "b")  # what a no-op write is not about
RESERVED_LEAVES = tuple(leaf * LEAF_BYTES for leaf in range(G0, CONTROL_LEAF + 1))
GUARDED = (*RESERVED_LEAVES, CLAIM, CLAIM + 96, STATEMENT, SLOT_BASE, 0)


@dataclass(frozen=True, slots=True)
class Falsehood:
    """`claim` as it is signed, `changes` of the trees by root, `roots` replaced by other values."""

    claim: StepClaim
    changes: Mapping[str, Change] = field(default_factory=dict)
    roots: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """What a liar can draw from: the machine before the step, the step as it is, and another step of some run."""

    machine: Machine
    true: ShownStep
    b: bytes
    other: ShownStep
    other_root: bytes

    @property
    def endian(self) -> Endian:
        """Byte order of the guest."""
        return self.machine.endian


def cells() -> list[tuple[str, str]]:
    """All pairs (field, kind) that mean something."""
    return [(f, k) for f in FIELDS for k in KINDS if not (k == "no-op" and f in NO_NOOP)]


def make_falsehood(name: str, kind: str, around: Around, rng: random.Random) -> Falsehood:
    """A falsehood of that kind about that field: the claim or a tree differs from the truth.

    Where it would be the truth (a control write without effect, on a machine that stopped), memory is false instead.
    """
    for _ in range(16):
        made = _make(name, kind, around, rng)
        if made.claim != around.true.claim or made.changes or made.roots:
            return made
    return Falsehood(around.true.claim, {"B": SOMEWHERE})


def _make(name: str, kind: str, around: Around, rng: random.Random) -> Falsehood:
    if name in ROOTS:
        return _false_root(name, kind, around, rng)
    if kind == "no-op":
        return _no_op(name, around, rng)
    if kind == "tree" and name in OUTPUTS:
        return Falsehood(around.true.claim, _false_write(name, around.true.claim, rng))
    if kind == "tree" and name == "key" and not around.true.claim.key:
        return _invented_map(around, rng)
    value_kind = rng.choice(("bit", "boundary", "random", "other step")) if kind == "tree" else kind
    false = _with_value(name, value_kind, around, rng)
    follows = kind == "tree" or (name in (*INPUTS, "key") and rng.random() < 0.5)
    return Falsehood(follow(false, around) if follows else false)


def _invented_map(around: Around, rng: random.Random) -> Falsehood:
    """A step that maps nothing is told, consistently, as a MAP of some blob to some slot."""
    told = replace(around.true.claim, instruction=MAP_WORD, a=rng.randrange(15), key=rng.randbytes(32))
    return Falsehood(complete_claim(told, around.endian))


def _with_value(name: str, kind: str, around: Around, rng: random.Random) -> StepClaim:
    """The claim with another value in the field, all else as it is."""
    claim, other = around.true.claim, around.other.claim
    if name == "key":
        return replace(claim, key=_other_digest(claim.key or bytes(32), kind, around.machine.leaf(G0), rng))
    if name in ("before", "after"):
        words = list(getattr(claim, name))
        if kind == "other step":
            options = [c for c in (other.before, other.after) if c != getattr(claim, name)]
            return replace(claim, **{name: rng.choice(options)}) if options else claim
        at = rng.randrange(8)
        words[at] = _other_word(words[at], kind, 0, MASK, rng)
        return replace(claim, **{name: Control(*words)})
    limit = 255 if name == "dest" else MASK
    return replace(claim, **{name: _other_word(getattr(claim, name), kind, getattr(other, name), limit, rng)})


def _other_word(word: int, kind: str, other: int, limit: int, rng: random.Random) -> int:
    if kind == "bit":
        return word ^ 1 << rng.randrange(limit.bit_length())
    if kind == "boundary":
        return rng.choice((*EDGES, word + 1, word - 1, word ^ 0x8000_0000)) & limit
    if kind == "other step" and other != word:
        return other
    return rng.randrange(limit + 1)


def _other_digest(value: bytes, kind: str, other: bytes, rng: random.Random) -> bytes:
    if kind == "bit":
        at = rng.randrange(256)
        return (int.from_bytes(value, "little") ^ 1 << at).to_bytes(32, "little")
    if kind == "boundary":
        return rng.choice((bytes(32), b"\xff" * 32, *ZERO_NODES))
    return other if kind == "other step" and other != value else rng.randbytes(32)


def follow(claim: StepClaim, around: Around) -> StepClaim:
    """What follows from a claim's own inputs: the falsehood told consistently."""
    if not maps(claim):
        return complete_claim(replace(claim, key=b""), around.endian)
    return complete_claim(replace(claim, key=claim.key or around.machine.leaf(G1)), around.endian)


def _no_op(name: str, around: Around, rng: random.Random) -> Falsehood:
    """A write that repeats what stood there before the step: on the tree it would take back another write."""
    claim, machine = around.true.claim, around.machine
    if name == "after":
        return Falsehood(replace(claim, after=claim.before))
    if name == "key":
        slot = SLOT_BASE + REGION_BYTES * rng.randrange(SLOTS)
        key = machine.node(REGION_LEVEL, slot // REGION_BYTES)
        return Falsehood(replace(claim, key=key, address=slot, old=0, new=0))
    if name in ("dest", "result"):
        number = rng.choice((*range(32), *range(32, 40), rng.randrange(40, 256)))
        address, word = register_place(number)
        return Falsehood(replace(claim, dest=number, result=machine.load_word(address + 4 * word)))
    address = rng.choice(GUARDED) + 4 * rng.randrange(8)
    value = machine.load_word(address)
    return Falsehood(replace(claim, address=address, old=value, new=value, key=b""))


def _false_write(name: str, claim: StepClaim, rng: random.Random) -> dict[str, Change]:
    """The claim is true, but what is written is not what it says."""
    bit = 1 << rng.randrange(32)
    control = CONTROL_LEAF * LEAF_BYTES + 4 * rng.randrange(8)
    number = claim.dest if name == "result" and claim.dest else rng.randrange(1, 32)
    address, word = register_place(number)
    near = () if claim.key else (claim.address ^ 4, claim.address ^ 0x20)
    beside = rng.choice((0x40_0000, claim.before.pc, STATEMENT, *near)) & ~3
    node = rng.randbytes(32)
    return {
        "after": {"step.r1": flip(control, bit)},
        "dest": {"step.r2": flip(address + 4 * word, bit)},
        "result": {"step.r2": flip(address + 4 * word, bit)},
        "new": {"B": _map(claim.address, node) if claim.key else flip(claim.address & ~3, bit)},
        "address": {"B": flip(beside, bit)},
    }[name]


def flip(address: int, bit: int) -> Change:
    """Change one word of a tree."""
    return lambda machine: machine.store_word(address, machine.load_word(address) ^ bit)


def _map(address: int, node: bytes) -> Change:
    """Make a node the slot's."""
    return lambda machine: machine.write_node(REGION_LEVEL, address // REGION_BYTES, node)


SOMEWHERE = flip(0x40_0004, 0x100)


def _false_root(name: str, kind: str, around: Around, rng: random.Random) -> Falsehood:
    claim, root = around.true.claim, ROOTS[name]
    true = {"R1": around.true.r1, "R2": around.true.r2, "B": around.b}[name]
    if kind == "no-op":
        return Falsehood(claim, {root: _undo(name, around)})
    if kind == "tree":
        place = rng.choice((0x40_0000, CLAIM, STATEMENT, G0 * LEAF_BYTES + 4 * rng.randrange(40)))
        return Falsehood(claim, {root: flip(place, 1 << rng.randrange(32))})
    return Falsehood(claim, roots={root: _other_digest(true, kind, around.other_root, rng)})


def _undo(name: str, around: Around) -> Change:
    """The write that should have been made is not."""
    claim, machine = around.true.claim, around.machine
    if name == "R1":
        return lambda tree: tree.write_leaf(CONTROL_LEAF, leaf_bytes(claim.before))
    if name == "R2":
        address, word = register_place(claim.dest)
        return lambda tree: tree.store_word(address + 4 * word, machine.load_word(address + 4 * word))
    return lambda tree: None if claim.key else tree.store_word(claim.address & ~3, claim.old)


def written(tree: Machine, claim: StepClaim, root: str) -> None:
    """Make the write that leads to that root, for any claim: also one aimed at no register or at a reserved leaf."""
    if root == "step.r1":
        tree.write_leaf(CONTROL_LEAF, leaf_bytes(claim.after))
    elif root == "step.r2":
        address, word = register_place(claim.dest)
        tree.write_leaf(address // LEAF_BYTES, with_word(tree.leaf(address // LEAF_BYTES), word, claim.result))
    elif claim.key:
        tree.write_node(REGION_LEVEL, claim.address // REGION_BYTES, claim.key)
    else:
        tree.store_word(claim.address & ~3, claim.new)
