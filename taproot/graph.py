"""The presigned graph of one deposit: every transaction of `docs/spec/graph.md`, its inputs, outputs and signatures.

    deposit ── confirm ── vault ─┬─ take1 (with asset and unchallenged, after challenge_delay)
                                 └─ take2 (with asset, after total_delay) ── receipts
    ticket ── kickoff ── asset, unchallenged, fan ── fan ── gates ── challenge.j ── first turn, token j
    unchallenged + token j ── veto.j
    turn ── j/MOVE ── next turn …
    operator's turn + asset [+ stake] ── j/timeout.TURN@…       challenger's turn + asset [+ stake] ── j/disprove.TURN@…
    challenger's turn + bond j + receipt j ── j/slash.TURN@…

This is the only place that joins outputs into transactions. A txid needs its parents' txids, so the order of the calls
below is the order of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taproot.connectors.claim import (
    make_asset,
    make_fan,
    make_gate,
    make_receipt,
    make_ticket,
    make_token,
    make_unchallenged,
)
from taproot.connectors.deposit import make_deposit, make_vault
from taproot.connectors.game import TIMEOUT, make_turn, player, turn_name
from taproot.connectors.output import Contract, Output, belonging_to, payout_script
from taproot.connectors.stake import (
    bond_name,
    leaving_name,
    make_bond,
    make_leaving_bond,
    make_leaving_stake,
    make_stake,
    stake_name,
)
from taproot.connectors.turn import GameScripts, Role, Turn
from taproot.errors import InvalidInput
from taproot.parties import N_OF_N, Parties
from taproot.presigned import ANYONE, Graph, Kind, Planned, Sign, Signatures, Slot, Spend
from taproot.sighash import SighashType
from taproot.terms import ANCHOR, Terms
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut, op_return_script
from taproot.units import SEQUENCE_RBF, TRUC_VERSION, Sats

__all__ = ["Funding", "Graph", "Kind", "Planned", "Sign", "Signatures", "build_graph"]

_ANCHOR_OUT = TxOut(ANCHOR, P2A_SCRIPT)
_BURN_SCRIPT = op_return_script(b"")
_FREE_VERSION = 2
_ALL_AHEAD = (Slot(N_OF_N),)
_ALL_AHEAD_SINGLE = (Slot(N_OF_N, SighashType.SINGLE),)


@dataclass(frozen=True, slots=True)
class Funding:
    """Where the outputs are that stand before the graph is made."""

    deposit: OutPoint
    stakes: tuple[OutPoint, ...]
    bonds: Mapping[str, OutPoint]
    ticket: OutPoint


def build_graph(terms: Terms, parties: Parties, funding: Funding, games: Mapping[str, GameScripts]) -> Graph:
    """The whole graph; `games` has one game per challenger.

    Raises InvalidInput where funding or games do not fit the parties, a game is no tree of turns, its longest branch
    exceeds what `terms.total_delay` counts with, or one of its leaves begins with the wrong key.
    """
    contract = Contract.make(terms, parties)
    _check_funding(contract, funding)
    builder = _Builder(contract, belonging_to(funding.deposit))
    _add_standing(builder, funding)
    _add_claim(builder)
    for challenger in parties.challengers:
        game = games.get(challenger)
        if game is None or game.challenger != challenger or len(games) != len(parties.challengers):
            raise InvalidInput(f"games for {', '.join(games)}; give one for each of {', '.join(parties.challengers)}")
        _check_game(terms, game)
        _add_game(builder, game)
    return Graph(contract, builder.outputs, builder.outpoints, builder.transactions)


class _Builder:
    """Outputs and transactions so far."""

    def __init__(self, contract: Contract, owner: bytes) -> None:
        self.contract = contract
        self.owner = owner  # what the outputs of this deposit belong to
        self.outputs: dict[str, Output] = {}
        self.outpoints: dict[str, OutPoint] = {}
        self.transactions: dict[str, Planned] = {}

    def stand(self, output: Output, outpoint: OutPoint) -> None:
        """An output that some transaction outside of the graph has made."""
        self.outputs[output.name] = output
        self.outpoints[output.name] = outpoint

    def add(self, name: str, kind: Kind, by: str, inputs: Sequence[Spend], outputs: Sequence[Output | TxOut]) -> None:
        """A fixed transaction: version 3, no fee, last output an anchor with all that the others leave."""
        prevouts = self._prevouts(inputs)
        plain = tuple(o.tx_out if isinstance(o, Output) else o for o in outputs)
        rest = TxOut(Sats(_sum(prevouts) - _sum(plain)), P2A_SCRIPT)
        assert rest.value >= ANCHOR, f"{name} has no coins for its anchor"
        tx = Transaction(TRUC_VERSION, self._tx_ins(inputs), (*plain, rest))
        names = tuple(o.name if isinstance(o, Output) else None for o in (*outputs, rest))
        self._register(Planned(name, kind, by, tx, tuple(inputs), prevouts, names, free=False))
        for vout, output in enumerate(outputs):
            if isinstance(output, Output):
                self.stand(output, tx.outpoint(vout))

    def add_free(self, name: str, kind: Kind, by: str, inputs: Sequence[Spend], others: Sequence[TxOut] = ()) -> None:
        """A free transaction: version 2, output 0 is proposed as all that `others` leave, to the key of `by`."""
        prevouts = self._prevouts(inputs)
        rest = TxOut(Sats(_sum(prevouts) - _sum(others)), payout_script(self.contract, by))
        tx = Transaction(_FREE_VERSION, self._tx_ins(inputs), (rest, *others))
        outputs = (None,) * len(tx.outputs)
        self._register(Planned(name, kind, by, tx, tuple(inputs), prevouts, outputs, free=True))

    def _register(self, planned: Planned) -> None:
        if planned.name in self.transactions:
            raise InvalidInput(f"two transactions of the graph are named {planned.name!r}; rename a move")
        self.transactions[planned.name] = planned

    def _prevouts(self, inputs: Sequence[Spend]) -> tuple[TxOut, ...]:
        return tuple(self.outputs[i.output].tx_out for i in inputs)

    def _tx_ins(self, inputs: Sequence[Spend]) -> tuple[TxIn, ...]:
        return tuple(TxIn(self.outpoints[i.output], i.sequence) for i in inputs)


def _add_standing(b: _Builder, funding: Funding) -> None:
    """Deposit, stakes, bonds, ticket; `refund`, `confirm`; per stake and bond `leave` and `exit`."""
    c = b.contract
    depositor = c.parties.depositor.name
    b.stand(make_deposit(c), funding.deposit)
    b.add_free("refund", Kind.REFUND, depositor, [_live("deposit", "refund", depositor, c.terms.refund_delay)])
    b.add("confirm", Kind.CONFIRM, ANYONE, [_ahead("deposit")], [make_vault(c, b.owner)])
    for k, outpoint in enumerate(funding.stakes):
        b.stand(make_stake(c, k), outpoint)
        _add_leave(b, stake_name(k), c.parties.operator.name, make_leaving_stake(c, k))
    for challenger in c.parties.challengers:
        b.stand(make_bond(c, challenger), funding.bonds[challenger])
        _add_leave(b, bond_name(challenger), challenger, make_leaving_bond(c, challenger))
    b.stand(make_ticket(c), funding.ticket)


def _add_leave(b: _Builder, standing: str, party: str, leaving: Output) -> None:
    leave = Spend(standing, "leave", (Slot(party), *_ALL_AHEAD), SEQUENCE_RBF)
    b.add(f"leave.{standing}", Kind.LEAVE, party, [leave], [leaving])
    after = b.contract.terms.exit_delay
    b.add_free(f"exit.{standing}", Kind.EXIT, party, [_live(leaving.name, "exit", party, after)])


def _add_claim(b: _Builder) -> None:
    """Kickoff, fan, both takes."""
    c, terms, operator = b.contract, b.contract.terms, b.contract.parties.operator.name
    parts = [make_asset(c, b.owner), make_unchallenged(c, b.owner), make_fan(c, b.owner)]
    b.add("kickoff", Kind.KICKOFF, operator, [_live("ticket", "spend", operator)], parts)
    b.add("fan", Kind.FAN, ANYONE, [_ahead("fan")], [make_gate(c, b.owner, name) for name in c.parties.challengers])
    first = [_ahead("vault"), _ahead("asset"), _ahead("unchallenged", terms.challenge_delay)]
    b.add("take1", Kind.TAKE1, operator, first, [_payout(b, operator, first)])
    second = [_ahead("vault"), _ahead("asset", terms.total_delay)]
    receipts = [make_receipt(c, b.owner, name) for name in c.parties.challengers]
    payout = _payout(b, operator, second, sum(receipt.value for receipt in receipts))
    b.add("take2", Kind.TAKE2, operator, second, [payout, *receipts])


def _payout(b: _Builder, party: str, inputs: Sequence[Spend], beside: int = 0) -> TxOut:
    value = sum(b.outputs[i.output].value for i in inputs) - beside - ANCHOR
    return TxOut(Sats(value), payout_script(b.contract, party))


def _add_game(b: _Builder, game: GameScripts) -> None:
    """Challenge, veto, and all turns from the first on, each with the transactions that spend it."""
    c, j = b.contract, game.challenger
    value = c.terms.first_turn_value
    first = make_turn(c, b.owner, j, game.turns[game.first], value)
    gate = Spend(f"gate.{j}", "challenge", (Slot(j), *_ALL_AHEAD), SEQUENCE_RBF)
    b.add(f"challenge.{j}", Kind.CHALLENGE, j, [gate], [first, make_token(c, b.owner, j)])
    b.add(f"veto.{j}", Kind.VETO, ANYONE, [_ahead("unchallenged"), _ahead(f"token.{j}")], [])
    waiting = [game.turns[game.first]]
    while waiting:
        turn = waiting.pop(0)
        waiting += [game.turns[move.next] for move in turn.moves]
        _add_moves(b, game, turn)
        if turn.mover is Role.OPERATOR:
            _add_kills(b, Kind.TIMEOUT, j, turn, _live(turn_name(j, turn.name), TIMEOUT, j, c.terms.move_delay))
        else:
            _add_disprove(b, j, turn)
            _add_slash(b, j, turn)


def _add_moves(b: _Builder, game: GameScripts, turn: Turn) -> None:
    j = game.challenger
    here, mover = turn_name(j, turn.name), player(b.contract, j, turn.mover)
    for move in turn.moves:
        slots = tuple(Slot(party) for party in b.outputs[here].path(move.leaf.name).parties)
        spend = Spend(here, move.leaf.name, slots, SEQUENCE_RBF)
        after = make_turn(b.contract, b.owner, j, game.turns[move.next], b.outputs[here].value - ANCHOR)
        b.add(f"{j}/{move.name}", Kind.MOVE, mover, [spend], [after])


def _add_disprove(b: _Builder, j: str, turn: Turn) -> None:
    if turn.disproofs:
        spend = Spend(turn_name(j, turn.name), None, (Slot(j),), SEQUENCE_RBF)
        _add_kills(b, Kind.DISPROVE, j, turn, spend)


def _add_kills(b: _Builder, kind: Kind, j: str, turn: Turn, spend: Spend) -> None:
    """One variant per stake output, before and after its owner left, and one without stake.

    Output 1 answers the asset's SIGHASH_SINGLE and burns for both; output 2, an anchor, answers the stake's. (One
    OP_RETURN only: nodes before Core 30 do not relay two.)
    """
    terms, base = b.contract.terms, f"{j}/{kind.value}.{turn.name}@"
    asset = _single("asset")
    burn = TxOut(Sats(terms.asset_burn + terms.stake_burn), _BURN_SCRIPT)
    for k in range(len(terms.stakes)):
        for variant, stake in ((f"stake{k}", stake_name(k)), (f"leaving{k}", leaving_name(stake_name(k)))):
            b.add_free(base + variant, kind, j, [spend, asset, _single(stake)], [burn, _ANCHOR_OUT])
    b.add_free(base + "bare", kind, j, [spend, asset], [TxOut(terms.asset_burn, _BURN_SCRIPT)])


def _add_slash(b: _Builder, j: str, turn: Turn) -> None:
    """Variants for the bond before and after its owner left; output 1 gives him the rest of the bond back."""
    operator, penalty = b.contract.parties.operator.name, b.contract.terms.penalty
    stopped = _live(turn_name(j, turn.name), TIMEOUT, operator, b.contract.terms.move_delay)
    receipt = _live(f"receipt.{j}", "slash", operator)
    for variant, bond in (("bond", bond_name(j)), ("leaving", leaving_name(bond_name(j)))):
        rest = TxOut(Sats(b.outputs[bond].value - penalty), payout_script(b.contract, j))
        name = f"{j}/slash.{turn.name}@{variant}"
        b.add_free(name, Kind.SLASH, operator, [stopped, _single(bond), receipt], [rest])


def _ahead(output: str, delay: int | None = None) -> Spend:
    """An input that all have signed in advance; a delay stands in its sequence number, which they signed (BIP68)."""
    return Spend(output, N_OF_N, _ALL_AHEAD, SEQUENCE_RBF if delay is None else delay)


def _single(output: str) -> Spend:
    """An input of a free transaction that all have signed in advance."""
    return Spend(output, N_OF_N, _ALL_AHEAD_SINGLE, SEQUENCE_RBF)


def _live(output: str, leaf: str, party: str, delay: int | None = None) -> Spend:
    """An input that its party signs when it plays the transaction."""
    return Spend(output, leaf, (Slot(party),), SEQUENCE_RBF if delay is None else delay)


def _sum(outputs: Sequence[TxOut]) -> int:
    return sum(output.value for output in outputs)


def _check_funding(contract: Contract, funding: Funding) -> None:
    terms, challengers = contract.terms, contract.parties.challengers
    if len(funding.stakes) != len(terms.stakes):
        raise InvalidInput(f"{len(funding.stakes)} stake outpoints for a pool of {len(terms.stakes)}")
    if set(funding.bonds) != set(challengers):
        raise InvalidInput(f"bonds of {', '.join(funding.bonds)}; give one for each of {', '.join(challengers)}")
    outpoints = [funding.deposit, *funding.stakes, *funding.bonds.values(), funding.ticket]
    if len(set(outpoints)) != len(outpoints):
        raise InvalidInput("the same outpoint stands for two outputs of the graph")


def _check_game(terms: Terms, game: GameScripts) -> None:
    seen: set[str] = set()
    operator, challenger = _longest_branch(game, game.first, seen)
    if seen != set(game.turns):
        raise InvalidInput(f"turn {min(set(game.turns) - seen)!r} of {game.challenger}'s game is never reached")
    if operator > terms.operator_moves or challenger > terms.challenger_moves:
        raise InvalidInput(
            f"longest branch of {game.challenger}'s game has {operator} moves of the operator and {challenger} of the "
            f"challenger; the terms count with {terms.operator_moves} and {terms.challenger_moves}"
        )


def _longest_branch(game: GameScripts, name: str, seen: set[str]) -> tuple[int, int]:
    """Most transactions of operator and challenger from a turn on; a kill counts as the challenger's."""
    if name in seen or name not in game.turns:
        raise InvalidInput(f"turn {name!r} of {game.challenger}'s game is missing or reached twice; turns form a tree")
    seen.add(name)
    turn = game.turns[name]
    branches = [_longest_branch(game, move.next, seen) for move in turn.moves]
    operator = max((branch[0] for branch in branches), default=0)
    challenger = max((branch[1] for branch in branches), default=0)
    if turn.mover is Role.OPERATOR:
        return operator + bool(turn.moves), max(challenger, 1)
    return operator, max(challenger + bool(turn.moves), 1)
