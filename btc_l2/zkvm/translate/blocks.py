"""Straight lines of code: where a block ends, which words it needs, what an instruction writes.

A block runs from its first instruction to a branch and its delay slot. It ends earlier before an instruction that
the tier does not know, before a branch whose delay slot it cannot take, and after `MOST_INSTRUCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from btc_l2.zkvm.decode import decode, rd, rt
from btc_l2.zkvm.isa import Instruction
from btc_l2.zkvm.layout import PROGRAM_END, PROGRAM_START

MOST_INSTRUCTIONS = 64
RETURN_ADDRESS = 31

Fetch = Callable[[int], int]  # word at an aligned address of program memory

# Left to the interpreter: they trap, enter the kernel, halt or map.
_FOREIGN = frozenset(
    ("SYSCALL_ENTER", "SYSCALL_HALT", "SYSCALL_MAP", "SYSCALL_OTHER", "BREAK", "RESERVED")
)  # fmt: skip
_LINKS = frozenset(("JAL", "BLTZAL", "BGEZAL"))


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions one after the other; with `branch` the last two are a branch and its delay slot."""

    start: int
    words: tuple[int, ...]
    branch: bool

    @property
    def end(self) -> int:
        """Address after the last instruction."""
        return self.start + 4 * len(self.words)


def find_block(fetch: Fetch, start: int, most: int = MOST_INSTRUCTIONS) -> Block | None:
    """The block at an address; None if the tier can do nothing there."""
    words: list[int] = []
    address = start
    while len(words) < most and _is_code(address):
        word = fetch(address)
        if is_branch(word):
            slot = fetch(address + 4) if _is_code(address + 4) else None
            if slot is not None and is_known(slot) and not is_branch(slot):
                return Block(start, (*words, word, slot), True)
            break
        if not is_known(word):
            break
        words.append(word)
        address += 4
    return Block(start, tuple(words), False) if words else None


def is_known(word: int) -> bool:
    """Whether the tier has code for an instruction."""
    return decode(word).name not in _FOREIGN


def is_branch(word: int) -> bool:
    """Whether an instruction has a delay slot."""
    return decode(word).group == "branch"


def written_register(word: int) -> int:
    """The general register that an instruction of a block writes; 0 if none."""
    row = decode(word)
    if row.name in _LINKS:
        return RETURN_ADDRESS
    if row.operands.startswith("rd"):
        return rd(word)
    return rt(word) if _writes_rt(row) else 0


def _writes_rt(row: Instruction) -> bool:
    if not row.operands.startswith("rt"):
        return False
    return row.name == "SC" or (row.access != "store" and row.name != "MTC0_USERLOCAL")


def _is_code(address: int) -> bool:
    return PROGRAM_START <= address < PROGRAM_END
