"""What is locked, of whom, for what; and what of each deposit's graph still works after a stake or bond has gone.

Stakes and bonds stand once for all deposits, so they are counted once, whatever the number of graphs that name them.
For one deposit alone an operator locks a ticket, nobody else anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from btc_l2.chain.protocol import Chain
from taproot.connectors.stake import bond_name, leaving_name, stake_name
from taproot.presigned import Graph
from taproot.terms import ANCHOR
from taproot.tx import OutPoint

STANDING, LEAVING, GONE, SPENT = "standing", "leaving", "gone", "kicked off"


@dataclass(frozen=True, slots=True)
class Position:
    """A standing output of a party; `sats` is what stands now, `free_at` the height at which a leaving one is free."""

    party: str
    name: str
    outpoint: OutPoint
    sats: int
    state: str
    free_at: int | None
    deposits: tuple[str, ...]  # that rely on it


@dataclass(frozen=True, slots=True)
class Works:
    """What of one deposit's graph still works; rewards in sat, before the fee."""

    deposit: str
    vault: bool  # unspent
    claim: str  # state of the ticket
    takes: bool
    kills: Mapping[str, int]  # variant → reward of the challenger who wins
    slashes: Mapping[str, bool]  # challenger → his bond can pay the penalty
    faults: tuple[str, ...]
    claimed_at: int | None = None  # height of the kickoff of an open claim

    @property
    def needs_refresh(self) -> bool:
        """Whether coins wait in the vault under a graph that does not do all it promised."""
        return self.vault and bool(self.faults)


@dataclass(frozen=True, slots=True)
class CapitalReport:
    """All positions, and a line per deposit."""

    positions: tuple[Position, ...]
    works: tuple[Works, ...]

    def locked(self, party: str) -> int:
        """Sats of a party in stakes, bonds and tickets."""
        return sum(p.sats for p in self.positions if p.party == party)

    def locked_for(self, party: str, deposit: str) -> int:
        """Sats that a party has locked for this deposit alone: an operator's ticket, of others nothing."""
        return sum(p.sats for p in self.positions if p.party == party and _is_ticket(p) and p.deposits == (deposit,))

    @property
    def parties(self) -> tuple[str, ...]:
        """All that have locked something, in the order of the positions."""
        return tuple(dict.fromkeys(p.party for p in self.positions))


def survey(chain: Chain, graphs: Mapping[str, Graph]) -> CapitalReport:
    """The report at the tip; `graphs` by deposit, whole ones or skeletons (`btc_l2.bridge.skeleton`)."""
    found: dict[OutPoint, Position] = {}
    for deposit, graph in graphs.items():
        for position in _positions(chain, graph, deposit):
            known = found.get(position.outpoint)
            names = (*known.deposits, deposit) if known else (deposit,)
            found[position.outpoint] = _with_deposits(position, names)
    works = tuple(examine(chain, deposit, graph) for deposit, graph in graphs.items())
    return CapitalReport(tuple(found.values()), works)


def examine(chain: Chain, deposit: str, graph: Graph) -> Works:
    """What of a graph still works."""
    terms, challengers = graph.contract.terms, graph.contract.parties.challengers
    ticket, vault = _state(chain, graph, "ticket"), _unspent(chain, graph, "vault")
    claimable = ticket == STANDING or _unspent(chain, graph, "asset")
    kills = {"bare": terms.asset - terms.asset_burn} if claimable else {}
    faults = [] if claimable else ["the ticket is gone: the operator cannot claim"]
    for k in range(len(terms.stakes)):
        state = _state(chain, graph, stake_name(k))
        if state != STANDING:
            faults.append(f"stake {k} is {state}")
        if claimable and state != GONE:
            kills[f"{'stake' if state == STANDING else 'leaving'}{k}"] = _reward(graph, state, k)
    bonds = {name: _state(chain, graph, bond_name(name)) for name in challengers}
    faults += [f"bond of {name} is {state}" for name, state in bonds.items() if state != STANDING]
    slashes = {name: state != GONE for name, state in bonds.items()}
    asset = chain.utxo(graph.outpoints["asset"])
    claimed_at = None if asset is None else asset.height
    return Works(deposit, vault, ticket, vault and claimable, kills, slashes, tuple(faults), claimed_at)


def _reward(graph: Graph, state: str, k: int) -> int:
    """What asset and stake leave to the winner, besides the turn; a kill burns and has an anchor."""
    terms, name = graph.contract.terms, stake_name(k)
    stake = graph.outputs[name if state == STANDING else leaving_name(name)].value
    return terms.asset + stake - terms.asset_burn - terms.stake_burn - ANCHOR


def _positions(chain: Chain, graph: Graph, deposit: str) -> Sequence[Position]:
    parties = graph.contract.parties
    owners = {stake_name(k): parties.operator.name for k in range(len(graph.contract.terms.stakes))}
    owners |= {bond_name(name): name for name in parties.challengers}
    owners["ticket"] = parties.operator.name
    return [_position(chain, graph, owner, name, deposit) for name, owner in owners.items()]


def _position(chain: Chain, graph: Graph, owner: str, name: str, deposit: str) -> Position:
    state = _state(chain, graph, name)
    free_at, sats = None, graph.outputs[name].value if state == STANDING else 0
    if state == LEAVING:
        leaving = leaving_name(name)
        coin = chain.utxo(graph.outpoints[leaving])
        sats = graph.outputs[leaving].value
        free_at = coin.height + graph.contract.terms.exit_delay if coin else None
    return Position(owner, name, graph.outpoints[name], sats, state, free_at, (deposit,))


def _state(chain: Chain, graph: Graph, name: str) -> str:
    if _unspent(chain, graph, name):
        return STANDING
    if name == "ticket":
        return SPENT if _unspent(chain, graph, "asset") else GONE
    return LEAVING if _unspent(chain, graph, leaving_name(name)) else GONE


def _unspent(chain: Chain, graph: Graph, name: str) -> bool:
    return chain.utxo(graph.outpoints[name]) is not None


def _is_ticket(position: Position) -> bool:
    return position.name == "ticket"


def _with_deposits(p: Position, deposits: tuple[str, ...]) -> Position:
    return Position(p.party, p.name, p.outpoint, p.sats, p.state, p.free_at, deposits)
