"""`btc-l2 regtest party|prepare|mine`: parties of a story in processes of their own, on a node that somebody runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.output import note
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from btc_l2.chain.rpc import RpcChain

Story = Annotated[Path, typer.Option(help="Folder of the story's public files.")]
Node = Annotated[str, typer.Option(metavar="HOST:PORT", help="A bitcoind on regtest.")]
Cookie = Annotated[Path | None, typer.Option(help="The node's cookie file.")]
_NODE = "127.0.0.1:18443"


def register(app: typer.Typer) -> None:
    """Put the commands under `btc-l2 regtest`."""
    app.command("party")(play_party)
    app.command("prepare")(prepare_story)
    app.command("mine")(mine_blocks)


def play_party(
    name: Annotated[str, typer.Argument(help="`olga` (operator) or a challenger of the story.")],
    story: Story, data: Annotated[Path, typer.Option(help="The party's own folder: secrets.json, journal.")],
    node: Node = _NODE, cookie: Cookie = None,
) -> None:  # fmt: skip
    """Run one party's agent until it is stopped; a line of JSON on stdout after each look at the chain."""
    from regtest.process import run_party

    for seen in run_party(name, _connect(node, cookie), story, data):
        print(json.dumps(seen), flush=True)


def prepare_story(
    story: Story,
    party: Annotated[list[str], typer.Option(metavar="NAME=DIR", help="A party and its own folder; once for each.")],
    lie: Annotated[str, typer.Option(help="What the operator lies about; empty: nothing.")] = "",
    node: Node = _NODE, cookie: Cookie = None,
    zmq: Annotated[str, typer.Option(help="Where the node announces blocks; default: watchtowers poll.")] = "off",
) -> None:  # fmt: skip
    """Set a story up on a node for parties in processes of their own: coins, deposit, presigned graph, files."""
    from regtest.network import small_plot
    from regtest.process import DEPOSIT_FOLDER, prepare
    from regtest.story import Stage

    if (story / DEPOSIT_FOLDER).exists():
        note(f"{story} holds a story already; nothing to do")
        return
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in party)}
    stage = Stage(_connect(node, cookie), small_plot(lie=lie or None), progress=note)
    unknown = [name for name in folders if name not in stage.cast.secrets]
    if unknown:
        raise InvalidInput(f"nobody is called {unknown[0]}; parties are {', '.join(stage.cast.secrets)}")
    prepare(stage, story, folders, node, str(cookie or ""), zmq)


def mine_blocks(
    every: Annotated[float, typer.Option(help="Seconds between two blocks.")] = 3.0,
    blocks: Annotated[int, typer.Option(help="End after so many; 0: never.")] = 0,
    node: Node = _NODE, cookie: Cookie = None,
) -> None:  # fmt: skip
    """Mine on a node, with pauses in which parties act."""
    import time

    chain, left = _connect(node, cookie), blocks
    while True:
        chain.mine()
        print(json.dumps({"height": chain.tip().height}), flush=True)
        left -= 1
        if left == 0:
            return
        time.sleep(every)


def _connect(node: str, cookie: Path | None) -> RpcChain:
    from btc_l2.chain.rpc import connect

    host, _, port = node.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(f"--node {node} is no HOST:PORT; give for example {_NODE}")
    return connect("regtest", host=host, port=int(port), cookie=cookie)
