"""The parties of a regtest story: keys from one seed, wallets with coins, the standing outputs they pay for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain
from challenger.agents.player import Secrets
from challenger.agents.wallet import Wallet
from taproot.connectors.claim import make_ticket
from taproot.connectors.deposit import make_deposit
from taproot.connectors.output import Contract, Output
from taproot.connectors.stake import make_bond, make_stake
from taproot.graph import Funding
from taproot.hashes import sha256
from taproot.kdf import derive
from taproot.keys import SecretKey
from taproot.parties import Parties, Party
from taproot.terms import Terms
from taproot.tx import OutPoint, TxOut
from taproot.units import Sats

SIGNERS = ("alice", "bob", "carol")
MORE_SIGNERS = ("dan", "erin", "frank", "grace")  # when there are more challengers than signers
OPERATOR = "olga"
DEPOSITOR = "dora"
FEE_COINS = 24
FEE_COIN = Sats(2_000_000)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody's secrets and public keys."""

    secrets: Mapping[str, Secrets]
    parties: Parties

    def keys(self) -> dict[str, SecretKey]:
        """Signing keys of all who sign the graph."""
        return {p.name: self.secrets[p.name].key for p in self.parties.cosigners}


def make_cast(seed: int, challengers: int = 2) -> Cast:
    """Signers, operator, depositor; the first signers are the challengers. The seed fixes all keys (test networks)."""
    signers = (*SIGNERS, *MORE_SIGNERS)[: max(len(SIGNERS), challengers)]
    root = sha256(b"btc-l2/regtest/%d" % seed)
    secrets = {
        name: Secrets(SecretKey(derive(root, name, "key")), derive(root, name, "one-time"))
        for name in (*signers, OPERATOR, DEPOSITOR)
    }
    party = {name: Party(name, s.key.public_key) for name, s in secrets.items()}
    parties = Parties(
        signers=tuple(party[name] for name in signers), operator=party[OPERATOR],
        challengers=tuple(signers[:challengers]), depositor=party[DEPOSITOR],
    )  # fmt: skip
    return Cast(secrets, parties)


def fund_wallets(chain: Chain, cast: Cast, terms: Terms, deposits: int = 1) -> dict[str, Wallet]:
    """Give everybody one large coin for what he locks (for so many deposits) and small ones for fees."""
    wallets = {name: Wallet(chain, s.key) for name, s in cast.secrets.items()}
    large = {name: Sats(0) for name in wallets}
    large[DEPOSITOR] = Sats(deposits * terms.deposit + FEE_COIN)
    ticket = terms.ticket_value(len(cast.parties.challengers))
    large[OPERATOR] = Sats(sum(terms.stakes) + deposits * ticket + FEE_COIN)
    for name in cast.parties.challengers:
        large[name] = Sats(terms.bond + FEE_COIN)
    outputs = [TxOut(large[n], w.script_pubkey) for n, w in wallets.items() if large[n]]
    outputs += [TxOut(FEE_COIN, w.script_pubkey) for w in wallets.values() for _ in range(FEE_COINS)]
    fund_all(chain, outputs)
    return wallets


def lock_standing(chain: Chain, contract: Contract, wallets: Mapping[str, Wallet]) -> Funding:
    """Pay for deposit, stakes, bonds and ticket, each party from its own wallet; they are confirmed on return."""
    parties, fee_rate = contract.parties, chain.estimate_fee()
    stakes = [make_stake(contract, k) for k in range(len(contract.terms.stakes))]
    paid = {
        DEPOSITOR: [make_deposit(contract)],
        OPERATOR: [*stakes, make_ticket(contract)],
        **{name: [make_bond(contract, name)] for name in parties.challengers},
    }
    where: dict[str, list[OutPoint]] = {}
    for name, outputs in paid.items():
        tx = wallets[name].pay([_tx_out(o) for o in outputs], fee_rate)
        chain.broadcast(tx)
        where[name] = [tx.outpoint(i) for i in range(len(outputs))]
    chain.mine()
    bonds = {name: where[name][0] for name in parties.challengers}
    return Funding(where[DEPOSITOR][0], tuple(where[OPERATOR][:-1]), bonds, where[OPERATOR][-1])


def _tx_out(output: Output) -> TxOut:
    return output.tx_out
