"""A short walk through the targets of `make fuzz`: every parser meets changed and made-up bytes and stays ours."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.statement import Statement
from challenger.presign.ceremony.store import Files
from challenger.presign.coordinator.client import Log
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from tests.challenger.mail import CEREMONY, mail_of, open_server
from tests.fuzz.targets import TARGETS, run

EXAMPLES = {"bundle": 25, "story": 40, "rpc": 60}
PUT = [b"\xff" * 9, b"{", b"[" * 50, b"null", b"-1", b"1e9", b"1e999999", b'""', b"NaN"]
REQUESTS = [b"", b"GET ", b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["00" * 32, "", "regtest", "success"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["blocks", "bestblockhash", "height", "confirmations", "value", "scriptPubKey", "hex",
                         "unspents", "feerate", "allowed", "package_msg", "tx-results", "error", "hash",
                         "coinbase", "desc"]),
        inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def changed(data: st.DataObject, seed: bytes) -> bytes:
    """The seed with some bytes changed, cut out, doubled or put in."""
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at, size = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 8))
        put = data.draw(st.binary(max_size=8) | st.sampled_from(PUT))
        content[at : at + size] = put
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_valid_input_is_understood_or_refused_by_us(name: str) -> None:
    for seed in TARGETS[name].seeds():
        run(name, seed)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_input_is_understood_or_refused_by_us(name: str) -> None:
    seeds = TARGETS[name].seeds()

    @settings(max_examples=EXAMPLES.get(name, 120), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def walk(data: st.DataObject) -> None:
        run(name, changed(data, data.draw(st.sampled_from(seeds))))

    walk()


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=300))
def test_made_up_input_is_refused_by_us(name: str, content: bytes) -> None:
    run(name, content)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(JSON, min_size=1, max_size=3))
def test_a_node_may_answer_anything(answers: list[Any]) -> None:
    run("rpc", json.dumps(answers).encode())


@pytest.mark.parametrize("name", [n for n in TARGETS if n not in ("manifest",)])
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"\x00" * 1000, b"\xff" * 1000])
def test_deep_and_long_input_is_refused_by_us(name: str, content: bytes) -> None:
    run(name, content)
    run(name, b"{}\x00" + content)


def test_evidence_with_too_few_or_strange_files_is_refused_by_us() -> None:
    """Found by `make fuzz`."""
    document = json.loads(TARGETS["ceremony-evidence"].seeds()[0])
    changes: list[dict[str, Any]] = [
        {"files": document["files"][:1]}, {"files": 7}, {"messages": ["x"]}, {"messages": None}, {"kind": []},
        {"kind": "partials", "files": []}, {"party": None}, {"kind": "keys"}, {"kind": "graphs"},
    ]  # fmt: skip
    for change in changes:
        run("ceremony-evidence", json.dumps({**document, **change}).encode())


def test_a_manifest_of_bundles_without_a_field_or_with_a_strange_one_is_refused_by_us() -> None:
    """Found by `make fuzz`: the digest that protects a manifest can be made by anybody."""
    document = json.loads(TARGETS["bundles"].seeds()[0])
    for name in document:
        run("bundles", json.dumps({n: v for n, v in document.items() if n != name}).encode())
        values: list[Any] = [None, 7, [], {}, {"operator": 7}, {"../operator": {}}]
        for strange in values:
            run("bundles", json.dumps({**document, name: strange}).encode())


def test_names_that_no_party_has_are_refused_in_one_line(tmp_path: Path) -> None:
    """Found by `make fuzz`: they stand in names of files and in what people read."""
    statement = json.loads(TARGETS["check-statement"].seeds()[0])
    sent = json.loads(TARGETS["contribution"].seeds()[0])
    for name in ("al\nice", "../alice", "", "Alice", "n-of-n", 7):
        with pytest.raises(InvalidInput, match="another kind"):
            Statement.from_bytes(json.dumps({**statement, "signer": name}).encode())
        with pytest.raises(InvalidInput, match="cannot be the name"):
            Contribution.from_bytes(json.dumps({**sent, "sender": name}).encode())
    run("check-statement", json.dumps({**statement, "sig\nner": "alice"}).encode())
    (tmp_path / "keys.0.alice.bob.json").write_bytes(b"{}")
    with pytest.raises(VerificationFailed, match="does not belong here"):
        Files(tmp_path)


def test_the_coordinator_outlives_any_bytes(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m")
    address = server.server_address[:2]

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.sampled_from(REQUESTS), st.binary())
    def send(head: bytes, rest: bytes) -> None:
        with socket.create_connection((str(address[0]), int(address[1])), timeout=10) as raw:
            raw.sendall(head + rest)
            raw.shutdown(socket.SHUT_WR)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    send()
    assert mail_of(server, "alice").post(Log.empty(CEREMONY), b"still here").head.number == 1
    server.close()


class _Silent:
    def call(self, _method: str, *_params: Any) -> Any:
        return None


def test_a_node_that_answers_nonsense_is_named() -> None:
    from btc_l2.chain.rpc import RpcChain
    from tests.fuzz.targets import _Node

    with pytest.raises(Unavailable, match="answers init"):
        RpcChain(_Silent(), "regtest", 0)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="answers tip"):
        RpcChain(_Node([{"blocks": []}]), "regtest", 0).tip()  # type: ignore[arg-type]
