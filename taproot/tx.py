"""Transactions: outpoints, inputs, outputs and their serialisation (BIP144), with txid, weight and size.

Everything is frozen; a transaction remembers its form without witness, so txid and weight cost once.
Txids are kept in internal byte order (as they are hashed); only `txid_hex` shows display order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from taproot.errors import InvalidInput
from taproot.hashes import hash256
from taproot.units import MAX_MONEY, SEQUENCE_FINAL, Sats, vbytes_of_weight

Witness = tuple[bytes, ...]

P2A_SCRIPT = bytes.fromhex("51024e73")  # pay to anchor: anyone may spend it with an empty witness
_SEGWIT_MARKER = b"\x00\x01"
_NULL_TXID = bytes(32)
_U32_MAX = 0xFFFF_FFFF
_ONE_BYTE = 0xFC  # longest length that one byte holds


@dataclass(frozen=True, slots=True, order=True)
class OutPoint:
    """The output `vout` of the transaction `txid` (32 bytes, internal order)."""

    txid: bytes
    vout: int

    def __post_init__(self) -> None:
        if len(self.txid) != 32 or not 0 <= self.vout <= _U32_MAX:
            raise InvalidInput("an outpoint needs a txid of 32 bytes and an index of 32 bits")

    def __str__(self) -> str:
        return f"{self.txid[::-1].hex()}:{self.vout}"

    @classmethod
    def from_str(cls, text: str) -> OutPoint:
        """Read `txid:vout` with the txid in display order, as explorers and RPC write it."""
        txid, _, vout = text.partition(":")
        try:
            return cls(bytes.fromhex(txid)[::-1], int(vout))
        except ValueError as error:
            raise InvalidInput(f"not an outpoint: {text!r}; write it as txid:vout") from error

    def serialize(self) -> bytes:
        """36 bytes: txid, index."""
        return self.txid + self.vout.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class TxIn:
    """An input: what it spends, its sequence number, and what satisfies the spent script."""

    prevout: OutPoint
    sequence: int = SEQUENCE_FINAL
    script_sig: bytes = b""
    witness: Witness = ()

    def __post_init__(self) -> None:
        if not 0 <= self.sequence <= _U32_MAX:
            raise InvalidInput(f"sequence {self.sequence} does not fit 32 bits")


@dataclass(frozen=True, slots=True)
class TxOut:
    """An output: a value in satoshis and the script that guards it."""

    value: Sats
    script_pubkey: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MAX_MONEY:
            raise InvalidInput(f"an output of {self.value} sat is outside 0..21 million bitcoin")

    def serialize(self) -> bytes:
        """Value, length of the script, script."""
        return self.value.to_bytes(8, "little") + compact_size(len(self.script_pubkey)) + self.script_pubkey


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction. `version` and `locktime` are unsigned 32-bit numbers; equality sees the witnesses."""

    version: int
    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    locktime: int = 0
    _base: bytes = field(default=b"", init=False, repr=False, compare=False)
    _txid: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (0 <= self.version <= _U32_MAX and 0 <= self.locktime <= _U32_MAX):
            raise InvalidInput("version and locktime must fit 32 bits")
        if not self.inputs or not self.outputs:
            raise InvalidInput("a transaction needs at least one input and one output")

    @classmethod
    def from_bytes(cls, data: bytes) -> Transaction:
        """Parse one whole transaction.

        Raises InvalidInput for truncation, trailing bytes, a length not in its shortest form, a superfluous
        or unknown segwit marker, no inputs or outputs, an impossible value.
        """
        tx, end = read_transaction(data, 0)
        if end != len(data):
            raise InvalidInput(f"{len(data) - end} bytes too many after the transaction")
        return tx

    def serialize(self, witness: bool = True) -> bytes:
        """Bytes on the wire; with `witness=False`, or if no input has one, the form that the txid hashes."""
        base = self._serialize_base()
        if not witness or not self.has_witness:
            return base
        return b"".join((base[:4], _SEGWIT_MARKER, base[4:-4], *self._witness_parts(), base[-4:]))

    @property
    def has_witness(self) -> bool:
        """Whether any input carries a witness."""
        return any(i.witness for i in self.inputs)

    @property
    def txid(self) -> bytes:
        """32 bytes in internal order; does not depend on the witnesses."""
        if not self._txid:
            object.__setattr__(self, "_txid", hash256(self._serialize_base()))
        return self._txid

    @property
    def txid_hex(self) -> str:
        """The txid in display order."""
        return self.txid[::-1].hex()

    @property
    def wtxid(self) -> bytes:
        """32 bytes in internal order, over the witnesses too (BIP141)."""
        return hash256(self.serialize()) if self.has_witness else self.txid

    @property
    def weight(self) -> int:
        """Weight units: 4 per byte outside the witnesses, 1 per byte of them (BIP141)."""
        weight = 4 * len(self._serialize_base())
        if not self.has_witness:
            return weight
        return weight + len(_SEGWIT_MARKER) + sum(witness_size(i.witness) for i in self.inputs)

    @property
    def vbytes(self) -> int:
        """Virtual bytes, rounded up."""
        return vbytes_of_weight(self.weight)

    @property
    def is_coinbase(self) -> bool:
        """Whether this is the first transaction of a block, which spends nothing."""
        prevout = self.inputs[0].prevout
        return len(self.inputs) == 1 and prevout.txid == _NULL_TXID and prevout.vout == _U32_MAX

    def outpoint(self, vout: int) -> OutPoint:
        """The outpoint of one of its own outputs; InvalidInput if it has none of this number."""
        if not 0 <= vout < len(self.outputs):
            raise InvalidInput(f"output {vout} of a transaction with {len(self.outputs)} outputs")
        return OutPoint(self.txid, vout)

    def with_witness(self, index: int, items: Iterable[bytes]) -> Transaction:
        """A copy whose input `index` has this witness; the txid stays the same."""
        return self.with_witnesses({index: tuple(items)})

    def with_witnesses(self, witnesses: dict[int, Witness]) -> Transaction:
        """A copy in which each input of the mapping has the witness given there; the txid stays the same."""
        if not all(0 <= index < len(self.inputs) for index in witnesses):
            raise InvalidInput(f"a witness for an input that is not there: {sorted(witnesses)}")
        inputs = tuple(
            TxIn(i.prevout, i.sequence, i.script_sig, witnesses.get(n, i.witness))
            for n, i in enumerate(self.inputs)
        )
        copy = Transaction(self.version, inputs, self.outputs, self.locktime)
        object.__setattr__(copy, "_base", self._base)
        object.__setattr__(copy, "_txid", self._txid)
        return copy

    def _serialize_base(self) -> bytes:
        if not self._base:
            object.__setattr__(self, "_base", b"".join(self._base_parts()))
        return self._base

    def _base_parts(self) -> list[bytes]:
        parts = [self.version.to_bytes(4, "little"), compact_size(len(self.inputs))]
        for i in self.inputs:
            parts += (i.prevout.serialize(), compact_size(len(i.script_sig)), i.script_sig)
            parts.append(i.sequence.to_bytes(4, "little"))
        parts.append(compact_size(len(self.outputs)))
        parts += [o.serialize() for o in self.outputs]
        parts.append(self.locktime.to_bytes(4, "little"))
        return parts

    def _witness_parts(self) -> list[bytes]:
        return [part for i in self.inputs for part in _witness_stack_parts(i.witness)]


