"""A signer of a test network who attends a ceremony by himself. His rule stands in for a person's review:

    he registers the policy that everybody posted (`regtest.signing.enrolment`); he agrees to a proposal of that policy
    for the deposit that was posted, if all its standing outputs are confirmed on his node, as the graphs that he made
    himself from everybody's keys have them. To nothing else.

Nobody would let a program say yes with real coins: on any network but regtest it refuses to begin. All of it may be
killed anywhere and begins anew; what was paid is found on the chain, what was signed in the home.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain, Rejected
from challenger.agents.footing import find_doubts
from challenger.agents.player import RACES
from challenger.agents.wallet import Wallet
from challenger.games import GameLibrary, craft_of
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.result import make_bundles
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import CEREMONIES, Files, ceremony_folders
from regtest.signing.board import Board, Pause, rest
from regtest.signing.enrolment import Group, Tell, enrol, silent, spoken
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract
from taproot.connectors.stake import make_bond, make_stake
from taproot.errors import InvalidInput, Refused
from taproot.parties import Party
from taproot.tx import OutPoint, TxOut
from taproot.units import Sats

DEPOSITS = "deposits"  # kind of posts
FEE_COINS, FEE_COIN = 12, Sats(2_000_000)
DEADLINE = 86_400  # seconds


def check_network(chain: Chain) -> None:
    """Raises Refused off regtest."""
    if chain.network != "regtest":
        raise Refused(f"signing without asking a person is for regtest, not for {chain.network}; use `btc-l2 signer`")


@dataclass(frozen=True, slots=True)
class Deposit:
    """What a depositor has posted: who he is, where his coins are."""

    depositor: Party
    outpoint: OutPoint

    def to_bytes(self) -> bytes:
        """The post."""
        return json.dumps({"depositor": self.depositor.to_json(), "deposit": str(self.outpoint)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Deposit:
        """Inverse of `to_bytes`. Raises InvalidInput for anything else."""
        try:
            told = json.loads(content)
            return cls(Party.from_json(told["depositor"]), OutPoint.from_str(told["deposit"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"what was posted is no deposit ({error!r}); look who can write to the board") from error


def open_purse(chain: Chain, wallet: Wallet, locked: int, pause: Pause = rest) -> None:
    """One coin for what is locked and some for fees, from the faucet, if the wallet has nothing."""
    while not wallet.balance():
        outputs = [TxOut(Sats(locked + FEE_COIN), wallet.script_pubkey)]
        outputs += [TxOut(FEE_COIN, wallet.script_pubkey)] * FEE_COINS
        with _racing():  # somebody else may take the same rewards
            fund_all(chain, outputs)
        pause()


def pay_standing(chain: Chain, wallet: Wallet, outputs: Sequence[TxOut], pause: Pause = rest) -> list[OutPoint]:
    """Confirmed outputs, paid unless the chain has them already."""
    while True:
        waiting = {o for tx in chain.mempool() for o in tx.outputs}  # asked before the coins: a block may come between
        where = _find_all(chain, outputs)
        missing = [o for o, outpoint in zip(outputs, where, strict=True) if outpoint is None]
        if not missing:
            return [outpoint for outpoint in where if outpoint is not None]
        if not waiting.intersection(missing):
            with _racing():
                chain.broadcast(wallet.pay(missing, chain.estimate_fee()))
        pause()


@contextmanager
def _racing() -> Iterator[None]:
    """A block came between a question and its answer, or somebody was faster: ask again."""
    try:
        yield
    except Rejected as error:
        if error.reason not in RACES:
            raise


def _find_all(chain: Chain, outputs: Sequence[TxOut]) -> list[OutPoint | None]:
    """A coin of its own for each output, the oldest first."""
    coins = {script: list(chain.find_coins(script)) for script in {o.script_pubkey for o in outputs}}
    found: list[OutPoint | None] = []
    for output in outputs:
        known = coins[output.script_pubkey]
        coin = next((c for c in known if c.output == output), None)
        if coin is not None:
            known.remove(coin)
        found.append(None if coin is None else coin.outpoint)
    return found


def standing_of(policy: Registered, name: str, depositor: Party) -> tuple[list[TxOut], list[str]]:
    """What a member pays in: stakes and ticket as an operator, then a bond for each of these other operators."""
    terms = policy.terms
    against = sorted(operator for operator in policy.operators if operator != name)
    outputs = []
    if name in policy.operators:
        contract = Contract.make(terms, policy.parties(name, depositor))
        outputs = [make_stake(contract, k).tx_out for k in range(len(terms.stakes))] + [make_ticket(contract).tx_out]
    for operator in against:
        outputs.append(make_bond(Contract.make(terms, policy.parties(operator, depositor)), name).tx_out)
    return outputs, against


def outpoints_of(policy: Registered, name: str, paid: Sequence[OutPoint], against: Sequence[str]) -> Outpoints:
    """The same as a ceremony asks for them."""
    own, bonds = paid[: len(paid) - len(against)], paid[len(paid) - len(against) :]
    is_operator = name in policy.operators
    return Outpoints(
        tuple(own[:-1]) if is_operator else (), own[-1] if is_operator else None, dict(zip(against, bonds, strict=True))
    )


def pay_deposit(chain: Chain, wallet: Wallet, policy: Registered, depositor: Party, pause: Pause = rest) -> Deposit:
    """The depositor's side: coins to the policy's deposit script."""
    contract = Contract.make(policy.terms, policy.parties(min(policy.operators), depositor))
    (outpoint,) = pay_standing(chain, wallet, [make_deposit(contract).tx_out], pause)
    return Deposit(depositor, outpoint)


@dataclass(slots=True)
class Attendant:
    """A signer at his place: keys, policy and coins are there."""

    chain: Chain
    desk: Desk
    board: Board
    tell: Tell = silent

    @classmethod
    def sit_down(
        cls, chain: Chain, home: Path, outside: Path, name: str, group: Group, board: Board, tell: Tell = silent
    ) -> Attendant:
        """Enrol with the others (`regtest.signing.enrolment`). Raises Refused off regtest."""
        check_network(chain)
        keys, policy = enrol(home, name, group, board, tell)
        craft = craft_of(GameLibrary())
        return cls(chain, Desk(home, name, keys, policy, craft, outside, time.time), board, tell)

    @property
    def wallet(self) -> Wallet:
        """His coins."""
        return Wallet(self.chain, self.desk.keys.key)

    def pay(self, deposit: Deposit) -> Outpoints:
        """Stakes, ticket, bonds, paid by himself; they are confirmed on return."""
        policy, name = self.desk.policy, self.desk.name
        outputs, against = standing_of(policy, name, deposit.depositor)
        open_purse(self.chain, self.wallet, sum(o.value for o in outputs), self.board.pause)
        paid = pay_standing(self.chain, self.wallet, outputs, self.board.pause)
        self.tell("paid", outpoints=[str(outpoint) for outpoint in paid])
        return outpoints_of(policy, name, paid, against)

    def propose(self, deposit: Deposit) -> Contribution:
        """A ceremony for the deposit, or the one that he has proposed before."""
        for folder in ceremony_folders(self.desk.home):
            seat = Ceremony(self.desk, Files(folder))
            if seat.proposed.sender == self.desk.name and seat.plan.deposit == deposit.outpoint:
                return seat.proposed
        return begin(self.desk, deposit.depositor, deposit.outpoint, int(self.desk.now()) + DEADLINE).proposed

    def seat(self, ceremony: bytes) -> Ceremony:
        """His seat in a ceremony."""
        return Ceremony(self.desk, Files(self.desk.home / CEREMONIES / ceremony.hex()))

    def review(self, seat: Ceremony, deposit: Deposit) -> bool:
        """The rule. Raises Refused for another deposit; waits while something is not confirmed."""
        if (seat.plan.deposit, seat.plan.depositor) != (deposit.outpoint, deposit.depositor):
            raise Refused(f"the proposal is for deposit {seat.plan.deposit}, not for the one that was posted; no")
        graphs, told = seat.graphs(), ""
        while doubt := next((d for graph in graphs.values() for d in find_doubts(self.chain, graph)), None):
            seat.check_time()
            if doubt != told:
                self.tell("waits", why=doubt)
            told = doubt
            self.board.pause()
        messages = Messages.of(graphs)
        seat.agree(messages)
        self.tell("agreed", words=spoken(messages.digest()))
        return True

    def combine(self, ceremony: bytes) -> dict[str, Bundle]:
        """A bundle per operator, every signature checked."""
        seat = self.seat(ceremony)
        return make_bundles(seat.proposals(), seat.graphs(), seat.signatures())

    def confirm(self, bundle: Bundle) -> None:
        """Publish `confirm` and pay for it; it is in a block on return."""
        tx = bundle.graph.assemble("confirm", bundle.signatures)
        while not self.chain.confirmations(tx.txid):
            if all(waiting.txid != tx.txid for waiting in self.chain.mempool()):
                with _racing():
                    self.chain.broadcast([tx, self.wallet.fee_child(tx, self.chain.estimate_fee())])
                    self.tell("confirm", txid=tx.txid_hex)
            self.board.pause()
