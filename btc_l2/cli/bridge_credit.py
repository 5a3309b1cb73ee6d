"""`btc-l2 bridge credit`: the L2 says that it has minted for a deposit; the one event that no chain shows."""

from __future__ import annotations

from typing import Annotated

import typer

from btc_l2.cli.bridge_answers import describe
from btc_l2.cli.bridge_home import Home, open_chain
from btc_l2.cli.bridge_options import AsJson, ChainFolder, Cookie, HomeOption, Id, Network, Node
from btc_l2.cli.output import print_document


def credit(
    which: Id,
    detail: Annotated[str, typer.Option(help="What the record says about it, e.g. the L2's transaction.")] = "minted",
    home: HomeOption = None, node: Node = None, cookie: Cookie = None, network: Network = "regtest",
    chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Record that the L2 has minted for a deposit. Exit code 6 unless its vault is buried and was not credited yet."""
    from btc_l2.bridge.follow import follow
    from btc_l2.bridge.states import Event

    with Home.find(home).store() as store, open_chain(node, cookie, network, chain) as opened:
        deposit = follow(store, opened, store.get(which).id)
        deposit = store.apply(deposit.id, Event.CREDIT, opened.tip().height, detail)
        print_document(describe(deposit, opened), as_json)
