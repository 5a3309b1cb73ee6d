"""Which addresses are hot: the starts of the blocks that make nearly all steps of a run.

Counts of steps by address come from `observe.count_steps`. A hot list is only a hint: whatever is in it, the machine's
states are the same, only its speed is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from btc_l2.zkvm.decode import decode, signed_immediate
from btc_l2.zkvm.outcome import MASK, signed
from btc_l2.zkvm.translate.blocks import Fetch, is_branch

COVERAGE = 0.9999  # of all steps


def find_hot(counts: Mapping[int, int], fetch: Fetch, coverage: float = COVERAGE) -> list[int]:
    """Addresses where blocks start, as far as the instructions that make `coverage` of all steps reach; ascending."""
    often = _frequent(counts, coverage)
    targets = {target for address in often for target in _targets(fetch, address)}
    return sorted(a for a in often if a in targets or _starts(counts, fetch, a))


def merge_hot(lists: Iterable[Iterable[int]]) -> list[int]:
    """The hot addresses of several runs as one list."""
    return sorted({address for addresses in lists for address in addresses})


def _frequent(counts: Mapping[int, int], coverage: float) -> list[int]:
    """The most frequent addresses that make up the coverage."""
    wanted, found = coverage * sum(counts.values()), []
    for address, count in sorted(counts.items(), key=lambda item: item[1], reverse=True):
        if wanted <= 0:
            break
        found.append(address)
        wanted -= count
    return found


def _starts(counts: Mapping[int, int], fetch: Fetch, address: int) -> bool:
    """Behind a delay slot, or where steps come from elsewhere than from the instruction before."""
    if address >= 8 and address - 8 in counts and is_branch(fetch(address - 8)):
        return True
    return counts.get(address - 4) != counts[address]


def _targets(fetch: Fetch, address: int) -> tuple[int, ...]:
    """Where a branch with a fixed target leads."""
    word = fetch(address)
    row = decode(word)
    if row.group != "branch" or row.name in ("JR", "JALR"):
        return ()
    if row.name in ("J", "JAL"):
        return (address + 4 & 0xF000_0000 | (word & 0x03FF_FFFF) << 2,)
    return (address + 4 + (signed(signed_immediate(word)) << 2) & MASK,)
