"""The chain as a watchtower uses it: each question is asked once per round, each broadcast passes the fault points.

A round is one look at the chain, at all deposits together: their agents ask for the tip, the mempool, the fee estimate,
the fee wallet's coins. A broadcast changes the mempool, so that is asked again after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from btc_l2.chain.protocol import Chain, Coin, Tip
from challenger.watchtower.fault import fault_point
from taproot.errors import Unavailable
from taproot.tx import Transaction

log = logging.getLogger(__name__)
T = TypeVar("T")


class NodeUnavailable(Unavailable):
    """The node does not answer; everything else may be well."""


class RoundChain:
    """A `Chain` that remembers its answers until `begin_round`; with `dry_run` it sends nothing.

    Every Unavailable of the chain becomes NodeUnavailable.
    """

    def __init__(self, chain: Chain, dry_run: bool = False) -> None:
        self._chain = chain
        self._dry_run = dry_run
        self._answers: dict[object, Any] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._chain, name)
        return (lambda *given, **named: _guarded(lambda: found(*given, **named))) if callable(found) else found

    def begin_round(self) -> None:
        """Forget all answers."""
        self._answers.clear()

    def tip(self) -> Tip:
        """See `Chain.tip`."""
        return self._once("tip", self._chain.tip)

    def mempool(self) -> tuple[Transaction, ...]:
        """See `Chain.mempool`."""
        return self._once("mempool", self._chain.mempool)

    def estimate_fee(self) -> int:
        """See `Chain.estimate_fee`."""
        return self._once("rate", self._chain.estimate_fee)

    def find_coins(self, script_pubkey: bytes) -> tuple[Coin, ...]:
        """See `Chain.find_coins`."""
        return self._once(script_pubkey, lambda: self._chain.find_coins(script_pubkey))

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """See `Chain.broadcast`."""
        if self._dry_run:
            package = [txs] if isinstance(txs, Transaction) else txs
            log.info("send.dry txids=%s", ",".join(tx.txid_hex for tx in package))
            return
        fault_point("send.before")
        self._answers.pop("mempool", None)
        _guarded(lambda: self._chain.broadcast(txs))
        fault_point("send.after")

    def _once(self, key: object, ask: Callable[[], T]) -> T:
        if key not in self._answers:
            self._answers[key] = _guarded(ask)
        answer: T = self._answers[key]
        return answer


def _guarded(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except NodeUnavailable:
        raise
    except Unavailable as error:
        raise NodeUnavailable(str(error)) from error
