"""The fields of a PSBT that have a meaning, and the rules for their keys and values.

Sources: BIP 174 (version 0), BIP 370 (version 2), BIP 371 (Taproot), BIP 373 (MuSig2). A type that no table names is
somebody's extension: it is kept as it is. Types are the compact size number that a record's key begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from taproot.errors import InvalidInput
from taproot.keys import x_only_of
from taproot.secp256k1 import parse_xonly
from taproot.tx import Reader, Transaction, TxOut
from taproot.units import LOCKTIME_THRESHOLD, MAX_TREE_DEPTH, Sats

UNSIGNED_TX, XPUB, TX_VERSION, FALLBACK_LOCKTIME, INPUT_COUNT, OUTPUT_COUNT, TX_MODIFIABLE = range(7)
VERSION, PROPRIETARY = 0xFB, 0xFC

IN_NON_WITNESS_UTXO, IN_WITNESS_UTXO, IN_PARTIAL_SIG, IN_SIGHASH_TYPE = 0x00, 0x01, 0x02, 0x03
IN_FINAL_SCRIPT_SIG, IN_FINAL_WITNESS = 0x07, 0x08
IN_PREVIOUS_TXID, IN_OUTPUT_INDEX, IN_SEQUENCE, IN_TIME_LOCKTIME, IN_HEIGHT_LOCKTIME = range(0x0E, 0x13)
IN_TAP_KEY_SIG, IN_TAP_SCRIPT_SIG, IN_TAP_LEAF_SCRIPT, IN_TAP_BIP32, IN_TAP_INTERNAL_KEY, IN_TAP_MERKLE_ROOT = range(
    0x13, 0x19
)
IN_MUSIG2_PARTICIPANTS, IN_MUSIG2_PUB_NONCE, IN_MUSIG2_PARTIAL_SIG = 0x1A, 0x1B, 0x1C

OUT_AMOUNT, OUT_SCRIPT, OUT_TAP_INTERNAL_KEY, OUT_TAP_TREE, OUT_TAP_BIP32, OUT_MUSIG2_PARTICIPANTS = range(3, 9)

Rule = Callable[[bytes], None]
_BOTH = (0, 2)


@dataclass(frozen=True, slots=True)
class Field:
    """A type: its name in the BIP, rules for what follows it in the key and for the value, versions that allow it."""

    name: str
    key: Rule
    value: Rule
    versions: tuple[int, ...] = _BOTH

    def check(self, version: int, keydata: bytes, value: bytes) -> None:
        """Raises InvalidInput naming the field."""
        if version not in self.versions:
            raise InvalidInput(f"{self.name} does not belong into a PSBT of version {version}")
        try:
            self.key(keydata)
            self.value(value)
        except InvalidInput as error:
            raise InvalidInput(f"{self.name}: {error}") from error


def check_record(fields: Mapping[int, Field], version: int, key: bytes, value: bytes) -> None:
    """Raises InvalidInput unless a record keeps the rules of its type; unknown types keep any."""
    reader = Reader(key, 0)
    known = fields.get(reader.compact_size())
    if known is not None:
        known.check(version, key[reader.offset :], value)


def size(*allowed: int) -> Rule:
    """As many bytes as one of these."""

    def check(data: bytes) -> None:
        if len(data) not in allowed:
            raise InvalidInput(f"{len(data)} bytes instead of {' or '.join(map(str, allowed))}")

    return check


def anything(_data: bytes) -> None:
    """No rule."""


def parse_derivation(value: bytes) -> tuple[tuple[bytes, ...], bytes, tuple[int, ...]]:
    """Leaf hashes, fingerprint, path of a Taproot derivation (BIP 371)."""
    reader = Reader(value, 0)
    hashes = tuple(reader.take(32) for _ in range(reader.count(32)))
    rest = value[reader.offset :]
    _check_path(rest)
    return hashes, rest[:4], tuple(int.from_bytes(rest[i : i + 4], "little") for i in range(4, len(rest), 4))


def parse_tap_tree(value: bytes) -> list[tuple[int, int, bytes]]:
    """Depth, leaf version and script of each leaf, depth first (BIP 371). Raises InvalidInput unless it is one tree."""
    reader, leaves, open_at = Reader(value, 0), [], [0]
    while reader.offset < len(value):
        depth, version = reader.take(2)
        _check_leaf_version(version)
        _descend(open_at, depth)
        leaves.append((depth, version, reader.bytes()))
    if open_at:
        raise InvalidInput("the leaves do not fill a tree")
    return leaves


def parse_witness(value: bytes) -> tuple[bytes, ...]:
    """A witness stack. Raises InvalidInput for what is missing or too much."""
    reader = Reader(value, 0)
    items = tuple(reader.bytes() for _ in range(reader.count(1)))
    _check_end(reader)
    return items


def parse_output(value: bytes) -> TxOut:
    """An output: amount and script."""
    reader = Reader(value, 0)
    output = TxOut(Sats(int.from_bytes(reader.take(8), "little")), reader.bytes())
    _check_end(reader)
    return output


def parse_compact_size(value: bytes) -> int:
    """One number, nothing else."""
    reader = Reader(value, 0)
    number = reader.compact_size()
    _check_end(reader)
    return number


def _descend(open_at: list[int], depth: int) -> None:
    """Fill the next free place of a tree, given by the depths of its free places, with a leaf at `depth`."""
    if not open_at or not open_at[-1] <= depth <= MAX_TREE_DEPTH:
        raise InvalidInput(f"a leaf of depth {depth} does not fit where it stands in the tree")
    first = open_at.pop()
    open_at += list(range(first + 1, depth + 1))


def _check_end(reader: Reader) -> None:
    if reader.offset != len(reader.data):
        raise InvalidInput(f"{len(reader.data) - reader.offset} bytes too many")


def _check_path(data: bytes) -> None:
    if len(data) < 4 or len(data) % 4:
        raise InvalidInput("a fingerprint of 4 bytes and steps of 4 are needed")


def _check_leaf_version(version: int) -> None:
    if version & 1 or version == 0x50:
        raise InvalidInput(f"{version:#x} is not a leaf version")


def _signature(data: bytes) -> None:
    size(64, 65)(data)
    if len(data) == 65 and data[64] not in (1, 2, 3, 0x81, 0x82, 0x83):
        raise InvalidInput(f"{data[64]:#x} is no hash type that stands in a signature of 65 bytes")


def _x_only(data: bytes) -> None:
    size(32)(data)
    parse_xonly(data)


def _point(data: bytes) -> None:
    size(33)(data)
    x_only_of(data)


def _points(data: bytes) -> None:
    if not data or len(data) % 33:
        raise InvalidInput(f"{len(data)} bytes are no list of compressed keys")
    for i in range(0, len(data), 33):
        x_only_of(data[i : i + 33])


def _key_and_leaf(data: bytes) -> None:
    size(64)(data)
    parse_xonly(data[:32])


def _participant(data: bytes) -> None:
    size(66, 98)(data)
    x_only_of(data[:33])
    x_only_of(data[33:66])


def _control_block(data: bytes) -> None:
    if len(data) < 33 or (len(data) - 33) % 32 or len(data) > 33 + 32 * MAX_TREE_DEPTH:
        raise InvalidInput(f"{len(data)} bytes are no control block")
    _check_leaf_version(data[0] & 0xFE)


def _leaf_script(data: bytes) -> None:
    if not data:
        raise InvalidInput("no leaf version")
    _check_leaf_version(data[-1])


def _tap_tree(data: bytes) -> None:
    parse_tap_tree(data)


def _derivation(data: bytes) -> None:
    parse_derivation(data)


def _unsigned(data: bytes) -> None:
    tx = Transaction.from_bytes(data)
    if data[4:6] == b"\x00\x01" or any(i.script_sig for i in tx.inputs):
        raise InvalidInput("the transaction is not without signatures")


def _transaction(data: bytes) -> None:
    Transaction.from_bytes(data)


def _output(data: bytes) -> None:
    parse_output(data)


def _witness(data: bytes) -> None:
    parse_witness(data)


def _count(data: bytes) -> None:
    parse_compact_size(data)


def _time(data: bytes) -> None:
    size(4)(data)
    if int.from_bytes(data, "little") < LOCKTIME_THRESHOLD:
        raise InvalidInput("a height where a time is needed")


def _height(data: bytes) -> None:
    size(4)(data)
    if not 0 < int.from_bytes(data, "little") < LOCKTIME_THRESHOLD:
        raise InvalidInput("a time where a height is needed")


def _amount(data: bytes) -> None:
    size(8)(data)
    TxOut(Sats(int.from_bytes(data, "little")), b"")


_NONE, _ANY_KEY = size(0), size(33, 65)

GLOBAL = {
    UNSIGNED_TX: Field("PSBT_GLOBAL_UNSIGNED_TX", _NONE, _unsigned, (0,)),
    XPUB: Field("PSBT_GLOBAL_XPUB", size(78), _check_path),
    TX_VERSION: Field("PSBT_GLOBAL_TX_VERSION", _NONE, size(4), (2,)),
    FALLBACK_LOCKTIME: Field("PSBT_GLOBAL_FALLBACK_LOCKTIME", _NONE, size(4), (2,)),
    INPUT_COUNT: Field("PSBT_GLOBAL_INPUT_COUNT", _NONE, _count, (2,)),
    OUTPUT_COUNT: Field("PSBT_GLOBAL_OUTPUT_COUNT", _NONE, _count, (2,)),
    TX_MODIFIABLE: Field("PSBT_GLOBAL_TX_MODIFIABLE", _NONE, size(1), (2,)),
    VERSION: Field("PSBT_GLOBAL_VERSION", _NONE, size(4)),
}

INPUT = {
    IN_NON_WITNESS_UTXO: Field("PSBT_IN_NON_WITNESS_UTXO", _NONE, _transaction),
    IN_WITNESS_UTXO: Field("PSBT_IN_WITNESS_UTXO", _NONE, _output),
    IN_PARTIAL_SIG: Field("PSBT_IN_PARTIAL_SIG", _ANY_KEY, size(*range(9, 74))),
    IN_SIGHASH_TYPE: Field("PSBT_IN_SIGHASH_TYPE", _NONE, size(4)),
    0x04: Field("PSBT_IN_REDEEM_SCRIPT", _NONE, anything),
    0x05: Field("PSBT_IN_WITNESS_SCRIPT", _NONE, anything),
    0x06: Field("PSBT_IN_BIP32_DERIVATION", _ANY_KEY, _check_path),
    IN_FINAL_SCRIPT_SIG: Field("PSBT_IN_FINAL_SCRIPTSIG", _NONE, anything),
    IN_FINAL_WITNESS: Field("PSBT_IN_FINAL_SCRIPTWITNESS", _NONE, _witness),
    0x09: Field("PSBT_IN_POR_COMMITMENT", _NONE, anything),
    0x0A: Field("PSBT_IN_RIPEMD160", size(20), anything),
    0x0B: Field("PSBT_IN_SHA256", size(32), anything),
    0x0C: Field("PSBT_IN_HASH160", size(20), anything),
    0x0D: Field("PSBT_IN_HASH256", size(32), anything),
    IN_PREVIOUS_TXID: Field("PSBT_IN_PREVIOUS_TXID", _NONE, size(32), (2,)),
    IN_OUTPUT_INDEX: Field("PSBT_IN_OUTPUT_INDEX", _NONE, size(4), (2,)),
    IN_SEQUENCE: Field("PSBT_IN_SEQUENCE", _NONE, size(4), (2,)),
    IN_TIME_LOCKTIME: Field("PSBT_IN_REQUIRED_TIME_LOCKTIME", _NONE, _time, (2,)),
    IN_HEIGHT_LOCKTIME: Field("PSBT_IN_REQUIRED_HEIGHT_LOCKTIME", _NONE, _height, (2,)),
    IN_TAP_KEY_SIG: Field("PSBT_IN_TAP_KEY_SIG", _NONE, _signature),
    IN_TAP_SCRIPT_SIG: Field("PSBT_IN_TAP_SCRIPT_SIG", _key_and_leaf, _signature),
    IN_TAP_LEAF_SCRIPT: Field("PSBT_IN_TAP_LEAF_SCRIPT", _control_block, _leaf_script),
    IN_TAP_BIP32: Field("PSBT_IN_TAP_BIP32_DERIVATION", _x_only, _derivation),
    IN_TAP_INTERNAL_KEY: Field("PSBT_IN_TAP_INTERNAL_KEY", _NONE, _x_only),
    IN_TAP_MERKLE_ROOT: Field("PSBT_IN_TAP_MERKLE_ROOT", _NONE, size(32)),
    IN_MUSIG2_PARTICIPANTS: Field("PSBT_IN_MUSIG2_PARTICIPANT_PUBKEYS", _point, _points),
    IN_MUSIG2_PUB_NONCE: Field("PSBT_IN_MUSIG2_PUB_NONCE", _participant, size(66)),
    IN_MUSIG2_PARTIAL_SIG: Field("PSBT_IN_MUSIG2_PARTIAL_SIG", _participant, size(32)),
}

OUTPUT = {
    0x00: Field("PSBT_OUT_REDEEM_SCRIPT", _NONE, anything),
    0x01: Field("PSBT_OUT_WITNESS_SCRIPT", _NONE, anything),
    0x02: Field("PSBT_OUT_BIP32_DERIVATION", _ANY_KEY, _check_path),
    OUT_AMOUNT: Field("PSBT_OUT_AMOUNT", _NONE, _amount, (2,)),
    OUT_SCRIPT: Field("PSBT_OUT_SCRIPT", _NONE, anything, (2,)),
    OUT_TAP_INTERNAL_KEY: Field("PSBT_OUT_TAP_INTERNAL_KEY", _NONE, _x_only),
    OUT_TAP_TREE: Field("PSBT_OUT_TAP_TREE", _NONE, _tap_tree),
    OUT_TAP_BIP32: Field("PSBT_OUT_TAP_BIP32_DERIVATION", _x_only, _derivation),
    OUT_MUSIG2_PARTICIPANTS: Field("PSBT_OUT_MUSIG2_PARTICIPANT_PUBKEYS", _point, _points),
}
