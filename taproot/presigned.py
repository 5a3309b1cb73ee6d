"""A graph of presigned transactions: what is planned, who signs what, and how a signed transaction is put together.

`taproot.graph` makes the graph of a deposit. Here nothing is specific to it: outputs with named leaves, transactions
whose txids are known before anyone signs, and two kinds of signatures: *presigned* ones, made in advance by all
together (`N_OF_N`; several in a row if some sign without MuSig2, `taproot.cosigners`), and *live* ones, made by the
party that plays the transaction.

A *free* transaction leaves output 0 (amount and address) to the party that plays it: its presigned inputs sign
SIGHASH_SINGLE, its live inputs everything. All other transactions are fixed to the last byte without witnesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil

from taproot.connectors.output import Contract, Output, SpendPath
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.parties import N_OF_N
from taproot.sighash import SighashCache, SighashType, append_hash_type
from taproot.tree import TapTree
from taproot.tx import OutPoint, Transaction, TxOut, Witness
from taproot.units import Sats, dust_limit

ANYONE = "anyone"  # who has the presigned signatures can publish it

Sign = Callable[[bytes], bytes]  # message of 32 bytes → signature of 64
Signatures = Mapping[tuple[str, int], bytes]  # (transaction, input) → presigned signature, 64 bytes per key of all


class Kind(Enum):
    """What a transaction is for."""

    REFUND = "refund"
    CONFIRM = "confirm"
    LEAVE = "leave"
    EXIT = "exit"
    KICKOFF = "kickoff"
    FAN = "fan"
    CHALLENGE = "challenge"
    VETO = "veto"
    TAKE1 = "take1"
    TAKE2 = "take2"
    MOVE = "move"
    TIMEOUT = "timeout"
    DISPROVE = "disprove"
    SLASH = "slash"
    SETTLE = "settle"  # signed live by all; no graph of a deposit has one


@dataclass(frozen=True, slots=True)
class Slot:
    """One signature that an input needs: of all, made in advance (`N_OF_N`), or of the party that plays."""

    party: str
    sighash: SighashType = SighashType.DEFAULT

    @property
    def presigned(self) -> bool:
        """Whether it is made in advance."""
        return self.party == N_OF_N


@dataclass(frozen=True, slots=True)
class Spend:
    """One input: the output it spends, the leaf (None: any disproof), the signatures (first checked first)."""

    output: str
    leaf: str | None
    slots: tuple[Slot, ...]
    sequence: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A transaction without witnesses; if `free`, its output 0 is a proposal without fee."""

    name: str
    kind: Kind
    by: str  # the party that plays it, or ANYONE
    tx: Transaction
    inputs: tuple[Spend, ...]
    prevouts: tuple[TxOut, ...]
    outputs: tuple[str | None, ...]  # names of those that other transactions of the graph spend
    free: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A presigned signature to be made: the message (32 bytes) of input `index` of transaction `tx`."""

    tx: str
    index: int
    message: bytes

    @property
    def key(self) -> tuple[str, int]:
        """Where the signature stands in `Signatures`."""
        return self.tx, self.index


class Graph:
    """All outputs and transactions of one deposit by name. Made by `taproot.graph.build_graph`."""

    def __init__(
        self,
        contract: Contract,
        outputs: Mapping[str, Output],
        outpoints: Mapping[str, OutPoint],
        transactions: Mapping[str, Planned],
    ) -> None:
        self.contract = contract
        self.outputs = outputs
        self.outpoints = outpoints
        self.transactions = transactions
        self._names = {p.tx.txid: name for name, p in transactions.items() if not p.free}
        self._free = {_spent_by(p.tx): p for p in transactions.values() if p.free}
        self._requests: tuple[Request, ...] = ()
        self._spenders: dict[str, list[str]] = {name: [] for name in outputs}
        for name, planned in transactions.items():
            for spend in planned.inputs:
                self._spenders[spend.output].append(name)

    def name_of(self, txid: bytes) -> str | None:
        """Name of the fixed transaction with this txid (internal order), None if it is none of the graph."""
        return self._names.get(txid)

    def find_played(self, tx: Transaction) -> str | None:
        """Name of the planned transaction that this one is; free ones are known by outpoints and leaf."""
        planned = self._free.get(_spent_by(tx))
        if planned is None or not tx.has_witness:
            return self._names.get(tx.txid)
        spend = planned.inputs[0]
        fits = spend.leaf is None or tx.inputs[0].witness[-2:-1] == (self._path(spend, None).leaf.code,)
        return planned.name if fits else self._names.get(tx.txid)

    def planned(self, name: str) -> Planned:
        """The transaction of that name. Raises InvalidInput if there is none."""
        if name not in self.transactions:
            raise InvalidInput(f"no transaction of the graph is named {name!r}")
        return self.transactions[name]

    def output(self, name: str) -> tuple[OutPoint, TxOut, TapTree]:
        """Where an output is, its value and script, its leaves. Raises InvalidInput for an unknown name."""
        if name not in self.outputs:
            raise InvalidInput(f"no output of the graph is named {name!r}")
        output = self.outputs[name]
        return self.outpoints[name], output.tx_out, output.tree

    def spenders(self, output: str) -> tuple[str, ...]:
        """Names of the transactions that spend an output; variants with a stake come before the bare one."""
        if output not in self._spenders:
            raise InvalidInput(f"no output of the graph is named {output!r}")
        return tuple(self._spenders[output])

    def sighash(
        self,
        name: str,
        index: int,
        leaf: str | None = None,
        sighash: SighashType = SighashType.DEFAULT,
        tx: Transaction | None = None,
    ) -> bytes:
        """Message (32 bytes) for input `index`; `leaf` is needed for a disproof, `tx` for a changed output 0."""
        planned = self.planned(name)
        path = self._path(planned.inputs[index], leaf)
        return SighashCache(tx or planned.tx, planned.prevouts).script_path(index, path.leaf.hash, sighash)

    def requests(self) -> tuple[Request, ...]:
        """Every presigned signature of the graph, always in the same order."""
        if not self._requests:
            self._requests = tuple(r for planned in self.transactions.values() for r in self._requests_of(planned))
        return self._requests

    def digest(self) -> bytes:
        """32 bytes that two graphs share iff the same messages are to be signed for the same inputs."""
        rows = [f"{r.tx} {r.index} {r.message.hex()}" for r in self.requests()]
        return tagged_hash("btc-l2/graph", "\n".join(rows).encode())

    def verify(self, signatures: Signatures) -> None:
        """Check that exactly the presigned signatures are there, all valid. Raises VerificationFailed otherwise."""
        self.verify_some(signatures, self.requests())
        if len(signatures) != len(self.requests()):
            raise VerificationFailed(f"{len(signatures)} presigned signatures; the graph has {len(self.requests())}")

    def verify_some(self, signatures: Signatures, requests: Iterable[Request]) -> None:
        """Check the signatures for these requests. Raises VerificationFailed naming the first missing or wrong one."""
        cosigners = self.contract.cosigners
        for r in requests:
            if not cosigners.is_valid(r.message, signatures.get(r.key, b"")):
                raise VerificationFailed(f"the presigned signature on input {r.index} of {r.tx} is missing or wrong")

    def assemble(
        self,
        name: str,
        signatures: Signatures,
        sign: Mapping[str, Sign] | None = None,
        leaf: str | None = None,
        items: Sequence[bytes] = (),
        tx: Transaction | None = None,
    ) -> Transaction:
        """The transaction with all its witnesses.

        `sign` has a signing function for each party whose live signature is needed. `items` are the witness items of
        input 0 below the signatures (one-time signatures and hints), bottom first. `leaf` names the disproof where
        any is allowed. `tx` stands in for the plan where output 0 is free.
        Raises InvalidInput for a missing signature, a leaf of another kind, a wrong number of items.
        """
        planned = self.planned(name)
        tx = tx or planned.tx
        cache = SighashCache(tx, planned.prevouts)
        witnesses: dict[int, Witness] = {}
        for index, spend in enumerate(planned.inputs):
            path = self._path(spend, leaf)
            found = [self._signed(planned, index, s, path, cache, signatures, sign or {}) for s in spend.slots]
            stack = [*(items if index == 0 else ()), *reversed([item for signed in found for item in signed])]
            witnesses[index] = self._witness(spend.output, path, stack)
        return tx.with_witnesses(witnesses)

    def finalize(
        self,
        name: str,
        signatures: Signatures,
        sign: Mapping[str, Sign],
        script_pubkey: bytes,
        fee_rate: float,
        leaf: str | None = None,
        items: Sequence[bytes] = (),
    ) -> Transaction:
        """A free transaction (kill, slash, refund, exit) whose output 0 pays what the fee leaves to `script_pubkey`.

        `fee_rate` is in sat/vB; the other arguments are those of `assemble`. Raises Refused if the fee would leave
        dust, InvalidInput for a transaction that is not free.
        """
        planned = self.planned(name)
        if not planned.free:
            raise InvalidInput(f"{name} is fixed; its fee is paid by a child that spends its anchor")
        whole = Sats(planned.tx.outputs[0].value)
        blind: dict[str, Sign] = {s.party: _blank_signature for spend in planned.inputs for s in spend.slots}
        draft = _with_reward(planned.tx, TxOut(whole, script_pubkey))
        size = self.assemble(name, signatures, blind, leaf, items, draft).vbytes
        reward = whole - ceil(size * fee_rate)
        if reward < dust_limit(script_pubkey):
            raise Refused(f"{name} at {fee_rate} sat/vB costs {whole - reward} sat of {whole}: nothing worth is left")
        final = _with_reward(planned.tx, TxOut(Sats(reward), script_pubkey))
        return self.assemble(name, signatures, sign, leaf, items, final)

    def _signed(
        self,
        planned: Planned,
        index: int,
        slot: Slot,
        path: SpendPath,
        cache: SighashCache,
        signatures: Signatures,
        sign: Mapping[str, Sign],
    ) -> tuple[bytes, ...]:
        """The witness items of a slot, first checked first."""
        live = sign.get(slot.party)
        if slot.presigned and (found := signatures.get((planned.name, index))) is not None:
            return self.contract.cosigners.witness(found, slot.sighash)
        if slot.presigned or live is None:
            raise InvalidInput(f"input {index} of {planned.name} needs a signature of {slot.party}")
        message = cache.script_path(index, path.leaf.hash, slot.sighash)
        return (append_hash_type(live(message), slot.sighash),)

    def _requests_of(self, planned: Planned) -> Iterable[Request]:
        cache = SighashCache(planned.tx, planned.prevouts)
        for index, spend in enumerate(planned.inputs):
            for slot in spend.slots:
                if slot.presigned:
                    message = cache.script_path(index, self._path(spend, None).leaf.hash, slot.sighash)
                    yield Request(planned.name, index, message)

    def _path(self, spend: Spend, leaf: str | None) -> SpendPath:
        name = spend.leaf or leaf
        if name is None:
            raise InvalidInput(f"output {spend.output} is spent by a disproof here; say by which leaf")
        path = self.outputs[spend.output].path(name)
        if path.parties != tuple(slot.party for slot in spend.slots):
            raise InvalidInput(f"leaf {name!r} of output {spend.output} is not a disproof")
        return path

    def _witness(self, output: str, path: SpendPath, stack: Sequence[bytes]) -> Witness:
        leaf = path.leaf
        if len(stack) != leaf.items:
            raise InvalidInput(f"leaf {leaf.name} of {output} takes {leaf.items} witness items, not {len(stack)}")
        return (*stack, leaf.code, self.outputs[output].tree.control_block(leaf.name))


def _blank_signature(_message: bytes) -> bytes:
    return bytes(64)


def _with_reward(tx: Transaction, reward: TxOut) -> Transaction:
    return Transaction(tx.version, tx.inputs, (reward, *tx.outputs[1:]), tx.locktime)


def _spent_by(tx: Transaction) -> tuple[OutPoint, ...]:
    return tuple(i.prevout for i in tx.inputs)
