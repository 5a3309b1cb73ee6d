"""What a settlement's proposal says, and the transaction that follows from it and from one's own bundles.

    policy, deadline, salt     as in every proposal
    kind                       payout | cancel | move
    deposit, agreed            whose coins: outpoint and digest of the graphs that all have presigned
    operator                   whose open claim goes along
    seen                       what stood unspent: all of it is spent (`sighting`)
    payee, fee_rate            of a cancel: the output script, empty for the depositor's own key; sat/vB
    successor                  of a move: digest of the graphs that come after it
    next_policy                of a move to graphs of another policy: all of it
    messages                   what is signed, in the order of the inputs

Nobody signs the `messages` of a proposal: each signer makes the transaction from his bundles and compares. They stand
there so that whoever signs others can be convicted without a bundle, and a proposer who states others with one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round, digest_of
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.sighting import Sighting
from challenger.presign.refresh import NOBODY, Move, plan_move
from challenger.presign.settlement import plan_exit_of_all
from taproot.address import encode_address
from taproot.connectors.output import payout_script
from taproot.errors import InvalidInput, Misbehaviour, Refused
from taproot.presigned import Graph
from taproot.tx import OutPoint

MOST_FEE_RATE = 1000  # sat/vB; a slip of the finger, not a price
SETTLEMENT = "settlement"
Own = tuple[Mapping[str, Any], Mapping[str, Bundle]]  # manifest and bundles of one's own folder, all checked
_FIELDS = {"policy", "deadline", "salt", "kind", "deposit", "agreed", "operator", "seen", "payee", "fee_rate",
           "successor", "next_policy", "messages"}  # fmt: skip


class Settles(Enum):
    """What a settlement does with the coins."""

    PAYOUT = "payout"
    CANCEL = "cancel"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be settled, before anything is computed; `agreed` and `successor` are digests of 32 bytes."""

    kind: Settles
    deposit: OutPoint
    agreed: bytes
    operator: str
    seen: Sighting
    payee: bytes = b""
    fee_rate: int = 0
    successor: bytes = b""
    next_policy: Registered | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput for what does not go together."""
        if type(self.fee_rate) is not int or not 0 <= self.fee_rate <= MOST_FEE_RATE:
            raise InvalidInput(f"{self.fee_rate!r} sat/vB; a settlement pays whole numbers up to {MOST_FEE_RATE}")
        is_move = self.kind is Settles.MOVE
        if (self.fee_rate == 0) != is_move or bool(self.successor) != is_move:
            raise InvalidInput("a move names its successor and leaves the fee to its anchor; the others pay a fee")
        if self.next_policy is not None and not is_move:
            raise InvalidInput("only a move brings coins under another policy")
        if self.payee and self.kind is not Settles.CANCEL:
            raise InvalidInput(f"a {self.kind.value} names no payee: it is clear whom it pays")
        if self.kind is not Settles.CANCEL and "vault" not in self.seen.sources:
            raise InvalidInput(f"a {self.kind.value} spends the vault, and none stands; only a cancel does without")

    def to_json(self) -> dict[str, Any]:
        """The fields of the proposal's body that say it."""
        return {
            "kind": self.kind.value, "deposit": str(self.deposit), "agreed": self.agreed.hex(),
            "operator": self.operator, "seen": self.seen.to_json(), "payee": self.payee.hex(),
            "fee_rate": self.fee_rate, "successor": self.successor.hex(),
            "next_policy": None if self.next_policy is None else self.next_policy.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Wanted:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError, InvalidInput for anything else."""
        following = body["next_policy"]
        agreed, payee, successor = (bytes.fromhex(body[name]) for name in ("agreed", "payee", "successor"))
        if len(agreed) != 32 or len(successor) not in (0, 32):
            raise InvalidInput("digests of graphs have 32 bytes")
        return cls(
            Settles(body["kind"]), OutPoint.from_str(body["deposit"]), agreed, str(body["operator"]),
            Sighting.from_json(body["seen"]), payee, body["fee_rate"], successor,
            None if following is None else Registered.from_json(following),
        )  # fmt: skip

    def build(self, graph: Graph) -> Graph:
        """The settlement, from the operator's graph. Raises Refused if the fee leaves dust or nobody can be paid."""
        if self.kind is Settles.MOVE:
            return self.move(graph).graph
        return plan_exit_of_all(graph, self.kind.value, self.seen.sources, self.payee_of(graph), self.fee_rate)

    def move(self, graph: Graph) -> Move:
        """Of a move: it, and terms and depositor of the graphs that come after it."""
        return move_under(self.next_policy, graph, self.seen)

    def payee_of(self, graph: Graph) -> bytes:
        """The script that is paid. Raises Refused where that is nobody's, InvalidInput for one that has no address."""
        parties, terms = graph.contract.parties, graph.contract.terms
        if self.payee:
            encode_address(self.payee, terms.network)
            return self.payee
        if self.kind is Settles.PAYOUT:
            return payout_script(graph.contract, parties.operator.name)
        if parties.depositor.name == NOBODY:
            raise Refused("after a refresh the depositor is nobody; propose the cancel with the address to pay")
        return payout_script(graph.contract, parties.depositor.name)


@dataclass(frozen=True, slots=True)
class Accord:
    """A proposal that was read; what it says is not checked against any bundle yet."""

    ceremony: bytes
    proposer: str
    policy: Registered
    deadline: int
    wanted: Wanted
    messages: tuple[bytes, ...]

    @classmethod
    def of(cls, proposed: Contribution) -> Accord:
        """Raises InvalidInput for a body that is no settlement."""
        body = proposed.body
        try:
            if set(body) != _FIELDS or proposed.round is not Round.SETTLE:
                raise InvalidInput("it has another structure than version 1")
            made = cls(
                proposed.ceremony, proposed.sender, Registered.from_json(body["policy"]), body["deadline"],
                Wanted.from_json(body), tuple(bytes.fromhex(text) for text in body["messages"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"the proposal of a settlement is not understood: {error}") from error
        if type(made.deadline) is not int or type(body["salt"]) is not str:
            raise InvalidInput("the proposal of a settlement is not understood: deadline or salt")
        if made.wanted.operator not in made.policy.operators or any(len(m) != 32 for m in made.messages):
            raise InvalidInput(f"{made.wanted.operator!r} is no operator, or its messages have not 32 bytes each")
        return made

    def signed(self) -> Messages:
        """What is signed according to the proposal."""
        return messages_of(self.messages)


def propose_settlement(
    policy: Registered, wanted: Wanted, settlement: Graph, deadline: int, salt: str | None = None
) -> dict[str, Any]:
    """The body of a proposal for what `wanted.build` made."""
    return {
        "policy": policy.to_json(), "deadline": deadline, "salt": salt or secrets.token_hex(16), **wanted.to_json(),
        "messages": [message.hex() for message in requested(settlement)],
    }  # fmt: skip


def move_under(policy: Registered | None, graph: Graph, seen: Sighting) -> Move:
    """The move of what stood unspent to a deposit of this policy; None: terms and parties go on."""
    if policy is None:
        return plan_move(graph, seen.sources)
    parties = policy.parties(policy.operators[0], graph.contract.parties.depositor)
    return plan_move(graph, seen.sources, policy.terms, parties)


def requested(settlement: Graph) -> tuple[bytes, ...]:
    """The messages of a settlement, each once."""
    return tuple(dict.fromkeys(request.message for request in settlement.requests()))


def messages_of(messages: tuple[bytes, ...]) -> Messages:
    """As the signing ceremony wants them: one graph, nothing to confirm."""
    return Messages({SETTLEMENT: digest_of(messages)}, messages, ())


class Names(Protocol):
    """What says which deposit, which graphs, whose claim: a settlement, or the origin of a refresh."""

    @property
    def deposit(self) -> OutPoint:
        """Outpoint of the deposit."""

    @property
    def agreed(self) -> bytes:
        """Digest of its graphs (`Messages.digest`)."""

    @property
    def operator(self) -> str:
        """Whose open claim goes along."""


def check_own(wanted: Names, policy: Registered, own: Own) -> Graph:
    """The operator's graph in one's own bundles. Raises Refused unless they are those of this deposit and policy."""
    manifest, bundles = own
    if manifest["policy"] != policy.digest().hex():
        raise Refused("your bundles follow another policy than the registered one; name the right folder")
    for operator, bundle in bundles.items():
        parties = bundle.proposal.parties
        if parties != policy.parties(operator, parties.depositor):
            raise Refused(f"the bundle of {operator} has other parties than the registered policy")
    return find_named(wanted, own)


def find_named(wanted: Names, own: Own) -> Graph:
    """The operator's graph in bundles of whatever policy. Raises Refused unless they are those of this deposit."""
    manifest, bundles = own
    if manifest["agreed"] != wanted.agreed.hex() or manifest["deposit"] != str(wanted.deposit):
        raise Refused(f"your bundles are not those of deposit {wanted.deposit} that the proposal names; name the right "
                      "folder, or it is about something that you never signed")  # fmt: skip
    if wanted.operator not in bundles:
        raise Refused(f"there is no bundle of {wanted.operator}; name one of {', '.join(sorted(bundles))}")
    return bundles[wanted.operator].graph


def check_statement(accord: Accord, graph: Graph) -> Graph:
    """The settlement, made from one's own graph. Raises Misbehaviour if the proposer states other messages."""
    settlement = accord.wanted.build(graph)
    if requested(settlement) != accord.messages:
        raise Misbehaviour(accord.proposer, "states other messages than those of the settlement that he proposes")
    return settlement


def check_answer(given: Contribution, accord: Accord) -> None:
    """Raises Misbehaviour if nonces or parts are for anything else than what is proposed."""
    body, signed = given.body, accord.signed()
    if given.round is Round.NONCES:
        wanted = {name: digest.hex() for name, digest in signed.graphs.items()}
        if body.get("graphs") != wanted or body.get("heard") != {}:
            raise Misbehaviour(given.sender, "answers to another settlement than that of the proposal")
    if body.get("messages") != digest_of(signed.rest).hex():
        raise Misbehaviour(given.sender, "signs other messages than those of the settlement")
