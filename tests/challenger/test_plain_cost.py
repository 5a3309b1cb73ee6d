"""What plain signers cost on chain, exact, and that the amounts of the terms count with it."""

from __future__ import annotations

from functools import cache

import pytest

from challenger.cost import Cost, Ways, compute_cost, compute_ways
from taproot.cosigners import KEY_VBYTES
from taproot.terms import KILL_VBYTES, LARGEST_MOVE_VBYTES, Terms
from taproot.units import MAX_STANDARD_WEIGHT, TRUC_MAX_VBYTES, TRUC_VERSION

DEFAULT = Terms().arities
CHILD = 155
# plain signers: undisputed, worst dispute, its transactions, where a relation decides; docs/coordinator.md
FIGURES = {
    0: (519, 91_022, 42, 62_926),
    1: (593, 92_092, 42, 63_800),
    2: (668, 93_166, 42, 64_674),
    5: (890, 96_367, 42, 67_281),
    14: (1_560, 105_948, 42, 75_078),
    47: (4_010, 141_090, 42, 103_686),
}


@cache
def few(plain: int) -> Cost:
    """Each kind of transaction with its largest one: three roots in `assert`, seven in `reveal`."""
    return compute_cost((4, 8), 2, plain=plain)


@cache
def ways(plain: int) -> Ways:
    return compute_ways(DEFAULT, plain=plain)


def each_figure() -> list[object]:
    return [pytest.param(p, marks=[] if p == 14 else [pytest.mark.long]) for p in FIGURES]


@pytest.mark.parametrize("plain", each_figure())
def test_a_dispute_with_plain_signers_costs_what_the_documents_say(plain: int) -> None:
    made = ways(plain)
    shown = (made.undisputed.vbytes, made.worst.vbytes, made.worst.transactions, made.relation.vbytes)
    assert shown == FIGURES[plain]


@pytest.mark.parametrize("plain", each_figure())
def test_penalty_and_stake_still_pay_for_what_a_game_costs_each_side(plain: int) -> None:
    terms, worst = Terms(), ways(plain).worst
    sides = terms.operator_vbytes_with(plain) + terms.challenger_vbytes_with(plain)
    assert sides >= worst.vbytes + CHILD * (worst.transactions - 1)


@pytest.mark.parametrize("plain", [pytest.param(0, marks=pytest.mark.long), 47])
def test_the_largest_moves_and_kills_keep_their_limits_with_as_many_plain_signers_as_terms_allow(plain: int) -> None:
    moves = few(plain).moves
    assert all(m.vbytes <= TRUC_MAX_VBYTES for m in moves if m.version == TRUC_VERSION)
    assert LARGEST_MOVE_VBYTES + 24 * plain <= few(plain).largest_v3 <= LARGEST_MOVE_VBYTES + KEY_VBYTES * plain
    assert few(plain).heaviest <= MAX_STANDARD_WEIGHT and max(m.peak_stack for m in moves) <= 1000
    assert max(m.vbytes for m in moves if "disprove" in m.name) <= KILL_VBYTES


@pytest.mark.long
def test_a_plain_signer_adds_25_vbytes_to_each_input_of_all_at_most() -> None:
    inputs = {m.name: m.vbytes for m in few(0).moves if "/" not in m.name}
    with_47 = {m.name: m.vbytes for m in few(47).moves if "/" not in m.name}
    of_all = {"take1": 3, "take2": 2, "confirm": 1, "fan": 1, "veto.p0": 2, "challenge.p0": 1, "leave.stake0": 1,
              "kickoff": 0, "refund": 0, "exit.stake0": 0}  # fmt: skip
    assert {n: -(-(with_47[n] - inputs[n]) // (KEY_VBYTES * 47)) for n in of_all} == of_all
