"""Partially signed transactions of versions 0 (BIP 174) and 2 (BIP 370), from bytes and to bytes.

    magic "psbt\\xff"
    global map, one map per input, one map per output
    map       records, then a byte 0
    record    length of key, key (type, key data), length of value, value

A map is kept as it came: key → value, in the order of the file, unknown types too. What has a meaning is checked when
it is read (`taproot.psbt_fields`); a record that breaks its rule, a key twice, a missing map or one too many is an
InvalidInput. Unlike BIP 174 we take no transaction without inputs or outputs: no transaction of ours is that.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from taproot import psbt_fields as f
from taproot.errors import InvalidInput
from taproot.psbt_fields import Field, check_record
from taproot.tx import OutPoint, Reader, Transaction, TxIn, TxOut, compact_size
from taproot.units import SEQUENCE_FINAL, Sats

MAGIC = b"psbt\xff"
MOST_BYTES = 100_000_000  # MAX_FILE_SIZE_PSBT of Bitcoin Core
VERSIONS = (0, 2)

Records = Mapping[bytes, bytes]  # key with its type → value


@dataclass(frozen=True, slots=True)
class Psbt:
    """A PSBT; `globals` lacks what `version` says anyway (transaction, counts, version)."""

    version: int
    tx: Transaction  # without witnesses
    globals: Records
    inputs: tuple[Records, ...]
    outputs: tuple[Records, ...]

    @classmethod
    def of(cls, tx: Transaction, version: int = 0) -> Psbt:
        """A PSBT of a transaction that nobody has signed yet. Raises InvalidInput for an unknown version."""
        _check_version(version)
        bare = Transaction.from_bytes(tx.serialize(witness=False))
        if any(i.script_sig for i in bare.inputs):
            raise InvalidInput("a PSBT begins with a transaction without scriptSigs")
        return cls(version, bare, {}, ({},) * len(bare.inputs), ({},) * len(bare.outputs))

    @classmethod
    def from_bytes(cls, data: bytes) -> Psbt:
        """Raises InvalidInput for everything that the BIPs forbid."""
        if len(data) > MOST_BYTES or not data.startswith(MAGIC):
            raise InvalidInput(f"no PSBT: it begins with {MAGIC!r} and has {MOST_BYTES} bytes at most")
        reader = Reader(data, len(MAGIC))
        head = _read_map(reader)
        version = int.from_bytes(head.get(_key(f.VERSION), bytes(4)), "little")
        _check_version(version)
        _check_map(f.GLOBAL, version, head)
        ins, outs = _counts(version, head)
        inputs = tuple(_read_checked(reader, f.INPUT, version) for _ in range(_bounded(ins, reader)))
        outputs = tuple(_read_checked(reader, f.OUTPUT, version) for _ in range(_bounded(outs, reader)))
        if reader.offset != len(data):
            raise InvalidInput(f"{len(data) - reader.offset} bytes too many after the PSBT")
        tx = _tx_of_0(head) if version == 0 else _tx_of_2(head, inputs, outputs)
        _check_spent(tx, inputs)
        return cls(version, tx, *_without_tx(head, inputs, outputs))

    @classmethod
    def from_base64(cls, text: str) -> Psbt:
        """Raises InvalidInput for text that is no base64, else as `from_bytes`."""
        try:
            return cls.from_bytes(base64.b64decode(text.strip(), validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"a PSBT as text is base64: {error}") from error

    def to_bytes(self) -> bytes:
        """The file; what `from_bytes` has read, it writes again record for record, transaction fields first."""
        head, inputs, outputs = _with_tx(self)
        return MAGIC + b"".join(_write_map(records) for records in (head, *inputs, *outputs))

    def to_base64(self) -> str:
        """As text, for wallets and RPC."""
        return base64.b64encode(self.to_bytes()).decode()

    def to_version(self, version: int) -> Psbt:
        """The same in the other version. To 0, required lock times become the transaction's, flags are dropped."""
        _check_version(version)
        if version == self.version:
            return self
        new = [(self.globals, f.GLOBAL)] + [(r, f.INPUT) for r in self.inputs] + [(r, f.OUTPUT) for r in self.outputs]
        kept = [{k: v for k, v in records.items() if _allowed(fields, version, k)} for records, fields in new]
        ends = 1 + len(self.inputs)
        return Psbt(version, self.tx, kept[0], tuple(kept[1:ends]), tuple(kept[ends:]))

    def with_input(self, index: int, records: Records) -> Psbt:
        """With these records added to an input. Raises InvalidInput for another value of one that is there."""
        return replace(self, inputs=_added(f.INPUT, self.version, self.inputs, index, records))

    def with_output(self, index: int, records: Records) -> Psbt:
        """The same for an output."""
        return replace(self, outputs=_added(f.OUTPUT, self.version, self.outputs, index, records))

    def without(self, index: int, *kinds: int) -> Psbt:
        """Without the records of these types in an input, as a finalizer leaves them."""
        kept = {k: v for k, v in self.inputs[index].items() if _kind(k) not in kinds}
        return replace(self, inputs=(*self.inputs[:index], kept, *self.inputs[index + 1 :]))

    def find(self, index: int, kind: int, keydata: bytes = b"") -> bytes | None:
        """The value of a record of an input, None if it is not there."""
        return self.inputs[index].get(_key(kind, keydata))

    def all_of(self, index: int, kind: int) -> dict[bytes, bytes]:
        """Key data → value of all records of a type in an input."""
        first = compact_size(kind)
        return {k[len(first) :]: v for k, v in self.inputs[index].items() if _kind(k) == kind}

    def spent(self, index: int) -> TxOut:
        """The output that an input spends. Raises InvalidInput if the PSBT does not say."""
        witness, whole = self.find(index, f.IN_WITNESS_UTXO), self.find(index, f.IN_NON_WITNESS_UTXO)
        if witness is not None:
            return f.parse_output(witness)
        if whole is not None:
            return Transaction.from_bytes(whole).outputs[self.tx.inputs[index].prevout.vout]
        raise InvalidInput(f"the PSBT does not say what input {index} spends")


