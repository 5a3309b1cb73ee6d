"""What the project needs from a Bitcoin chain, whatever stands behind it.

Back ends: `btc_l2.chain.embedded` (Bitcoin Core's validation in process) and `btc_l2.chain.rpc` (a running
bitcoind). The same tests hold for both. Hashes and txids are 32 bytes in internal order, amounts are satoshis,
heights count from the genesis block (0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from btc_l2.chain.block import Block
from taproot.errors import Refused
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxOut

# `…-script-verify-flag-failed (what the interpreter says), input 0 of txid (wtxid …), spending …`
_SCRIPT_ERROR = re.compile(r"([\w-]*script-verify-flag[\w-]*) \((.*?)\)(?:, (input \d+ of \w+).*)?$")
NO_PACKAGE = "package-not-child-with-parents"
COINBASE_MATURITY = 100  # blocks on top before a coinbase output may be spent


class Rejected(Refused):
    """The chain does not take a transaction or block.

    `reason` is the short name that Bitcoin Core gives (`dust`, `tx-size`, `non-BIP68-final`,
    `mandatory-script-verify-flag-failed`, …), `detail` what more is known.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"rejected: {reason}" + (f", {detail}" if detail else ""))
        self.reason = reason
        self.detail = detail

    @classmethod
    def from_text(cls, text: str) -> Rejected:
        """Split what a node says: `reason`, `reason, detail` or `reason (detail), more`."""
        script = _SCRIPT_ERROR.match(text)
        if script:
            return cls(script[1], f"{script[2]}, {script[3]}" if script[3] else script[2])
        ends = [at for at in (text.find(", "), text.find(" (")) if at >= 0]
        cut = min(ends, default=len(text))
        return cls(_core_name(text[:cut]), text[cut:].strip(", "))

    @property
    def is_script_failure(self) -> bool:
        """Whether a script or signature was false, as opposed to policy, fees or missing coins."""
        return "script-verify-flag" in self.reason


@dataclass(frozen=True, slots=True)
class Tip:
    """The last block of the best chain."""

    height: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Coin:
    """A confirmed output that no confirmed transaction has spent."""

    outpoint: OutPoint
    output: TxOut
    height: int
    is_coinbase: bool

    def is_mature(self, tip_height: int) -> bool:
        """Whether the block after `tip_height` may spend it."""
        return not self.is_coinbase or tip_height + 1 - self.height >= COINBASE_MATURITY


@dataclass(frozen=True, slots=True)
class Spend:
    """The confirmed transaction that spent an output, by which input, in the block of which height."""

    tx: Transaction
    input_index: int
    height: int


class Chain(Protocol):
    """A view of one Bitcoin network. Lower part: test networks only, elsewhere `Refused`."""

    @property
    def network(self) -> str:
        """`regtest`, `signet`, `testnet4` or `test`; never `main`."""

    def tip(self) -> Tip:
        """Height and hash of the best block."""

    def block(self, at: int | bytes) -> Block:
        """The block of the best chain at a height, or any known block by hash. InvalidInput if there is none."""

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """Hand one transaction, or a package (parents first, the fee-paying child last), to the mempool.

        Does nothing for what is in the mempool or confirmed already. Raises Rejected with the reason.
        """

    def check(self, tx: Transaction) -> None:
        """Raise Rejected as `broadcast` of this one transaction would, and change nothing (dry run)."""

    def mempool(self) -> tuple[Transaction, ...]:
        """Unconfirmed transactions, each after its parents."""

    def estimate_fee(self) -> int:
        """Fee rate in sat/vB that confirms within about two blocks; at least 1."""

    def relay_rate(self) -> int:
        """Fee rate in sat per 1,000 vB below which nothing comes into the mempool at this moment."""

    def utxo(self, outpoint: OutPoint) -> Coin | None:
        """The confirmed unspent output; the mempool is not looked at."""

    def find_coins(self, script_pubkey: bytes) -> tuple[Coin, ...]:
        """All confirmed unspent outputs with this script, oldest first."""

    def find_spend(self, outpoint: OutPoint) -> Spend | None:
        """The confirmed transaction that spent `outpoint`."""

    def find_transaction(self, txid: bytes) -> Transaction | None:
        """A transaction with its witness, confirmed or in the mempool."""

    def confirmations(self, txid: bytes) -> int:
        """Blocks that bury it, its own included; 0 if it is unconfirmed or unknown."""

    def close(self) -> None:
        """Give files and connections back."""

    def mine(self, n: int = 1, script_pubkey: bytes = P2A_SCRIPT) -> tuple[bytes, ...]:
        """Mine `n` blocks with what the mempool holds; the reward goes to `script_pubkey`. Block hashes."""

    def mine_block(self, txs: Sequence[Transaction], script_pubkey: bytes = P2A_SCRIPT) -> bytes:
        """Mine one block with exactly these transactions, past the mempool and its policy. Rejected if false."""

    def submit_block(self, raw: bytes) -> None:
        """Take in a block that was mined elsewhere; the longest chain wins. Rejected if it is invalid."""

    def invalidate(self, block_hash: bytes) -> None:
        """Declare a block of the best chain invalid: the tip becomes its parent.

        Transactions of the removed blocks return to the mempool, as in a reorganisation.
        """


def _core_name(reason: str) -> str:
    """One name for what nodes and calls name differently: Knots splits TRUC-violation, a dry run shortens."""
    if reason.startswith("truc-"):
        return "TRUC-violation"
    if reason.startswith("package topology disallowed"):
        return NO_PACKAGE
    return "bad-txns-inputs-missingorspent" if reason == "missing-inputs" else reason
