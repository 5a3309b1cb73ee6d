"""`btc-l2 regtest signer|depositor|party|mine`: parties of a test network, each a process (docs/containers.md).

What they do without asking a person is written down in `regtest/signing/attendant.py`; on any network but regtest they
refuse. Options that all share can stand in the environment. Each prints a line of JSON for what it has done.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taproot.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from btc_l2.chain.rpc import RpcChain
    from regtest.signing.enrolment import Group

NODE, GUEST, STEPS_LOG2 = "http://127.0.0.1:18443", "blobsum", 10
Node = Annotated[str, typer.Option(envvar="BTCL2_NODE", help="A bitcoind on regtest: http://HOST:PORT.")]
Cookie = Annotated[Path | None, typer.Option(envvar="BTCL2_COOKIE", help="The node's cookie file.")]
Board = Annotated[Path, typer.Option(envvar="BTCL2_BOARD", help="Public folder: cards, digests, outpoints.")]
Home = Annotated[Path, typer.Option(help="Own folder: keys and what was signed.")]
Members = Annotated[list[str], typer.Option("--member", envvar="BTCL2_MEMBERS", help="A signer; once for each.")]
Operators = Annotated[list[str], typer.Option("--operator", envvar="BTCL2_OPERATORS", help="A signer who is operator.")]
Guest = Annotated[str, typer.Option(envvar="BTCL2_GUEST", help="Program whose execution is claimed.")]
StepsLog2 = Annotated[int, typer.Option(envvar="BTCL2_STEPS_LOG2", help="Steps that the dispute covers: 2^N.")]


def register(app: typer.Typer) -> None:
    """Put the commands under `btc-l2 regtest`."""
    app.command("signer")(attend_ceremony)
    app.command("depositor")(make_deposit)
    app.command("party")(play_operator)
    app.command("mine")(mine_blocks)


def attend_ceremony(
    name: Annotated[str, typer.Argument(help="Own name, one of the members.")],
    home: Home,
    hand: Annotated[Path, typer.Option(help="Folder that the own watchtower reads: keystore, bundles.")],
    coordinator: Annotated[str, typer.Option(metavar="URL", help="Mailbox of the ceremony.")],
    board: Board, member: Members, operator: Operators, guest: Guest = GUEST, steps_log2: StepsLog2 = STEPS_LOG2,
    node: Node = NODE, cookie: Cookie = None,
) -> None:  # fmt: skip
    """Make a seed, post a card, register, pay in, sign one deposit, hand the bundles over; without asking anybody."""
    from btc_l2.cli.signer_desk import outside_of
    from btc_l2.durable import locked, make_folder
    from regtest.signing.attendant import Attendant
    from regtest.signing.board import Board as PublicFolder
    from regtest.signing.online import take_part

    chain, tell = _connect(node, cookie), partial(_tell, name)
    make_folder(home)
    with locked(home):
        group = _group(member, operator, guest, steps_log2)
        me = Attendant.sit_down(chain, home, outside_of(None, home), name, group, PublicFolder(board), tell)
        take_part(me, coordinator, guest, hand)


def make_deposit(
    name: Annotated[str, typer.Argument(help="Own name.")],
    home: Home, board: Board, member: Members, operator: Operators, guest: Guest = GUEST,
    steps_log2: StepsLog2 = STEPS_LOG2, node: Node = NODE, cookie: Cookie = None,
) -> None:  # fmt: skip
    """Pay a deposit to the policy that all signers have posted, with coins of the faucet; post where it is."""
    from regtest.signing.board import Board as PublicFolder
    from regtest.signing.online import deposit_once

    group = _group(member, operator, guest, steps_log2)
    deposit_once(_connect(node, cookie), home, name, group, PublicFolder(board), partial(_tell, name))


def play_operator(
    lie: Annotated[str, typer.Option(help="What the operator lies about; empty: nothing.")] = "",
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="As of `watchtower run`.")] = None,
) -> None:
    """An operator as a watchtower runs him; he announces what he claims by himself, and may lie about it."""
    from btc_l2.cli.watchtower import connect_node, resolve_settings, serve
    from challenger.watchtower.keys import secrets_of
    from challenger.watchtower.program import load_program
    from regtest.liar import Liar, publish_claims

    found = resolve_settings(config, {})
    if found.settings.network != "regtest":
        raise Refused(f"claiming without asking a person is for regtest, not for {found.settings.network}; "
                      "use `btc-l2 watchtower`")  # fmt: skip
    program_of = Liar(lie) if lie else load_program
    chain = connect_node(found)
    for path in publish_claims(found.orders(), secrets_of(found), program_of):
        _tell(found.settings.party, "announced", path=str(path), lie=lie)
    serve(found, chain, program_of=program_of)


def mine_blocks(
    every: Annotated[float, typer.Option(help="Seconds between two blocks.")] = 3.0,
    blocks: Annotated[int, typer.Option(help="End after so many; 0: never.")] = 0,
    node: Node = NODE, cookie: Cookie = None,
) -> None:  # fmt: skip
    """Mine on a node, with pauses in which parties act."""
    import time

    chain, left = _connect(node, cookie), blocks
    while True:
        chain.mine()
        _tell("miner", "block", height=chain.tip().height)
        left -= 1
        if left == 0:
            return
        time.sleep(every)


def _tell(name: str, event: str, **facts: Any) -> None:
    print(json.dumps({"party": name, "event": event, **facts}), flush=True)


def _group(members: list[str], operators: list[str], guest: str, steps_log2: int) -> Group:
    from btc_l2.guests import find_guest
    from btc_l2.translation import use_cached_tier
    from regtest.plot import arities_for
    from regtest.signing.enrolment import Group
    from taproot.terms import Terms

    about = find_guest(guest)
    use_cached_tier(about)
    return Group(tuple(members), tuple(operators), about, Terms(arities=arities_for(steps_log2)))


def _connect(node: str, cookie: Path | None) -> RpcChain:
    from urllib.parse import urlsplit

    from btc_l2.chain.rpc import connect

    try:
        where = urlsplit(node)
        host, port = where.hostname, where.port
    except ValueError:
        host, port = None, None
    if not host or where.scheme != "http":
        raise InvalidInput(f"{node!r} is no address of a node; write {NODE}")
    return connect("regtest", host=host, port=port, cookie=cookie)
