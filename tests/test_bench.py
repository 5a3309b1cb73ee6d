"""Figures are compared with what is asked, and the page says which are met."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import suite
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


def test_a_long_section_is_measured_only_when_it_is_named_and_stays_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    bench.PAGE.write_text(bench._page({"growth": bench._table("growth", [plain("old growth", 1, "s")])}))
    monkeypatch.setattr(bench, "_measure", lambda name: [plain(f"new {name}", 2, "s")])
    assert bench.main([]) == 0
    assert "old growth" in bench.PAGE.read_text() and "new zkvm" in bench.PAGE.read_text()
    assert bench.main(["growth", "--write"]) == 0
    assert "new growth" in bench.PAGE.read_text() and "new zkvm" in bench.PAGE.read_text()


def test_failing_tests_are_named_in_their_row() -> None:
    output = "....F\n= summary =\nFAILED tests/a.py::test_b[x|y] - assert 1 == 2\n1 failed, 4 passed in 3s\n"
    assert suite.summary_of(output) == "1 failed, 4 passed in 3s; `tests/a.py::test_b[x/y]`"
    assert suite.summary_of("5 passed in 3s\n") == "5 passed in 3s"
    many = suite.summary_of("".join(f"ERROR tests/a.py::t{k}\n" for k in range(12)) + "12 errors in 1s")
    assert many.endswith("`tests/a.py::t9`; …") and suite.summary_of("") == "no output"


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(SystemExit):
        bench.main(["nothing"])