def p2tr_script(output_key: bytes) -> bytes:
    """Script of a Taproot output: OP_1 and the 32-byte x-only output key (BIP341)."""
    if len(output_key) != 32:
        raise InvalidInput(f"a Taproot output key has 32 bytes, not {len(output_key)}")
    return b"\x51\x20" + output_key


def op_return_script(data: bytes) -> bytes:
    """Unspendable script that carries `data` in one push of at most 65,535 bytes."""
    size = len(data)
    if size <= 75:
        return b"\x6a" + bytes([size]) + data
    if size <= 0xFF:
        return b"\x6a\x4c" + bytes([size]) + data
    if size <= 0xFFFF:
        return b"\x6a\x4d" + size.to_bytes(2, "little") + data
    raise InvalidInput(f"{size} bytes do not fit one OP_RETURN push of 65,535")


def compact_size(n: int) -> bytes:
    """Bitcoin's variable length integer: 1, 3, 5 or 9 bytes."""
    if n <= _ONE_BYTE:
        return n.to_bytes(1, "little")
    if n <= 0xFFFF:
        return b"\xfd" + n.to_bytes(2, "little")
    if n <= _U32_MAX:
        return b"\xfe" + n.to_bytes(4, "little")
    return b"\xff" + n.to_bytes(8, "little")


