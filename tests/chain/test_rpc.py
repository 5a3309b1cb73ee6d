"""Nodes that are absent, foreign, slow or strange: each is one clear line, and nothing is sent to mainnet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from btc_l2.chain.bitcoinlib_rpc import NodeError, NodeRpc
from btc_l2.chain.faucet import fund
from btc_l2.chain.rpc import RpcChain, connect, read_cookie
from regtest.node.bitcoind import free_port
from taproot.errors import BtcL2Error, InvalidInput, Refused, Unavailable
from taproot.tx import OutPoint
from tests.chain.spends import pay

Answer = Callable[[str, list[Any]], dict[str, Any]]


class FakeNode:
    """Answers JSON-RPC as it is told; `calls` are the methods that were asked for."""

    def __init__(self, answer: Answer, status: int = 200, page: bytes | None = None) -> None:
        self.calls: list[str] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.calls.append(request["method"])
                body = page if page is not None else json.dumps(answer(request["method"], request["params"])).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def rpc(self) -> NodeRpc:
        return NodeRpc("127.0.0.1", self.port, "user", "password")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


MakeNode = Callable[..., FakeNode]


@pytest.fixture
def fake() -> Iterator[MakeNode]:
    made: list[FakeNode] = []

    def make(answer: Answer, **options: Any) -> FakeNode:
        made.append(FakeNode(answer, **options))
        return made[-1]

    yield make
    for node in made:
        node.close()


def on(network: str) -> Answer:
    info = {"chain": network, "blocks": 1_000, "bestblockhash": "00" * 32}
    return lambda method, params: {"result": info, "error": None}


def error(code: int, message: str) -> dict[str, Any]:
    return {"result": None, "error": {"code": code, "message": message}}


def one_line(raised: BtcL2Error) -> bool:
    return "\n" not in str(raised) and len(str(raised)) > 20


def test_a_node_on_mainnet_is_refused_before_anything_else_is_asked(fake: MakeNode) -> None:
    node = fake(on("main"))
    with pytest.raises(Refused, match="mainnet") as raised:
        RpcChain(node.rpc())
    assert one_line(raised.value)
    assert node.calls == ["getblockchaininfo"]


@pytest.mark.parametrize("name", ["main", "mainnet"])
def test_mainnet_cannot_even_be_asked_for(name: str) -> None:
    with pytest.raises(Refused, match="mainnet"):
        connect(name, user="u", password="p")


def test_a_node_on_another_network_is_named(fake: MakeNode) -> None:
    with pytest.raises(InvalidInput, match="is on signet, not on regtest: start it with -regtest") as raised:
        RpcChain(fake(on("signet")).rpc())
    assert one_line(raised.value)
    with pytest.raises(InvalidInput, match="unknown network"):
        connect("lightning")


def test_mining_and_coins_from_nothing_are_for_regtest_only(fake: MakeNode) -> None:
    node = fake(on("signet"))
    chain = RpcChain(node.rpc(), "signet")
    asked = len(node.calls)
    for forbidden in (
        lambda: chain.mine(1),
        lambda: chain.mine_block([]),
        lambda: chain.invalidate(bytes(32)),
        lambda: fund(chain, pay(1).script_pubkey, 1_000),
    ):
        with pytest.raises(Refused, match="regtest only"):
            forbidden()
    assert len(node.calls) == asked


def test_no_node_says_what_to_do() -> None:
    rpc = NodeRpc("127.0.0.1", free_port(), "user", "password")
    with pytest.raises(Unavailable, match=r"does not answer .Connection refused.*make bitcoind") as raised:
        RpcChain(rpc)
    assert one_line(raised.value)


def test_a_wrong_login_says_so(fake: MakeNode) -> None:
    node = fake(on("regtest"), status=401, page=b"")
    with pytest.raises(Unavailable, match="refuses the login"):
        RpcChain(node.rpc())


def test_something_that_is_no_node_says_so(fake: MakeNode) -> None:
    node = fake(on("regtest"), page=b"<html>welcome</html>")
    with pytest.raises(Unavailable, match="no JSON-RPC"):
        RpcChain(node.rpc())


def test_a_node_that_warms_up_is_waited_for(fake: MakeNode) -> None:
    answers = [error(-28, "Loading block index…"), error(-28, "Verifying blocks…")]
    ready = on("regtest")
    node = fake(lambda method, params: answers.pop(0) if answers else ready(method, params))
    assert RpcChain(node.rpc()).tip().height == 1_000
    assert node.calls == ["getblockchaininfo"] * 4


def test_other_errors_of_a_node_keep_their_code(fake: MakeNode) -> None:
    node = fake(lambda method, params: error(-32601, "Method not found"))
    with pytest.raises(NodeError, match="Method not found") as raised:
        node.rpc().call("nonsense")
    assert raised.value.code == -32601


def test_amounts_keep_their_last_satoshi(fake: MakeNode) -> None:
    def answer(method: str, params: list[Any]) -> dict[str, Any]:
        script = {"hex": "51"}
        out = {"bestblock": "00" * 32, "confirmations": 3, "value": 20999999.97690001, "scriptPubKey": script}
        known = {"gettxout": {**out, "coinbase": False}, "getblockheader": {"height": 10}}
        return {"result": known.get(method, {"chain": "regtest"}), "error": None}

    coin = RpcChain(fake(answer).rpc()).utxo(OutPoint(bytes(32), 0))
    assert coin is not None
    assert (coin.output.value, coin.height) == (2_099_999_997_690_001, 8)


def test_the_login_comes_from_the_cookie_first(tmp_path: Path, fake: MakeNode) -> None:
    cookie = tmp_path / "regtest" / ".cookie"
    cookie.parent.mkdir()
    cookie.write_text("__cookie__:0123abcd\n")
    assert read_cookie(cookie) == ("__cookie__", "0123abcd")
    node = fake(on("regtest"))
    assert connect(port=node.port, datadir=tmp_path, user="other", password="x").tip().height == 1_000
    assert connect(port=node.port, user="other", password="x").tip().height == 1_000
    with pytest.raises(Unavailable, match="no cookie at"):
        connect(port=node.port, datadir=tmp_path / "nothing")


def test_a_password_that_a_url_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cookie"):
        NodeRpc("127.0.0.1", 18443, "user", "pass@word/1")
