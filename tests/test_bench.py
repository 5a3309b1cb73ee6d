"""Figures are compared with what is asked, and the page says which are met."""

from __future__ import annotations

import pytest

from bench import __main__ as bench
from bench.figure import Figure, absent, at_least, at_most, plain


def test_a_bound_is_met_up_to_the_bound_itself() -> None:
    assert at_most("x", 10, "s", 10) == Figure("x", "10 s", "≤ 10 s", True)
    assert at_least("x", 250, "M", 250) == Figure("x", "250 M", "≥ 250 M", True)


def test_a_bound_is_missed_beyond_it() -> None:
    assert at_most("x", 10.01, "s", 10).met is False
    assert at_least("x", 249.9, "M", 250).met is False


@pytest.mark.parametrize(
    ("number", "shown"), [(0.01234, "0.0123 s"), (12.0, "12 s"), (144112, "144,112 s"), (5432.1, "5,432 s")]
)
def test_figures_have_three_digits_or_all_of_a_whole_number(number: float, shown: str) -> None:
    assert plain("x", number, "s").value == shown


def test_the_page_counts_what_is_met_and_shows_what_is_not() -> None:
    measured = {"costs": [at_most("a", 1, "s", 2), at_most("b", 3, "s", 2), absent("c", "no node")], "chain": None}
    page = bench._page(measured)
    assert "1 of 2 targets met." in page
    assert "| b | 3 s | ≤ 2 s | **no** |" in page
    assert "| c | not measured: no node |  |  |" in page
    assert "This section failed." in page


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(SystemExit):
        bench.main(["nothing"])
