"""What the operator of a plot claims: the truth about a run, or the plot's lie; how challengers see it."""

from __future__ import annotations

import random
from collections.abc import Callable

from btc_l2.guests import claim_of_result
from btc_l2.zkvm.image import Image
from challenger.agents.decide import Answer
from challenger.game.hostile import hostile_move
from challenger.game.kinds import CLAIM_LEAVES
from challenger.game.lies import STEP_LIES, FinalLie, InitLie, LyingProver, StepLie, machine_lies
from challenger.game.prover import Blobs, TraceProver
from challenger.game.solver import Assertion, find_lie
from regtest.plot import Plot
from taproot.errors import InvalidInput

RESULT_BYTES = 32
TruthOf = Callable[[bytes], TraceProver]


def make_prover(plot: Plot, image: Image, blobs: Blobs, truth_of: TruthOf) -> TraceProver:
    """The operator's knowledge: honest, or the lie of the plot."""
    total, honest = plot.terms.steps, plot.guest.honest_claim(plot.statement)
    if plot.lie in STEP_LIES:
        return _lie_about_a_step(plot, image, blobs, truth_of, STEP_LIES[plot.lie])
    if plot.lie == "initial":
        return InitLie(image, honest, total, blobs)
    if plot.lie == "final":
        return FinalLie(image, bytes([honest[0] ^ 1]) + honest[1:], total, blobs, plot.false_from)
    if plot.lie is not None:
        raise InvalidInput(f"no lie is called {plot.lie!r}; choose one of {', '.join(machine_lies())}")
    return truth_of(honest)


def announce(prover: TraceProver) -> Assertion:
    """What the operator tells everybody before he claims."""
    return Assertion(tuple(prover.claim_leaf(k) for k in range(CLAIM_LEAVES)), prover.z0(), prover.zn())


def is_false(announced: Assertion, claim: bytes, truth_of: TruthOf) -> bool:
    """What an honest challenger finds out about it."""
    return find_lie(announced, truth_of(claim)) is not None


def hostile_answer(plot: Plot, name: str) -> Answer:
    """How a challenger without reason moves: by chance, along the plot's route."""
    rng = random.Random(f"{plot.seed}/{name}")
    return lambda state: hostile_move(state, rng, tuple(plot.route), plot.target)


def _lie_about_a_step(plot: Plot, image: Image, blobs: Blobs, truth_of: TruthOf, lie: StepLie) -> LyingProver:
    """Tell the lie where the plot says; claim what the false run computes, if it still decides."""
    total, honest = plot.terms.steps, plot.guest.honest_claim(plot.statement)
    trace = truth_of(honest).trace
    start = 0 if lie.early else int(trace.steps * plot.lie_at)
    blind = LyingProver(image, honest, total, lie, start, trace, blobs)
    end = blind.machine_at(total)
    claim = claim_of_result(end.read_bytes(plot.guest.result_address, RESULT_BYTES)) if end.exited else honest
    trace = truth_of(claim).trace
    return LyingProver(image, claim, total, lie, start, trace, blobs, plot.false_from)
