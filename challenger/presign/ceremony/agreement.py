"""From the files of the first two rounds to what will be signed: one proposal and one graph per operator.

Everybody makes all of it himself. The messages to be signed are those of all graphs, each once: the graphs share
`confirm`, which is signed last, after every other signature has been checked.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from challenger.commit import GameId
from challenger.presign.ceremony.contribution import Contribution, Round, digest_of
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.sighting import Sighting
from challenger.presign.policy import split_requests
from challenger.presign.proposal import BuildGames, GameKeys, Proposal
from challenger.presign.refresh import NOBODY
from taproot.connectors.turn import Role
from taproot.errors import BtcL2Error, InvalidInput, Misbehaviour
from taproot.graph import Funding, Graph
from taproot.hashes import tagged_hash
from taproot.parties import Party
from taproot.terms import Terms
from taproot.tx import OutPoint
from taproot.units import Sats

CEREMONY = "ceremony"  # the constant that holds the id: a bundle knows the domain of its one-time keys
Keys = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Craft:
    """How a game is made: one-time public keys of a side from a seed, scripts from a proposal."""

    public_keys: Callable[[bytes, GameId, Role, Terms], Keys]
    build_games: BuildGames


@dataclass(frozen=True, slots=True)
class Origin:
    """Of a refresh: the graphs whose vault moves under the new ones, and how much of it arrives.

    Whether this is so is asked of one's own bundles (`succession.check_origin`).
    """

    deposit: OutPoint  # of the graphs so far
    agreed: bytes  # their digest, 32 bytes
    operator: str  # whose open claim goes along
    seen: Sighting
    amount: Sats

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "deposit": str(self.deposit), "agreed": self.agreed.hex(), "operator": self.operator,
            "seen": self.seen.to_json(), "amount": self.amount,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Origin:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError, InvalidInput for anything else."""
        if set(value) != {"deposit", "agreed", "operator", "seen", "amount"} or type(value["amount"]) is not int:
            raise InvalidInput("the origin of a refresh has another structure than version 1")
        return cls(
            OutPoint.from_str(value["deposit"]), bytes.fromhex(value["agreed"]), str(value["operator"]),
            Sighting.from_json(value["seen"]), Sats(value["amount"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What a proposal's body says: whose deposit, until when (Unix seconds) the ceremony lasts."""

    ceremony: bytes
    policy: Registered
    depositor: Party
    deposit: OutPoint
    deadline: int
    origin: Origin | None = None

    @property
    def terms(self) -> Terms:
        """The registered ones; after a refresh the deposit is what the move has left of it, nothing else differs."""
        return self.policy.terms if self.origin is None else replace(self.policy.terms, deposit=self.origin.amount)

    @property
    def domain(self) -> str:
        """Domain of the one-time keys: another ceremony for the same deposit has other keys."""
        return _domain(self.deposit, self.ceremony)

    @classmethod
    def of(cls, proposed: Contribution) -> Plan:
        """Raises InvalidInput for a body that is no proposal."""
        body = proposed.body
        try:
            name, key = body["depositor"]
            plan = cls(
                proposed.ceremony, Registered.from_json(body["policy"]), Party(str(name), bytes.fromhex(key)),
                OutPoint.from_str(body["deposit"]), body["deadline"],
                Origin.from_json(body["origin"]) if "origin" in body else None,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"the proposal is not understood: {error!r}") from error
        if type(plan.deadline) is not int or len(body) != (5 if plan.origin is None else 6):
            raise InvalidInput("the proposal has another structure than version 1")
        if (plan.depositor.name == NOBODY) != (plan.origin is not None):
            raise InvalidInput(f"{NOBODY} is the depositor of a refresh and of nothing else")
        _ = plan.terms  # an amount that no terms allow is refused here
        for operator in plan.policy.operators:
            plan.policy.parties(operator, plan.depositor)
        return plan


def propose(
    policy: Registered, depositor: Party, deposit: OutPoint, deadline: int, salt: str | None = None,
    origin: Origin | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The body of a new proposal; a fresh `salt` makes it a ceremony of its own."""
    return {
        **({} if origin is None else {"origin": origin.to_json()}),
        "policy": policy.to_json(), "depositor": [depositor.name, depositor.public_key.hex()],
        "deposit": str(deposit), "deadline": deadline, "salt": salt or secrets.token_hex(16),
    }  # fmt: skip


def domain_of(proposal: Proposal) -> str:
    """Domain of a graph's one-time keys, `GameId.deposit`: that of its ceremony, or the deposit if it had none."""
    deposit, ceremony = proposal.funding.deposit, proposal.constants.get(CEREMONY)
    return str(deposit) if ceremony is None else _domain(deposit, ceremony)


def _domain(deposit: OutPoint, ceremony: bytes) -> str:
    return f"{deposit}/{ceremony.hex()}"


@dataclass(frozen=True, slots=True)
class Outpoints:
    """What a member has paid in: stakes and ticket as an operator, a bond for each other operator's graph."""

    stakes: tuple[OutPoint, ...] = ()
    ticket: OutPoint | None = None
    bonds: Mapping[str, OutPoint] | None = None


def make_keys(plan: Plan, craft: Craft, seed: bytes, name: str, outpoints: Outpoints) -> dict[str, Any]:
    """The body of a member's keys. Raises InvalidInput where outpoints do not fit what he is."""
    policy, bonds = plan.policy, outpoints.bonds or {}
    _check_outpoints(policy, name, outpoints)
    games = own_keys(plan, craft, seed, name)
    return {
        "keys": encode_games(games),
        "stakes": [str(o) for o in outpoints.stakes],
        "ticket": str(outpoints.ticket) if outpoints.ticket else None,
        "bonds": {operator: str(outpoint) for operator, outpoint in bonds.items()},
    }


def own_keys(plan: Plan, craft: Craft, seed: bytes, name: str) -> dict[tuple[str, str], Keys]:
    """One-time public keys of a member by (operator, challenger)."""
    terms = plan.terms
    made = {}
    for game in _games_of(plan.policy, name):
        made[game] = craft.public_keys(seed, GameId(plan.domain, *game), _role_of(name, game), terms)
    return made


def _role_of(name: str, game: tuple[str, str]) -> Role:
    return Role.OPERATOR if name == game[0] else Role.CHALLENGER


def encode_games(games: Mapping[tuple[str, str], Keys]) -> dict[str, dict[str, str]]:
    """One-time public keys as they stand in a file: OPERATOR/CHALLENGER → message → base64."""
    return {
        f"{operator}/{challenger}": {name: base64.b64encode(key).decode() for name, key in keys.items()}
        for (operator, challenger), keys in games.items()
    }


def check_keys(plan: Plan, craft: Craft, given: Contribution) -> None:
    """Raises Misbehaviour if keys or outpoints of the sender are not those that his part needs."""
    try:
        keys, outpoints = _read_keys(given.body)
        _check_outpoints(plan.policy, given.sender, outpoints)
    except (KeyError, TypeError, ValueError, AttributeError, BtcL2Error) as error:
        raise Misbehaviour(given.sender, f"his keys are not understood: {error}") from error
    if {game: _sizes(made) for game, made in keys.items()} != _wanted_sizes(plan, craft, given.sender):
        raise Misbehaviour(given.sender, "one-time keys of wrong games, names or sizes")


def _wanted_sizes(plan: Plan, craft: Craft, name: str) -> dict[tuple[str, str], dict[str, int]]:
    """Sizes of a member's one-time keys; they depend on his part in a game alone, so one game of each kind is made."""
    games = {game: _role_of(name, game) for game in _games_of(plan.policy, name)}
    nobody = GameId("", "", "")
    sizes = {role: _sizes(craft.public_keys(bytes(32), nobody, role, plan.terms)) for role in {*games.values()}}
    return {game: sizes[role] for game, role in games.items()}


def _sizes(keys: Keys) -> dict[str, int]:
    return {name: len(key) for name, key in keys.items()}


def make_proposals(plan: Plan, given: Mapping[str, Contribution]) -> dict[str, Proposal]:
    """A proposal per operator from everybody's keys, which have been checked."""
    read = {name: _read_keys(contribution.body) for name, contribution in given.items()}
    proposals = {}
    for operator in sorted(plan.policy.operators):
        parties = plan.policy.parties(operator, plan.depositor)
        keys, outpoints = read[operator]
        bonds = {name: (read[name][1].bonds or {})[operator] for name in parties.challengers}
        assert outpoints.ticket is not None, "checked with the keys"
        proposals[operator] = Proposal(
            terms=plan.terms, parties=parties,
            funding=Funding(plan.deposit, outpoints.stakes, bonds, outpoints.ticket),
            one_time={c: GameKeys(keys[operator, c], read[c][0][operator, c]) for c in parties.challengers},
            constants={**plan.policy.constants, CEREMONY: plan.ceremony},
        )  # fmt: skip
    return proposals


@dataclass(frozen=True, slots=True)
class Messages:
    """What is signed: digests of the graphs by operator, messages of the first stage, then those of `confirm`."""

    graphs: Mapping[str, bytes]
    rest: tuple[bytes, ...]
    confirm: tuple[bytes, ...]

    @classmethod
    def of(cls, graphs: Mapping[str, Graph]) -> Messages:
        """Each message once, in the order of operators and requests. Raises InvalidInput if `confirm` is not shared."""
        split = [split_requests(graph) for graph in graphs.values()]
        rest = dict.fromkeys(r.message for first, _ in split for r in first)
        last = dict.fromkeys(r.message for _, confirm in split for r in confirm)
        if len(last) != 1:
            raise InvalidInput("the operators' graphs do not share `confirm`; they belong to different deposits")
        return cls({operator: graph.digest() for operator, graph in graphs.items()}, tuple(rest), tuple(last))

    def of_round(self, round_: Round) -> tuple[bytes, ...]:
        """The messages that nonces or parts of a round are for."""
        return self.confirm if round_ in (Round.CONFIRM_NONCES, Round.CONFIRM_PARTIALS) else self.rest

    def digest(self) -> bytes:
        """What the members compare by voice: all graphs together."""
        rows = "\n".join(f"{operator} {digest.hex()}" for operator, digest in sorted(self.graphs.items()))
        return tagged_hash("btc-l2/ceremony/graphs", rows.encode() + digest_of([*self.rest, *self.confirm]))

    def to_json(self) -> dict[str, Any]:
        """All of it in hexadecimal."""
        return {
            "graphs": {operator: digest.hex() for operator, digest in self.graphs.items()},
            "rest": [m.hex() for m in self.rest], "confirm": [m.hex() for m in self.confirm],
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Messages:
        """Inverse of `to_json`."""
        rest, confirm = (tuple(bytes.fromhex(m) for m in values[part]) for part in ("rest", "confirm"))
        return cls({operator: bytes.fromhex(d) for operator, d in values["graphs"].items()}, rest, confirm)


def _games_of(policy: Registered, name: str) -> list[tuple[str, str]]:
    """The games that a member plays: against all others as an operator, against each other operator."""
    own = [(name, other) for other in policy.names if other != name] if name in policy.operators else []
    return own + [(operator, name) for operator in sorted(policy.operators) if operator != name]


def _check_outpoints(policy: Registered, name: str, given: Outpoints) -> None:
    is_operator, stakes = name in policy.operators, len(policy.terms.stakes)
    if len(given.stakes) != (stakes if is_operator else 0) or (given.ticket is not None) != is_operator:
        wanted = f"{stakes} stakes and a ticket" if is_operator else "neither stake nor ticket"
        raise InvalidInput(f"{name} has {len(given.stakes)} stakes; {wanted} are needed")
    against = {operator for operator in policy.operators if operator != name}
    if set(given.bonds or {}) != against:
        raise InvalidInput(f"{name} has bonds for {', '.join(given.bonds or {}) or 'nobody'}; one for each operator "
                           f"but himself is needed: {', '.join(sorted(against))}")  # fmt: skip


def _read_keys(body: Mapping[str, Any]) -> tuple[dict[tuple[str, str], Keys], Outpoints]:
    if set(body) != {"keys", "stakes", "ticket", "bonds"}:
        raise InvalidInput("keys, stakes, ticket, bonds are needed, nothing else")
    keys: dict[tuple[str, str], Keys] = {}
    for game, encoded in body["keys"].items():
        operator, _, challenger = game.partition("/")
        try:
            keys[operator, challenger] = {n: base64.b64decode(text, validate=True) for n, text in encoded.items()}
        except binascii.Error as error:
            raise InvalidInput(f"keys of game {game}: {error}") from error
    ticket = body["ticket"]
    return keys, Outpoints(
        tuple(OutPoint.from_str(text) for text in body["stakes"]),
        None if ticket is None else OutPoint.from_str(ticket),
        {operator: OutPoint.from_str(text) for operator, text in body["bonds"].items()},
    )
