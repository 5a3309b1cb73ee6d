"""Patterns of steps against the plain meaning of their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.cli.patterns import ALWAYS, NEVER, Pattern, parse_pattern
from taproot.errors import InvalidInput

NUMBERS = st.integers(0, (1 << 64) - 1)


def matches(text: str, step: int) -> bool:
    """What cannon's matcher answers."""
    if text in ("", "never", "always"):
        return text == "always"
    number = int(text[1:], 0)
    return step == number if text[0] == "=" else step % number == 0


PATTERNS = st.one_of(
    st.sampled_from(["", "never", "always"]),
    st.integers(0, 60).map(lambda n: f"={n}"),
    st.integers(1, 60).map(lambda n: f"%{n}"),
)


@given(PATTERNS, st.integers(0, 200))
def test_a_pattern_matches_as_cannons_does(text: str, step: int) -> None:
    assert parse_pattern(text).matches(step) is matches(text, step)


@given(PATTERNS, st.integers(0, 100))
def test_the_next_match_is_the_first_that_matches(text: str, step: int) -> None:
    found = parse_pattern(text).next_from(step)
    assert found == next((k for k in range(step, step + 130) if matches(text, k)), None)


@given(NUMBERS, st.sampled_from(["{:d}", "{:#x}", "{:#b}", "{:#o}", "{:_d}"]))
def test_numbers_may_be_written_in_every_base(number: int, form: str) -> None:
    assert parse_pattern("=" + form.format(number)) == Pattern(number)
    assert parse_pattern("%" + form.format(number or 1)) == Pattern(0, number or 1)


def test_words_are_their_patterns() -> None:
    assert (parse_pattern(""), parse_pattern("never"), parse_pattern("always")) == (NEVER, NEVER, ALWAYS)


@pytest.mark.parametrize(
    "text",
    ["%0", "=", "%", "5", "=-1", "=+1", "= 1", "=1 ", "=1.5", "%%2", "==2", "Never", "=010", "=1__0", "=_1", "=0x",
     f"={1 << 64}", "=" + "9" * 5000, "=١", "sometimes", " never", "=1\n"],
)  # fmt: skip
def test_every_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no pattern"):
        parse_pattern(text)


@given(st.text(max_size=6))
def test_no_text_does_anything_but_mean_a_pattern_or_be_refused(text: str) -> None:
    try:
        assert isinstance(parse_pattern(text), Pattern)
    except InvalidInput:
        assert text not in ("", "never", "always")