def combine(psbts: Sequence[Psbt]) -> Psbt:
    """All records of PSBTs of one transaction (BIP 174, "Combiner").

    Raises InvalidInput for another transaction or version, or two values of one record: our signers answer once.
    """
    first = psbts[0]
    for other in psbts[1:]:
        if (other.tx, other.version) != (first.tx, first.version):
            raise InvalidInput("these PSBTs are not of one transaction and version")
        first = replace(first, globals=_joined(first.globals, other.globals))
        for index, records in enumerate(other.inputs):
            first = first.with_input(index, records)
        for index, records in enumerate(other.outputs):
            first = first.with_output(index, records)
    return first


def record(kind: int, value: bytes, keydata: bytes = b"") -> dict[bytes, bytes]:
    """One record."""
    return {_key(kind, keydata): value}


# ---- maps ------------------------------------------------------------------------------------------------------------


def _key(kind: int, keydata: bytes = b"") -> bytes:
    return compact_size(kind) + keydata


def _kind(key: bytes) -> int:
    return Reader(key, 0).compact_size()


def _allowed(fields: Mapping[int, Field], version: int, key: bytes) -> bool:
    known = fields.get(_kind(key))
    return known is None or version in known.versions


def _read_map(reader: Reader) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    while key := reader.bytes():
        if key in records:
            raise InvalidInput(f"the key {key[:40].hex()} stands twice in a map of the PSBT")
        records[key] = reader.bytes()
    return records


def _read_checked(reader: Reader, fields: Mapping[int, Field], version: int) -> dict[bytes, bytes]:
    records = _read_map(reader)
    _check_map(fields, version, records)
    return records


def _check_map(fields: Mapping[int, Field], version: int, records: Records) -> None:
    for key, value in records.items():
        check_record(fields, version, key, value)


