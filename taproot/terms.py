"""What the parties of a deposit agree on: amounts in satoshis, delays in blocks, rounds of the search.

All is checked once, when it is made. `docs/spec/graph.md`, sections "Values" and "Clock", is the source of
every rule; a violated rule is an InvalidInput that shows the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any

from taproot.cosigners import KEY_VBYTES
from taproot.document import as_tuple, check_fields
from taproot.errors import InvalidInput, Refused
from taproot.units import (
    COIN,
    DUST_P2A,
    DUST_P2TR,
    MAX_DIGEST,
    MAX_MONEY,
    SEQUENCE_LOCKTIME_MASK,
    TRUC_MAX_VBYTES,
    Sats,
)

NETWORKS = ("regtest", "signet", "testnet")
ANCHOR = DUST_P2A
# A kill is a version-2 transaction that must pay for itself; the largest has about 16,300 vB, with as many plain
# signers as `check_keys` lets pass some 18,700.
KILL_VBYTES = 25_000
# What a game played to the end costs each side, with the children that pay fees: so much, or more for many rounds
OPERATOR_VBYTES = 83_000
OPERATOR_VBYTES_BESIDE_SEARCH, OPERATOR_VBYTES_OF_ROUND, VBYTES_OF_ROOT = 30_000, 410, 964
CHALLENGER_VBYTES = 25_000
CHALLENGER_VBYTES_BESIDE_SEARCH, CHALLENGER_VBYTES_OF_ROUND = 19_700, 340
# What plain signers add: a key in each n-of-n input that a side pays for, one per move and these (fan, gate, veto; the
# takes; asset and stake of a kill). The largest version 3 move is `assert` with the roots of a first round of 4.
N_OF_N_INPUTS_BESIDE_MOVES = 5
LARGEST_MOVE_VBYTES = 8_820
# On the longest branch, besides one move of each side per round of the search. Operator (the roots of the first round
# stand in `assert`): step, three parts of a path, its sibling. Challenger: pick of an access, three choices on the
# path, the kill. A game about the claim's leaves has one move of each side more than a search of no rounds would have.
OPERATOR_MOVES_BESIDE_SEARCH = 5
CHALLENGER_MOVES_BESIDE_SEARCH = 5
MOST_ARITY = 8  # a move that shows more roots of 256 bits comes too near to the 10,000 vB of version 3
MOST_ARITY_FIRST = 4  # its roots stand in `assert`, beside six other values
MOST_STEPS_LOG2 = 40
DIGESTS = (160, 192, 256)  # bits of a root that is signed; docs/spec/security.md
_STAKE, _BOND = Sats(COIN // 5), Sats(COIN // 10)
_ASSET, _ASSET_BURN = Sats(35_000), Sats(10_000)
_STAKE_BURN, _PENALTY = Sats(COIN // 20), Sats(COIN // 20)
_TRANSACTIONS_BEFORE_VETO = 3  # fan, challenge and veto follow the kickoff one after the other


@dataclass(frozen=True, slots=True)
class Terms:
    """Amounts (satoshis), delays (blocks) and arities of the search of one deposit."""

    network: str = "regtest"
    deposit: Sats = COIN
    stakes: tuple[Sats, ...] = (_STAKE,)
    bond: Sats = _BOND
    asset: Sats = _ASSET  # the kill token
    asset_burn: Sats = _ASSET_BURN
    stake_burn: Sats = _STAKE_BURN
    penalty: Sats = _PENALTY  # what a challenger who loses pays to the operator out of his bond
    fee_rate: int = 1  # sat/vB at which bond, stake and kill token still pay for a dispute
    arities: tuple[int, ...] = (4,) * 14
    digest: int = MAX_DIGEST  # bits to which the operator signs roots of the state tree
    confirmations: int = 2
    reaction: int = 6
    move_delay: int = 13
    challenge_delay: int = 24
    refund_delay: int = 144
    exit_delay: int = 2016
    margin: int = 6

    def __post_init__(self) -> None:
        """Raises Refused for mainnet, InvalidInput for terms under which somebody could be robbed or get stuck."""
        _check_types(self)
        _check_network(self.network)
        _check_amounts(self)
        _check_search(self.arities, self.digest)
        _check_delays(self)

    @property
    def steps(self) -> int:
        """N, the number of machine steps that the search covers."""
        return prod(self.arities)

    @property
    def operator_moves(self) -> int:
        """Most moves of the operator in one game."""
        return len(self.arities) + OPERATOR_MOVES_BESIDE_SEARCH

    @property
    def challenger_moves(self) -> int:
        """Most transactions of the challenger in one game after `challenge`, the kill among them."""
        return len(self.arities) + CHALLENGER_MOVES_BESIDE_SEARCH

    @property
    def operator_vbytes(self) -> int:
        """What answering one challenge to the end costs the operator, at the longest digest; nobody being plain."""
        roots = sum(self.arities) - len(self.arities)
        rounds = OPERATOR_VBYTES_OF_ROUND * len(self.arities)
        return max(OPERATOR_VBYTES, OPERATOR_VBYTES_BESIDE_SEARCH + rounds + VBYTES_OF_ROOT * roots)

    @property
    def challenger_vbytes(self) -> int:
        """What a challenger's moves and his kill cost him; nobody being plain."""
        rounds = CHALLENGER_VBYTES_OF_ROUND * len(self.arities)
        return max(CHALLENGER_VBYTES, CHALLENGER_VBYTES_BESIDE_SEARCH + rounds)

    def operator_vbytes_with(self, extra_keys: int) -> int:
        """As `operator_vbytes` where the n-of-n has that many keys besides the first."""
        return self.operator_vbytes + KEY_VBYTES * extra_keys * (self.operator_moves + N_OF_N_INPUTS_BESIDE_MOVES)

    def challenger_vbytes_with(self, extra_keys: int) -> int:
        """As `challenger_vbytes` where the n-of-n has that many keys besides the first."""
        return self.challenger_vbytes + KEY_VBYTES * extra_keys * (self.challenger_moves + N_OF_N_INPUTS_BESIDE_MOVES)

    def check_keys(self, extra_keys: int) -> None:
        """Whether these terms bear an n-of-n with so many keys besides the first: moves are relayed, amounts pay.

        Raises InvalidInput with the numbers.
        """
        most = (TRUC_MAX_VBYTES - LARGEST_MOVE_VBYTES) // KEY_VBYTES
        if extra_keys > most:
            raise InvalidInput(
                f"the n-of-n has {1 + extra_keys} keys; {1 + most} at most: with {KEY_VBYTES} vB for each further one "
                f"the largest move, {LARGEST_MOVE_VBYTES} vB, exceeds the {TRUC_MAX_VBYTES} vB of version 3"
            )
        _check_paid(self, extra_keys)

    @property
    def total_delay(self) -> int:
        """Blocks between kickoff and take2: longer than the longest dispute in which one side is honest.

        The last moment of a challenge is `challenge_delay` after the kickoff. Then each move of an operator who plays
        for time takes `move_delay` and, if he wins the race against the timeout, up to `reaction` more; each
        transaction of an honest challenger confirms within `reaction`; `reaction + margin` stand over at the end.
        """
        operator = self.operator_moves * (self.move_delay + self.reaction)
        challenger = self.challenger_moves * self.reaction
        return self.challenge_delay + operator + challenger + self.reaction + self.margin

    @property
    def slash_delay(self) -> int:
        """Blocks after `total_delay` within which an honest operator has take2 and the slash confirmed.

        Before take2 nothing ends a challenger's turn: he can spare all his moves for the time after it, make each in a
        race against the slash, and wait for the answer to it. Two reactions: his `leave` in the blocks of the kickoff,
        and take2.
        """
        return 2 * self.reaction + self.challenger_moves * (self.move_delay + 2 * self.reaction)

    @property
    def first_turn_value(self) -> Sats:
        """Value of a game's first output: one anchor per move of the longest branch, and no dust at its end."""
        moves = self.operator_moves + self.challenger_moves - 1
        return Sats(DUST_P2TR + ANCHOR * moves)

    @property
    def gate_value(self) -> Sats:
        """Value of a gate: it pays the first turn, the token and the anchor of `challenge`."""
        return Sats(self.first_turn_value + DUST_P2TR + ANCHOR)

    def fan_value(self, challengers: int) -> Sats:
        """Value of the fan output: all gates and an anchor."""
        return Sats(challengers * self.gate_value + ANCHOR)

    def ticket_value(self, challengers: int) -> Sats:
        """What the operator puts into a ticket: kill token, unchallenged output, fan output, anchor."""
        return Sats(self.asset + DUST_P2TR + self.fan_value(challengers) + ANCHOR)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Terms:
        """Inverse of `to_json`. Raises InvalidInput for a missing or unknown field, and as the constructor does."""
        check_fields(values, {f.name for f in fields(cls)}, "terms")
        lists = {name: as_tuple(values[name], name) for name in ("stakes", "arities")}
        return cls(**{**values, **lists})


