"""Cooperative exits: all signers and the operator sign one transaction live, and the coins leave without a dispute.

    vault   ── payout ── operator       he burned the deposit's amount on L2, everybody agrees that he did
    vault   ── cancel ── depositor      the L2 never credited the deposit, or took its credit back
    deposit ── cancel ── depositor      before the vault: without waiting for `refund_delay`

The leaf is `n-of-n`, the signatures are MuSig2 (BIP 327) with fresh nonces. A vault has no other way out than the
takes, so nobody loses anything by signing nothing: each signer's `approve` decides whether there is a reason to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey, is_valid_schnorr
from taproot.musig2 import KeyAgg, SecretNonce, Session, aggregate_nonces
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
    value = spent.value - ceil(_finish(graph, source, draft, bytes(64)).vbytes * fee_rate)
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
        """A fresh nonce (66 bytes). Raises Refused for what is no exit of his graph, or without a reason."""
        self._check(asked)
        nonce = SecretNonce.generate(self._secret, asked.message, self._graph.contract.aggregate)
        self._nonces[asked.message] = nonce
        return nonce.public

    def partial_signature(self, asked: Exit, joined: bytes) -> bytes:
        """His part (32 bytes). Raises Refused as `public_nonce`, or where he has no unused nonce for it."""
        self._check(asked)
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

    `signers` are all cosigners in the order of the n-of-n key. Raises Misbehaviour naming the party whose part is
    wrong; errors of a signer (Refused, Unavailable) pass through, and nothing is signed then.
    """
    aggregate = graph.contract.aggregate
    if tuple(s.name for s in signers) != tuple(aggregate.parties):
        raise InvalidInput(f"an exit is signed by {', '.join(aggregate.parties)}; give all of them in this order")
    nonces = [s.public_nonce(asked) for s in signers]
    joined = aggregate_nonces(nonces, aggregate.parties)
    partials = [s.partial_signature(asked, joined) for s in signers]
    return _finish(graph, asked.source, asked.tx, _join(aggregate, asked.message, joined, nonces, partials))


def _join(
    aggregate: KeyAgg, message: bytes, joined: bytes, nonces: Sequence[bytes], partials: Sequence[bytes]
) -> bytes:
    session = Session(aggregate, joined, message)
    signature = session.aggregate(partials)
    if is_valid_schnorr(aggregate.output_key, message, signature):
        return signature
    for partial, nonce, key in zip(partials, nonces, aggregate.public_keys, strict=True):
        session.verify_partial(partial, nonce, key)
    raise AssertionError("valid parts make a valid signature")


def _finish(graph: Graph, source: str, tx: Transaction, signature: bytes) -> Transaction:
    output = graph.outputs[source]
    leaf = output.path(N_OF_N).leaf
    return tx.with_witness(0, [signature, leaf.code, output.tree.control_block(leaf.name)])
