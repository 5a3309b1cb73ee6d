"""Chains with trouble, between the parties and the real one: a process that dies, blocks that are replaced, dear fees.

Everything but the trouble is passed on, so the judge stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from btc_l2.chain.protocol import Chain
from challenger.presign.signer import Signer
from regtest.story import Stage
from taproot.errors import Unavailable
from taproot.presigned import Request, Signatures
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, op_return_script

# Who mines the blocks of another branch: to the same script, an empty block of the same second would be the same block.
OTHER_MINER = op_return_script(b"another branch")


class Killed(Exception):
    """The party's process ends here."""


class _Passing:
    """Passes everything on."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)


class KillingChain(_Passing):
    """Once `armed`, whoever sends a transaction for the first time dies: right before it goes out, or right after."""

    def __init__(self, chain: Chain, before: bool) -> None:
        super().__init__(chain)
        self.armed, self.deaths = False, 0
        self._before, self._met = before, set[bytes]()

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """Send, and die."""
        first = txs if isinstance(txs, Transaction) else txs[0]
        dies = self.armed and first.txid not in self._met
        self._met.add(first.txid)
        if not (dies and self._before):
            self._chain.broadcast(txs)
        if dies:
            self.deaths += 1
            raise Killed


class DearChain(_Passing):
    """Blocks are full of others' transactions: what pays less than `rate` sat/vB, with its children, is not mined."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        self.rate = 1
        self.passed_over = 0

    def estimate_fee(self) -> int:
        """What it takes now."""
        return self.rate

    def mine(self, n: int = 1, script_pubkey: bytes = P2A_SCRIPT) -> tuple[bytes, ...]:
        """Blocks with those packages only that pay enough."""
        return tuple(self._mine_one(script_pubkey) for _ in range(n))

    def _mine_one(self, script_pubkey: bytes) -> bytes:
        families = list(self._families())
        paying = [family for family in families if _rate(self._chain, family) >= self.rate]
        self.passed_over += len(families) - len(paying)
        return self._chain.mine_block([tx for family in paying for tx in family], script_pubkey)

    def _families(self) -> Iterator[list[Transaction]]:
        """Each transaction without waiting parents, with all that hang on it."""
        mempool = self._chain.mempool()
        known = {tx.txid for tx in mempool}
        for tx in mempool:
            if any(i.prevout.txid in known for i in tx.inputs):
                continue
            family = [tx]
            for other in mempool:
                if any(i.prevout.txid in {t.txid for t in family} for i in other.inputs):
                    family.append(other)
            yield family


def _rate(chain: Chain, family: Sequence[Transaction]) -> float:
    """sat/vB of all together."""
    made = {tx.outpoint(k): out.value for tx in family for k, out in enumerate(tx.outputs)}

    def value(outpoint: OutPoint) -> int:
        coin = None if outpoint in made else chain.utxo(outpoint)
        return made.get(outpoint, 0) if coin is None else coin.output.value

    paid = sum(value(i.prevout) for tx in family for i in tx.inputs)
    fee = paid - sum(out.value for tx in family for out in tx.outputs)
    return fee / sum(tx.vbytes for tx in family)


def restart(stage: Stage, index: int) -> None:
    """A new process of the same party; all it has is the journal of the old one."""
    name = stage.players[index].name
    stage.players[index].journal.close()
    stage.players[index] = stage.make_player(name)


def tick_with_restarts(stage: Stage) -> None:
    """One round in which whoever dies starts again until it gets through."""
    for index in range(len(stage.players)):
        while not _survives(stage, index):
            restart(stage, index)
    stage.mine()


def _survives(stage: Stage, index: int) -> bool:
    try:
        stage.players[index].tick()
    except Killed:
        return False
    return True


def replace_last_block(stage: Stage, look: Callable[[], None]) -> None:
    """The last block is replaced by an empty one and a block more; `look` is called in between."""
    chain = stage.chain
    chain.invalidate(chain.tip().hash)
    look()
    chain.mine_block([], OTHER_MINER)
    stage.mine()


class Offline:
    """A participant of a signing ceremony that goes away: its call number `at` (from 0) is never answered."""

    CALLS = (
        "digest", "public_nonces", "partial_signatures", "see_signatures", "public_nonces of confirm",
        "partial_signatures of confirm",
    )  # fmt: skip

    def __init__(self, signer: Signer, at: int) -> None:
        self._signer, self._at, self._calls = signer, at, 0

    @property
    def name(self) -> str:
        """The signer's name."""
        return self._signer.name

    def digest(self) -> bytes:
        """See `Signer.digest`."""
        self._answer()
        return self._signer.digest()

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        """See `Signer.public_nonces`."""
        self._answer()
        return self._signer.public_nonces(requests)

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        """See `Signer.partial_signatures`."""
        self._answer()
        return self._signer.partial_signatures(requests, aggregate_nonces)

    def see_signatures(self, signatures: Signatures) -> None:
        """See `Signer.see_signatures`."""
        self._answer()
        self._signer.see_signatures(signatures)

    def _answer(self) -> None:
        call, self._calls = self._calls, self._calls + 1
        if call == self._at:
            raise Unavailable(f"{self.name} does not answer to {self.CALLS[call]}; start the ceremony again later")
