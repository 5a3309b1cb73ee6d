"""The one door to py-bitcoinkernel: Bitcoin Core's validation code in process.

libbitcoinkernel is Core's validation as a library; `pbk` wraps its C interface. Here are the judge of single spends
(`verify_spend`, `accepts`) and a regtest chain state that takes blocks (`Chainstate`). All flags are the consensus
flags of a present-day block: P2SH, DERSIG, NULLDUMMY, CLTV, CSV, WITNESS, TAPROOT (BIP 341, 342). Policy
("standardness") is not judged here, see `btc_l2.chain.policy`.

Traps: `pbk.Transaction(data)` and `pbk.Block(data)` unpack each byte into a Python int (40 ms for 390 kB), so the
subclasses here hand the buffer over as it is. `process_block` is also true for blocks that fail when they are
connected; why a block failed stands only in the log, which is global to the process.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pbk
from pbk.notifications import NotificationInterfaceCallbacks
from pbk.script import PrecomputedTransactionData

from taproot.errors import InvalidInput, Unavailable
from taproot.nums import H
from taproot.tree import TapTree
from taproot.tx import OutPoint, Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_FINAL, Sats

_PROBE_VALUE = 100_000  # sat in the imaginary output that `accepts` spends
_FAILURE = re.compile(r"ConnectBlock \w+ failed, (.*)$|(?:AcceptBlock|CheckBlock) FAILED \((.*)\)$")
_log: deque[str] = deque(maxlen=64)


class FastTransaction(pbk.Transaction):  # type: ignore[misc]
    """`pbk.Transaction` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, data, len(data))


