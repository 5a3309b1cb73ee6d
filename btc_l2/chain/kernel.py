"""The one door to py-bitcoinkernel: Bitcoin Core's script interpreter in process.

libbitcoinkernel is Bitcoin Core's validation code as a library; `pbk` wraps its C interface. This module
judges single spends. All flags are the consensus flags of a present-day block: P2SH, DERSIG, NULLDUMMY, CLTV,
CSV, WITNESS, TAPROOT (BIP 341, 342). Policy ("standardness") is not judged here, see `btc_l2.chain.policy`.

Trap: `pbk.Transaction(data)` unpacks each byte into a Python int (40 ms for 390 kB); the subclasses here copy
the buffer in one piece.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from typing import Any

import pbk
from coincurve import PublicKey
from pbk.script import PrecomputedTransactionData

from taproot.errors import InvalidInput

SEQUENCE_FINAL = 0xFFFFFFFF
TAPSCRIPT_LEAF_VERSION = 0xC0  # BIP 342
# The point H of BIP 341, whose discrete logarithm nobody knows.
NUMS_KEY = bytes.fromhex("50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0")
_PROBE_VALUE = 100_000  # sat in the imaginary output that `accepts` spends


class FastTransaction(pbk.Transaction):  # type: ignore[misc]
    """`pbk.Transaction` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, _buffer(data), len(data))


class FastScript(pbk.ScriptPubkey):  # type: ignore[misc]
    """`pbk.ScriptPubkey` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, _buffer(data), len(data))


class FastBlock(pbk.Block):  # type: ignore[misc]
    """`pbk.Block` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, _buffer(data), len(data))


def verify_spend(tx: bytes, input_index: int, prevouts: Sequence[tuple[int, bytes]]) -> bool:
    """Whether input `input_index` of `tx` satisfies the output it spends.

    `tx` is the serialization with witnesses; `prevouts` holds (value in sat, script pubkey) of *every* input
    in order, because a Taproot signature hash covers all of them. Timelocks are judged by nSequence and
    nLockTime of the transaction only; whether the chain is far enough is not.
    Raises InvalidInput for bytes that are no transaction or a wrong number of prevouts.
    """
    parsed = _parse(tx)
    _check_counts(parsed, input_index, prevouts)
    return _verify(parsed, _precompute(parsed, prevouts), input_index, prevouts[input_index])


def find_bad_input(tx: bytes, prevouts: Sequence[tuple[int, bytes]]) -> int | None:
    """Index of the first input that does not satisfy its output, else None; arguments as `verify_spend`."""
    parsed = _parse(tx)
    _check_counts(parsed, 0, prevouts)
    shared = _precompute(parsed, prevouts)
    return next((i for i, out in enumerate(prevouts) if not _verify(parsed, shared, i, out)), None)


def accepts(
    script: bytes,
    witness: Sequence[bytes],
    *,
    sequence: int = SEQUENCE_FINAL,
    version: int = 2,
    locktime: int = 0,
) -> bool:
    """Whether the tapscript `script` succeeds on the stack `witness` (bottom first).

    The script becomes the only leaf of a Taproot output whose internal key is the NUMS point of BIP 341; a
    transaction with one input (`sequence`, `version`, `locktime`) and one output spends it. A script that
    checks signatures needs a real transaction: use `verify_spend`.
    """
    script_pubkey, control_block = _single_leaf(script)
    tx = _probe_transaction([*witness, script, control_block], script_pubkey, sequence, version, locktime)
    return verify_spend(tx, 0, [(_PROBE_VALUE, script_pubkey)])


def _buffer(data: bytes) -> Any:
    return (ctypes.c_ubyte * len(data)).from_buffer_copy(data)


def _parse(tx: bytes) -> FastTransaction:
    try:
        return FastTransaction(tx)
    except RuntimeError as error:
        raise InvalidInput(f"these {len(tx)} bytes are no transaction: give the full witness form") from error


def _check_counts(tx: FastTransaction, input_index: int, prevouts: Sequence[tuple[int, bytes]]) -> None:
    if len(prevouts) != len(tx.inputs):
        raise InvalidInput(f"{len(tx.inputs)} inputs but {len(prevouts)} prevouts: give one for each input")
    if not 0 <= input_index < len(prevouts):
        raise InvalidInput(f"input {input_index} does not exist: the transaction has {len(prevouts)}")


def _precompute(tx: FastTransaction, prevouts: Sequence[tuple[int, bytes]]) -> PrecomputedTransactionData:
    outputs = [pbk.TransactionOutput(FastScript(script), value) for value, script in prevouts]
    return PrecomputedTransactionData(tx, outputs)


def _verify(
    tx: FastTransaction, shared: PrecomputedTransactionData, input_index: int, prevout: tuple[int, bytes]
) -> bool:
    value, script = prevout
    return bool(FastScript(script).verify(value, tx, shared, input_index, pbk.ScriptVerificationFlags.ALL))


def _single_leaf(script: bytes) -> tuple[bytes, bytes]:
    """(script pubkey, control block) of a Taproot output with the NUMS key and this one leaf."""
    leaf = _tagged("TapLeaf", bytes([TAPSCRIPT_LEAF_VERSION]) + _compact(len(script)) + script)
    output_key = PublicKey(b"\x02" + NUMS_KEY).add(_tagged("TapTweak", NUMS_KEY + leaf)).format()
    parity = output_key[0] & 1
    return b"\x51\x20" + output_key[1:], bytes([TAPSCRIPT_LEAF_VERSION | parity]) + NUMS_KEY


def _probe_transaction(
    witness: Sequence[bytes], script_pubkey: bytes, sequence: int, version: int, locktime: int
) -> bytes:
    stack = _compact(len(witness)) + b"".join(_compact(len(item)) + item for item in witness)
    tx_in = b"\x11" * 32 + bytes(4) + b"\x00" + sequence.to_bytes(4, "little")
    tx_out = (_PROBE_VALUE - 1_000).to_bytes(8, "little") + _compact(len(script_pubkey)) + script_pubkey
    body = b"\x01" + tx_in + b"\x01" + tx_out + stack
    return version.to_bytes(4, "little") + b"\x00\x01" + body + locktime.to_bytes(4, "little")


def _tagged(tag: str, message: bytes) -> bytes:
    """Tagged hash of BIP 340."""
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + message).digest()


def _compact(n: int) -> bytes:
    """CompactSize of the wire format."""
    if n < 0xFD:
        return bytes([n])
    if n <= 0xFFFF:
        return b"\xfd" + n.to_bytes(2, "little")
    return b"\xfe" + n.to_bytes(4, "little")