def serialize_witness(items: Sequence[bytes]) -> bytes:
    """A witness stack on the wire: number of items, then each with its length."""
    return b"".join(_witness_stack_parts(items))


def witness_size(items: Sequence[bytes]) -> int:
    """Bytes (= weight units) of a witness stack on the wire."""
    lengths = list(map(len, items))
    beyond = sum(_compact_size_length(n) - 1 for n in lengths if n > _ONE_BYTE)
    return _compact_size_length(len(items)) + len(lengths) + sum(lengths) + beyond


def read_transaction(data: bytes, offset: int) -> tuple[Transaction, int]:
    """Parse the transaction that starts at `offset` (as in a block); returns it and the offset after it."""
    reader = Reader(data, offset)
    version = reader.u32()
    segwit = data[reader.offset : reader.offset + 2] == _SEGWIT_MARKER
    if segwit:
        reader.offset += 2
    inputs = [_read_input(reader) for _ in range(reader.count(41))]
    outputs = tuple(_read_output(reader) for _ in range(reader.count(9)))
    if segwit:
        inputs = [TxIn(i.prevout, i.sequence, i.script_sig, _read_witness(reader)) for i in inputs]
        if not any(i.witness for i in inputs):
            raise InvalidInput("segwit marker on a transaction without any witness")
    return Transaction(version, tuple(inputs), outputs, reader.u32()), reader.offset


def _compact_size_length(n: int) -> int:
    if n <= _ONE_BYTE:
        return 1
    return 3 if n <= 0xFFFF else 5


def _witness_stack_parts(items: Sequence[bytes]) -> list[bytes]:
    parts = [compact_size(len(items))]
    for item in items:
        parts += (compact_size(len(item)), item)
    return parts


class Reader:
    """A position in a buffer; every read checks that the bytes are there."""

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.offset = offset

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises InvalidInput if they are not there."""
        start, end = self.offset, self.offset + size
        if end > len(self.data):
            raise InvalidInput(f"it ends early: {end - len(self.data)} bytes are missing")
        self.offset = end
        return self.data[start:end]

    def u32(self) -> int:
        """Four bytes, little endian."""
        return int.from_bytes(self.take(4), "little")

    def compact_size(self) -> int:
        """A variable length integer. Raises InvalidInput unless it is in its shortest form."""
        first = self.take(1)[0]
        if first < 0xFD:
            return first
        width = 1 << (first - 0xFC)
        value = int.from_bytes(self.take(width), "little")
        if value < (0xFD if width == 2 else 1 << (4 * width)):
            raise InvalidInput(f"length {value} is not in its shortest form")
        return value

    def count(self, smallest: int) -> int:
        """Number of things that take at least `smallest` bytes each; refuses what the buffer cannot hold."""
        n = self.compact_size()
        if n * smallest > len(self.data) - self.offset:
            raise InvalidInput(f"it announces {n} elements, more than its bytes can hold")
        return n

    def bytes(self) -> bytes:
        """A length, then as many bytes."""
        return self.take(self.compact_size())


def _read_input(reader: Reader) -> TxIn:
    txid, vout = struct.unpack("<32sI", reader.take(36))
    script_sig = reader.bytes()
    return TxIn(OutPoint(txid, vout), reader.u32(), script_sig)


def _read_output(reader: Reader) -> TxOut:
    value = int.from_bytes(reader.take(8), "little")
    return TxOut(Sats(value), reader.bytes())


def _read_witness(reader: Reader) -> Witness:
    return tuple(reader.bytes() for _ in range(reader.count(1)))