class FastScript(pbk.ScriptPubkey):  # type: ignore[misc]
    """`pbk.ScriptPubkey` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, data, len(data))


class FastBlock(pbk.Block):  # type: ignore[misc]
    """`pbk.Block` whose bytes are copied at once."""

    def __init__(self, data: bytes) -> None:
        pbk.capi.KernelOpaquePtr.__init__(self, data, len(data))


def verify_spend(tx: bytes, input_index: int, prevouts: Sequence[tuple[int, bytes]]) -> bool:
    """Whether input `input_index` of `tx` satisfies the output it spends.

    `tx` is the serialization with witnesses; `prevouts` holds (value in sat, script pubkey) of *every* input in
    order, because a Taproot signature hash covers all of them. Timelocks are judged by nSequence and nLockTime of
    the transaction only; whether the chain is far enough is not.
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
    transaction with one input (`sequence`, `version`, `locktime`) and one output spends it. A script that checks
    signatures needs a real transaction: use `verify_spend`.
    """
    script_pubkey, control_block = single_leaf_output(script)
    tx_in = TxIn(OutPoint(b"\x11" * 32, 0), sequence, b"", (*witness, script, control_block))
    tx = Transaction(version, (tx_in,), (TxOut(Sats(_PROBE_VALUE - 1_000), script_pubkey),), locktime)
    return verify_spend(tx.serialize(), 0, [(_PROBE_VALUE, script_pubkey)])


def single_leaf_output(script: bytes) -> tuple[bytes, bytes]:
    """(script pubkey, control block) of a Taproot output with the NUMS key and `script` as its only leaf."""
    tree = TapTree.build(H, {"leaf": script})
    return tree.script_pubkey, tree.control_block("leaf")


@dataclass(slots=True)
class Outcome:
    """What one block did: (joined?, hash) of the blocks that joined or left the best chain; why it was refused."""

    events: list[tuple[bool, bytes]] = field(default_factory=list)
    is_new: bool = True
    error: str | None = None


class Chainstate:
    """A regtest chain in Core's own classes. Databases stay in memory; block files lie under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._connection = pbk.LoggingConnection(_remember)
        self._outcome = Outcome()
        self._invalid = False
        self._fatal = ""
        self._manager = self._open(folder)
        self._manager.import_blocks([])
        self._chain = self._manager.get_active_chain()

    @property
    def height(self) -> int:
        """Height of the best block."""
        return int(self._chain.height)

    def genesis(self) -> bytes:
        """The serialized genesis block."""
        return bytes(self._manager.blocks[self._chain.block_tree_entries[0]])

    def block_by_hash(self, block_hash: bytes) -> tuple[int, bytes] | None:
        """(height, serialized block) of any stored block, on the best chain or not."""
        try:
            entry = self._manager.block_tree_entries[pbk.BlockHash(block_hash)]
            return int(entry.height), bytes(self._manager.blocks[entry])
        except (KeyError, RuntimeError):
            return None

    def process(self, raw: bytes) -> Outcome:
        """Validate and store a block; the best chain follows the most work.

        A block that is invalid, or whose parent is unknown, comes back as `Outcome.error` with Core's reason.
        Raises Unavailable if the disk does not take it.
        """
        self._outcome = Outcome()
        self._invalid = False
        _log.clear()
        try:
            block = FastBlock(raw)
        except RuntimeError:
            return Outcome(error="block-decode-failed")
        try:
            self._outcome.is_new = self._manager.process_block(block)
        except pbk.ProcessBlockException:
            self._invalid = True
        if self._fatal:
            raise Unavailable(f"the chain cannot be written: {self._fatal}; free disk space and start again")
        if self._invalid:
            self._outcome.error = _reason()
        return self._outcome

    def close(self) -> None:
        """Release the block files and the log."""
        self._manager.__exit__(None, None, None)
        self._connection.__exit__(None, None, None)

    def _open(self, folder: Path) -> pbk.ChainstateManager:
        options = pbk.ContextOptions()
        options.set_chainparams(pbk.ChainParameters(pbk.ChainType.REGTEST))
        options.set_validation_interface(self._validation_callbacks())
        options.set_notifications(self._notifications())
        try:
            return pbk.ChainstateManager(_in_memory(pbk.Context(options), folder))
        except RuntimeError as error:
            reason = f"{_last_line()}; is the disk full, may the folder be written?"
            raise Unavailable(f"cannot open a chain in {folder}: {reason}") from error

    def _validation_callbacks(self) -> pbk.ValidationInterfaceCallbacks:
        def checked(_: object, _block: pbk.Block, state: pbk.BlockValidationState) -> None:
            if state.validation_mode != pbk.ValidationMode.VALID:
                self._invalid = True

        def connected(_: object, block: pbk.Block, _entry: pbk.BlockTreeEntry) -> None:
            self._outcome.events.append((True, bytes(block.block_hash)))

        def disconnected(_: object, block: pbk.Block, _entry: pbk.BlockTreeEntry) -> None:
            self._outcome.events.append((False, bytes(block.block_hash)))

        return pbk.ValidationInterfaceCallbacks(
            block_checked=checked, block_connected=connected, block_disconnected=disconnected
        )

    def _notifications(self) -> NotificationInterfaceCallbacks:
        def fatal(_: object, _message: object, _size: int) -> None:
            self._fatal = self._fatal or _last_line()

        return NotificationInterfaceCallbacks(flush_error=fatal, fatal_error=fatal)


def _in_memory(context: pbk.Context, folder: Path) -> pbk.ChainstateManagerOptions:
    options = pbk.ChainstateManagerOptions(context, str(folder), str(folder / "blocks"))
    options.update_block_tree_db_in_memory(True)
    options.update_chainstate_db_in_memory(True)
    return options


def _remember(line: str) -> None:
    _log.append(line.rstrip())


def _last_line() -> str:
    errors = [line for line in _log if "rror" in line] or list(_log)
    return errors[-1].split(" ", 1)[-1].removeprefix("[error] ") if errors else "no reason given"


def _reason() -> str:
    found = [match[1] or match[2] for match in map(_FAILURE.search, _log) if match]
    return found[-1] if found else _last_line()


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
