"""The accesses a challenger can ask for: which leaf of which tree, and what it must hold.

`pre` and `post` name the roots: `A`/`B` are the two ends of the searched step (signed wherever the search showed
them), the others are signed under their own name; `image` is the constant image root. A read has no `post`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btc_l2.zkvm import layout
from btc_l2.zkvm.layout import LEAF_BYTES as LEAF_BYTES
from challenger.game.plan import MAP, TREE, Plan

CONTROL_ADDRESS = layout.CONTROL_LEAF * LEAF_BYTES
REGISTERS_ADDRESS = layout.RESERVED_PAGE
KEY_ADDRESS = layout.G1 * LEAF_BYTES
CLAIM_ADDRESS = layout.CLAIM
CLAIM_LEAVES = layout.CLAIM_BYTES // LEAF_BYTES


@dataclass(frozen=True, slots=True)
class Access:
    """One access: roots before and after, where its address comes from, what the leaf is compared with.

    `place`: `pc`, `rs`, `rt`, `dest`, `address` (a field of the step's claim) or a constant byte address.
    `content`: `word` (the leaf's word equals `value`), `write` (that word changes from `old`, if given, to `value`, the
    others stay), `leaf` (the whole leaf before is `value`), `swap` (whole leaf: `old` before, `value` after), `status`.
    """

    kind: str
    plan: Plan
    pre: str
    post: str | None
    place: str | int
    content: str
    value: str
    old: str | None = None

    @property
    def writes(self) -> bool:
        """Does it change the tree?"""
        return self.post is not None


CONTROL = Access("control", TREE, "A", "step.r1", CONTROL_ADDRESS, "swap", "step.after", "step.before")
STEP_ACCESSES = (
    Access("fetch", TREE, "A", None, "pc", "word", "instruction"),
    Access("rs", TREE, "A", None, "rs", "word", "a"),
    Access("rt", TREE, "A", None, "rt", "word", "b"),
    CONTROL,
    Access("register", TREE, "step.r1", "step.r2", "dest", "write", "result"),
    Access("memory", TREE, "step.r2", "B", "address", "write", "new", "old"),
)
MAP_STEP_ACCESSES = (
    Access("fetch", TREE, "A", None, "pc", "word", "instruction"),
    Access("rs", TREE, "A", None, "rs", "word", "a"),
    Access("key", TREE, "A", None, KEY_ADDRESS, "leaf", "step.key"),
    CONTROL,
    Access("register", TREE, "step.r1", "step.r2", "dest", "write", "result"),
    Access("slot", MAP, "step.r2", "B", "address", "swap", "step.key"),
)
_INIT_ROOTS = ("image", "init.1", "init.2", "init.3", "z0")
INIT_ACCESSES = tuple(
    Access(f"claim{k}", TREE, _INIT_ROOTS[k], _INIT_ROOTS[k + 1], CLAIM_ADDRESS + LEAF_BYTES * k, "swap", f"claim.{k}")
    for k in range(CLAIM_LEAVES)
)
FINAL_ACCESS = Access("final", TREE, "zN", None, CONTROL_ADDRESS, "status", "status")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a root between two steps was signed: `message`, and the choices (round, value) that make it this one."""

    message: str
    choices: tuple[tuple[int, int], ...]


def origins_of_a(arities: Sequence[int]) -> tuple[Origin, ...]:
    """All places where the agreed root before the searched step can have been signed."""
    rounds = range(len(arities))
    zeros = {r: tuple((q, 0) for q in rounds if q > r) for r in (-1, *rounds)}
    shown = [
        Origin(f"search.{r}.{c}", ((r, c), *zeros[r])) for r in rounds for c in range(1, arities[r])
    ]
    return (Origin("z0", zeros[-1]), *shown)


def origins_of_b(arities: Sequence[int]) -> tuple[Origin, ...]:
    """All places where the disputed root after the searched step can have been signed."""
    rounds = range(len(arities))
    lasts = {r: tuple((q, arities[q] - 1) for q in rounds if q > r) for r in (-1, *rounds)}
    shown = [
        Origin(f"search.{r}.{c + 1}", ((r, c), *lasts[r])) for r in rounds for c in range(arities[r] - 1)
    ]
    return (Origin("zN", lasts[-1]), *shown)


def origin_for(origins: Sequence[Origin], choices: Sequence[int]) -> Origin:
    """The one origin that fits the choices made."""
    fits = [o for o in origins if all(choices[r] == c for r, c in o.choices)]
    assert len(fits) == 1, "choices determine one origin"
    return fits[0]


# the access chains of a game by the prefix of their turns; the steps that use MAP have chains of their own
STEP_CHAINS = {a.kind: a for a in STEP_ACCESSES}
MAP_STEP_CHAINS = {f"map-{a.kind}": a for a in MAP_STEP_ACCESSES}
CLAIM_CHAINS = {a.kind: a for a in INIT_ACCESSES}
CHAINS = {**STEP_CHAINS, **MAP_STEP_CHAINS, **CLAIM_CHAINS, FINAL_ACCESS.kind: FINAL_ACCESS}


def chain_of(kind: str, is_map: bool) -> str:
    """The prefix of the chain for an access of a step."""
    return f"map-{kind}" if is_map else kind
