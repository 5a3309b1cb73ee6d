"""What a Taproot signature signs: the signature hash of BIP341 with the extension of BIP342; no annex.

The message is hashed in this order (BIP341 "Common signature message"):

    epoch 0, hash_type, version, locktime                       10 bytes
    unless ANYONECANPAY: SHA256 of all outpoints, amounts, scripts, sequences
    unless NONE or SINGLE: SHA256 of all outputs
    spend_type = 2 * (script path)
    ANYONECANPAY: outpoint, amount, script, sequence of this input; else its index
    SINGLE: SHA256 of the output with the same index
    script path: leaf hash, key version 0, position of the last OP_CODESEPARATOR

Everything before spend_type is the same for all inputs, so a `SighashCache` hashes it once per hash type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from taproot.errors import InvalidInput
from taproot.hashes import tagged_hasher
from taproot.tx import Transaction, TxIn, TxOut, compact_size

if TYPE_CHECKING:
    from hashlib import _Hash

NO_CODESEPARATOR = 0xFFFF_FFFF
_EPOCH = b"\x00"
_KEY_VERSION = b"\x00"
_OUTPUT_MASK = 3
_ANYONECANPAY_FLAG = 0x80


class SighashType(IntEnum):
    """The seven types of BIP341. DEFAULT signs what ALL signs and saves the type byte after the signature."""

    DEFAULT = 0x00
    ALL = 0x01
    NONE = 0x02
    SINGLE = 0x03
    ALL_ANYONECANPAY = 0x81
    NONE_ANYONECANPAY = 0x82
    SINGLE_ANYONECANPAY = 0x83


class SighashCache:
    """Signature hashes of one transaction; `prevouts` are the outputs that its inputs spend, in their order.

    Witnesses of the transaction do not matter.
    """

    __slots__ = ("_prefixes", "prevouts", "tx")

    def __init__(self, tx: Transaction, prevouts: Sequence[TxOut]) -> None:
        """Raises InvalidInput unless there is one spent output per input."""
        if len(prevouts) != len(tx.inputs):
            raise InvalidInput(f"{len(tx.inputs)} inputs but {len(prevouts)} spent outputs")
        self.tx = tx
        self.prevouts = tuple(prevouts)
        self._prefixes: dict[int, _Hash] = {}

    def key_path(self, index: int, hash_type: int = SighashType.DEFAULT) -> bytes:
        """Hash (32 bytes) that a key-path signature of input `index` signs.

        Raises InvalidInput for an unknown type, an input that is not there, SINGLE without an output of its index.
        """
        return self._hash(index, hash_type, b"\x00", b"")

    def script_path(
        self,
        index: int,
        leaf_hash: bytes,
        hash_type: int = SighashType.DEFAULT,
        codeseparator: int = NO_CODESEPARATOR,
    ) -> bytes:
        """Hash (32 bytes) that an OP_CHECKSIG in the leaf `leaf_hash` checks for input `index`.

        `codeseparator` is the position, counted in opcodes, of the last OP_CODESEPARATOR that ran.
        Raises InvalidInput as `key_path` does.
        """
        if len(leaf_hash) != 32 or not 0 <= codeseparator <= NO_CODESEPARATOR:
            raise InvalidInput("a leaf hash has 32 bytes, a code separator position 32 bits")
        extension = leaf_hash + _KEY_VERSION + codeseparator.to_bytes(4, "little")
        return self._hash(index, hash_type, b"\x02", extension)

    def _hash(self, index: int, hash_type: int, spend_type: bytes, extension: bytes) -> bytes:
        if not 0 <= index < len(self.tx.inputs):
            raise InvalidInput(f"input {index} of a transaction with {len(self.tx.inputs)} inputs")
        hasher = self._prefix(hash_type).copy()
        hasher.update(spend_type + self._of_input(index, hash_type) + extension)
        return hasher.digest()

    def _of_input(self, index: int, hash_type: int) -> bytes:
        message = index.to_bytes(4, "little")
        if hash_type & _ANYONECANPAY_FLAG:
            spending, spent = self.tx.inputs[index], self.prevouts[index]
            message = spending.prevout.serialize() + spent.serialize() + _sequence(spending)
        if hash_type & _OUTPUT_MASK == SighashType.SINGLE:
            if index >= len(self.tx.outputs):
                raise InvalidInput(f"SIGHASH_SINGLE for input {index}, which has no output of its index")
            message += hashlib.sha256(self.tx.outputs[index].serialize()).digest()
        return message

    def _prefix(self, hash_type: int) -> _Hash:
        if hash_type not in self._prefixes:
            self._prefixes[hash_type] = self._compute_prefix(hash_type)
        return self._prefixes[hash_type]

    def _compute_prefix(self, hash_type: int) -> _Hash:
        if hash_type not in SighashType.__members__.values():
            raise InvalidInput(f"{hash_type:#x} is not a hash type of BIP341")
        hasher = tagged_hasher("TapSighash")
        hasher.update(_EPOCH + bytes([hash_type]))
        hasher.update(self.tx.version.to_bytes(4, "little") + self.tx.locktime.to_bytes(4, "little"))
        if not hash_type & _ANYONECANPAY_FLAG:
            hasher.update(self._all_inputs())
        if hash_type & _OUTPUT_MASK not in (SighashType.NONE, SighashType.SINGLE):
            hasher.update(_sha256_of([output.serialize() for output in self.tx.outputs]))
        return hasher

    def _all_inputs(self) -> bytes:
        scripts = [output.script_pubkey for output in self.prevouts]
        return b"".join(
            (
                _sha256_of([i.prevout.serialize() for i in self.tx.inputs]),
                _sha256_of([output.value.to_bytes(8, "little") for output in self.prevouts]),
                _sha256_of([compact_size(len(script)) + script for script in scripts]),
                _sha256_of([_sequence(i) for i in self.tx.inputs]),
            )
        )


def append_hash_type(signature: bytes, hash_type: int = SighashType.DEFAULT) -> bytes:
    """The signature as it stands in a witness: DEFAULT adds nothing, every other type one byte (BIP341)."""
    return signature if hash_type == SighashType.DEFAULT else signature + bytes([hash_type])


def _sequence(spending: TxIn) -> bytes:
    return spending.sequence.to_bytes(4, "little")


def _sha256_of(parts: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
