"""The slow exit of a stake or bond: `leave`, then `exit` after `exit_delay`; what speaks against either, in blocks.

`leave` is presigned by all together and signed live by the owner, version 3, paid by a child from his fee wallet;
`exit` is signed by him alone and pays its own fee. The chain lets both through whenever the delays allow; an honest
owner waits for the claims that his output answers for, which end by themselves (docs/spec/graph.md, "Clock").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from btc_l2.chain.kernel import find_bad_input
from btc_l2.chain.protocol import Chain
from challenger.agents.wallet import Wallet
from taproot.connectors.stake import bond_name, leaving_name, stake_name
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.keys import SecretKey, sign_schnorr
from taproot.presigned import Graph, Signatures
from taproot.tx import OutPoint, Transaction, TxOut


@dataclass(frozen=True, slots=True)
class Held:
    """A stake or bond of `owner`, and the graphs that count on it, by label."""

    name: str
    owner: str
    outpoint: OutPoint
    graphs: Mapping[str, Graph]

    @property
    def graph(self) -> Graph:
        """Any of them: `leave` and `exit` are the same in all."""
        return next(iter(self.graphs.values()))

    def check_key(self, secret: SecretKey) -> None:
        """Raises Refused if this is not the owner's key in the graphs."""
        if self.graph.contract.key(self.owner) != secret.x_only:
            raise Refused(f"the bundles have another key in the name of {self.owner}; use that ceremony's keystore")


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that an output answers for, until which height at the latest."""

    label: str
    what: str
    until: int

    def __str__(self) -> str:
        return f"answers for {self.what} ({self.label}) until height {self.until} at the latest"


def find_held(graphs: Mapping[str, Graph], owner: str, which: str) -> Held:
    """The owner's stake or bond named `which`: its name, `OPERATOR/NAME`, or its outpoint.

    Raises InvalidInput unless it is exactly one.
    """
    found: dict[OutPoint, Held] = {}
    for label, graph in graphs.items():
        operator = graph.contract.parties.operator.name
        for name in _own_names(graph, owner):
            at = graph.outpoints[name]
            if which in (name, f"{operator}/{name}", str(at)):
                before = found[at].graphs if at in found else {}
                found[at] = Held(name, owner, at, {**before, label: graph})
    if len(found) != 1:
        own = ((g.contract.parties.operator.name, n) for g in graphs.values() for n in _own_names(g, owner))
        known = sorted({f"{operator}/{name}" for operator, name in own})
        raise InvalidInput(f"{len(found)} stakes or bonds of {owner} are {which!r}; name one by OPERATOR/NAME or "
                           f"outpoint; the bundles have {', '.join(known) or 'none of his'}")  # fmt: skip
    return next(iter(found.values()))


def find_claims(chain: Chain, held: Held) -> Iterator[OpenClaim]:
    """Open claims that the output answers for. A claim that nobody ended in the time the terms count with has ended."""
    tip = chain.tip().height
    for label, graph in held.graphs.items():
        for claim in _claims_in(chain, graph, label, held):
            if claim.until > tip:
                yield claim


def check_leave(chain: Chain, held: Held, during_claim: bool = False) -> None:
    """Raises Refused if it is not standing, or answers for an open claim and nobody has said `during_claim`."""
    if chain.utxo(held.outpoint) is None:
        coin = chain.utxo(held.graph.outpoints[leaving_name(held.name)])
        if coin is None:
            raise Refused(f"{held.name} ({held.outpoint}) is unconfirmed or spent; there is nothing to announce")
        free = free_at(held, coin.height)
        raise Refused(f"{held.name} is leaving since height {coin.height}; `exit` takes it home from height {free} on")
    for claim in find_claims(chain, held):
        if not during_claim:
            raise Refused(f"{held.name} {claim}, it is {chain.tip().height}; leave then, or say --during-claim")


def check_exit(chain: Chain, held: Held) -> None:
    """Raises Refused if it has not left, too early, or while a claim is open that it answers for."""
    tip, coin = chain.tip().height, chain.utxo(held.graph.outpoints[leaving_name(held.name)])
    if coin is None:
        delay = held.graph.contract.terms.exit_delay
        raise Refused(f"{held.name} is not leaving; announce it by `leave`, {delay} blocks later it is free")
    free = free_at(held, coin.height)
    if tip + 1 < free:
        raise Refused(f"too early: {held.name} is leaving since height {coin.height} and free from height {free} on; "
                      f"wait {free - tip - 1} blocks")  # fmt: skip
    for claim in find_claims(chain, held):
        raise Refused(f"{held.name} {claim}, it is {tip}; wait")


def free_at(held: Held, left: int) -> int:
    """Height of the first block that may hold `exit`, if `leave` is in the block at height `left`."""
    return left + held.graph.contract.terms.exit_delay


def make_leave(
    held: Held, signatures: Signatures, secret: SecretKey, wallet: Wallet, fee_rate: int
) -> list[Transaction]:
    """`leave` and the child that pays for both (sat/vB), judged by libbitcoinkernel; `signatures` of a graph of `held`.

    Raises Unavailable if the fee wallet cannot pay, VerificationFailed if the judge says no.
    """
    planned = held.graph.planned(f"leave.{held.name}")
    sign = {held.owner: partial(sign_schnorr, secret)}
    leave = held.graph.assemble(planned.name, signatures, sign)
    _judge(leave, list(planned.prevouts), planned.name)
    child = wallet.fee_child(leave, fee_rate)
    _judge(child, [_spent(wallet.chain, leave, i.prevout) for i in child.inputs], "the child that pays for it")
    return [leave, child]


def make_exit(held: Held, secret: SecretKey, script_pubkey: bytes, fee_rate: int) -> Transaction:
    """`exit` to this script, judged by libbitcoinkernel. Raises Refused if the fee would leave dust."""
    name, graph = f"exit.{held.name}", held.graph
    tx = graph.finalize(name, {}, {held.owner: partial(sign_schnorr, secret)}, script_pubkey, fee_rate)
    _judge(tx, list(graph.planned(name).prevouts), name)
    return tx


def _own_names(graph: Graph, owner: str) -> list[str]:
    parties, pool = graph.contract.parties, range(len(graph.contract.terms.stakes))
    stakes = [stake_name(k) for k in pool] if owner == parties.operator.name else []
    return stakes + ([bond_name(owner)] if owner in parties.challengers else [])


def _claims_in(chain: Chain, graph: Graph, label: str, held: Held) -> Iterator[OpenClaim]:
    """A stake answers for a claim from kickoff to take or kill; a bond for a challenge, to the end of the slash."""
    terms, asset = graph.contract.terms, chain.utxo(graph.outpoints["asset"])
    latest = terms.total_delay + terms.slash_delay
    if held.owner == graph.contract.parties.operator.name:
        if asset is not None:
            yield OpenClaim(label, f"the claim of height {asset.height}", asset.height + latest)
        return
    gate, fan = (chain.utxo(graph.outpoints[n]) for n in (f"gate.{held.owner}", "fan"))
    if gate is not None or fan is not None:
        return  # not challenged
    receipt = chain.utxo(graph.outpoints[f"receipt.{held.owner}"])
    if asset is not None:
        yield OpenClaim(label, f"a challenge to the claim of height {asset.height}", asset.height + latest)
    elif receipt is not None:
        paid = receipt.height
        yield OpenClaim(label, f"a challenge, the claim being paid at height {paid}", paid + terms.slash_delay)


def _spent(chain: Chain, parent: Transaction, outpoint: OutPoint) -> TxOut:
    if outpoint.txid == parent.txid:
        return parent.outputs[outpoint.vout]
    coin = chain.utxo(outpoint)
    assert coin is not None, "a fee wallet spends confirmed coins"
    return coin.output


def _judge(tx: Transaction, prevouts: list[TxOut], what: str) -> None:
    if find_bad_input(tx.serialize(), [(out.value, out.script_pubkey) for out in prevouts]) is not None:
        raise VerificationFailed(f"libbitcoinkernel does not accept {what}; nothing was sent, please report it")