def _check_types(terms: Terms) -> None:
    for f in fields(terms):
        value = getattr(terms, f.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if f.name != "network" and not all(type(n) is int and n >= 0 for n in numbers):
            raise InvalidInput(f"{f.name} = {value!r}; it must be made of whole numbers, none below zero")


def _check_network(network: str) -> None:
    if network in ("main", "mainnet", "bitcoin"):
        raise Refused("this software does not run on mainnet; use regtest")
    if network not in NETWORKS:
        raise InvalidInput(f"unknown network {network!r}; use one of {', '.join(NETWORKS)}")


def _check_amounts(terms: Terms) -> None:
    t = terms
    if not 0 < t.fee_rate <= 1000:
        raise InvalidInput(f"fee_rate {t.fee_rate} sat/vB is outside 1 to 1000")
    if not t.stakes:
        raise InvalidInput("the pool of stakes is empty; give at least one stake")
    if sum((t.deposit, *t.stakes, t.bond, t.asset)) > MAX_MONEY:
        raise InvalidInput("the amounts exceed 21 million bitcoin")
    if min(t.asset_burn, t.stake_burn) <= 0:
        raise InvalidInput(f"burns of {t.asset_burn} and {t.stake_burn} sat; colluders must lose, so burn > 0")
    _at_least("deposit", t.deposit, 2 * ANCHOR + DUST_P2TR, "confirm's and take's anchor and a payout that is not dust")
    _at_least("asset (kill token)", t.asset, KILL_VBYTES * t.fee_rate + t.asset_burn, "the fee of a kill and its burn")
    _at_least("bond", t.bond, t.penalty + ANCHOR + DUST_P2TR, "penalty, anchor and a rest that is not dust")
    _check_paid(t, extra_keys=0)


def _check_paid(t: Terms, extra_keys: int) -> None:
    """Penalty and stakes pay for a game of those who lose nothing."""
    needed = t.operator_vbytes_with(extra_keys) * t.fee_rate
    _at_least("penalty", t.penalty, needed, "the operator's cost of one game")
    for k, stake in enumerate(t.stakes):
        needed = t.stake_burn + ANCHOR + t.challenger_vbytes_with(extra_keys) * t.fee_rate
        _at_least(f"stake {k}", stake, needed, "burn, anchor and the challenger's cost of one game")


def _check_search(arities: tuple[int, ...], digest: int) -> None:
    if not arities or not all(2 <= arity <= MOST_ARITY for arity in arities):
        raise InvalidInput(f"arities {arities}; give one of 2 to {MOST_ARITY} for each round")
    if arities[0] > MOST_ARITY_FIRST:
        raise InvalidInput(f"arities {arities}; the first is {MOST_ARITY_FIRST} at most: `assert` shows its roots")
    if digest not in DIGESTS:
        raise InvalidInput(f"a digest of {digest} bits; choose one of {', '.join(map(str, DIGESTS))}")
    if prod(arities) > 1 << MOST_STEPS_LOG2:
        raise InvalidInput(f"the search covers {prod(arities)} steps; 2^40 at most")


def _check_delays(terms: Terms) -> None:
    t = terms
    _above("confirmations", t.confirmations, 0, "an unconfirmed move can change")
    _above("margin", t.margin, 0, "two timelocks must not end in the same block")
    _above("reaction", t.reaction, t.confirmations, "confirmations: a move is answered at that depth, then confirms")
    needed = (1 + len(t.stakes)) * t.reaction
    _above("move_delay", t.move_delay, needed, "a reaction for the answer, one for each stake that leaves meanwhile")
    needed = _TRANSACTIONS_BEFORE_VETO * t.reaction
    _above("challenge_delay", t.challenge_delay, needed, "three reactions: fan, challenge and veto come before take1")
    _above("refund_delay", t.refund_delay, 2 * t.reaction, "two reactions: confirm must be buried before a refund")
    needed = t.total_delay + t.slash_delay
    _above("exit_delay", t.exit_delay, needed, "total_delay and the time to slash")
    _above("2^16", SEQUENCE_LOCKTIME_MASK + 1, max(t.exit_delay, t.refund_delay), "the longest delay (BIP68)")


def _at_least(name: str, value: int, needed: int, what: str) -> None:
    if value < needed:
        raise InvalidInput(f"{name} is {value} sat, must be at least {needed} sat: {what}")


def _above(name: str, value: int, bound: int, what: str) -> None:
    if value <= bound:
        raise InvalidInput(f"{name} is {value}, must be more than {bound}: {what}")
