"""Terms under which somebody could be robbed, or get stuck, cannot be made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey
from taproot.parties import N_OF_N, Parties, Party
from taproot.terms import Terms
from taproot.units import COIN, Sats
from tests.taproot.toy import SECRETS, make_parties


def sats(*values: int) -> Any:
    return tuple(Sats(v) for v in values)


MOST_EXIT = Terms().total_delay + Terms().slash_delay

VIOLATIONS: list[tuple[dict[str, Any], str]] = [
    ({"network": "moonnet"}, "unknown network"),
    ({"deposit": 809}, "deposit is 809 sat, must be at least 810"),
    ({"stakes": ()}, "pool of stakes is empty"),
    ({"stakes": sats(5_025_239)}, "stake 0 is 5025239 sat, must be at least 5025240"),
    ({"stakes": sats(COIN, 1)}, "stake 1 is 1 sat"),
    ({"bond": 5_000_569}, "bond is 5000569 sat, must be at least 5000570"),
    ({"asset": 34_999}, "kill token.* is 34999 sat, must be at least 35000"),
    ({"fee_rate": 2}, "kill token.* is 35000 sat, must be at least 60000"),
    ({"fee_rate": 0}, "fee_rate 0"),
    ({"asset_burn": 0}, "burns of 0"),
    ({"stake_burn": 0}, "and 0 sat; colluders"),
    ({"penalty": 82_999}, "penalty is 82999 sat, must be at least 83000"),
    ({"penalty": 83_000, "arities": (2, *(8,) * 13)}, "penalty is 83000 sat, must be at least 124428"),
    ({"stakes": sats(5_025_240), "arities": (2,) * 40}, "stake 0 is 5025240 sat, must be at least 5033540"),
    ({"deposit": 22_000_000 * COIN}, "exceed 21 million"),
    ({"deposit": -1}, "none below zero"),
    ({"bond": 0.1}, "whole numbers"),
    ({"move_delay": True}, "whole numbers"),
    ({"arities": ()}, "one of 2 to 8"),
    ({"arities": (4, 1)}, "one of 2 to 8"),
    ({"arities": (9,)}, "one of 2 to 8"),
    ({"arities": (5, 2)}, "the first is 4 at most"),
    ({"arities": (2, *(8,) * 14)}, "2\\^40"),
    ({"digest": 128}, "a digest of 128 bits; choose one of 160, 192, 256"),
    ({"confirmations": 0}, "confirmations is 0, must be more than 0"),
    ({"margin": 0}, "margin is 0"),
    ({"reaction": 2}, "reaction is 2, must be more than 2"),
    ({"move_delay": 12}, "move_delay is 12, must be more than 12"),
    ({"challenge_delay": 18}, "challenge_delay is 18, must be more than 18"),
    ({"refund_delay": 12}, "refund_delay is 12, must be more than 12"),
    ({"exit_delay": MOST_EXIT}, f"exit_delay is {MOST_EXIT}, must be more than {MOST_EXIT}"),
    ({"refund_delay": 65_536}, "must be more than 65536"),
]


@pytest.mark.parametrize(("change", "reason"), VIOLATIONS)
def test_terms_refuse_each_violation_and_show_its_numbers(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Terms(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"deposit": 810},
        {"stakes": sats(5_025_240)},
        {"bond": 5_000_570},
        {"asset": 60_000, "fee_rate": 2},
        {"penalty": 83_000},
        {"reaction": 3, "move_delay": 7},
        {"challenge_delay": 19},
        {"exit_delay": MOST_EXIT + 1},
        {"refund_delay": 65_535},
    ],
)
def test_terms_accept_the_first_value_that_is_not_a_violation(change: dict[str, Any]) -> None:
    assert Terms(**change) != Terms()


def test_mainnet_is_refused() -> None:
    with pytest.raises(Refused, match="mainnet"):
        Terms(network="main")


def test_defaults_cover_a_quarter_of_a_billion_steps() -> None:
    assert Terms().steps == 2**28


def test_total_delay_is_the_sum_of_the_longest_dispute() -> None:
    # 19 moves of the operator at 13 + 6, 19 transactions of the challenger at 6, 24 before, 6 + 6 after
    assert Terms().total_delay == 24 + 19 * 19 + 19 * 6 + 6 + 6


@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20), st.integers(1, 30))
def test_take2_always_comes_after_a_dispute_in_which_the_operator_uses_up_all_his_time(
    rounds: int, reaction: int, more: int, margin: int
) -> None:
    terms = Terms(
        arities=(3,) * rounds,
        confirmations=1,
        reaction=reaction + 1,
        move_delay=2 * (reaction + 1) + more,
        challenge_delay=3 * (reaction + 1) + 1,
        refund_delay=1000,
        exit_delay=20_000,
        margin=margin,
    )
    height = terms.challenge_delay - 1  # veto in the last block in which it can stand
    for _ in range(terms.operator_moves):  # each side's move in turn
        height += terms.move_delay + terms.reaction - 1
        height += terms.reaction
    assert height < terms.total_delay - terms.reaction


def test_terms_survive_json() -> None:
    terms = Terms(stakes=sats(COIN, 2 * COIN), arities=(2, 3, 4), move_delay=19)
    assert Terms.from_json(json.loads(json.dumps(terms.to_json()))) == terms


@pytest.mark.parametrize("change", [{"color": 1}, {"stakes": 7}, {"stakes": ["1"]}, {"deposit": "1"}])
def test_terms_refuse_json_of_another_structure(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Terms.from_json({**Terms().to_json(), **change})


def test_terms_refuse_json_without_a_field() -> None:
    values = Terms().to_json()
    del values["bond"]
    with pytest.raises(InvalidInput, match="bond"):
        Terms.from_json(values)


def named(name: str, like: str = "") -> Party:
    return Party(name, SecretKey((like or name).encode().ljust(32, b"\1")).public_key)


def parties(signers: str = "abc", challengers: str = "ab", operator: str = "o", depositor: str = "d") -> Parties:
    return Parties(tuple(named(s) for s in signers), named(operator), tuple(challengers), named(depositor))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signers": ""}, "0 signers"),
        ({"challengers": ""}, "0 challengers"),
        ({"challengers": "ax"}, "x is not a signer"),
        ({"challengers": "aa"}, "a is used twice"),
        ({"challengers": "ao"}, "o is not a signer"),
        ({"signers": "abca"}, "name a is used twice"),
        ({"operator": "a"}, "name a is used twice"),
        ({"depositor": "o"}, "name o is used twice"),
    ],
)
def test_parties_refuse(change: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parties(**change)


def test_parties_refuse_one_key_under_two_names_even_with_the_other_sign() -> None:
    key = named("a").public_key
    negated = bytes([key[0] ^ 1]) + key[1:]
    with pytest.raises(InvalidInput, match="is used twice"):
        Parties((named("a"), named("b"), Party("c", negated)), named("o"), ("a", "b"), named("d"))


def test_parties_accept_more_signers_than_challengers() -> None:
    assert {p.name for p in parties("abcef", "ce").cosigners} == set("abcefo")


def test_graphs_of_several_operators_among_the_same_cosigners_have_one_key() -> None:
    of_a, of_b = parties("bc", "bc", operator="a"), parties("ac", "ac", operator="b")
    assert of_a.cosigners == of_b.cosigners
    assert of_a.aggregate().output_key == of_b.aggregate().output_key


def test_one_signer_beside_the_operator_is_enough() -> None:
    assert len(parties("a", "a").cosigners) == 2


@pytest.mark.parametrize("name", ["", "A", "a/b", "a.b", "a@b", "1a", N_OF_N, "a" * 33])
def test_a_party_cannot_have_a_name_that_would_confuse_outputs(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be named"):
        Party(name, SECRETS["alice"].public_key)


def test_parties_survive_json() -> None:
    assert Parties.from_json(json.loads(json.dumps(make_parties().to_json()))) == make_parties()


@pytest.mark.parametrize("operator", [["operator"], ["operator", "zz"], "operator", ["operator", "02" + "ff" * 32]])
def test_parties_refuse_json_with_a_false_key(operator: Any) -> None:
    with pytest.raises(InvalidInput):
        Parties.from_json({**make_parties().to_json(), "operator": operator})


def test_an_unknown_party_has_no_key() -> None:
    with pytest.raises(InvalidInput, match="no party is named 'eve'"):
        make_parties().party("eve")
