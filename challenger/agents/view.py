"""What the chain shows of one graph: which transactions confirmed at which height, which outputs are spent by whom.

Follows the chain block by block; a reorganisation takes back what it removed. Nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.chain.protocol import Chain, Tip
from taproot.presigned import Graph
from taproot.tx import OutPoint, Transaction

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A transaction of the graph in a block (`name` is `unknown` for a foreign spend of one of its outputs)."""

    name: str
    tx: Transaction
    height: int


class View:
    """The confirmed part of a graph, up to the chain's tip when `refresh` was last called."""

    def __init__(self, chain: Chain, graph: Graph, start: int) -> None:
        """`start` is the height of the first block that can hold a transaction of the graph."""
        self._chain = chain
        self._graph = graph
        self._hashes: dict[int, bytes] = {}
        self._start = start
        self._watched: dict[OutPoint, str] = {outpoint: name for name, outpoint in graph.outpoints.items()}
        self.height = start - 1
        self.by_name: dict[str, Confirmed] = {}
        self.spent: dict[str, Confirmed] = {}

    def refresh(self) -> list[Confirmed]:
        """Follow to the tip; returns what is newly confirmed, in order."""
        self._unwind()
        new: list[Confirmed] = []
        while self.height < self._chain.tip().height:
            block = self._chain.block(self.height + 1)
            if block.previous != self._hashes.get(self.height, block.previous):  # the chain changed meanwhile
                self._unwind()
                continue
            self.height += 1
            self._hashes[self.height] = block.hash
            for tx in block.transactions:
                new += self._take(tx, self.height)
        return new

    def _unwind(self) -> None:
        """Forget blocks that are no longer in the best chain."""
        while self.height >= self._start and not self._stands(self._chain.tip()):
            gone = self.height
            del self._hashes[gone]
            self.by_name = {n: c for n, c in self.by_name.items() if c.height != gone}
            self.spent = {n: c for n, c in self.spent.items() if c.height != gone}
            self.height -= 1

    def _stands(self, tip: Tip) -> bool:
        """Is the last block taken in still in the best chain?"""
        if self.height >= tip.height:
            return self.height == tip.height and self._hashes[self.height] == tip.hash
        return self._chain.block(self.height).hash == self._hashes[self.height]

    def _take(self, tx: Transaction, height: int) -> list[Confirmed]:
        outputs = [self._watched[i.prevout] for i in tx.inputs if i.prevout in self._watched]
        if not outputs:
            return []
        seen = Confirmed(self._graph.find_played(tx) or UNKNOWN, tx, height)
        for name in outputs:
            self.spent[name] = seen
        if seen.name != UNKNOWN:
            self.by_name[seen.name] = seen
        return [seen]

    def confirmed(self, name: str) -> Confirmed | None:
        """A transaction of the graph, if it is confirmed."""
        return self.by_name.get(name)

    def depth(self, name: str) -> int:
        """Confirmations of a transaction of the graph; 0 if it has none."""
        seen = self.by_name.get(name)
        return 0 if seen is None else self.height - seen.height + 1

    def is_spent(self, output: str) -> bool:
        """Is that output of the graph spent in a block?"""
        return output in self.spent
