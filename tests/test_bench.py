"""Figures are compared with what is asked, and the page says which are met."""

from __future__ import annotations

from pathlib import Path

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
    figures = [at_most("a", 1, "s", 2), at_most("b", 3, "s", 2), absent("c", "no node")]
    page = bench._page({"costs": bench._table("costs", figures), "chain": bench._table("chain", None)})
    assert "1 of 2 targets met." in page
    assert "| b | 3 s | ≤ 2 s | **no** |" in page
    assert "| c | not measured: no node |  |  |" in page
    assert "This section failed." in page


def test_a_section_measured_alone_leaves_the_others_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    old = {name: bench._table(name, [plain(f"old {name}", 1, "s")]) for name in ("zkvm", "costs", "chain")}
    bench.PAGE.write_text(bench._page(old))
    monkeypatch.setattr(bench, "_measure", lambda name: [plain(f"new {name}", 2, "s")])
    assert bench.main(["--write", "costs"]) == 0
    page = bench.PAGE.read_text()
    assert "old zkvm" in page and "new costs" in page and "old chain" in page and "old costs" not in page
    assert bench._known_tables().keys() == {"zkvm", "costs", "chain"}


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(SystemExit):
        bench.main(["nothing"])
