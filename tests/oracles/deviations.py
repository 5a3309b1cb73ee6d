"""The tables of docs/spec/oracles.md: where an oracle is known to differ from the machine, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "spec" / "oracles.md"


@dataclass(frozen=True, slots=True)
class Family:
    """Words that QEMU executes; those outside the table of instructions are trap 10 in the machine."""

    mask: int
    match: int
    why: str

    def holds(self, word: int) -> bool:
        """Whether a word is one of them."""
        return word & self.mask == self.match


@dataclass(frozen=True, slots=True)
class Program:
    """Words and registers; (cause, $2) at the end of the machine and of QEMU."""

    words: tuple[int, ...]
    registers: dict[int, int]
    machine: tuple[int, int]
    qemu: tuple[int, int]
    why: str


def families() -> tuple[Family, ...]:
    """First table."""
    return tuple(
        Family(int(mask, 16), int(match, 16), why)
        for mask, matches, why in _rows("| mask | match | why |")
        for match in matches.split()
    )


def programs() -> tuple[Program, ...]:
    """Second table."""
    return tuple(
        Program(tuple(int(word, 16) for word in words.split()), _registers(registers), _end(machine), _end(qemu), why)
        for words, registers, machine, qemu, why in _rows("| words | registers | machine | QEMU | why |")
    )


def _rows(head: str) -> Iterator[list[str]]:
    lines = iter(_PAGE.read_text().splitlines())
    while next(lines) != head:
        pass
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def _registers(text: str) -> dict[int, int]:
    return {int(number): int(value, 16) for number, value in (pair.split("=") for pair in text.split())}


def _end(text: str) -> tuple[int, int]:
    cause, value = text.split()
    return int(cause), int(value, 16)
