"""The watchtower: one party's eyes and hands for all its deposits. `tick` is one round; the daemon calls it for ever.

A round: follow the chain, decide anew for every deposit whose claim is open, act, say what is wrong. Heights are its
only clock: what the wall clock says changes nothing. Whatever fails (node, disk, data) fails for this round only; what
was not done is decided again in the next one, from the chain and from the journals.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from btc_l2.chain.protocol import Chain, Rejected
from challenger.agents.player import Secrets
from challenger.agents.wallet import Wallet
from challenger.games import GameLibrary
from challenger.presign.vetting import check_relayable, find_relay_doubt
from challenger.watchtower import alarms as kinds
from challenger.watchtower.alarms import Alarm, Board, near_deadlines, stuck_moves
from challenger.watchtower.case import OPERATOR, Case, ProgramOf, load_case, role_of
from challenger.watchtower.fault import fault_point
from challenger.watchtower.follow import Followed, Follower
from challenger.watchtower.index import output_rows, transaction_rows
from challenger.watchtower.metrics import Metrics
from challenger.watchtower.orders import Orders
from challenger.watchtower.phase import is_at_work
from challenger.watchtower.place import Place, find_place, list_places
from challenger.watchtower.program import load_program, read_description
from challenger.watchtower.relay import NodeUnavailable, RoundChain
from challenger.watchtower.store import Registered, Store
from taproot.errors import BtcL2Error, Unavailable
from taproot.presigned import Graph
from taproot.terms import Terms

log = logging.getLogger(__name__)
STORE = "tower.db"


class Tower:
    """One party's watchtower on one chain."""

    def __init__(
        self, chain: Chain, orders: Orders, secrets: Secrets, library: GameLibrary | None = None,
        program_of: ProgramOf = load_program,
    ) -> None:  # fmt: skip
        """Raises Unavailable if the disk fails, VerificationFailed for a damaged store. The node is not asked yet.

        `library` keeps scripts of games that were built before; without it each graph is dropped with its case.
        """
        self.orders, self._secrets, self._library, self._program_of = orders, secrets, library, program_of
        self.chain = RoundChain(chain, orders.dry_run)
        self.store = Store(orders.state / STORE, orders.party)
        self.metrics = Metrics()
        self.board = Board(self.store, self.metrics.tell_alarm)
        self.wallet = Wallet(self.chain, secrets.key)
        self.cases: dict[int, Case] = {}
        self.last_error = ""
        self._failed_rounds = 0
        self._deep = 0, 0  # the last reorganisation that was deeper than it may be: depth, height
        self._failures: dict[int, Alarm] = {}
        self._seen: dict[Path, tuple[int, ...]] = {}  # bundles that were looked at: times and sizes
        self._places: dict[str, Place] = {}
        self._refused: dict[str, Alarm] = {}
        self._follower = Follower(self.chain, self.store, orders.start)

    def close(self) -> None:
        """Give the files back."""
        for case in self.cases.values():
            case.close()
        self.store.close()

    # ---- deposits --------------------------------------------------------------------------------------

    def add_deposits(self) -> list[Registered]:
        """Register the bundles that are not known yet.

        Raises VerificationFailed for a bad bundle, Refused as `check_relayable` and `Store.register`.
        """
        return [self._register(place) for place in self._new_places()]

    def _new_places(self) -> Iterator[Place]:
        """Bundles that have not been looked at since they were written."""
        self._places = {place.name: place for place in list_places(self.orders.deposits)}
        for place in self._places.values():
            mark = place.mark()
            if self._seen.get(place.path) != mark:
                yield place
                self._seen[place.path] = mark

    def _find_new(self) -> None:
        """As `add_deposits`, but a bundle that is refused is an alarm."""
        for place in self._new_places():
            self._refused.pop(place.name, None)
            try:
                self._register(place)
            except Unavailable:
                raise
            except BtcL2Error as error:
                self._refused[place.name] = Alarm(place.name, kinds.CASE, "bundle", str(error))

    def _register(self, place: Place) -> Registered:
        digest = place.digest()
        known = next((d for d in self.store.deposits() if (d.name, d.bundle) == (place.name, digest)), None)
        if known is not None:
            return known
        library = self._library or GameLibrary()
        bundle = place.load(library.scripts)
        proposal, graph = bundle.proposal, bundle.graph
        if not self.chain.confirmations(graph.planned("confirm").tx.txid):
            check_relayable(graph, self.chain.relay_rate())
        row = Registered(
            0, place.name, str(proposal.funding.deposit), digest, role_of(proposal.parties, self.orders.party),
            json.dumps(proposal.terms.to_json()),
        )  # fmt: skip
        added = self.store.register(row, output_rows(graph), transaction_rows(graph))
        if not self._is_untouched(graph):
            start = read_description(place.folder).get("start", self.orders.start)
            self._follower.go_back(int(start) - 1)
        log.info("deposit.added name=%s role=%s outpoint=%s", added.name, added.role, added.outpoint)
        return added

    def _is_untouched(self, graph: Graph) -> bool:
        """Is every output that stands before the graph still there?"""
        made = {p.tx.outpoint(k) for p in graph.transactions.values() if not p.free for k in range(len(p.tx.outputs))}
        return all(self.chain.utxo(o) is not None for o in graph.outpoints.values() if o not in made)

    # ---- a round ---------------------------------------------------------------------------------------

    def tick(self) -> list[str]:
        """One round; names of the transactions that were sent, `DEPOSIT:NAME`. What fails is an alarm, not an error."""
        self.chain.begin_round()
        sent: list[str] = []
        try:
            self._find_new()
            followed = self._follower.follow()
            sent = self._act()
            self._report(followed)
            self._end_round("", ())
        except NodeUnavailable as error:
            self._failed_rounds += 1
            enough = self._failed_rounds >= self.orders.outage
            self._end_round(str(error), [Alarm("", kinds.NODE, "", str(error))] if enough else ())
        except Unavailable as error:
            self._end_round(str(error), [Alarm("", kinds.DISK, "", str(error))])
        fault_point("tick.end")
        return sent

    def _end_round(self, error: str, found: list[Alarm] | tuple[()]) -> None:
        """Health of node and disk; a round without an error clears both alarms."""
        if not error:
            self._failed_rounds = 0
        elif not self.last_error:
            log.warning("round.failed reason=%s", error)
        self.last_error = error
        outage = self._failed_rounds >= self.orders.outage
        about = (kinds.DISK,) if error and not outage and not found else (kinds.NODE, kinds.DISK)
        self.board.update(found, self._follower.height, about if not error or found else ())
        self.metrics.tell_round(error == "")
        self.metrics.tell_alarms(self.board.standing.values())

    def _act(self) -> list[str]:
        sent = []
        for registered in self.store.deposits():
            if not self._is_open(registered):
                self._drop(registered)
                continue
            sent += [f"{registered.name}:{name}" for name in self._work(registered)]
        self._keep_coins()
        for name in sent:
            self.metrics.tell_move(name.partition(":")[2])
        return sent

    def _is_open(self, registered: Registered) -> bool:
        events, terms = self.store.events(registered.id), Terms.from_json(json.loads(registered.terms))
        if registered.role == OPERATOR:
            place = self._places.get(registered.name)
            if place is None or not place.claim.exists():
                return False
        return is_at_work(events, self._follower.height, terms, registered.role)

    def _drop(self, registered: Registered) -> None:
        """The claim is over: its graph leaves the memory."""
        self._failures.pop(registered.id, None)
        case = self.cases.pop(registered.id, None)
        if case is not None:
            case.close()
            log.info("case.closed deposit=%s", registered.name)

    def _work(self, registered: Registered) -> list[str]:
        """The agent's turn. A deposit that fails does not keep the others from being looked at."""
        self._failures.pop(registered.id, None)
        library = self._library or GameLibrary()
        try:
            if registered.id not in self.cases:
                self.cases[registered.id] = self._load(registered, library)
            return self.cases[registered.id].tick(self.chain, self._secrets, library, self.orders.state)
        except Unavailable:
            raise
        except BtcL2Error as error:
            self._failures[registered.id] = Alarm(registered.name, kinds.CASE, "", str(error))
            return []

    def _load(self, registered: Registered, library: GameLibrary) -> Case:
        orders = self.orders
        log.info("case.opened deposit=%s role=%s", registered.name, registered.role)
        return load_case(
            registered, find_place(orders.deposits, registered.name), orders.party, self.store, orders.limits, library,
            self._program_of, orders.object_to_unknown,
        )  # fmt: skip

    def _keep_coins(self) -> None:
        """Split the fee wallet while nothing is at stake, so that several children can be made in one block."""
        if not self.orders.coins or any(case.agent and case.agent.wanted for case in self.cases.values()):
            return
        script = self.wallet.script_pubkey
        if any(out.script_pubkey == script for tx in self.chain.mempool() for out in tx.outputs):
            return
        try:
            tx = self.wallet.split(self.orders.coins, self.orders.coin, self.chain.estimate_fee())
            if tx is not None:
                self.chain.broadcast(tx)
                log.info("wallet.split txid=%s coins=%d", tx.txid_hex, self.orders.coins)
        except NodeUnavailable:
            raise
        except (Unavailable, Rejected):
            return  # too poor to split: `wallet.low` says so when it matters

    # ---- alarms ----------------------------------------------------------------------------------------

    def _report(self, followed: Followed) -> None:
        for event in followed.events:
            log.info("chain.seen deposit=%d name=%s height=%d", event.deposit, event.name, event.height)
        if followed.rewound:
            log.warning("chain.reorganised depth=%d height=%d", followed.rewound, followed.height)
        found = [*self._spends(), *self._reorganised(followed)]
        found += [*self._failures.values(), *self._refused.values()]
        for case in self.cases.values():
            found += self._doubts(case)
        shown = [kind for kind in kinds.KINDS if kind not in (kinds.NODE, kinds.DISK)]
        self.board.update(found, followed.height, shown)
        self.metrics.tell_chain(followed, self.chain.tip().height)
        self.metrics.tell_deposits(self.store.deposits(), self.cases)
        if self.cases:
            self.metrics.tell_wallet(self.wallet.balance(), len(self.wallet.coins()))

    def _spends(self) -> Iterator[Alarm]:
        names = {d.id: d.name for d in self.store.deposits()}
        for event in self.store.unknown_spends():
            text = f"an output of the graph was spent at height {event.height} by what is no transaction of it"
            yield Alarm(names[event.deposit], kinds.UNKNOWN_SPEND, f"{event.height}:{event.place}", text)

    def _reorganised(self, followed: Followed) -> Iterator[Alarm]:
        """At least as deep as some deposit's `confirmations`; stands until as many blocks are on the new branch."""
        depths = [Terms.from_json(json.loads(d.terms)).confirmations for d in self.store.deposits()]
        if depths and followed.rewound >= min(depths):
            self._deep = followed.rewound, followed.height
        depth, height = self._deep
        if depth and followed.height < height + depth:
            text = f"{depth} blocks were taken back at {height}, the terms promise for fewer than {min(depths)}"
            yield Alarm("", kinds.REORG, str(height), text)

    def _doubts(self, case: Case) -> Iterator[Alarm]:
        """What is wrong with an open claim."""
        name, agent = case.registered.name, case.agent
        if case.missing:
            yield Alarm(name, kinds.DATA, "", case.missing)
        for text in find_relay_doubt(case.terms, self.chain.relay_rate()):
            yield Alarm(name, kinds.RELAY, "", text)
        if agent is None:
            return
        height, operator = agent.view.height, case.role == OPERATOR
        yield from stuck_moves(name, agent.budget.since, height, self.orders.stuck)
        yield from near_deadlines(
            name, agent.view, case.terms, agent.wanted, case.games(), operator, self.orders.deadline
        )
        for move in agent.budget.capped:
            yield Alarm(name, kinds.FEE_CAP, move, f"{agent.budget.total} sat are offered; the caps allow no more")
        extra_keys = case.graph.contract.cosigners.extra_keys
        size = (case.terms.operator_vbytes_with if operator else case.terms.challenger_vbytes_with)(extra_keys)
        needed = size * self.chain.estimate_fee()
        if agent.wanted and self.wallet.balance() < needed:
            text = f"{self.wallet.balance()} sat of fee coins, a dispute to its end may need {needed}"
            yield Alarm(name, kinds.WALLET, "", text)
