"""Blocks: parsing, Merkle roots, the witness commitment (BIP 141) and assembly for regtest.

Regtest's proof of work is a formality: every second hash is below the target. Rules that are not obvious: the
coinbase's input script starts with the height (BIP 34) and has 2–100 bytes; its witness is one item of 32 zero
bytes, and one of its outputs commits to the witnesses of all other transactions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from taproot.errors import InvalidInput
from taproot.hashes import hash256
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, compact_size, read_transaction
from taproot.units import COIN, MAX_BLOCK_WEIGHT, SEQUENCE_FINAL, Sats

HEADER_SIZE = 80
REGTEST_BITS = 0x207FFFFF
REGTEST_TARGET = 0x7FFFFF << 232
SUBSIDY_HALVING = 150  # blocks, regtest
# What the transactions of a block may weigh: header, count and coinbase are set aside.
MAX_BLOCK_CONTENT = MAX_BLOCK_WEIGHT - 4_000
_BLOCK_VERSION = 0x20000000  # BIP 9, no signal
_COMMITMENT_PREFIX = bytes.fromhex("6a24aa21a9ed")
_WITNESS_RESERVED = bytes(32)


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its place in the chain; `time` is the header's (seconds, not monotonic)."""

    height: int
    hash: bytes
    header: bytes
    transactions: tuple[Transaction, ...]

    @classmethod
    def from_bytes(cls, raw: bytes, height: int) -> Block:
        """Parse a serialized block; the height is the caller's knowledge. InvalidInput if it does not parse."""
        if len(raw) <= HEADER_SIZE:
            raise InvalidInput(f"{len(raw)} bytes are too few for a block")
        count, offset = _read_count(raw, HEADER_SIZE)
        transactions = []
        for _ in range(count):
            tx, offset = read_transaction(raw, offset)
            transactions.append(tx)
        if offset != len(raw):
            raise InvalidInput(f"{len(raw) - offset} bytes too many after the block")
        header = raw[:HEADER_SIZE]
        return cls(height, hash256(header), header, tuple(transactions))

    def serialize(self) -> bytes:
        """The bytes that nodes exchange."""
        body = b"".join(tx.serialize() for tx in self.transactions)
        return self.header + compact_size(len(self.transactions)) + body

    @property
    def previous(self) -> bytes:
        """Hash of the parent."""
        return self.header[4:36]

    @property
    def time(self) -> int:
        """Seconds since 1970, as the miner says."""
        return header_time(self.header)


def header_time(header: bytes) -> int:
    """The time field of a header of 80 bytes."""
    return int.from_bytes(header[68:72], "little")


def compute_merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Bitcoin's Merkle root; an odd last node is paired with itself."""
    row = list(hashes)
    while len(row) > 1:
        if len(row) % 2:
            row.append(row[-1])
        row = [hash256(row[i] + row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def compute_subsidy(height: int) -> Sats:
    """New coins of a regtest block."""
    return Sats(50 * COIN >> (height // SUBSIDY_HALVING))


def assemble(
    previous: bytes,
    height: int,
    time: int,
    transactions: Sequence[Transaction],
    fees: int,
    script_pubkey: bytes,
    extra_nonce: int = 0,
) -> bytes:
    """A serialized regtest block with valid proof of work.

    `fees` (sat) is what the transactions leave to the miner; `extra_nonce` makes two blocks of the same height
    and content differ.
    """
    reward = TxOut(Sats(compute_subsidy(height) + fees), script_pubkey)
    coinbase = _coinbase(height, reward, _commitment(transactions), extra_nonce)
    block = (coinbase, *transactions)
    root = compute_merkle_root([tx.txid for tx in block])
    header = _grind(struct.pack("<I32s32sII", _BLOCK_VERSION, previous, root, time, REGTEST_BITS))
    return header + compact_size(len(block)) + b"".join(tx.serialize() for tx in block)


def _commitment(transactions: Sequence[Transaction]) -> TxOut:
    root = compute_merkle_root([bytes(32), *(tx.wtxid for tx in transactions)])
    return TxOut(Sats(0), _COMMITMENT_PREFIX + hash256(root + _WITNESS_RESERVED))


def _coinbase(height: int, reward: TxOut, commitment: TxOut, extra_nonce: int) -> Transaction:
    script = _height_push(height) + b"\x04" + extra_nonce.to_bytes(4, "little")
    nothing = OutPoint(bytes(32), 0xFFFFFFFF)
    tx_in = TxIn(nothing, SEQUENCE_FINAL, script, (_WITNESS_RESERVED,))
    return Transaction(2, (tx_in,), (reward, commitment))


def _height_push(height: int) -> bytes:
    """The height as a minimal script push (BIP 34): OP_1…OP_16 for small numbers."""
    if 1 <= height <= 16:
        return bytes([0x50 + height])
    size = (height.bit_length() + 8) // 8
    return bytes([size]) + height.to_bytes(size, "little")


def _grind(header_without_nonce: bytes) -> bytes:
    for nonce in range(1 << 32):
        header = header_without_nonce + nonce.to_bytes(4, "little")
        if int.from_bytes(hash256(header), "little") <= REGTEST_TARGET:
            return header
    raise AssertionError("2^32 nonces at regtest difficulty")


def _read_count(data: bytes, offset: int) -> tuple[int, int]:
    """The number of transactions and the offset after it."""
    first = data[offset]
    if first < 0xFD:
        return first, offset + 1
    width = 1 << (first - 0xFC)
    return int.from_bytes(data[offset + 1 : offset + 1 + width], "little"), offset + 1 + width
