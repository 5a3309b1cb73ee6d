"""What a graph stands on: deposit, stakes, bonds and ticket must be there, confirmed, before anybody relies on it.

A stake that waits in a mempool can be taken back by a replacement, and all kills that name it are worth nothing then.
"""

from __future__ import annotations

from collections.abc import Iterator

from btc_l2.chain.protocol import Chain
from taproot.errors import Refused
from taproot.presigned import Graph


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
    tip = chain.tip().height
    for name in standing_outputs(graph):
        outpoint, agreed, _tree = graph.output(name)
        coin = chain.utxo(outpoint)
        if coin is None:
            yield f"{name} ({outpoint}) is unconfirmed, spent or unknown"
        elif coin.output != agreed:
            yield f"{name} ({outpoint}) pays {coin.output.value} sat to another script or amount than agreed"
        elif tip - coin.height + 1 < confirmations:
            yield f"{name} ({outpoint}) is {tip - coin.height + 1} blocks deep, {confirmations} are asked for"
