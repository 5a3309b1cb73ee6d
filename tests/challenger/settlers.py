"""Members of a signing ceremony whose deposit stands on a chain: they presign it, then settle it live."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from pathlib import Path

from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain
from challenger.agents.wallet import Wallet
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.accord import Own, Settles, Wanted, messages_of, requested
from challenger.presign.ceremony.agreement import Craft, Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.course import folder_of
from challenger.presign.ceremony.reception import open_course, receive
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.result import make_bundles, verify_folder, write_folder
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.settling import Settling, begin_settlement
from challenger.presign.ceremony.sighting import look
from challenger.presign.ceremony.store import Files
from challenger.presign.ceremony.succession import make_origin
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract, payout_script
from taproot.connectors.stake import make_bond, make_stake
from taproot.hashes import sha256
from taproot.keys import SecretKey, sign_schnorr
from taproot.terms import Terms
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import COIN, Sats
from tests.challenger.signers import DEADLINE, DEPOSITOR, TOY, Table, keys_of, policy_of
from tests.taproot.toy import TERMS

PAYER = SecretKey(sha256(b"payer"))
SALT = "00" * 16


class Town:
    """Members, each at a desk of his own; a chain that they look at; bundles that all of them have."""

    def __init__(
        self, folder: Path, chain: Chain, count: int = 3, operators: int = 1, craft: Craft = TOY,
        terms: Terms = TERMS, plain: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.table = Table(folder, count, operators, craft)
        self.table.policy = policy_of(count, operators, terms, plain)
        self.table.desks = {name: self.table.desk(name) for name in self.table.desks}
        self.chain, self.folder, self.craft = chain, folder, craft
        self.payer = Wallet(chain, PAYER)
        fund_all(chain, [TxOut(Sats(COIN // 100), self.payer.script_pubkey)] * 12)
        self.standing = {name: self.stand(name) for name in self.desks}
        (self.deposit,) = fund_all(chain, [make_deposit(self.contract(self.operators[0])).tx_out])

    @property
    def policy(self) -> Registered:
        return self.table.policy

    @property
    def desks(self) -> Mapping[str, Desk]:
        return self.table.desks

    @property
    def operators(self) -> tuple[str, ...]:
        return self.policy.operators

    def contract(self, operator: str) -> Contract:
        return Contract.make(self.policy.terms, self.policy.parties(operator, DEPOSITOR))

    def stand(self, name: str) -> Outpoints:
        """What a member pays in: stakes and ticket as an operator, bonds."""
        own = self.contract(name) if name in self.operators else None
        stakes = [make_stake(own, k).tx_out for k in range(len(self.policy.terms.stakes))] if own else []
        bonds = {o: make_bond(self.contract(o), name).tx_out for o in self.operators if o != name}
        paid = fund_all(self.chain, [*stakes, *bonds.values(), *([make_ticket(own).tx_out] if own else [])])
        named = dict(zip(bonds, paid[len(stakes) :], strict=False))
        return Outpoints(tuple(paid[: len(stakes)]), paid[-1] if own else None, named)

    def under(self, policy: Registered) -> Town:
        """The same chain and members in new homes, in which another policy is registered; they pay in anew."""
        other = copy(self)
        other.folder = self.folder / "next"
        other.table = Table(other.folder, len(policy.members), len(policy.operators), self.craft)
        other.table.policy = policy
        other.table.desks = {name: other.table.desk(name) for name in other.table.desks}
        other.standing = {name: other.stand(name) for name in other.desks}
        return other

    # ---- ceremonies --------------------------------------------------------------------------------------------------

    def presign(self, ceremony: Ceremony, old: Own | None = None) -> Own:
        """The whole ceremony of presigning; the bundles, as every member verifies them."""
        self.share([ceremony.proposed])
        id_ = ceremony.proposed.ceremony
        self.share([self.presigning(n, id_).give_keys(self.standing[n]) for n in self.desks])
        for name in self.desks:
            seat = self.presigning(name, id_)
            if old is not None:
                seat.check_origin(old)
            seat.agree(Messages.of(seat.graphs()))
        while made := [c for name in self.desks for c in self.presigning(name, id_).sign()]:
            self.share(made)
        seat = self.presigning(next(iter(self.desks)), id_)
        folder = self.folder / f"bundles.{id_.hex()[:8]}"
        write_folder(folder, seat.plan, make_bundles(seat.proposals(), seat.graphs(), seat.signatures()))
        return verify_folder(folder, self.craft.build_games)

    def presign_deposit(self) -> Own:
        first = next(iter(self.desks.values()))
        return self.presign(begin(first, DEPOSITOR, self.deposit, DEADLINE, SALT))

    def presign_successor(self, own: Own, operator: str) -> Own:
        """The graphs after a move of the vault of `own`."""
        first = next(iter(self.desks.values()))
        seen = look(self.chain, own[1][operator].graph)
        origin, move = make_origin(self.policy, own, operator, seen)
        ceremony = begin(first, move.depositor, move.deposit, DEADLINE, SALT, origin)
        return self.presign(ceremony, own)

    def wanted(self, own: Own, kind: Settles, operator: str = "", successor: Own | None = None,
               payee: bytes = b"", policy: Registered | None = None) -> Wanted:  # fmt: skip
        operator = operator or self.operators[0]
        seen = look(self.chain, own[1][operator].graph)
        after = b"" if successor is None else bytes.fromhex(successor[0]["agreed"])
        at, agreed = OutPoint.from_str(own[0]["deposit"]), bytes.fromhex(own[0]["agreed"])
        return Wanted(kind, at, agreed, operator, seen, payee, 0 if kind is Settles.MOVE else 2, after, policy)

    def propose(self, own: Own, wanted: Wanted, by: str = "bob") -> bytes:
        """A settlement that everybody has the proposal of; its id."""
        made = begin_settlement(self.desks[by], wanted, own, DEADLINE, SALT)
        self.share([made.proposed])
        return made.proposed.ceremony

    def agree(self, id_: bytes, own: Own, successor: Own | None = None) -> None:
        for name in self.desks:
            self.agree_one(name, id_, own, successor)

    def agree_one(self, name: str, id_: bytes, own: Own, successor: Own | None = None) -> None:
        seat = self.settling(name, id_)
        seat.agree(messages_of(requested(seat.settlement(own, successor))))

    def sign(self, id_: bytes, *names: str) -> list[Contribution]:
        """These, or all, sign; nobody gets the files yet."""
        return [c for name in names or self.desks for c in self.settling(name, id_).sign()]

    def settle(self, own: Own, kind: Settles, successor: Own | None = None, operator: str = "",
               payee: bytes = b"", policy: Registered | None = None) -> Transaction:  # fmt: skip
        """From the proposal to the transaction; everybody has the same."""
        wanted = self.wanted(own, kind, operator, successor, payee, policy)
        id_ = self.propose(own, wanted)
        self.agree(id_, own, successor)
        while made := self.sign(id_):
            self.share(made)
        found = {self.finished(name, id_, own).serialize() for name in self.desks}
        assert len(found) == 1
        return Transaction.from_bytes(found.pop())

    def finished(self, name: str, id_: bytes, own: Own) -> Transaction:
        seat = self.settling(name, id_)
        return seat.finish(own[1][seat.accord.wanted.operator].graph)

    def presigning(self, name: str, id_: bytes) -> Ceremony:
        seat = open_course(self.desks[name], self.files(name, id_))
        assert isinstance(seat, Ceremony)
        return seat

    def settling(self, name: str, id_: bytes) -> Settling:
        seat = open_course(self.desks[name], self.files(name, id_))
        assert isinstance(seat, Settling)
        return seat

    def files(self, name: str, id_: bytes) -> Files:
        return Files(self.desks[name].home / "ceremonies" / id_.hex())

    def share(self, files: list[Contribution], to: tuple[str, ...] = ()) -> None:
        for given in files:
            for name in to or tuple(self.desks):
                receive(self.desks[name], given.to_bytes())
                assert folder_of(self.desks[name], given).is_dir()

    # ---- the chain ---------------------------------------------------------------------------------------------------

    def plays(self, bundle: Bundle, *names: str) -> None:
        """Transactions of a graph, one block each."""
        for name in names:
            self.send(self.made(bundle, name))

    def made(self, bundle: Bundle, name: str) -> Transaction:
        """A transaction whose live signatures are the members' own."""
        sign = {n: partial(sign_schnorr, keys_of(n).key) for n in self.desks}
        planned = bundle.graph.planned(name)
        if planned.free:
            to = payout_script(self.contract(self.operators[0]), planned.by)
            return bundle.graph.finalize(name, bundle.signatures, sign, to, 1)
        return bundle.graph.assemble(name, bundle.signatures, sign)

    def send(self, tx: Transaction) -> None:
        """Through the mempool, with a child if it has an anchor; confirmed on return."""
        self.chain.broadcast([tx, self.payer.fee_child(tx, 1)] if tx.version == 3 else tx)
        self.chain.mine()
        assert self.chain.confirmations(tx.txid) == 1

    def value_of(self, script_pubkey: bytes) -> int:
        return sum(coin.output.value for coin in self.chain.find_coins(script_pubkey))
