"""What the commands of `btc-l2 bridge` tell of deposits, kits, transactions, and the one place that broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit
    from btc_l2.bridge.refund_kit import RefundKit
    from btc_l2.chain.protocol import Chain
    from taproot.tx import Transaction


def send(chain: Chain, tx: Transaction, dry_run: bool) -> None:
    """Ask the node or chain first; broadcast unless it is a dry run. Raises Rejected with its reason."""
    chain.check(tx)
    if not dry_run:
        chain.broadcast(tx)


def told(tx: Transaction, sent: bool) -> dict[str, Any]:
    """A transaction that libbitcoinkernel has judged."""
    return {
        "txid": tx.txid_hex, "pays": tx.outputs[0].value, "vbytes": tx.vbytes, "judge": "libbitcoinkernel",
        "broadcast": sent, "transaction": tx.serialize().hex(),
    }  # fmt: skip


def of_kit(kit: RefundKit) -> dict[str, Any]:
    """What a depositor has to know of a kit."""
    return {
        "address": kit.address, "descriptor": str(kit.descriptor), "amount": int(kit.amount), "network": kit.network,
        "refund_after_blocks": kit.delay, "outpoint": None if kit.outpoint is None else str(kit.outpoint),
    }  # fmt: skip


def describe(deposit: Deposit, chain: Chain | None) -> dict[str, Any]:
    """A deposit as it is recorded; with a chain also remarks and the height of a refund."""
    from btc_l2.bridge.follow import find_refund_height, find_remarks

    remarks = find_remarks(deposit, chain) if chain else []
    height = find_refund_height(deposit, chain) if chain else None
    return {
        "id": deposit.id, "state": deposit.state.value, **of_kit(deposit.kit),
        "refund_from_height": height, "vault": None if deposit.vault is None else str(deposit.vault),
        "height": deposit.height, "detail": deposit.detail, "remarks": remarks,
    }  # fmt: skip
