"""Where a game stands: the moves made so far and every value that was signed in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from btc_l2.zkvm.claim import StepClaim
from challenger.commit import DIGIT_BITS, Digits, digits_address, digits_root, root_digits
from challenger.disprove.claim import GROUPS, claim_from_digits
from challenger.game.kinds import origin_for, origins_of_b
from challenger.game.plan import Plan
from challenger.game.prover import ShownStep
from taproot.units import MAX_DIGEST

FIRST_TURN = "assert"


@dataclass(frozen=True, slots=True)
class GameState:
    """`turn` is the output that waits for a move; `values` maps message names to digits; `digest`: bits of a root."""

    arities: tuple[int, ...]
    image_root: bytes
    turn: str = FIRST_TURN
    moves: tuple[str, ...] = ()
    values: Mapping[str, Digits] = field(default_factory=dict)
    digest: int = MAX_DIGEST

    @property
    def total(self) -> int:
        """Steps of the claimed run."""
        n = 1
        for arity in self.arities:
            n *= arity
        return n

    def after(self, move: str, next_turn: str, values: Mapping[str, Digits]) -> GameState:
        """The state after one more move."""
        return replace(self, turn=next_turn, moves=(*self.moves, move), values={**self.values, **values})

    def shortened(self, root: bytes) -> Digits:
        """A root as the operator signs it."""
        return root_digits(root)[: self.digest // DIGIT_BITS]

    def root(self, message: str) -> bytes:
        """A signed root (`digest` bits of it), node or leaf."""
        return digits_root(self.values[message])

    def choice(self, name: str) -> int:
        """A choice of the challenger."""
        return self.values[f"{name}.choice"][0]

    def search_choices(self) -> tuple[int, ...]:
        """The choices of the search made so far."""
        names = (f"search.{r}" for r in range(len(self.arities)))
        return tuple(self.choice(n) for n in names if f"{n}.choice" in self.values)

    def path_choices(self, plan: Plan) -> tuple[int, ...]:
        """The choices in the opened path made so far."""
        names = (f"{plan.name}.{r}" for r in range(plan.rounds))
        return tuple(self.choice(n) for n in names if f"{n}.choice" in self.values)

    def step_index(self) -> int | None:
        """The searched step (its pre-root is the root after that many steps); None before the search ended."""
        choices = self.search_choices()
        if len(choices) < len(self.arities):
            return None
        index = 0
        for arity, choice in zip(self.arities, choices, strict=True):
            index = index * arity + choice
        return index

    def shown_step(self) -> ShownStep | None:
        """What the operator signed about the searched step."""
        if "step.words" not in self.values:
            return None
        key = self.root("step.key") if "step.key" in self.values else b""
        claim = claim_from_digits({g: self.values[f"step.{g}"] for g in GROUPS}, key)
        return ShownStep(claim, self.root("step.r1"), self.root("step.r2"))

    def disputed_root(self) -> bytes:
        """B: the root after the searched step, wherever it was signed."""
        return self.root(origin_for(origins_of_b(self.arities), self.search_choices()).message)

    def opened_address(self) -> int:
        """The byte address of the leaf that the operator opened."""
        return digits_address(self.values["path.address"])


def claim_of(state: GameState) -> StepClaim | None:
    """The claim about the searched step, if there is one."""
    shown = state.shown_step()
    return None if shown is None else shown.claim
