"""One measured figure beside what is asked of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table; `met` is None where nothing is asked."""

    what: str
    value: str
    asked: str = ""
    met: bool | None = None


def plain(what: str, number: float, unit: str) -> Figure:
    """A figure of which nothing is asked."""
    return Figure(what, _with_unit(number, unit))


def at_most(what: str, number: float, unit: str, bound: float) -> Figure:
    """A figure that should not exceed `bound`."""
    return Figure(what, _with_unit(number, unit), f"≤ {_with_unit(bound, unit)}", number <= bound)


def at_least(what: str, number: float, unit: str, bound: float) -> Figure:
    """A figure that should reach `bound`."""
    return Figure(what, _with_unit(number, unit), f"≥ {_with_unit(bound, unit)}", number >= bound)


def absent(what: str, why: str) -> Figure:
    """Something that could not be measured here."""
    return Figure(what, f"not measured: {why}")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Result and seconds of wall clock."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _with_unit(number: float, unit: str) -> str:
    if number == int(number) or number >= 1000:
        digits = f"{number:,.0f}"
    else:
        digits = f"{number:.3g}"
    return f"{digits} {unit}"