def _write_map(records: Records) -> bytes:
    parts = [part for k, v in records.items() for part in (compact_size(len(k)), k, compact_size(len(v)), v)]
    return b"".join(parts) + b"\x00"


def _joined(old: Records, new: Records) -> dict[bytes, bytes]:
    for key, value in new.items():
        if old.get(key, value) != value:
            raise InvalidInput(f"two values for the record {key[:40].hex()} of the PSBT")
    return {**old, **new}


def _added(
    fields: Mapping[int, Field], version: int, maps: tuple[Records, ...], index: int, records: Records
) -> tuple[Records, ...]:
    if not 0 <= index < len(maps):
        raise InvalidInput(f"the PSBT has no input or output {index}")
    _check_map(fields, version, records)
    if records.keys() & (_TX_INPUTS if fields is f.INPUT else _TX_OUTPUTS):
        raise InvalidInput("the transaction of a PSBT is not changed by adding records")
    return (*maps[:index], _joined(maps[index], records), *maps[index + 1 :])


# ---- the transaction -------------------------------------------------------------------------------------------------


def _check_version(version: int) -> None:
    if version not in VERSIONS:
        raise InvalidInput(f"a PSBT of version {version}; 0 and 2 exist")


def _bounded(count: int, reader: Reader) -> int:
    """A map has one byte at least."""
    if count > len(reader.data) - reader.offset:
        raise InvalidInput(f"the PSBT announces {count} maps, more than its bytes can hold")
    return count


def _counts(version: int, head: Records) -> tuple[int, int]:
    if version == 0:
        tx = _tx_of_0(head)
        return len(tx.inputs), len(tx.outputs)
    _required(head, f.GLOBAL, f.TX_VERSION, f.INPUT_COUNT, f.OUTPUT_COUNT)
    return f.parse_compact_size(head[_key(f.INPUT_COUNT)]), f.parse_compact_size(head[_key(f.OUTPUT_COUNT)])


def _required(records: Records, fields: Mapping[int, Field], *kinds: int) -> None:
    for kind in kinds:
        if _key(kind) not in records:
            raise InvalidInput(f"{fields[kind].name} is missing")


def _tx_of_0(head: Records) -> Transaction:
    _required(head, f.GLOBAL, f.UNSIGNED_TX)
    return Transaction.from_bytes(head[_key(f.UNSIGNED_TX)])


def _tx_of_2(head: Records, inputs: Sequence[Records], outputs: Sequence[Records]) -> Transaction:
    for records in inputs:
        _required(records, f.INPUT, f.IN_PREVIOUS_TXID, f.IN_OUTPUT_INDEX)
    for records in outputs:
        _required(records, f.OUTPUT, f.OUT_AMOUNT, f.OUT_SCRIPT)
    prevouts = [OutPoint(r[_key(f.IN_PREVIOUS_TXID)], _number(r, f.IN_OUTPUT_INDEX, 0)) for r in inputs]
    sequences = [_number(r, f.IN_SEQUENCE, SEQUENCE_FINAL) for r in inputs]
    txins = tuple(TxIn(prevout, sequence) for prevout, sequence in zip(prevouts, sequences, strict=True))
    txouts = tuple(TxOut(Sats(_number(r, f.OUT_AMOUNT, 0)), r[_key(f.OUT_SCRIPT)]) for r in outputs)
    return Transaction(_number(head, f.TX_VERSION, 0), txins, txouts, _locktime(head, inputs))


def _number(records: Records, kind: int, default: int) -> int:
    value = records.get(_key(kind))
    return default if value is None else int.from_bytes(value, "little")


def _locktime(head: Records, inputs: Sequence[Records]) -> int:
    """BIP 370, "Determining Lock Time": heights go before times where the inputs leave the choice."""
    height, time = _key(f.IN_HEIGHT_LOCKTIME), _key(f.IN_TIME_LOCKTIME)
    bound = [r for r in inputs if height in r or time in r]
    if not bound:
        return _number(head, f.FALLBACK_LOCKTIME, 0)
    for kind in (height, time):
        if all(kind in r for r in bound):
            return max(int.from_bytes(r[kind], "little") for r in bound)
    raise InvalidInput("one input requires a height, another a time; no lock time fits both")


