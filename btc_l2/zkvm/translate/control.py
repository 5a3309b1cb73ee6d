"""One function from a block: budget, instructions, the branch with its delay slot, ways to other functions.

The function takes the steps of the block from the budget first and leaves if there are not so many: so the tier stops
exactly where it has to, and the interpreter makes the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from btc_l2.zkvm.decode import decode, rd, rs, rt, signed_immediate
from btc_l2.zkvm.outcome import MASK, Endian, signed
from btc_l2.zkvm.translate import alu, memory, muldiv
from btc_l2.zkvm.translate.alu import Emit
from btc_l2.zkvm.translate.blocks import RETURN_ADDRESS, Block
from btc_l2.zkvm.translate.writer import TABLE, Position, Writer, constant

_EMITTERS: Mapping[str, Emit] = {**alu.EMITTERS, **muldiv.EMITTERS, **memory.LOADS}
_RELATIONS = {"BEQ": "eq", "BNE": "ne", "BLEZ": "sle", "BGTZ": "sgt", "BLTZ": "slt", "BGEZ": "sge"}
_AND_LINK = "AL"


def function_name(address: int) -> str:
    """Name of the function that starts at an address of the guest."""
    return f"at_{address:x}"


class BlockWriter:
    """Writes the function of one block. `known`: addresses that have a function; `mask`: of the table of entries."""

    def __init__(self, block: Block, known: Collection[int], mask: int, endian: Endian) -> None:
        self._block = block
        self._known = known
        self._mask = mask
        self._left = len(block.words)  # steps not yet made
        self._w = Writer(function_name(block.start), self._left, endian)

    def write(self) -> str:
        """The function."""
        w, block = self._w, self._block
        self._stand_at(block.start)
        w.guard(w.name("icmp sge i64 %left, 0"))
        straight = len(block.words) - (2 if block.branch else 0)
        for k in range(straight):
            self._stand_at(block.start + 4 * k)
            self._write_one(block.words[k:])
        if block.branch:
            self._write_branch(block.words[-2], block.words[-1], block.start + 4 * straight)
        else:
            self._go(block.end)
        return w.finish()

    def _stand_at(self, address: int, then: str | None = None) -> None:
        """Guards from here on leave before this instruction."""
        after = constant(address + 4).name if then is None else then
        self._w.position = Position(constant(address).name, after, self._left)

    def _write_one(self, words: tuple[int, ...]) -> None:
        """The first of the words; the others are what follows in the block."""
        name = decode(words[0]).name
        if name in memory.STORES:
            memory.STORES[name](self._w, words)
        else:
            _EMITTERS[name](self._w, words[0])
        self._left -= 1

    def _write_branch(self, word: int, slot: int, address: int) -> None:
        name = decode(word).name
        if name in ("JR", "JALR"):
            self._jump_register(name, word, slot, address)
        elif name in ("J", "JAL"):
            self._jump(name, word, slot, address)
        else:
            self._branch(name, word, slot, address)

    def _take_slot(self, slot: int, address: int, then: str) -> None:
        """The branch has been made; now its delay slot."""
        self._left -= 1
        self._stand_at(address + 4, then)
        self._write_one((slot,))

    def _link(self, register: int, address: int) -> None:
        self._w.put(register, constant(address + 8))

    def _jump(self, name: str, word: int, slot: int, address: int) -> None:
        target = address + 4 & 0xF000_0000 | (word & 0x03FF_FFFF) << 2
        if name == "JAL":
            self._link(RETURN_ADDRESS, address)
        self._take_slot(slot, address, constant(target).name)
        self._go(target)

    def _jump_register(self, name: str, word: int, slot: int, address: int) -> None:
        w, target = self._w, self._w.get(rs(word)).name
        if name == "JALR":
            self._link(rd(word), address)
        then = w.name(f"add i32 {target}, 0")
        self._take_slot(slot, address, then)
        w.position = Position(then, w.name(f"add i32 {then}, 4"), self._left)
        self._dispatch(then)

    def _branch(self, name: str, word: int, slot: int, address: int) -> None:
        w = self._w
        target = address + 4 + (signed(signed_immediate(word)) << 2) & MASK
        other = address + 8 & MASK
        if name == "BEQ" and rs(word) == rt(word):
            self._take_slot(slot, address, constant(target).name)
            self._go(target)
            return
        taken = self._condition(name.removesuffix(_AND_LINK), word)
        if name.endswith(_AND_LINK):
            self._link(RETURN_ADDRESS, address)
        then = w.name(f"select i1 {taken}, i32 {constant(target).name}, i32 {constant(other).name}")
        self._take_slot(slot, address, then)
        with w.branch(taken):
            self._go(target)
        self._go(other)

    def _condition(self, name: str, word: int) -> str:
        w = self._w
        right = w.get(rt(word)).name if name in ("BEQ", "BNE") else "0"
        return w.name(f"icmp {_RELATIONS[name]} i32 {w.get(rs(word)).name}, {right}")

    def _go(self, target: int) -> None:
        """On to an address, after everything that was written so far."""
        if target in self._known:
            self._w.call(f"@{function_name(target)}", self._left)
        else:
            self._w.leave(Position(constant(target).name, constant(target + 4).name, self._left))

    def _dispatch(self, target: str) -> None:
        """On to the function that the table names for an address; out if it names none."""
        w = self._w
        place = w.name(f"and i32 {w.name(f'lshr i32 {target}, 2')}, {self._mask}")
        table = w.name(f"load ptr, ptr {w.name(f'getelementptr i32, ptr %R, i64 {TABLE}')}")
        row = w.name(f"getelementptr {{i64, ptr}}, ptr {table}, i64 {w.name(f'zext i32 {place} to i64')}")
        tag = w.name(f"load i64, ptr {row}")
        w.guard(w.name(f"icmp eq i64 {tag}, {w.name(f'zext i32 {target} to i64')}"))
        function = w.name(f"load ptr, ptr {w.name(f'getelementptr i8, ptr {row}, i64 8')}")
        w.call(function, self._left)


def write_function(block: Block, known: Collection[int], mask: int, endian: Endian) -> str:
    """The function of a block in LLVM's language."""
    return BlockWriter(block, known, mask, endian).write()
