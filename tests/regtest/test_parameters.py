"""Disputes played to the end on libbitcoinkernel for other parameters: arity, mixed rounds, 2^40 steps, short roots."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from regtest.story import Ending
from taproot.terms import DIGESTS, Terms
from tests.regtest.conftest import MakeStage, check_books, fibonacci_plot

ROUNDS = {
    "arity 2": (2,) * 14,
    "arity 3": (3,) * 9,
    "arity 4": (4,) * 7,
    "arity 8": (4, 8, 8, 8, 8),
    "mixed": (4, 2, 8, 3, 4, 2, 8),
}
FAR = {"2^40 by 4": (4,) * 20, "2^40 by 2": (2,) * 40, "2^40 by 8": (2, *(8,) * 13)}
SLOW = 10_000  # blocks of exit delay, for the longest of these games

# lie, depth from which a path is bent, turn and beginning of the leaf that decides
LIES = {
    "relation": ("result", 5, "verdict", ""),
    "edge": ("operand", 5, "rs.hash", "pre.4"),
    "root of the search": ("operand", 1, "rs.hash_top", "pre.0."),
    "control words": ("control", 1, "control.hash_top", "pre.0."),  # its false run ends like the true one
    "root after a write": ("memory-write", 5, "memory.hash_top", "post.0."),
    "first root": ("initial", 5, "claim3.hash_top", "post.0.z0"),
}
SOME = (
    ("arity 2", 160, "root of the search"),
    ("arity 3", 192, "first root"),
    ("arity 8", 256, "edge"),
    ("mixed", 160, "relation"),
)


def play(make_stage: MakeStage, arities: tuple[int, ...], digest: int, lie: str) -> Ending:
    name, depth, turn, leaf = LIES[lie]
    terms = Terms(arities=arities, digest=digest, exit_delay=SLOW)
    plot = replace(fibonacci_plot(lie=name, false_from=depth), terms=terms)
    ending = make_stage(plot).play()
    assert (ending.outcome, ending.winner) == ("disproved", "alice")
    last = ending.sent[-1].name.partition("@")[0]
    if lie != "root after a write":  # which edge decides there depends on where the store goes
        assert last == f"alice/disprove.{turn}" and (ending.leaf or "").startswith(leaf)
    check_books(ending, terms)
    return ending


@pytest.mark.parametrize(("rounds", "digest", "lie"), SOME)
def test_a_lie_is_disproved_for_other_parameters(make_stage: MakeStage, rounds: str, digest: int, lie: str) -> None:
    play(make_stage, ROUNDS[rounds], digest, lie)


@pytest.mark.long
@pytest.mark.parametrize(
    ("rounds", "digest", "lie"), [case for case in product(ROUNDS, DIGESTS, LIES) if case not in SOME]
)
def test_every_lie_is_disproved_for_every_parameter(
    make_stage: MakeStage, rounds: str, digest: int, lie: str
) -> None:  # fmt: skip
    play(make_stage, ROUNDS[rounds], digest, lie)


@pytest.mark.long
@pytest.mark.parametrize(("rounds", "digest"), [(rounds, digest) for rounds in FAR for digest in (160, 256)])
def test_a_lie_is_found_among_two_to_the_forty_steps(make_stage: MakeStage, rounds: str, digest: int) -> None:
    play(make_stage, FAR[rounds], digest, "control words")


def test_a_true_claim_with_short_roots_survives_an_objection(make_stage: MakeStage) -> None:
    terms = Terms(arities=ROUNDS["mixed"], digest=160, exit_delay=SLOW)
    route = ("choose.0", "ask.memory", "memory.cut_top")
    plot = replace(fibonacci_plot(objectors=("alice",), route=route), terms=terms)
    ending = make_stage(plot).play()
    assert (ending.outcome, ending.winner) == ("paid", "olga")
    assert any(s.name == "alice/slash.memory.hash_top@bond" for s in ending.sent)
    check_books(ending, terms)
