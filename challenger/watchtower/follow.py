"""Following the best chain: blocks are taken in once, for all deposits together; a reorganisation takes them back.

Many blocks are one transaction of the store while catching up. Where a reorganisation goes deeper than the hashes that
are kept, nothing is guessed: Unavailable, with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from btc_l2.chain.block import Block
from btc_l2.chain.protocol import Chain
from challenger.watchtower.index import find_events
from challenger.watchtower.store import Event, Store
from taproot.errors import Unavailable

KEPT_BLOCKS = 4_032  # hashes remembered, four weeks: no reorganisation that anyone survives is deeper
BATCH = 500  # blocks in one transaction of the store


@dataclass(frozen=True, slots=True)
class Followed:
    """What one look at the chain brought: height now, blocks taken in, blocks taken back, events in order."""

    height: int
    taken: int
    rewound: int
    events: tuple[Event, ...]


class Follower:
    """Brings a store to the chain's tip."""

    def __init__(self, chain: Chain, store: Store, start: int) -> None:
        """`start`: height of the first block that can hold a transaction of any deposit."""
        self._chain = chain
        self._store = store
        self._start = start
        store.begin(start)
        self.height = store.height()

    def go_back(self, height: int) -> None:
        """Take in again what stands above `height`: a deposit was added whose graph has been used already."""
        if height < self.height and not self._store.rewind(self.height, height):
            raise Unavailable(f"another watchtower uses {self._store.path}; stop one of them")
        self.height = self._store.height()

    def follow(self) -> Followed:
        """Up to the tip. Raises Unavailable if the node or the disk fails; what was taken in stays."""
        rewound, taken, events = 0, 0, []
        self.height = self._store.height()
        while self.height < (tip := self._chain.tip()).height or not self._stands(tip.height):
            rewound += self._unwind(tip.height)
            for blocks in self._batches(tip.height):
                if not self._links(blocks):
                    break  # the chain changed meanwhile
                found = find_events(self._store, blocks)
                self._take(blocks, found)
                taken += len(blocks)
                events += found
        return Followed(self.height, taken, rewound, tuple(events))

    def _batches(self, tip: int) -> Iterator[list[Block]]:
        while self.height < tip:
            last = min(tip, self.height + BATCH)
            yield [self._chain.block(h) for h in range(self.height + 1, last + 1)]

    def _links(self, blocks: list[Block]) -> bool:
        hashes = [self._store.hash_at(self.height), *(b.hash for b in blocks)]
        return all(known in (None, b.previous) for known, b in zip(hashes, blocks, strict=False))

    def _take(self, blocks: list[Block], events: list[Event]) -> None:
        rows = [(b.height, b.hash) for b in blocks]
        if not self._store.advance(self.height, rows, events, KEPT_BLOCKS):
            raise Unavailable(f"another watchtower uses {self._store.path}; stop one of them")
        self.height = blocks[-1].height

    def _stands(self, tip: int) -> bool:
        """Is the last block taken in still in the best chain?"""
        known = self._store.hash_at(self.height)
        if known is None:
            return self.height < self._start or self.height <= tip
        return self.height <= tip and self._chain.block(self.height).hash == known

    def _unwind(self, tip: int) -> int:
        """Forget the blocks that are no longer in the best chain; how many."""
        base = fork = self.height
        while fork >= self._start:
            known = self._store.hash_at(fork)
            if known is None and fork == base:
                break  # taken back on purpose, for a deposit that was added
            if known is None:
                raise Unavailable(
                    f"the chain has changed below height {fork}, deeper than the {KEPT_BLOCKS} blocks that are kept; "
                    f"remove {self._store.path} and start again: the chain has all"
                )
            if fork <= tip and self._chain.block(fork).hash == known:
                break
            fork -= 1
        if fork < base and not self._store.rewind(base, fork):
            raise Unavailable(f"another watchtower uses {self._store.path}; stop one of them")
        self.height = fork
        return base - fork
