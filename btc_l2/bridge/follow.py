"""From the chain to events: what has happened to a deposit since its state was recorded.

An event counts once it is `confirmations` deep. `find_event` decides and changes nothing; `follow` records. Who spent
an output is read from the spending transaction: the leaf, and whom it pays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from btc_l2.bridge.deposits import Deposit, DepositStore
from btc_l2.bridge.descriptor import REFUND
from btc_l2.bridge.refund_kit import own_script
from btc_l2.bridge.skeleton import find_vault
from btc_l2.bridge.states import Event, State
from btc_l2.chain.protocol import Chain, Spend
from taproot.connectors.output import payout_script
from taproot.errors import Refused
from taproot.tx import OutPoint, Transaction


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with the height at which it did, and where the coins are now."""

    event: Event
    height: int
    detail: str = ""
    outpoint: OutPoint | None = None
    vault: OutPoint | None = None


def follow(store: DepositStore, chain: Chain, name: str) -> Deposit:
    """Record all that has happened; the deposit as it is now. What another process records first is left to it."""
    deposit = store.get(name)
    while (seen := find_event(deposit, chain)) is not None:
        with contextlib.suppress(Refused):
            store.apply(deposit.id, seen.event, seen.height, seen.detail, seen.outpoint, seen.vault)
        deposit = store.get(deposit.id)
    return deposit


def find_event(deposit: Deposit, chain: Chain) -> Happened | None:
    """The next thing that happened to it, if it is deep enough."""
    match deposit.state:
        case State.ANNOUNCED:
            return _find_payment(deposit, chain)
        case State.FUNDED | State.PRESIGNED:
            return _find_end_of_deposit(deposit, chain)
        case State.VAULT | State.CREDITED:
            return _find_end_of_vault(deposit, chain)
    return None


def find_remarks(deposit: Deposit, chain: Chain) -> list[str]:
    """What a person should know besides the state."""
    remarks = []
    kit = deposit.kit
    for coin in chain.find_coins(kit.output.script_pubkey):
        depth = _depth(chain, coin.height)
        if coin.output.value != kit.amount:
            remarks.append(f"{coin.outpoint} pays {coin.output.value} sat, not {kit.amount}: it can only be refunded")
        elif deposit.outpoint is None:
            remarks.append(f"{coin.outpoint} is {depth} of {deposit.terms.confirmations} blocks deep")
        elif coin.outpoint != deposit.outpoint:
            remarks.append(f"{coin.outpoint} is a second payment to this address: it can only be refunded")
        elif depth >= kit.delay:
            remarks.append("the refund delay is over: `btc-l2 bridge refund` takes it back")
    return remarks


def find_refund_height(deposit: Deposit, chain: Chain) -> int | None:
    """The first block that may hold the refund; None where no refund is possible (any more)."""
    coin = None if deposit.outpoint is None else chain.utxo(deposit.outpoint)
    return None if coin is None else coin.height + deposit.terms.refund_delay


def _find_payment(deposit: Deposit, chain: Chain) -> Happened | None:
    """The first payment of exactly the amount; it may be spent already, where nobody has looked since `confirm`."""
    for outpoint, height in _payments(deposit, chain):
        if _depth(chain, height) >= deposit.terms.confirmations:
            return Happened(Event.FUND, height, f"paid by {outpoint}", outpoint)
    return None


def _payments(deposit: Deposit, chain: Chain) -> Iterator[tuple[OutPoint, int]]:
    """In the blocks since the deposit was announced, or, after a reorganisation, somewhat before it was lost."""
    wanted = deposit.kit.output
    for height in range(max(0, deposit.height - deposit.terms.refund_delay), chain.tip().height + 1):
        for tx in chain.block(height).transactions:
            yield from ((tx.outpoint(k), height) for k, output in enumerate(tx.outputs) if output == wanted)


def _find_end_of_deposit(deposit: Deposit, chain: Chain) -> Happened | None:
    assert deposit.outpoint is not None, "a funded deposit has an outpoint"
    if chain.utxo(deposit.outpoint) is not None:
        return None
    spend = chain.find_spend(deposit.outpoint)
    if spend is None:
        return Happened(Event.LOSE, chain.tip().height, f"{deposit.outpoint} is not on the chain any more")
    if _depth(chain, spend.height) < deposit.terms.confirmations:
        return None
    vault = find_vault(deposit.contract, deposit.outpoint)
    if spend.tx.txid == vault.txid:
        return Happened(Event.CONFIRM, spend.height, f"confirmed by {spend.tx.txid_hex}", vault=vault)
    refund = deposit.kit.descriptor.tree().script(REFUND)
    if spend.tx.inputs[spend.input_index].witness[-2:-1] == (refund,):
        return Happened(Event.REFUND, spend.height, f"refunded by {spend.tx.txid_hex}")
    return Happened(Event.CANCEL, spend.height, f"cancelled by all with {spend.tx.txid_hex}")


def _find_end_of_vault(deposit: Deposit, chain: Chain) -> Happened | None:
    assert deposit.vault is not None, "a confirmed deposit has a vault"
    if chain.utxo(deposit.vault) is not None:
        return None
    spend = chain.find_spend(deposit.vault)
    if spend is None:
        return _lost_vault(deposit, chain)
    if _depth(chain, spend.height) < deposit.terms.confirmations:
        return None
    return _classify(deposit, spend)


def _lost_vault(deposit: Deposit, chain: Chain) -> Happened | None:
    """A step back; nothing for a credited deposit, whose follower raises the alarm (`check_backing`)."""
    if deposit.state is State.CREDITED:
        return None
    return Happened(Event.LOSE, chain.tip().height, f"{deposit.vault} is not on the chain any more")


def _classify(deposit: Deposit, spend: Spend) -> Happened:
    """Whom the vault went to: an operator, the depositor, or another output of all."""
    tx, name = spend.tx, deposit.parties.depositor.name
    contract = deposit.contract
    first = tx.outputs[0].script_pubkey
    if first in {payout_script(contract, p.name) for p in contract.parties.cosigners}:
        return Happened(Event.CLAIM, spend.height, f"paid to an operator by {tx.txid_hex}")
    if first in (payout_script(contract, name), own_script(deposit.kit)) or not _has_anchor(tx):
        return Happened(Event.CANCEL, spend.height, f"given back by {tx.txid_hex}")
    return Happened(Event.MOVE, spend.height, f"moved by {tx.txid_hex}", vault=tx.outpoint(0))


def is_backed(deposit: Deposit, chain: Chain) -> bool:
    """Whether a credited deposit's vault is on the chain, spent or not: an alarm if it is not."""
    if deposit.vault is None:
        return False
    return chain.utxo(deposit.vault) is not None or chain.find_spend(deposit.vault) is not None


def _has_anchor(tx: Transaction) -> bool:
    return tx.version == 3


def _depth(chain: Chain, height: int) -> int:
    return chain.tip().height - height + 1
