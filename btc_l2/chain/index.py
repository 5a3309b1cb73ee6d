"""Our own view of the blocks: where transactions stand, who spent what, and which coins are left.

Neither libbitcoinkernel nor a plain bitcoind answers "which transaction spent this output", so both back ends
follow the chain with a `ChainIndex`. The embedded one also keeps the set of coins (`CoinView`). Blocks come and go
at the tip only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from btc_l2.chain.block import Block
from btc_l2.chain.protocol import Coin, Tip
from btc_l2.chain.timelocks import median_time
from taproot.tx import OutPoint

OP_RETURN = 0x6A


@dataclass(frozen=True, slots=True)
class Place:
    """A transaction's position in the best chain."""

    height: int
    position: int


@dataclass(slots=True)
class ChainIndex:
    """Hashes and times by height from `start` on, positions of transactions, spenders of outpoints."""

    start: int = 0
    hashes: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    places: dict[bytes, Place] = field(default_factory=dict)
    spenders: dict[OutPoint, tuple[bytes, int]] = field(default_factory=dict)

    @property
    def tip(self) -> Tip:
        """The last block taken in; there must be one."""
        return Tip(self.start + len(self.hashes) - 1, self.hashes[-1])

    def hash_at(self, height: int) -> bytes | None:
        """Hash of the indexed block at this height."""
        place = height - self.start
        return self.hashes[place] if 0 <= place < len(self.hashes) else None

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of an indexed block, searched from the tip."""
        for place in range(len(self.hashes) - 1, -1, -1):
            if self.hashes[place] == block_hash:
                return self.start + place
        return None

    def median_time(self, height: int) -> int:
        """Median of the eleven block times that end at `height` (BIP 113)."""
        return median_time(self.times[: height - self.start + 1][-11:])

    def connect(self, block: Block) -> None:
        """Take in the block after the tip."""
        assert not self.hashes or block.previous == self.hashes[-1]
        self.hashes.append(block.hash)
        self.times.append(block.time)
        for position, tx in enumerate(block.transactions):
            self.places[tx.txid] = Place(block.height, position)
            if position:
                self.spenders.update((i.prevout, (tx.txid, n)) for n, i in enumerate(tx.inputs))

    def disconnect(self, block: Block) -> None:
        """Take back the tip."""
        assert block.hash == self.hashes[-1]
        self.hashes.pop()
        self.times.pop()
        for tx in block.transactions:
            del self.places[tx.txid]
            for tx_in in tx.inputs:
                self.spenders.pop(tx_in.prevout, None)


@dataclass(slots=True)
class CoinView:
    """All unspent outputs of the best chain, also by script; `undo` holds what each block has spent."""

    coins: dict[OutPoint, Coin] = field(default_factory=dict)
    by_script: dict[bytes, dict[OutPoint, Coin]] = field(default_factory=dict)
    undo: list[list[Coin]] = field(default_factory=list)

    def connect(self, block: Block) -> None:
        """Spend and add what the block spends and adds; the genesis coinbase is unspendable by rule."""
        spent: list[Coin] = []
        self.undo.append(spent)
        if block.height == 0:
            return
        for position, tx in enumerate(block.transactions):
            if position:
                spent.extend(self._remove(i.prevout) for i in tx.inputs)
            for vout, output in enumerate(tx.outputs):
                if output.script_pubkey[:1] != bytes([OP_RETURN]):
                    self._add(Coin(tx.outpoint(vout), output, block.height, position == 0))

    def disconnect(self, block: Block) -> None:
        """Undo `connect` of the tip."""
        returned = self.undo.pop()
        for tx in block.transactions:
            for vout in range(len(tx.outputs)):
                if tx.outpoint(vout) in self.coins:
                    self._remove(tx.outpoint(vout))
        own = {tx.txid for tx in block.transactions}
        for coin in returned:
            if coin.outpoint.txid not in own:
                self._add(coin)

    def _add(self, coin: Coin) -> None:
        self.coins[coin.outpoint] = coin
        self.by_script.setdefault(coin.output.script_pubkey, {})[coin.outpoint] = coin

    def _remove(self, outpoint: OutPoint) -> Coin:
        coin = self.coins.pop(outpoint)
        same_script = self.by_script[coin.output.script_pubkey]
        del same_script[outpoint]
        if not same_script:
            del self.by_script[coin.output.script_pubkey]
        return coin
