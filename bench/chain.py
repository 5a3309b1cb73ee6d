"""The embedded chain, and a bitcoind beside it where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from bench.figure import Figure, absent, plain, timed
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain
from regtest.node.bitcoind import Bitcoind, find_bitcoind, find_version
from taproot.errors import Unavailable

BLOCKS = 500


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    with ExitStack() as opened:
        chain, seconds = timed(lambda: opened.enter_context(EmbeddedChain()))
        yield plain("embedded chain: start", seconds * 1000, "ms")
        yield plain("embedded chain: empty blocks mined and validated", _blocks_per_second(chain), "blocks/s")
    try:
        version = find_version(find_bitcoind())
    except Unavailable:
        yield absent("bitcoind", "not installed; `make bitcoind`")
        return
    with ExitStack() as opened:
        node, seconds = timed(lambda: opened.enter_context(Bitcoind()))
        yield plain(f"{version}: start", seconds * 1000, "ms")
        yield plain(f"{version}: the same blocks", _blocks_per_second(node.chain()), "blocks/s")


def _blocks_per_second(chain: Chain) -> float:
    _, seconds = timed(lambda: chain.mine(BLOCKS))
    return BLOCKS / seconds
