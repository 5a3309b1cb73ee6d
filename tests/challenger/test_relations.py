"""The relation leaves against the reference machine; the judge is libbitcoinkernel.

The default run takes few examples of each kind for each relation; `make test-long` many.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.isa import BY_NAME, INSTRUCTIONS, Instruction
from btc_l2.zkvm.outcome import MASK, Control, Endian
from challenger.disprove.claim import CLAIM_LAYOUT, CONTROL, GROUPS, claim_digits, claim_from_digits
from challenger.disprove.relations import BY_BYTE, relation, relation_names, rows_without_leaf
from challenger.game.semantics import BAD_FETCH, EXITED, complete_claim, row_name
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
CASES: list[tuple[str, Endian]] = [*((name, "big") for name in NAMES), *((name, "little") for name in sorted(BY_BYTE))]
VALUES = (*CONTROL, "dest", "result", "address", "new")
# Bytes of the corresponding relations of BitVMX-CPU 0.7.3 (RV32IM)
PEERS = {
    "ADD": 966, "AND": 1243, "OR": 1243, "XOR": 1243, "SLL": 1635, "BEQ": 1297, "JALR": 982, "LUI": 619, "LB": 1424,
    "SB": 1506, "MUL": 3895, "MULT": 4487, "DIV": 5833, "DIVU": 4777, "SYSCALL_HALT": 601,
}  # fmt: skip

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
fewest = settings(few, max_examples=5)
many = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def check_honest(name: str, endian: Endian, data: st.DataObject) -> None:
    claim = data.draw(honest_claims(name, endian))
    assert row_name(claim) == name and not is_false(claim, endian)
    assert verdict(name, claim, endian) is False


def check_each_value(name: str, endian: Endian, data: st.DataObject) -> None:
    claim = data.draw(honest_claims(name, endian))
    for value in VALUES:
        lie = falsified(claim, value, data.draw(lies))
        assert is_false(lie, endian)
        assert verdict(name, lie, endian) is True, value


def check_other_values(name: str, endian: Endian, data: st.DataObject) -> None:
    claim = data.draw(consequences_of_other_values(name, endian))
    assert verdict(name, claim, endian) is is_false(claim, endian)


def check_anything(name: str, endian: Endian, data: st.DataObject) -> None:
    claim = data.draw(any_claims(name))
    assert verdict(name, claim, endian) is is_false(claim, endian)


CHECKS = (check_honest, check_each_value, check_other_values, check_anything)


@pytest.mark.parametrize(("name", "endian"), CASES)
@given(data=st.data())
@few
def test_a_relation_does_not_win_against_an_honest_claim(name: str, endian: Endian, data: st.DataObject) -> None:
    check_honest(name, endian, data)


@pytest.mark.parametrize(("name", "endian"), CASES)
@given(data=st.data())
@fewest
def test_a_relation_wins_against_each_single_false_value(name: str, endian: Endian, data: st.DataObject) -> None:
    check_each_value(name, endian, data)


@pytest.mark.parametrize(("name", "endian"), CASES)
@given(data=st.data())
@few
def test_a_relation_wins_where_results_follow_from_other_values(
    name: str, endian: Endian, data: st.DataObject
) -> None:
    check_other_values(name, endian, data)


@pytest.mark.parametrize(("name", "endian"), CASES)
@given(data=st.data())
@fewest
def test_a_relation_judges_any_claim_of_its_pattern_without_failing(
    name: str, endian: Endian, data: st.DataObject
) -> None:
    check_anything(name, endian, data)


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("name", "endian"), CASES)
@given(data=st.data())
@many
def test_relations_at_length(
    check: Callable[[str, Endian, st.DataObject], None], name: str, endian: Endian, data: st.DataObject
) -> None:
    check(name, endian, data)


@pytest.mark.parametrize("name", ["DIV", "DIVU"])
@given(data=st.data(), divisor=st.one_of(st.integers(0, 20), words), more=st.integers(-3, 3).filter(bool))
@few
def test_a_quotient_with_a_remainder_out_of_range_loses(
    name: str, data: st.DataObject, divisor: int, more: int
) -> None:
    given_values = replace(data.draw(honest_claims(name)), b=divisor)
    claim = complete_claim(given_values, "big")
    assert verdict(name, claim) is False
    for sign in (1, -1):  # quotient · divisor + remainder stays as it is, or nearly so
        lo, hi = claim.after.lo + more & MASK, claim.after.hi - sign * more * (divisor or 1) & MASK
        assert verdict(name, replace(claim, after=claim.after._replace(lo=lo, hi=hi))) is True


@pytest.mark.parametrize("name", NAMES)
def test_a_relation_refuses_the_claims_of_every_other_relation(name: str) -> None:
    for other in NAMES:
        claim = EXAMPLES[other]
        assert (verdict(name, claim) is None) is (other != name), other


@given(row=st.sampled_from(INSTRUCTIONS), free=words, change=st.one_of(st.just(0), lies))
@few
def test_a_word_belongs_to_exactly_one_relation(row: Instruction, free: int, change: int) -> None:
    word = (free & ~row.mask & MASK | row.match) ^ change
    claim = _running(word)
    assert [name for name in NAMES if verdict(name, claim) is not None] == [row_name(claim)]


@given(row=st.sampled_from(INSTRUCTIONS), free=words, change=st.one_of(st.just(0), lies))
@settings(few, max_examples=1000)
def test_the_reserved_words_are_those_that_no_row_of_the_table_has(row: Instruction, free: int, change: int) -> None:
    claim = _running((free & ~row.mask & MASK | row.match) ^ change)
    assert (verdict("RESERVED", claim) is not None) is (row_name(claim) == "RESERVED")


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


def test_the_table_of_sizes_in_the_specification_is_current() -> None:
    text = (Path(__file__).parents[2] / "docs/spec/relations.md").read_text()
    stated = {name: int(size) for name, size in re.findall(r"\b([A-Z][A-Z0-9_]*) (\d{3,4})\b", text)}
    assert stated == {name: len(relation(name).body) for name in NAMES}


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
