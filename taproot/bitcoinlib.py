"""Door to python-bitcoinlib: context-free transaction rules and block headers.

The library predates Taproot, so scripts, keys and addresses are not its business here; its plain transaction checks
and its header format are those of Bitcoin Core. It is slow (per byte), so nothing that runs often comes here.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitcoin.core import CBlockHeader, CheckTransaction, CTransaction, ValidationError
from bitcoin.core.serialize import SerializationError, uint256_from_compact

from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import hash256
from taproot.tx import Transaction

HEADER_BYTES = 80


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block header; hashes in internal byte order, `bits` the target in compact form."""

    version: int
    previous: bytes
    merkle_root: bytes
    time: int
    bits: int
    nonce: int

    @classmethod
    def from_bytes(cls, data: bytes) -> BlockHeader:
        """Parse 80 bytes. Raises InvalidInput for any other number."""
        if len(data) != HEADER_BYTES:
            raise InvalidInput(f"a block header has {HEADER_BYTES} bytes, not {len(data)}")
        h = CBlockHeader.deserialize(data)
        return cls(h.nVersion, h.hashPrevBlock, h.hashMerkleRoot, h.nTime, h.nBits, h.nNonce)

    def serialize(self) -> bytes:
        """The 80 bytes that are hashed."""
        header = CBlockHeader(self.version, self.previous, self.merkle_root, self.time, self.bits, self.nonce)
        data: bytes = header.serialize()
        return data

    @property
    def hash(self) -> bytes:
        """Block hash, 32 bytes in internal order."""
        return hash256(self.serialize())

    @property
    def target(self) -> int:
        """The number that the hash, read as a little-endian number, must not exceed."""
        target: int = uint256_from_compact(self.bits)
        return target

    def verify_work(self) -> None:
        """Raises VerificationFailed unless the hash reaches the target that the header itself states."""
        if int.from_bytes(self.hash, "little") > self.target:
            raise VerificationFailed(f"block {self.hash[::-1].hex()} does not reach its target {self.target:064x}")


def check_transaction(tx: Transaction) -> None:
    """The rules that need no context: sizes, sum of the outputs, no input twice, no null input.

    Raises InvalidInput with the library's reason (Bitcoin Core `consensus/tx_check.cpp`).
    """
    try:
        CheckTransaction(CTransaction.deserialize(tx.serialize()))
    except (ValidationError, SerializationError) as error:
        raise InvalidInput(f"transaction {tx.txid_hex} breaks a rule: {error}") from error
