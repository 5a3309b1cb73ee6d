"""What is to happen in a story: who lies about what, who objects without reason, who falls silent where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from btc_l2.guests import Guest
from btc_l2.zkvm.step import compute_claim, step
from challenger.game.kinds import CHAINS, CLAIM_CHAINS, FINAL_ACCESS, MAP_STEP_CHAINS
from challenger.game.lies import FALSE_FROM_DEPTH, SEARCHED_STEPS
from challenger.game.semantics import maps
from regtest.party import OPERATOR, SIGNERS
from taproot.errors import InvalidInput
from taproot.terms import Terms

OBJECTOR = SIGNERS[0]
_OPENING = {"operator": ("assert", "init", "search", "step"), "challenger": ("pick", "pick_claim", "choose", "verdict")}
_OPERATOR_IN_PATH = ("open", "show", "last")


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that distinguishes two stories.

    `lie`: a name of `challenger.game.lies.machine_lies` or None; `lie_at`: where in the run, from 0 to 1;
    `false_from`: depth from which a false leaf's path is bent; `objectors`: challengers who object without reason,
    `route`: moves they prefer, `target`: the step they lead the search to; `silent`: by party, the occasions
    (`Step.occasion`) that it lets pass. `seed` fixes keys and choices; stories that follow each other on one chain have
    another `run` each: other keys, the same choices.
    """

    guest: Guest
    terms: Terms
    lie: str | None = None
    lie_at: float = 0.5
    false_from: int = FALSE_FROM_DEPTH
    objectors: Collection[str] = ()
    route: Collection[str] = ()
    target: int | None = None
    silent: Mapping[str, Collection[str]] = field(default_factory=dict)
    statement: bytes | None = None
    seed: int = 1
    run: int = 0

    @property
    def key_seed(self) -> int:
        """What all keys are made from: no key of one run is a key of another."""
        return self.seed + (self.run << 32)


def silence_plot(
    guest: Guest, terms: Terms, side: str, turn: str, statement: bytes | None = None, seed: int = 1
) -> Plot:
    """An unfounded challenge that comes to `turn`, where `side` (`operator` or `challenger`) stops.

    Raises InvalidInput if that is not a turn of that side in a game of these terms.
    """
    _check_turn(turn, side, len(terms.arities))
    in_map = turn == "verdict_map" or turn.partition(".")[0] in MAP_STEP_CHAINS
    target = find_map_step(guest, statement) if in_map else None
    silent = {OPERATOR if side == "operator" else OBJECTOR: (turn,)}
    return Plot(
        guest, terms, objectors=(OBJECTOR,), route=_route_to(turn), target=target, silent=silent, statement=statement,
        seed=seed,
    )  # fmt: skip


def turns_of(side: str, rounds: int) -> tuple[str, ...]:
    """All turns on which a side moves, in a game with so many rounds of search."""
    search = "search" if side == "operator" else "choose"
    opening: list[str] = []
    for head in _OPENING[side]:
        opening += [f"{search}.{r}" for r in range(1, rounds)] if head == search else [head]
    if side == "challenger":
        opening.append("verdict_map")
    return (*opening, *(t for c in CHAINS for t in _turns_in_path(c) if _is_operators(t) == (side == "operator")))


def find_map_step(guest: Guest, statement: bytes | None = None) -> int:
    """The first step that maps a blob. InvalidInput if the guest does not come to one soon."""
    machine = guest.load_image(statement).machine(guest.honest_claim(statement), guest.blobs())
    for n in range(SEARCHED_STEPS):
        if maps(compute_claim(machine)):
            return n
        if machine.exited:
            break
        step(machine)
    raise InvalidInput(f"guest {guest.name} maps nothing; choose another guest, for example blobsum")


def arities_for(steps_log2: int) -> tuple[int, ...]:
    """Four-way rounds, a two-way one at the end for an odd exponent."""
    return (4,) * (steps_log2 // 2) + (2,) * (steps_log2 % 2)


def _turns_in_path(chain: str) -> list[str]:
    rounds = range(CHAINS[chain].plan.rounds)
    shows = [f"show{r}" if r else "open" for r in rounds]
    return [f"{chain}.{t}" for t in (*shows, "last", "last_top", *(f"cut{r}" for r in rounds), "hash", "hash_top")]


def _is_operators(turn: str) -> bool:
    return turn.partition(".")[2].startswith(_OPERATOR_IN_PATH)


def _check_turn(turn: str, side: str, rounds: int) -> None:
    if side not in _OPENING:
        raise InvalidInput(f"no side is called {side!r}; choose operator or challenger")
    if turn not in turns_of(side, rounds):
        raise InvalidInput(
            f"{turn!r} is no turn of the {side} in a game of {rounds} rounds; docs/spec/dispute.md lists the turns"
        )


def _route_to(turn: str) -> tuple[str, ...]:
    """Moves that a challenger must prefer so that the game comes to `turn`."""
    head, _, tail = turn.partition(".")
    if head in ("assert", "pick"):
        return ()
    path: tuple[str, ...] = ()
    if head in CHAINS:
        path = (f"{head}.cut_top" if tail.endswith("_top") else f"{head}.cut{CHAINS[head].plan.rounds - 1}",)
    if head in ("init", "pick_claim") or head in CLAIM_CHAINS:
        return ("pick_init", f"pick_{head}", *path)
    return ("pick_final", *path) if head == FINAL_ACCESS.kind else ("choose.0", f"ask.{head}", *path)
