"""What each member has to pay in before a deposit is presigned, by the registered policy, and which coins are for it.

    operator     every stake of the pool, a ticket for each deposit
    challenger   a bond for each other operator

Stakes and bonds serve all deposits, so those of an earlier ceremony are named again; a ticket serves one. Bonds of one
challenger have the same script whatever the operator: each operator's graph needs one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from btc_l2.chain.protocol import Coin
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.registered import Registered
from challenger.presign.vetting import stand_in
from taproot.connectors.claim import make_ticket
from taproot.connectors.output import Contract, Output
from taproot.connectors.stake import bond_name, make_bond, make_stake
from taproot.tx import OutPoint, TxOut

TICKET = "ticket"
FORGOTTEN = "TXID:VOUT"  # in the place of an outpoint that was not found


@dataclass(frozen=True, slots=True)
class Due:
    """An output that `party` pays, for the graph of `operator`; `name` is its name there."""

    party: str
    operator: str
    name: str
    output: TxOut


def dues(policy: Registered, party: str | None = None) -> list[Due]:
    """Everything that has to stand, or what one member has to pay. Raises InvalidInput for no member."""
    if party is not None:
        policy.member(party)
    found = [due for operator in sorted(policy.operators) for due in _of_operator(policy, operator)]
    return [due for due in found if party in (None, due.party)]


def assign(
    wanted: Sequence[Due], coins: Mapping[bytes, Sequence[Coin]], earlier: Iterable[Contribution] = ()
) -> dict[Due, OutPoint]:
    """An outpoint for each due as far as there are some; `coins` by script, `earlier` the keys of former ceremonies."""
    before = list(_named(earlier))
    tickets = {at for _, _, name, at in before if name == TICKET}
    known = {(party, operator, name): at for party, operator, name, at in before if name != TICKET}
    chosen: dict[Due, OutPoint] = {}
    for due in wanted:
        fits = [c.outpoint for c in coins.get(due.output.script_pubkey, ()) if c.output == due.output]
        again = known.get((due.party, due.operator, due.name))
        reserved = {at for place, at in known.items() if at != again} | tickets | set(chosen.values())
        free = [at for at in fits if at not in reserved]
        if again in fits or free:
            chosen[due] = again if again is not None and again in fits else free[0]
    return chosen


def sign_arguments(policy: Registered, party: str, chosen: Mapping[Due, OutPoint]) -> list[str]:
    """Options of a member's first `btc-l2 signer sign`."""
    arguments: list[str] = []
    for due in dues(policy, party):
        at = str(chosen.get(due, FORGOTTEN))
        option = "--ticket" if due.name == TICKET else "--bond" if due.operator != party else "--stake"
        arguments += [option, f"{due.operator}={at}" if option == "--bond" else at]
    return arguments


def _of_operator(policy: Registered, operator: str) -> Iterator[Due]:
    contract = Contract.make(policy.terms, policy.parties(operator, stand_in(policy)))
    own: list[Output] = [make_stake(contract, k) for k in range(len(policy.terms.stakes))]
    for output in (*own, make_ticket(contract)):
        yield Due(operator, operator, output.name, output.tx_out)
    for challenger in sorted(contract.parties.challengers):
        yield Due(challenger, operator, bond_name(challenger), make_bond(contract, challenger).tx_out)


def _named(earlier: Iterable[Contribution]) -> Iterator[tuple[str, str, str, OutPoint]]:
    """Party, operator, name and outpoint of everything that keys of a ceremony name; they were checked as they came."""
    for given in earlier:
        party, body = given.sender, given.body
        named = [(party, f"stake{k}", text) for k, text in enumerate(body["stakes"])]
        named += [(party, TICKET, body["ticket"])] if body["ticket"] else []
        named += [(operator, bond_name(party), text) for operator, text in body["bonds"].items()]
        yield from ((party, operator, name, OutPoint.from_str(text)) for operator, name, text in named)
