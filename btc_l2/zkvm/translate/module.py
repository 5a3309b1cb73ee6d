"""The module of a guest: a function for each hot block; `@entries` has them in the order of `Plan.heads`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.translate.blocks import MOST_INSTRUCTIONS, Block, Fetch, find_block
from btc_l2.zkvm.translate.control import function_name, write_function

_KERNEL = 0x8000_0000  # programs begin 64 KiB above 0, the micro kernel here: both find room in one table
_MOST_BITS = 24
ENTRIES = "entries"
_DECLARATIONS = "\n".join(
    (
        "declare i32 @llvm.fshl.i32(i32, i32, i32)",
        "declare i32 @llvm.fshr.i32(i32, i32, i32)",
        "declare i32 @llvm.ctlz.i32(i32, i1)",
        "declare i32 @llvm.bswap.i32(i32)",
        "declare {i32, i1} @llvm.sadd.with.overflow.i32(i32, i32)",
        "declare {i32, i1} @llvm.ssub.with.overflow.i32(i32, i32)",
        '!0 = !{!"branch_weights", i32 100000, i32 1}',
    )
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be translated: blocks by ascending address; they may overlap."""

    endian: Endian
    blocks: tuple[Block, ...]

    @property
    def heads(self) -> tuple[int, ...]:
        """Addresses that get a function, ascending."""
        return tuple(block.start for block in self.blocks)

    @property
    def mask(self) -> int:
        """Of the table: enough bits that two addresses do not share a row, but not for programs beyond 64 MiB."""
        places = [head % _KERNEL // 4 for head in self.heads]
        return (1 << min(max(places, default=0).bit_length(), _MOST_BITS)) - 1

    def code(self) -> dict[int, int]:
        """The guest's words by their address."""
        return {block.start + 4 * k: word for block in self.blocks for k, word in enumerate(block.words)}


def make_plan(fetch: Fetch, hot: Iterable[int], endian: Endian) -> Plan:
    """The blocks at the hot addresses; addresses that are no translatable code are passed over."""
    blocks: dict[int, Block] = {}
    waiting = {head for head in hot if head % 4 == 0}
    while waiting:
        block = find_block(fetch, waiting.pop())
        if block is not None:
            blocks[block.start] = block
            if len(block.words) == MOST_INSTRUCTIONS and block.words[-1] and block.end not in blocks:
                waiting.add(block.end)  # the rest of a block that was too long; not: empty memory, zeroes are NOP
    return Plan(endian, tuple(blocks[head] for head in sorted(blocks)))


def write_module(plan: Plan) -> str:
    """The module in LLVM's language."""
    known: Collection[int] = frozenset(plan.heads)
    functions = [write_function(block, known, plan.mask, plan.endian) for block in plan.blocks]
    names = ", ".join(f"ptr @{function_name(head)}" for head in plan.heads)
    entries = f"@{ENTRIES} = constant [{len(plan.heads)} x ptr] [{names}]"
    return "\n".join([_DECLARATIONS, *functions, entries])
