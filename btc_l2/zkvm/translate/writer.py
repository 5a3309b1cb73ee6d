"""One native function in LLVM's language: values of registers, guards, the way out.

A function is `i64 f(ptr R, ptr M, i64 budget)`: R are 32 registers, the control words
of leaf C and the address of the table of entries, M is byte 0 of the guest's memory, below it stands one byte for
each page (`MARKS`). It returns the steps that are left
and has written PC and NPC. A register is read from R once, every write goes to R at once, so a guard that fails can
leave at any instruction: all guards share one exit, which gets PC, NPC and the steps to give back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from btc_l2.zkvm.outcome import Endian, signed

MASK = 0xFFFF_FFFF
PC, NPC, HI, LO, LINKED, TLS = 32, 33, 34, 35, 38, 39  # places in R
TABLE = 40  # place in R of the address (64 bits) of the table of entries
MARKS = 1 << 20  # bytes below M: one for each page
SIGNATURE = "(ptr noalias %R, ptr noalias %M, i64 %budget)"
_LIKELY = "!prof !0"


@dataclass(frozen=True, slots=True)
class Value:
    """A word: its name in LLVM, and the value that it is a constant away from (None: it is itself a constant)."""

    name: str
    root: str | None
    offset: int  # of a constant: its value, as a signed number

    @property
    def constant(self) -> int | None:
        """The word if it is known now."""
        return self.offset & MASK if self.root is None else None


def constant(word: int) -> Value:
    """A word that is known now."""
    number = signed(word & MASK)
    return Value(str(number), None, number)


ZERO = constant(0)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a guard leaves: before the instruction at `pc`; `back` steps of the block have not been made."""

    pc: str
    npc: str
    back: int


class Writer:
    """Writes one function. `steps` is what its block costs; guards come before what they guard."""

    def __init__(self, name: str, steps: int, endian: Endian) -> None:
        self.flip = 3 if endian == "big" else 0
        self.position = Position("0", "0", 0)
        self.ranged: set[str] = set()  # roots that are far from the borders of program memory
        self.aligned: set[str] = set()  # those of them that are multiples of four
        self.stores: dict[str, tuple[int, int]] = {}  # by root: offsets whose pages are known as written
        self._name = name
        self._steps = steps
        self._lines: list[str] = [f"%left = sub i64 %budget, {steps}"]
        self._values: dict[int, Value] = {}
        self._pointers: dict[str, str] = {}
        self._exits: list[tuple[str, Position]] = []
        self._names = 0

    def name(self, expression: str) -> str:
        """The name of a new value."""
        self._names += 1
        self._lines.append(f"%v{self._names} = {expression}")
        return f"%v{self._names}"

    def value(self, expression: str) -> Value:
        """A new word."""
        name = self.name(expression)
        return Value(name, name, 0)

    def line(self, text: str) -> None:
        """An instruction without a value."""
        self._lines.append(text)

    def get(self, register: int) -> Value:
        """Content of a register or control word."""
        if register == 0:
            return ZERO
        if register not in self._values:
            self._values[register] = self.value(f"load i32, ptr {self._place(register)}")
        return self._values[register]

    def put(self, register: int, value: Value) -> None:
        """Write a register or control word; $0 stays zero."""
        if register:
            self._values[register] = value
            self.line(f"store i32 {value.name}, ptr {self._place(register)}")

    def guard(self, condition: str) -> None:
        """Go on if the condition (i1) holds; else leave before the instruction of `position`."""
        self._names += 1
        fails, holds = f"fails{self._names}", f"holds{self._names}"
        self.line(f"br i1 {condition}, label %{holds}, label %{fails}, {_LIKELY}")
        self.line(f"{holds}:")
        self._exits.append((fails, self.position))

    def leave(self, position: Position) -> None:
        """Leave for good."""
        self._names += 1
        self.line(f"br label %fails{self._names}")
        self._exits.append((f"fails{self._names}", position))

    def call(self, function: str, back: int) -> None:
        """Go on in another function; `back` steps of this one's block have not been made."""
        left = self.name(f"add i64 %left, {back}") if back else "%left"
        result = self.name(f"musttail call i64 {function}(ptr %R, ptr %M, i64 {left})")
        self.line(f"ret i64 {result}")

    @contextmanager
    def branch(self, condition: str) -> Iterator[None]:
        """What is written inside runs if the condition holds and must not come back."""
        self._names += 1
        taken, other = f"taken{self._names}", f"other{self._names}"
        self.line(f"br i1 {condition}, label %{taken}, label %{other}")
        self.line(f"{taken}:")
        yield
        self.line(f"{other}:")

    def pointer(self, root: str) -> str:
        """Address in the host of a guest address."""
        if root not in self._pointers:
            wide = self.name(f"zext i32 {root} to i64")
            self._pointers[root] = self.name(f"getelementptr i8, ptr %M, i64 {wide}")
        return self._pointers[root]

    def finish(self) -> str:
        """The whole function."""
        body = "\n".join(self._lines) + "\n" + self._way_out()
        return f"define internal i64 @{self._name}{SIGNATURE} nounwind {{\n{body}\n}}\n"

    def _place(self, register: int) -> str:
        return self.name(f"getelementptr i32, ptr %R, i64 {register}")

    def _way_out(self) -> str:
        lines = [f"{label}:\nbr label %out" for label, _ in self._exits] + ["out:"]
        for name, kind in (("pc", "i32"), ("npc", "i32"), ("back", "i64")):
            choices = ", ".join(f"[{getattr(position, name)}, %{label}]" for label, position in self._exits)
            lines.append(f"%{name} = phi {kind} {choices}")
        for name, place in (("pc", PC), ("npc", NPC)):
            lines.append(f"%at_{name} = getelementptr i32, ptr %R, i64 {place}")
            lines.append(f"store i32 %{name}, ptr %at_{name}")
        return "\n".join([*lines, "%rest = add i64 %left, %back", "ret i64 %rest"])
