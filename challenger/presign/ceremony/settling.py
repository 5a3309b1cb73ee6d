"""One member's side of a settlement by files: payout, cancel or move, signed live by all, each on his own machine.

    settle → (review) → nonces → partials → the transaction

Files, nonces, attempts, evidence, deadline are those of every ceremony (`course`, `signing`). Each signer makes the
transaction himself, from his own bundles (`settlement`), before he can agree; a `move` also asks for his complete
bundles of the graphs that come after it (`check_successor`).
"""

from __future__ import annotations

from challenger.presign.ceremony.accord import (
    Accord,
    Own,
    Settles,
    Wanted,
    check_answer,
    check_own,
    check_statement,
    messages_of,
    propose_settlement,
    requested,
)
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.course import Course, open_folder
from challenger.presign.ceremony.evidence import GRAPHS, PLAN
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import Files
from challenger.presign.ceremony.succession import check_successor
from taproot.errors import InvalidInput, Refused
from taproot.presigned import Graph
from taproot.tx import OutPoint, Transaction


def begin_settlement(desk: Desk, wanted: Wanted, own: Own, deadline: int, salt: str | None = None) -> Settling:
    """Propose a settlement of the deposit of one's own bundles.

    Raises Refused for bundles of something else or a fee that leaves dust, TimedOut if the deadline is past.
    """
    desk.check()
    settlement = wanted.build(check_own(wanted, desk.policy, own))
    body = propose_settlement(desk.policy, wanted, settlement, deadline, salt)
    made = Contribution.make(desk.keys.identity, desk.name, Round.SETTLE, 0, desk.policy.digest(), body)
    return Settling(desk, open_folder(desk, made, deadline))


class Settling(Course):
    """A settlement in its folder."""

    def __init__(self, desk: Desk, files: Files) -> None:
        """Raises as `Seat`, InvalidInput for a proposal of another structure."""
        super().__init__(desk, files)
        self.accord = Accord.of(self.proposed)
        self._seen: Messages | None = None

    @property
    def deadline(self) -> int:
        """See `Course.deadline`."""
        return self.accord.deadline

    @property
    def kind(self) -> str:
        """See `Course.kind`."""
        return self.accord.wanted.kind.value

    @property
    def deposit(self) -> OutPoint:
        """See `Course.deposit`."""
        return self.accord.wanted.deposit

    def look_at(self, given: Contribution) -> None:
        """See `Course.look_at`: nonces and parts must be for what is proposed."""
        with self.accusing(GRAPHS, [self.proposed, given]):
            check_answer(given, self.accord)

    def settlement(self, own: Own, successor: Own | None = None) -> Graph:
        """The transaction, made from one's own bundles; after that one can agree to it.

        `successor`: one's own bundles of the graphs after a move. Raises Refused for bundles of something else or a
        move without them, VerificationFailed for an incomplete one, Misbehaviour for a proposer who states otherwise.
        """
        accord = self.accord
        graph = check_own(accord.wanted, self.desk.policy, own)
        with self.accusing(PLAN, [self.proposed]):
            settlement = check_statement(accord, graph)
        if accord.wanted.kind is Settles.MOVE:
            if successor is None:
                raise Refused("a move is signed after all signatures of the new graphs are here; name your bundles of "
                              "them too")  # fmt: skip
            check_successor(accord.wanted, self.desk.policy, accord.wanted.move(graph), successor)
        self._seen = messages_of(requested(settlement))
        return settlement

    def agree(self, messages: Messages) -> None:
        """As for every ceremony; only to what `settlement` has made. Raises Refused else."""
        if self._seen is None or messages != self._seen:
            raise Refused("only a settlement that was made from your own bundles can be agreed to; review it first")
        super().agree(messages)

    def rebuilt(self, graph: Graph) -> Graph:
        """The settlement once more, for who has agreed to it; `graph` is the operator's, its games do not matter.

        Raises InvalidInput for another deposit's graph.
        """
        settlement = self.accord.wanted.build(graph)
        if requested(settlement) != self.accord.messages:
            raise InvalidInput("these bundles make another settlement than was signed; name the right folder")
        return settlement

    def finish(self, graph: Graph) -> Transaction:
        """The signed transaction; `graph` as for `rebuilt`.

        Raises as `rebuilt`, Unavailable naming whose files are missing, Misbehaviour for a wrong part.
        """
        settlement = self.rebuilt(graph)
        made, (name,) = self.signatures(), settlement.transactions
        return settlement.assemble(name, {r.key: made[r.message] for r in settlement.requests()})
