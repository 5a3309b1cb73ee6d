"""Cooperative exits: all signers and the operator sign one transaction live, and the coins leave without a dispute.

    vault   ── payout ── operator       he burned the deposit's amount on L2, everybody agrees that he did
    vault   ── cancel ── depositor      the L2 never credited the deposit, or took its credit back
    deposit ── cancel ── depositor      before the vault: without waiting for `refund_delay`

The leaf is `n-of-n`; MuSig2 signers (BIP 327) use fresh nonces, plain signers none. A vault has no other way out than
the takes, so nobody loses anything by signing nothing: each signer's `approve` decides whether there is a reason to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey, sign_schnorr
from taproot.musig2 import SecretNonce, Session
from taproot.presigned import Graph
from taproot.sighash import SighashCache
from taproot.terms import N_OF_N
from taproot.tx import Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_RBF, Sats, dust_limit

SOURCES = ("deposit", "vault")
_VERSION = 2  # pays for itself


@dataclass(frozen=True, slots=True)
class Exit:
    """What all are asked to sign: the output that is spent, who gets it, the transaction without witness."""

    source: str
    party: str
    tx: Transaction
    message: bytes  # 32 bytes


Approve = Callable[[Exit], None]  # raises Refused


def plan_exit(graph: Graph, source: str, party: str, script_pubkey: bytes, fee_rate: float) -> Exit:
    """Pay `deposit` or `vault` to a script of `party`, less the fee at `fee_rate` sat/vB.

    Raises InvalidInput for another output, Refused if the fee would leave dust.
    """
    if source not in SOURCES:
        raise InvalidInput(f"a cooperative exit spends {' or '.join(SOURCES)}, not {source!r}; name one of them")
    outpoint, spent, _tree = graph.output(source)
    inputs = (TxIn(outpoint, SEQUENCE_RBF),)
    draft = Transaction(_VERSION, inputs, (TxOut(spent.value, script_pubkey),), 0)
    blank = bytes(graph.contract.cosigners.signature_bytes)
    value = spent.value - ceil(_finish(graph, source, draft, blank).vbytes * fee_rate)
    if value < dust_limit(script_pubkey):
        raise Refused(f"the exit at {fee_rate} sat/vB leaves {value} sat of {spent.value}; wait for lower fees")
    tx = Transaction(_VERSION, inputs, (TxOut(Sats(value), script_pubkey),), 0)
    leaf = graph.outputs[source].path(N_OF_N).leaf
    return Exit(source, party, tx, SighashCache(tx, (spent,)).script_path(0, leaf.hash))


class ExitSigner:
    """One cosigner: looks at the exit itself, signs it if `approve` lets it pass; a nonce signs once."""

    def __init__(self, name: str, secret: SecretKey, graph: Graph, approve: Approve) -> None:
        self.name = name
        self._secret, self._graph, self._approve = secret, graph, approve
        self._nonces: dict[bytes, SecretNonce] = {}

    def public_nonce(self, asked: Exit) -> bytes:
        """A fresh nonce (66 bytes), of a plain signer none. Raises Refused for no exit of his graph, or no reason."""
        if self.name in self._graph.contract.cosigners.plain:
            return b""
        self._check(asked)
        nonce = SecretNonce.generate(self._secret, asked.message, self._graph.contract.aggregate)
        self._nonces[asked.message] = nonce
        return nonce.public

    def partial_signature(self, asked: Exit, joined: bytes) -> bytes:
        """His share (32 bytes, a plain signer's 64). Raises Refused as `public_nonce`, or without an unused nonce."""
        self._check(asked)
        if self.name in self._graph.contract.cosigners.plain:
            return sign_schnorr(self._secret, asked.message)
        nonce = self._nonces.pop(asked.message, None)
        if nonce is None:
            raise Refused(f"{self.name} has no unused nonce for this exit; ask for one first")
        return Session(self._graph.contract.aggregate, joined, asked.message).partial_sign(nonce, self._secret)

    def _check(self, asked: Exit) -> None:
        outpoint, spent, _tree = self._graph.output(asked.source)
        leaf = self._graph.outputs[asked.source].path(N_OF_N).leaf
        if asked.source not in SOURCES or [i.prevout for i in asked.tx.inputs] != [outpoint]:
            raise Refused(f"this transaction does not spend the {asked.source} alone; plan the exit again")
        if SighashCache(asked.tx, (spent,)).script_path(0, leaf.hash) != asked.message:
            raise Refused("the message to be signed is not that of the transaction; plan the exit again")
        self._approve(asked)


def pays_only(asked: Exit, script_pubkey: bytes, most_fee: int, spent: int) -> None:
    """Part of an `approve`: one output, to this script, less at most `most_fee` sat. Raises Refused otherwise."""
    outputs = asked.tx.outputs
    if len(outputs) != 1 or outputs[0].script_pubkey != script_pubkey:
        raise Refused(f"the exit does not pay {asked.party} alone; sign none that pays anybody else")
    if spent - outputs[0].value > most_fee:
        raise Refused(f"the exit costs {spent - outputs[0].value} sat, more than {most_fee}; plan it at lower fees")


def sign_exit(graph: Graph, asked: Exit, signers: Sequence[ExitSigner]) -> Transaction:
    """Both rounds of signing; the transaction with its witness.

    `signers` are all cosigners in the order of `Cosigners.names`. Raises Misbehaviour naming the party whose share is
    wrong; errors of a signer (Refused, Unavailable) pass through, and nothing is signed then.
    """
    cosigners = graph.contract.cosigners
    if tuple(s.name for s in signers) != cosigners.names:
        raise InvalidInput(f"an exit is signed by {', '.join(cosigners.names)}; give all of them in this order")
    nonces = {s.name: s.public_nonce(asked) for s in signers}
    joined = cosigners.join_nonces(nonces)
    shares = {s.name: s.partial_signature(asked, joined) for s in signers}
    return _finish(graph, asked.source, asked.tx, cosigners.join(asked.message, joined, nonces, shares))


def _finish(graph: Graph, source: str, tx: Transaction, signature: bytes) -> Transaction:
    output = graph.outputs[source]
    leaf = output.path(N_OF_N).leaf
    items = reversed(graph.contract.cosigners.split(signature))
    return tx.with_witness(0, [*items, leaf.code, output.tree.control_block(leaf.name)])