def _check_spent(tx: Transaction, inputs: Sequence[Records]) -> None:
    """A whole previous transaction must be the one that the input spends, and have that output."""
    for txin, records in zip(tx.inputs, inputs, strict=True):
        whole = records.get(_key(f.IN_NON_WITNESS_UTXO))
        if whole is not None:
            previous = Transaction.from_bytes(whole)
            if previous.txid != txin.prevout.txid or txin.prevout.vout >= len(previous.outputs):
                raise InvalidInput(f"PSBT_IN_NON_WITNESS_UTXO is not the transaction of {txin.prevout}")


_TX_GLOBALS = {_key(k) for k in (f.UNSIGNED_TX, f.TX_VERSION, f.INPUT_COUNT, f.OUTPUT_COUNT, f.VERSION)}
_TX_INPUTS = {_key(k) for k in (f.IN_PREVIOUS_TXID, f.IN_OUTPUT_INDEX, f.IN_SEQUENCE)}
_TX_OUTPUTS = {_key(k) for k in (f.OUT_AMOUNT, f.OUT_SCRIPT)}


def _without_tx(
    head: Records, inputs: Sequence[Records], outputs: Sequence[Records]
) -> tuple[Records, tuple[Records, ...], tuple[Records, ...]]:
    def less(records: Records, keys: set[bytes]) -> Records:
        return {k: v for k, v in records.items() if k not in keys}

    kept = tuple(less(r, _TX_OUTPUTS) for r in outputs)
    said = _key(f.FALLBACK_LOCKTIME)  # kept only where the inputs' lock times overrule it
    globals_ = _TX_GLOBALS | ({said} if _number(head, f.FALLBACK_LOCKTIME, 0) == _locktime(head, inputs) else set())
    return less(head, globals_), tuple(less(r, _TX_INPUTS) for r in inputs), kept


def _with_tx(psbt: Psbt) -> tuple[Records, list[Records], list[Records]]:
    """All maps as they are written."""
    tx = psbt.tx
    if psbt.version == 0:
        head = record(f.UNSIGNED_TX, tx.serialize(witness=False))
        return {**head, **psbt.globals}, list(psbt.inputs), list(psbt.outputs)
    head = record(f.TX_VERSION, tx.version.to_bytes(4, "little"))
    bound = any(_key(k) in r for r in psbt.inputs for k in (f.IN_TIME_LOCKTIME, f.IN_HEIGHT_LOCKTIME))
    if not bound and tx.locktime:
        head |= record(f.FALLBACK_LOCKTIME, tx.locktime.to_bytes(4, "little"))
    head |= record(f.INPUT_COUNT, compact_size(len(tx.inputs))) | record(f.OUTPUT_COUNT, compact_size(len(tx.outputs)))
    inputs: list[Records] = [{**_input_fields(i), **r} for i, r in zip(tx.inputs, psbt.inputs, strict=True)]
    outputs: list[Records] = [{**_output_fields(o), **r} for o, r in zip(tx.outputs, psbt.outputs, strict=True)]
    return {**head, **psbt.globals, **record(f.VERSION, (2).to_bytes(4, "little"))}, inputs, outputs


def _input_fields(txin: TxIn) -> Records:
    return (
        record(f.IN_PREVIOUS_TXID, txin.prevout.txid)
        | record(f.IN_OUTPUT_INDEX, txin.prevout.vout.to_bytes(4, "little"))
        | record(f.IN_SEQUENCE, txin.sequence.to_bytes(4, "little"))
    )


def _output_fields(output: TxOut) -> Records:
    return record(f.OUT_AMOUNT, output.value.to_bytes(8, "little")) | record(f.OUT_SCRIPT, output.script_pubkey)
