"""The module of a guest: a function for each hot block; `@entries` has them in the order of `Plan.heads`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.translate.blocks import MOST_INSTRUCTIONS, Block, Fetch, find_block
from btc_l2.zkvm.translate.control import function_name, write_function

MOST_BLOCKS, MOST_STEPS = 1, 64  # of a path
_LOW = 0x8000_0000  # programs stand below, the micro kernel from here on: both find room in one table
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
    """What is to be translated: paths by their first address, and the words of the guest that they consist of."""

    endian: Endian
    paths: tuple[tuple[Block, ...], ...]

    @property
    def heads(self) -> tuple[int, ...]:
        """Addresses that get a function, ascending."""
        return tuple(path[0].start for path in self.paths)

    @property
    def mask(self) -> int:
        """Of the table: enough bits that two programs addresses never share a row."""
        low = [head for head in self.heads if head < _LOW]
        return (1 << (max(low, default=0) // 4).bit_length()) - 1

    def code(self) -> dict[int, int]:
        """The guest's words by their address."""
        return {
            block.start + 4 * k: word
            for path in self.paths
            for block in path
            for k, word in enumerate(block.words)
        }  # fmt: skip


def make_plan(fetch: Fetch, hot: Iterable[int], endian: Endian) -> Plan:
    """The paths from the hot addresses; addresses that are no translatable code are passed over."""
    blocks: dict[int, Block] = {}
    waiting = {head for head in hot if head % 4 == 0}
    while waiting:
        block = find_block(fetch, waiting.pop())
        if block is not None:
            blocks[block.start] = block
            if len(block.words) == MOST_INSTRUCTIONS and block.words[-1] and block.end not in blocks:
                waiting.add(block.end)  # the rest of a block that was too long; not: empty memory, zeroes are NOP
    return Plan(endian, tuple(_follow(blocks[head], blocks) for head in sorted(blocks)))


def _follow(first: Block, blocks: dict[int, Block]) -> tuple[Block, ...]:
    path, steps = [first], len(first.words)
    while len(path) < MOST_BLOCKS:
        following = blocks.get(_likely_next(path[-1]))
        if following is None or following in path or steps + len(following.words) > MOST_STEPS:
            break
        path.append(following)
        steps += len(following.words)
    return tuple(path)


def _likely_next(block: Block) -> int:
    """Where a path goes on: behind the block, or at the target of an unconditional jump."""
    return block.end


def write_module(plan: Plan) -> str:
    """The module in LLVM's language."""
    known: Collection[int] = frozenset(plan.heads)
    functions = [write_function(path, known, plan.mask, plan.endian) for path in plan.paths]
    names = ", ".join(f"ptr @{function_name(head)}" for head in plan.heads)
    entries = f"@{ENTRIES} = constant [{len(plan.heads)} x ptr] [{names}]"
    return "\n".join([_DECLARATIONS, *functions, entries])
