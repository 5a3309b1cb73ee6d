"""What a graph stands on: deposit, stakes, bonds and ticket must be there, confirmed, before anybody relies on it.

A stake that waits in a mempool can be taken back by a replacement, and all kills that name it are worth nothing then.
A stake or bond that is leaving still pays, but not for long; a ticket that is spent is a claim that is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from btc_l2.chain.protocol import Chain, Coin
from taproot.connectors.stake import leaving_name
from taproot.errors import Refused
from taproot.presigned import Graph
from taproot.tx import OutPoint

STANDS, IN_VAULT, LEAVING, CLAIMED, MISSING = "stands", "in the vault", "leaving", "claim open", "missing"
AWAITED = "awaited"
_FOLLOWS = {"deposit": ("vault", IN_VAULT), "ticket": ("asset", CLAIMED)}  # of stakes and bonds their leaving


@dataclass(frozen=True, slots=True)
class Footing:
    """A standing output as the chain has it: `height` of what is unspent of it; `doubt` is why not to rely on it."""

    name: str
    outpoint: OutPoint
    sats: int
    state: str
    height: int | None
    doubt: str | None


def standing_outputs(graph: Graph) -> tuple[str, ...]:
    """Names of the outputs that no transaction of the graph makes."""
    made = {output for planned in graph.transactions.values() for output in planned.outputs if output is not None}
    return tuple(name for name in graph.outputs if name not in made)


def check_footing(chain: Chain, graph: Graph, confirmations: int = 1) -> None:
    """Raises Refused with the first standing output that is not unspent, as agreed and so many blocks deep."""
    for reason in find_doubts(chain, graph, confirmations):
        raise Refused(f"{reason}; who relies on this graph may lose; wait, or sign a graph for other outputs")


def find_doubts(chain: Chain, graph: Graph, confirmations: int = 1) -> Iterator[str]:
    """All reasons not to rely on the graph at this height."""
    for found in find_footing(chain, graph, confirmations):
        if found.doubt is not None:
            yield f"{found.name} ({found.outpoint}) {found.doubt}"


def find_footing(chain: Chain, graph: Graph, confirmations: int = 1) -> Iterator[Footing]:
    """Every standing output, in the order of the graph. A deposit may be in the vault already."""
    tip = chain.tip().height
    waiting = {i.prevout: tx.txid for tx in chain.mempool() for i in tx.inputs}
    for name in standing_outputs(graph):
        coin = chain.utxo(graph.outpoints[name])
        if coin is None:
            yield _spent(chain, graph, name, tip, confirmations)
            continue
        doubt = _doubt_of(graph, name, coin, waiting) or _too_fresh(coin, tip, confirmations)
        yield Footing(name, coin.outpoint, coin.output.value, STANDS, coin.height, doubt)


def find_refund_doubt(chain: Chain, graph: Graph) -> str | None:
    """Why `confirm` could come too late, if so: the depositor can take the deposit back before it is buried."""
    coin, terms = chain.utxo(graph.outpoints["deposit"]), graph.contract.terms
    if coin is None:
        return None
    left = coin.height + terms.refund_delay - (chain.tip().height + 1)
    if left > 2 * terms.reaction:
        return None
    who, height = graph.contract.parties.depositor.name, coin.height + terms.refund_delay
    return (
        f"deposit ({coin.outpoint}) can be taken back by {who} alone from height {height} on, in {max(left, 0)} blocks;"
        f" `confirm` must be buried before, which takes {2 * terms.reaction}"
    )


def _doubt_of(graph: Graph, name: str, coin: Coin, waiting: Mapping[OutPoint, bytes]) -> str | None:
    if coin.output != graph.outputs[name].tx_out:
        return f"pays {coin.output.value} sat to another script or amount than agreed"
    spender = waiting.get(coin.outpoint)
    if spender is not None and graph.name_of(spender) != "confirm":
        return f"is about to be spent by {graph.name_of(spender) or spender[::-1].hex()}, which waits in the mempool"
    return None


def _too_fresh(coin: Coin, tip: int, confirmations: int) -> str | None:
    depth = tip - coin.height + 1
    return None if depth >= confirmations else f"is {depth} blocks deep, {confirmations} are asked for"


def _spent(chain: Chain, graph: Graph, name: str, tip: int, confirmations: int) -> Footing:
    """What the graph itself can have made of a standing output, else nothing."""
    after, state = _FOLLOWS.get(name, (leaving_name(name), LEAVING))
    coin, terms = chain.utxo(graph.outpoints[after]), graph.contract.terms
    if coin is None:
        return Footing(name, graph.outpoints[name], 0, MISSING, None, "is unconfirmed, spent or unknown")
    doubt = {
        LEAVING: f"is leaving: its owner can take it home from height {coin.height + terms.exit_delay} on",
        IN_VAULT: _too_fresh(coin, tip, confirmations),
        CLAIMED: f"is spent: the operator has claimed at height {coin.height}, his claim is open",
    }[state]
    return Footing(name, graph.outpoints[name], coin.output.value, state, coin.height, doubt)
