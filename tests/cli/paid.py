"""A group whose outputs really stand on a chain: deposit, stakes, tickets and bonds paid and buried."""

from __future__ import annotations

from dataclasses import dataclass, field

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain
from challenger.presign.ceremony.registered import Registered
from challenger.presign.vetting import stand_in
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract, Output
from taproot.connectors.stake import make_bond, make_stake
from taproot.parties import Party
from taproot.tx import OutPoint
from tests.cli.conftest import Answer
from tests.cli.signers import DEPOSITOR, Group

TERMS: dict[str, object] = {"arities": [4, 4], "exit_delay": 400}


@dataclass
class PaidGroup(Group):
    """`paid` is filled by `pay`: outpoints by operator and name of the output in his graph."""

    terms: dict[str, object] = field(default_factory=lambda: dict(TERMS))
    paid: dict[tuple[str, str], OutPoint] = field(default_factory=dict)

    def chain(self) -> EmbeddedChain:
        return EmbeddedChain(self.folder / "chain")

    def mine(self, blocks: int) -> None:
        with self.chain() as chain:
            chain.mine(blocks)

    def policy(self) -> Registered:
        import json

        return Registered.from_json(json.loads((self.folder / "policy.json").read_text()))

    def contract(self, operator: str, depositor: Party | None = None) -> Contract:
        policy = self.policy()
        return Contract.make(policy.terms, policy.parties(operator, depositor or stand_in(policy)))

    def wanted(self) -> dict[tuple[str, str], Output]:
        """Everything that has to be paid in."""
        dora = self.contract(self.names[0], Party("dora", DEPOSITOR.public_key))
        wanted = {("", "deposit"): make_deposit(dora)}
        for operator in self.names[: self.operators]:
            c = self.contract(operator)
            made = [make_stake(c, k) for k in range(len(c.terms.stakes))] + [make_ticket(c)]
            made += [make_bond(c, name) for name in c.parties.challengers]
            wanted |= {(operator, output.name): output for output in made}
        return wanted

    def pay(self, but: tuple[tuple[str, str], ...] = ()) -> PaidGroup:
        """Pay for all `but` some, for which an outpoint stands that is nowhere; two blocks deep."""
        with self.chain() as chain:
            return self.pay_on(chain, but)

    def pay_on(self, chain: Chain, but: tuple[tuple[str, str], ...] = ()) -> PaidGroup:
        """The same on any chain."""
        wanted = self.wanted()
        self.paid = {place: OutPoint(bytes([7]) * 32, k) for k, place in enumerate(wanted)}
        places = [place for place in wanted if place not in but]
        self.paid |= dict(zip(places, fund_all(chain, [wanted[p].tx_out for p in places]), strict=True))
        chain.mine()
        return self

    def propose(self) -> None:
        key, first = DEPOSITOR.public_key.hex(), self.names[0]
        deposit = self.paid["", "deposit"]
        self.ok(first, "propose", "--deposit", deposit, "--depositor", f"dora={key}", "--out", self.stick)

    def keys(self, name: str) -> Answer:
        operators, arguments = self.names[: self.operators], []
        if name in operators:
            stakes = [at for (operator, what), at in self.paid.items() if operator == name and "stake" in what]
            arguments += [part for at in stakes for part in ("--stake", at)]
            arguments += ["--ticket", self.paid[name, "ticket"]]
        bonds = {o: self.paid[o, f"bond.{name}"] for o in operators if o != name}
        arguments += [part for o, at in bonds.items() for part in ("--bond", f"{o}={at}")]
        return self.ok(name, "sign", *arguments, "--out", self.stick)

    def until_combined(self, combiner: str | None = None) -> PaidGroup:
        """All rounds; `bundles` holds what comes of them."""
        self.until_agreed()
        for _ in range(3):
            self.sign_all()
            self.share()
        self.ok(combiner or self.names[0], "combine", "--out", self.folder / "bundles")
        return self

    def until_keys(self) -> PaidGroup:
        """The proposal and everybody's keys are on the stick."""
        self.propose()
        self.share()
        for name in self.names:
            self.keys(name)
        self.share()
        return self
