"""Where every satoshi of a story went, from the blocks alone: parties, miners, burns, the vault, dead outputs.

A party's account counts what it has locked and can still get back (stake, bond, ticket) as its own. The deposit in the
vault and outputs that no transaction of the graph will spend any more are listed apart. The sum never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from btc_l2.chain.protocol import Chain
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxOut

Owners = Mapping[bytes, str]  # party by script


@dataclass(frozen=True, slots=True)
class Account:
    """Satoshis of one party before and after; `fees`: what it paid to miners."""

    before: int
    after: int
    fees: int

    @property
    def change(self) -> int:
        """What the story brought."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Books:
    """`fees`: all that miners got, anchors of moves included; `dead`: outputs that nobody can spend by the graph."""

    accounts: Mapping[str, Account]
    fees: int
    burned: int
    vault: int
    dead: int

    @property
    def total_before(self) -> int:
        """What all parties had."""
        return sum(a.before for a in self.accounts.values())

    @property
    def total_after(self) -> int:
        """Where it is now; equal to `total_before` unless a satoshi got lost."""
        return sum(a.after for a in self.accounts.values()) + self.fees + self.burned + self.vault + self.dead


class Ledger:
    """Follows all coins that come from the parties' coins."""

    def __init__(self, chain: Chain, owners: Owners) -> None:
        """Starts with the confirmed coins of the owners' scripts."""
        self._chain = chain
        self._owners = owners
        self._start = chain.tip().height + 1
        self._first = {c.outpoint: c.output for script in owners for c in chain.find_coins(script)}

    def close(self, own: Mapping[OutPoint, str], vault: OutPoint, names: Mapping[bytes, str]) -> Books:
        """The books at the tip.

        `own`: standing outputs with the party that can still get them back; `names`: who played a transaction (by txid)
        whose fee no wallet paid.
        """
        coins, fees, burned = dict(self._first), dict.fromkeys(self._owners.values(), 0), 0
        miners = 0
        for tx in self._transactions(coins):
            spent = [coins.pop(i.prevout) for i in tx.inputs]
            fee = sum(o.value for o in spent) - sum(o.value for o in tx.outputs)
            miners += fee
            payer = self._payer(spent) or names.get(tx.txid, "")
            if payer in fees:
                fees[payer] += fee - sum(o.value for o in spent if o.script_pubkey == P2A_SCRIPT)
            burned += sum(o.value for o in tx.outputs if _is_burn(o))
            coins |= {tx.outpoint(i): o for i, o in enumerate(tx.outputs) if not _is_burn(o)}
        return self._sum_up(coins, own, vault, fees, miners, burned)

    def _transactions(self, coins: Mapping[OutPoint, TxOut]) -> Iterable[Transaction]:
        """All that spend a followed coin, in order; `coins` grows while they are read."""
        for height in range(self._start, self._chain.tip().height + 1):
            for tx in self._chain.block(height).transactions:
                if any(i.prevout in coins for i in tx.inputs):
                    yield tx

    def _payer(self, spent: Iterable[TxOut]) -> str | None:
        return next((self._owners[o.script_pubkey] for o in spent if o.script_pubkey in self._owners), None)

    def _sum_up(
        self, coins: Mapping[OutPoint, TxOut], own: Mapping[OutPoint, str], vault: OutPoint, fees: Mapping[str, int],
        miners: int, burned: int,
    ) -> Books:  # fmt: skip
        before, after = dict.fromkeys(fees, 0), dict.fromkeys(fees, 0)
        for output in self._first.values():
            before[self._owners[output.script_pubkey]] += output.value
        held = dead = 0
        for outpoint, output in coins.items():
            owner = self._owners.get(output.script_pubkey) or own.get(outpoint)
            if owner is not None:
                after[owner] += output.value
            elif outpoint == vault:
                held = output.value
            else:
                dead += output.value
        accounts = {name: Account(before[name], after[name], fees[name]) for name in fees}
        return Books(accounts, miners, burned, held, dead)


def _is_burn(output: TxOut) -> bool:
    return output.script_pubkey[:1] == b"\x6a"
