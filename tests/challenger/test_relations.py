"""The relation leaves against the reference machine; the judge is libbitcoinkernel.

The default run takes few examples of each kind for each relation; `make test-long` many.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.isa import BY_NAME, INSTRUCTIONS
from btc_l2.zkvm.outcome import MASK, Control
from challenger.disprove.claim import CLAIM_LAYOUT, CONTROL, GROUPS, claim_digits, claim_from_digits
from challenger.disprove.relations import relation, relation_names, rows_without_leaf
from challenger.game.semantics import BAD_FETCH, EXITED, row_name
from taproot.script import MAX_STACK_ITEMS, check_leaf
from tests.challenger.step_claims import (
    any_claims,
    consequences_of_other_values,
    falsified,
    honest_claims,
    is_false,
    lies,
    verdict,
    words,
)

NAMES = relation_names()
VALUES = (*CONTROL, "dest", "result", "address", "new")
# Bytes of the corresponding relations of BitVMX-CPU 0.7.3 (RV32IM)
PEERS = {
    "ADD": 966, "AND": 1243, "OR": 1243, "XOR": 1243, "SLL": 1635, "BEQ": 1297, "JALR": 982, "LUI": 619,
}  # fmt: skip

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
many = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def check_honest(name: str, data: st.DataObject) -> None:
    claim = data.draw(honest_claims(name))
    assert row_name(claim) == name and not is_false(claim)
    assert verdict(name, claim) is False


def check_each_value(name: str, data: st.DataObject) -> None:
    claim = data.draw(honest_claims(name))
    for value in VALUES:
        lie = falsified(claim, value, data.draw(lies))
        assert is_false(lie)
        assert verdict(name, lie) is True, value


def check_other_values(name: str, data: st.DataObject) -> None:
    claim = data.draw(consequences_of_other_values(name))
    assert verdict(name, claim) is is_false(claim)


def check_anything(name: str, data: st.DataObject) -> None:
    claim = data.draw(any_claims(name))
    assert verdict(name, claim) is is_false(claim)


CHECKS = (check_honest, check_each_value, check_other_values, check_anything)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@few
def test_a_relation_does_not_win_against_an_honest_claim(name: str, data: st.DataObject) -> None:
    check_honest(name, data)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@few
def test_a_relation_wins_against_each_single_false_value(name: str, data: st.DataObject) -> None:
    check_each_value(name, data)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@few
def test_a_relation_wins_where_the_results_follow_from_other_values(name: str, data: st.DataObject) -> None:
    check_other_values(name, data)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@few
def test_a_relation_judges_any_claim_of_its_pattern_without_failing(name: str, data: st.DataObject) -> None:
    check_anything(name, data)


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@many
def test_relations_at_length(name: str, check: object, data: st.DataObject) -> None:
    assert callable(check)
    check(name, data)


@pytest.mark.parametrize("name", NAMES)
def test_a_relation_refuses_the_claims_of_every_other_relation(name: str) -> None:
    for other in NAMES:
        claim = EXAMPLES[other]
        assert (verdict(name, claim) is None) is (other != name), other


@given(data=st.data(), word=words)
@few
def test_a_word_belongs_to_exactly_one_relation(data: st.DataObject, word: int) -> None:
    claim = replace(data.draw(any_claims("SYNC")), instruction=word)
    applies = [name for name in NAMES if verdict(name, claim) is not None]
    assert applies == [row_name(claim)] * (row_name(claim) in NAMES)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in (EXITED, BAD_FETCH)])
def test_a_relation_refuses_states_without_an_instruction(name: str) -> None:
    claim = EXAMPLES[name]
    for change in ({"status": 1}, {"status": 0x8000_0000}, {"pc": 0}, {"pc": 0xFFFC}, {"pc": 0xFFFF_F000}):
        assert verdict(name, _with_before(claim, **change)) is None
    for misalignment in (1, 2, 3):
        assert verdict(name, _with_before(claim, pc=0x1_0000 + misalignment)) is None
    for pc in (0x1_0000, 0xFFFF_EFFC):
        assert verdict(name, _with_before(claim, pc=pc)) is not None


def test_every_row_has_a_relation_or_is_listed_as_missing() -> None:
    assert set(NAMES) | set(rows_without_leaf()) == {*BY_NAME, EXITED, BAD_FETCH}
    assert not set(NAMES) & set(rows_without_leaf())
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_body_takes_the_claim_and_leaves_one_item_within_the_stack_limit(name: str) -> None:
    body = relation(name).body
    assert check_leaf(body, len(CLAIM_LAYOUT)) is body
    assert len(CLAIM_LAYOUT) + body.effect.peak <= MAX_STACK_ITEMS
    assert relation(name).name == name and relation(name).proves


@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_body_is_no_larger_than_the_smallest_published_relation(name: str) -> None:
    assert len(relation(name).body) <= PEERS[name]


@given(data=st.data())
@few
def test_digits_and_claims_are_translated_into_each_other(data: st.DataObject) -> None:
    claim = data.draw(any_claims("ADDU"))
    digits = claim_digits(claim)
    assert {g: len(d) for g, d in digits.items()} == {g: sum(n for _, n in ws) for g, ws in GROUPS.items()}
    assert claim_from_digits(digits) == claim
    assert len(CLAIM_LAYOUT) == len(set(CLAIM_LAYOUT)) == 186


def _example(name: str) -> StepClaim:
    """A false claim of a relation; which one does not matter."""
    instruction = next(w for w in SAMPLE_WORDS if row_name(_running(w)) == name) if name in BY_NAME else 0
    claim = _running(instruction)
    return _with_before(claim, **{EXITED: {"status": 1}, BAD_FETCH: {"pc": 1}}.get(name, {}))


def _running(instruction: int) -> StepClaim:
    control = Control(pc=0x1_0000, npc=0x1_0004)
    return StepClaim(control, instruction, 0, 0, 0, 0, 0, 0, 0, control)


def _with_before(claim: StepClaim, **changes: int) -> StepClaim:
    return replace(claim, before=claim.before._replace(**changes))


SAMPLE_WORDS = (*(row.match for row in INSTRUCTIONS), 0x10C, MASK)
EXAMPLES = {name: _example(name) for name in NAMES}
