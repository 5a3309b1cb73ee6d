"""What all sign live over several outputs at once: a payout or cancel after a kickoff, the move to another graph.

Once the operator has kicked off it is not enough to spend the vault: with the kill token still on chain every kill goes
on, and takes his stake for a claim that all have agreed to. So a settlement takes the token (`asset`) along, and what
else of the claim is unspent.

A settlement is a graph of one transaction. The signing ceremony, its policy and its complaints are those of the graph
of a deposit (`challenger.presign.session`); every signer's `approve` sees the transaction before he makes a nonce. That
is for cosigners in one process; those on machines of their own sign by files (`challenger.presign.ceremony.settling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil

from challenger.presign.policy import Policy
from challenger.presign.session import Participant, run_ceremony
from challenger.presign.signer import Signer, cosigns_with
from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey
from taproot.musig2 import SecretNonce
from taproot.parties import N_OF_N
from taproot.presigned import Graph, Kind, Planned, Request, Slot, Spend
from taproot.tx import Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_RBF, Sats, dust_limit

CLAIM_OUTPUTS = ("asset", "unchallenged", "fan")  # of an open claim; all n-of-n
PLAIN_VERSION = 2  # pays its own fee

Approve = Callable[[Transaction], None]  # raises Refused


def plan_settlement(
    graph: Graph, name: str, sources: Sequence[str], outputs: Sequence[TxOut], version: int = PLAIN_VERSION
) -> Graph:
    """A graph of the one transaction that spends these outputs by their leaf `n-of-n`.

    Raises InvalidInput for no source, one twice, one without such a leaf, or outputs worth more than the inputs.
    """
    if not sources or len(set(sources)) != len(sources):
        raise InvalidInput(f"a settlement spends each of its outputs once; {', '.join(sources)!r} are given")
    placed = {source: graph.output(source) for source in sources}
    spent = {source: graph.outputs[source] for source in sources}
    for output in spent.values():
        output.path(N_OF_N)
    prevouts = tuple(tx_out for _, tx_out, _ in placed.values())
    if sum(o.value for o in outputs) > sum(o.value for o in prevouts):
        raise InvalidInput(f"outputs of {sum(o.value for o in outputs)} sat exceed what {', '.join(sources)} hold")
    tx = Transaction(version, tuple(TxIn(at, SEQUENCE_RBF) for at, _, _ in placed.values()), tuple(outputs))
    inputs = tuple(Spend(source, N_OF_N, (Slot(N_OF_N),), SEQUENCE_RBF) for source in sources)
    planned = Planned(name, Kind.SETTLE, N_OF_N, tx, inputs, prevouts, (None,) * len(outputs), free=False)
    return Graph(graph.contract, spent, {source: at for source, (at, _, _) in placed.items()}, {name: planned})


def plan_exit_of_all(graph: Graph, name: str, sources: Sequence[str], script_pubkey: bytes, fee_rate: float) -> Graph:
    """All of the sources, less the fee at `fee_rate` sat/vB, to one script. Raises Refused if that leaves dust."""
    whole = sum(graph.output(source)[1].value for source in sources)
    draft = plan_settlement(graph, name, sources, [TxOut(Sats(whole), script_pubkey)])
    blank = bytes(graph.contract.cosigners.signature_bytes)
    size = draft.assemble(name, {(name, k): blank for k in range(len(sources))}).vbytes
    value = whole - ceil(size * fee_rate)
    if value < dust_limit(script_pubkey):
        raise Refused(f"{name} at {fee_rate} sat/vB leaves {value} sat of {whole}; wait for lower fees")
    return plan_settlement(graph, name, sources, [TxOut(Sats(value), script_pubkey)])


class LiveSigner(Signer):
    """A cosigner who signs one settlement, if his `approve` lets it pass; nonces and policy are those of `Signer`."""

    def __init__(self, name: str, secret: SecretKey, settlement: Graph, approve: Approve) -> None:
        """`settlement`: as he planned it himself. Raises Refused for a key that is not this cosigner's."""
        if not cosigns_with(settlement.contract.parties.party(name), secret):
            raise Refused(f"the settlement has another key in the name of {name}")
        self.name = name
        self.graph = settlement
        self._approve = approve
        self._secret = secret
        self._policy = Policy(settlement)
        self._nonces: dict[tuple[str, int], SecretNonce] = {}

    def public_nonces(self, requests: Sequence[Request]) -> list[bytes]:
        """As `Signer.public_nonces`, once the transaction is approved."""
        if not self.is_plain:
            self._look()
        return super().public_nonces(requests)

    def partial_signatures(self, requests: Sequence[Request], aggregate_nonces: Sequence[bytes]) -> list[bytes]:
        """As `Signer.partial_signatures`; a plain signer, whom no missing nonce keeps from it, approves first."""
        if self.is_plain:
            self._look()
        return super().partial_signatures(requests, aggregate_nonces)

    def _look(self) -> None:
        for planned in self.graph.transactions.values():
            self._approve(planned.tx)


def sign_settlement(settlement: Graph, participants: Sequence[Participant]) -> Transaction:
    """Both rounds of signing; the finished transaction.

    Raises InvalidInput unless all cosigners are there in their order, else as `run_ceremony`; nothing is signed then.
    """
    (name,), names = settlement.transactions, settlement.contract.cosigners.names
    if tuple(p.name for p in participants) != tuple(names):
        raise InvalidInput(f"a settlement is signed by {', '.join(names)}; give all of them in this order")
    signatures = run_ceremony(settlement, participants)
    return settlement.assemble(name, signatures)


def sign_together(settlement: Graph, secrets: Mapping[str, SecretKey], approve: Approve) -> Transaction:
    """All cosigners in this process, for test networks. Raises InvalidInput where a key is missing."""
    names = settlement.contract.cosigners.names
    if missing := [name for name in names if name not in secrets]:
        raise InvalidInput(f"the key of {missing[0]} is missing; all of {', '.join(names)} sign")
    return sign_settlement(settlement, [LiveSigner(name, secrets[name], settlement, approve) for name in names])


def approve_payment(script_pubkey: bytes, least: int) -> Approve:
    """Approves what pays at least `least` sat to this script and nothing to anybody else."""

    def approve(tx: Transaction) -> None:
        if len(tx.outputs) != 1 or tx.outputs[0].script_pubkey != script_pubkey:
            raise Refused("the settlement does not pay the agreed party alone; sign none that pays anybody else")
        if tx.outputs[0].value < least:
            raise Refused(f"the settlement pays {tx.outputs[0].value} sat, agreed are {least}; plan it at lower fees")

    return approve
