"""A regtest chain inside this process: Bitcoin Core's validation, our own coins, mempool and miner.

No service, no port. With a folder, every block is appended to `blocks.log` before it is validated; opening the folder
validates the log again (about 0.2 ms a block), so a killed process loses nothing and nothing else must be kept
consistent. The mempool is written when the chain is closed, as bitcoind does. One process at a time.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from btc_l2.chain import policy
from btc_l2.chain.block import Block, assemble
from btc_l2.chain.blocklog import BlockLog, read_transactions, write_transactions
from btc_l2.chain.index import ChainIndex, CoinView
from btc_l2.chain.kernel import Chainstate, Outcome
from btc_l2.chain.mempool import Mempool
from btc_l2.chain.protocol import Coin, Rejected, Spend, Tip
from taproot.errors import InvalidInput
from taproot.hashes import hash256
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction
from taproot.units import MIN_RELAY_FEE_RATE

_TRIAL_NONCES = 1 << 31  # extra nonces from here on are for blocks that must fail
_BLOCKS_AT_HAND = 32  # everybody who follows the chain reads the last ones again and again


class EmbeddedChain:
    """`Chain` over libbitcoinkernel. Without a folder it lives in a temporary one and ends with `close`."""

    network = "regtest"

    def __init__(self, folder: Path | None = None, *, standard: bool = True) -> None:
        """Open or create. `standard=False` switches the relay policy off (consensus stays).

        Raises Unavailable if another process has the folder open or the disk does not take it.
        """
        self._temporary = tempfile.TemporaryDirectory(prefix="btcl2-chain-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else Path(folder or "")
        self._standard = standard
        self._trials = 0
        self._log = BlockLog.open(self.folder)
        try:
            self._start()
            self._replay()
        except BaseException:
            self._log.close()
            raise
        self._mempool.restore(read_transactions(self._mempool_file))

    def __enter__(self) -> EmbeddedChain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the mempool and release the folder; a second call does nothing."""
        if self._log.is_closed:
            return
        try:
            write_transactions(self._mempool_file, self._mempool.transactions())
        finally:
            self._state.close()
            shutil.rmtree(self._kernel_folder, ignore_errors=True)
            self._log.close()
            if self._temporary:
                self._temporary.cleanup()

    # ---- reading ---------------------------------------------------------------------------------------

    def tip(self) -> Tip:
        """See `Chain.tip`."""
        return self._index.tip

    def block(self, at: int | bytes) -> Block:
        """See `Chain.block`."""
        block_hash = self._index.hash_at(at) if isinstance(at, int) else at
        if block_hash is None:
            raise InvalidInput(f"no block at height {at!r}: the chain ends at {self.tip().height}")
        return self._read(block_hash)

    def mempool(self) -> tuple[Transaction, ...]:
        """See `Chain.mempool`."""
        return self._mempool.transactions()

    def estimate_fee(self) -> int:
        """Always the relay minimum: blocks here have room."""
        return 1

    def relay_rate(self) -> int:
        """See `Chain.relay_rate`; this mempool is never full."""
        return MIN_RELAY_FEE_RATE * 1000

    def utxo(self, outpoint: OutPoint) -> Coin | None:
        """See `Chain.utxo`."""
        return self._view.coins.get(outpoint)

    def find_coins(self, script_pubkey: bytes) -> tuple[Coin, ...]:
        """See `Chain.find_coins`."""
        coins = self._view.by_script.get(script_pubkey, {}).values()
        return tuple(sorted(coins, key=lambda coin: (coin.height, coin.outpoint)))

    def find_spend(self, outpoint: OutPoint) -> Spend | None:
        """See `Chain.find_spend`."""
        found = self._index.spenders.get(outpoint)
        if found is None:
            return None
        txid, input_index = found
        place = self._index.places[txid]
        return Spend(self.block(place.height).transactions[place.position], input_index, place.height)

    def find_transaction(self, txid: bytes) -> Transaction | None:
        """See `Chain.find_transaction`."""
        waiting = self._mempool.entries.get(txid)
        if waiting is not None:
            return waiting.tx
        place = self._index.places.get(txid)
        return None if place is None else self.block(place.height).transactions[place.position]

    def confirmations(self, txid: bytes) -> int:
        """See `Chain.confirmations`."""
        place = self._index.places.get(txid)
        return 0 if place is None else self.tip().height - place.height + 1

    # ---- writing ---------------------------------------------------------------------------------------

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """See `Chain.broadcast`."""
        package = [txs] if isinstance(txs, Transaction) else list(txs)
        policy.check_package(package)
        unknown = [tx for tx in package if not self.confirmations(tx.txid)]
        try:
            self._mempool.accept(unknown)
        except Rejected as error:
            raise self._explain(unknown, error) from None

    def check(self, tx: Transaction) -> None:
        """See `Chain.check`."""
        try:
            self._mempool.check(tx)
        except Rejected as error:
            raise self._explain([tx], error) from None

    def mine(self, n: int = 1, script_pubkey: bytes = P2A_SCRIPT) -> tuple[bytes, ...]:
        """See `Chain.mine`."""
        return tuple(self._mine_one(*self._mempool.select(), script_pubkey) for _ in range(n))

    def mine_block(self, txs: Sequence[Transaction], script_pubkey: bytes = P2A_SCRIPT) -> bytes:
        """See `Chain.mine_block`; the miner takes no fees here."""
        return self._mine_one(txs, 0, script_pubkey)

    def submit_block(self, raw: bytes) -> None:
        """See `Chain.submit_block`."""
        self._take(raw)

    def invalidate(self, block_hash: bytes) -> None:
        """See `Chain.invalidate`. The kernel starts anew and validates the blocks that remain."""
        height = self._index.height_of(block_hash)
        if not height:
            raise InvalidInput(f"block {block_hash[::-1].hex()} is not on the best chain above the genesis block")
        removed = [self._read(self._index.hashes[h]) for h in range(height, self.tip().height + 1)]
        kept = [self._read(h).serialize() for h in self._index.hashes[1:height]]
        waiting = self._mempool.transactions()
        self._state.close()
        self._log.rewrite(kept, self._log.generation + 1)
        self._start()
        self._replay()
        self._mempool.restore([tx for block in removed for tx in block.transactions[1:]])
        self._mempool.restore(waiting)

    # ---- inside ----------------------------------------------------------------------------------------

    @property
    def _mempool_file(self) -> Path:
        return self.folder / "mempool.dat"

    @property
    def _kernel_folder(self) -> Path:
        return self.folder / "kernel"

    def _start(self) -> None:
        """A kernel and a view that know the genesis block only."""
        shutil.rmtree(self._kernel_folder, ignore_errors=True)
        self._state = Chainstate(self._kernel_folder)
        self._at_hand: dict[bytes, Block] = {}
        self._index, self._view = ChainIndex(), CoinView()
        self._mempool = Mempool(self._index, self._view, self._standard)
        self._connect(Block.from_bytes(self._state.genesis(), 0))

    def _replay(self) -> None:
        for raw in self._log.records():
            self._apply(raw, self._state.process(raw))

    def _read(self, block_hash: bytes) -> Block:
        known = self._at_hand.get(block_hash)
        if known is not None:
            return known
        found = self._state.block_by_hash(block_hash)
        if found is None:
            raise InvalidInput(f"no block {block_hash[::-1].hex()} on this chain")
        block = self._at_hand[block_hash] = Block.from_bytes(found[1], found[0])
        if len(self._at_hand) > _BLOCKS_AT_HAND:
            del self._at_hand[next(iter(self._at_hand))]
        return block

    def _mine_one(self, txs: Sequence[Transaction], fees: int, script_pubkey: bytes) -> bytes:
        raw = self._assemble(txs, fees, script_pubkey, self._log.generation)
        self._take(raw)
        return hash256(raw[:80])

    def _assemble(self, txs: Sequence[Transaction], fees: int, script_pubkey: bytes, extra_nonce: int) -> bytes:
        tip = self.tip()
        when = max(int(time.time()), self._index.median_time(tip.height) + 1)
        return assemble(tip.hash, tip.height + 1, when, txs, fees, script_pubkey, extra_nonce)

    def _take(self, raw: bytes) -> None:
        """Log, validate, follow. Raises Rejected for an invalid block, which leaves the log again."""
        self._log.append(raw)
        outcome = None
        try:
            outcome = self._state.process(raw)
        finally:
            if outcome is None or outcome.error is not None or not outcome.is_new:
                self._log.drop_last()
        self._apply(raw, outcome)
        if outcome.error is not None:
            raise Rejected.from_text(outcome.error)

    def _apply(self, raw: bytes, outcome: Outcome) -> None:
        """Move index, coins and mempool to where the kernel is."""
        returned: list[Transaction] = []
        for joined, block_hash in outcome.events:
            if joined:
                height = self.tip().height + 1
                own = block_hash == hash256(raw[:80])
                self._connect(Block.from_bytes(raw, height) if own else self._read(block_hash))
            else:
                returned = [*self._disconnect(self._read(block_hash)), *returned]
        if returned:
            waiting = self._mempool.transactions()
            self._mempool.clear()
            self._mempool.restore([*returned, *waiting])

    def _connect(self, block: Block) -> None:
        self._index.connect(block)
        self._view.connect(block)
        self._mempool.remove_block(block)

    def _disconnect(self, block: Block) -> Sequence[Transaction]:
        self._index.disconnect(block)
        self._view.disconnect(block)
        return block.transactions[1:]

    def _explain(self, txs: Sequence[Transaction], error: Rejected) -> Rejected:
        """The kernel's own words where a script failed: it is asked about a block that holds the spend."""
        if not error.is_script_failure:
            return error
        self._trials += 1  # a block that the kernel knows gets no second answer
        block = [*self._mempool.ancestors_of(txs), *txs]
        trial = self._assemble(block, 0, P2A_SCRIPT, _TRIAL_NONCES + self._trials)
        outcome = self._state.process(trial)
        assert outcome.error is not None, "a spend that failed alone is valid in a block"
        return Rejected(error.reason, Rejected.from_text(outcome.error).detail)
