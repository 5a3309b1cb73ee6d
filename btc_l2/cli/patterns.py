"""Patterns of steps: `never`, `always`, `=N`, `%N`, as the options of Optimism's cannon (`cannon/cmd/matcher.go`).

A step's number is the number of steps made before it, so `always` and `%N` hold at 0 too. Numbers are decimal, or with
the prefix 0x, 0o or 0b; `_` may stand between digits. Other than in cannon, `%0` is refused instead of dividing by
zero, and a number cannot begin with a zero that might mean octal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from taproot.errors import InvalidInput

_NUMBER = re.compile(
    "0|[1-9][0-9]*(_[0-9]+)*|0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*|0[oO][0-7]+(_[0-7]+)*|0[bB][01]+(_[01]+)*"
)
_MOST = 1 << 64


@dataclass(frozen=True, slots=True)
class Pattern:
    """The steps first, first + every, first + 2 · every …; with `every` 0 only the first, without a first none."""

    first: int | None = None
    every: int = 0

    def matches(self, step: int) -> bool:
        """Is a step meant?"""
        return self.next_from(step) == step

    def next_from(self, step: int) -> int | None:
        """The first step meant that is not before this one; None if there is none."""
        if self.first is None or (step > self.first and not self.every):
            return None
        if step <= self.first:
            return self.first
        return step + (self.first - step) % self.every


NEVER, ALWAYS = Pattern(), Pattern(0, 1)


def parse_pattern(text: str) -> Pattern:
    """A pattern from its text, an empty one is `never`; InvalidInput for every other text."""
    if text in ("", "never"):
        return NEVER
    if text == "always":
        return ALWAYS
    number = _parse_number(text[1:])
    if text[0] == "=" and number is not None:
        return Pattern(number)
    if text[0] == "%" and number:
        return Pattern(0, number)
    raise InvalidInput(
        f"{text!r} is no pattern of steps; it names none of them or not clearly; give never, always, =N (step N) or %N "
        "(every N steps, N at least 1)"
    )


def _parse_number(text: str) -> int | None:
    """A number below 2^64; None if the text is none."""
    if len(text) > 100 or _NUMBER.fullmatch(text) is None:
        return None
    number = int(text, 0)
    return number if number < _MOST else None
