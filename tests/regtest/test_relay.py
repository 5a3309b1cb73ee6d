"""Every move and every leaf goes through the mempools of nodes that relay standard transactions only, at 50 sat/vB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Chain, Rejected
from regtest.node.bitcoind import Bitcoind, find_bitcoind, find_core, free_port
from taproot.errors import Unavailable
from taproot.presigned import Kind
from taproot.terms import ANCHOR
from taproot.tx import P2A_SCRIPT, Transaction
from taproot.units import TRUC_MAX_VBYTES, TRUC_VERSION
from tests.regtest.relay import (
    FEE_RATE,
    Bench,
    Job,
    Ready,
    all_jobs,
    every_leaf_and_move,
    make_bench,
    prepare,
    stratified,
)

Find = Callable[[], Path]
NODES = [
    pytest.param(find_bitcoind, marks=pytest.mark.bitcoind, id="bitcoind"),
    pytest.param(find_core, marks=pytest.mark.bitcoind, id="core"),
]
PARTS = 6  # of all transactions in all variants, some 4,600
RELAY_LIMIT = 120.0  # seconds until a peer has everything


def binary_or_skip(find: Find) -> Path:
    try:
        return find()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return make_bench()


@pytest.fixture
def start() -> Iterator[Callable[..., Bitcoind]]:
    with ExitStack() as stack:
        yield lambda find, *options: stack.enter_context(Bitcoind(binary=binary_or_skip(find), options=options))


def send(chain: Chain, ready: Ready) -> None:
    chain.broadcast(ready.package[0] if len(ready.package) == 1 else list(ready.package))


def relay_all(bench: Bench, chain: Chain, jobs: list[Job]) -> list[Ready]:
    """All of them into the mempool, then out of it into blocks."""
    made = prepare(bench, chain, jobs)
    for ready in made:
        assert ready.rate >= FEE_RATE, ready.job.label
        send(chain, ready)
    waiting = {tx.txid for tx in chain.mempool()}
    assert waiting == {tx.txid for ready in made for tx in ready.package}
    while chain.mempool():
        chain.mine()
    return made


def check_forms(bench: Bench, made: list[Ready]) -> None:
    """Moves are small and paid for by a child at their anchor; kills are large and pay for themselves."""
    for ready in made:
        tx, kind = ready.package[0], bench.graph.planned(ready.job.name).kind
        anchored = tx.version == TRUC_VERSION
        free = kind in (Kind.DISPROVE, Kind.TIMEOUT, Kind.SLASH, Kind.EXIT, Kind.REFUND)
        assert anchored == (len(ready.package) == 2) == (not free), ready.job.label
        if anchored:
            assert tx.outputs[-1].script_pubkey == P2A_SCRIPT
            assert tx.vbytes <= TRUC_MAX_VBYTES and tx.outputs[-1].value >= ANCHOR
    disproofs = [r for r in made if bench.graph.planned(r.job.name).kind is Kind.DISPROVE]
    biggest = max(disproofs, key=lambda r: r.package[0].vbytes)
    assert biggest.package[0].vbytes > TRUC_MAX_VBYTES and len(biggest.package) == 1
    assert biggest.fee >= FEE_RATE * biggest.package[0].vbytes


@pytest.mark.parametrize("find", NODES)
def test_every_move_and_every_leaf_is_relayed(start: Callable[..., Bitcoind], bench: Bench, find: Find) -> None:
    made = relay_all(bench, start(find).chain(), every_leaf_and_move(bench))
    turns = bench.game.scripts.turns.values()
    spent = {r.package[0].inputs[0].witness[-2] for r in made}
    assert spent >= {leaf.code for turn in turns for leaf in (*(m.leaf for m in turn.moves), *turn.disproofs)}
    check_forms(bench, made)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("find", NODES)
def test_every_transaction_in_every_variant_is_relayed(
    start: Callable[..., Bitcoind], bench: Bench, find: Find, part: int
) -> None:
    relay_all(bench, start(find).chain(), list(all_jobs(bench))[part::PARTS])


def test_our_own_policy_relays_one_of_each_form(bench: Bench) -> None:
    with EmbeddedChain() as chain:
        check_forms(bench, relay_all(bench, chain, stratified(bench)))


@pytest.mark.parametrize("find", NODES)
def test_a_move_alone_is_not_relayed_and_a_false_item_is_refused(
    start: Callable[..., Bitcoind], bench: Bench, find: Find
) -> None:
    chain = start(find).chain()
    for ready in prepare(bench, chain, stratified(bench)):
        tx = ready.package[0]
        if len(ready.package) == 2:
            with pytest.raises(Rejected, match="min relay fee not met"):
                chain.broadcast(tx)
        with pytest.raises(Rejected) as refused:
            chain.check(with_false_item(tx))
        fees = "min relay fee not met"  # looked at before the scripts
        assert refused.value.is_script_failure or (len(ready.package) == 2 and refused.value.reason == fees)
        send(chain, ready)


def with_false_item(tx: Transaction) -> Transaction:
    """The signature on top of the first witness is another one."""
    witness = list(tx.inputs[0].witness)
    signature = witness[-3]
    witness[-3] = signature[:-1] + bytes([signature[-1] ^ 1]) if len(signature) == 64 else signature[:-2] + b"\0\x03"
    return tx.with_witness(0, witness)


@pytest.mark.bitcoind
def test_what_one_kind_of_node_takes_in_comes_to_the_other_over_the_network(
    start: Callable[..., Bitcoind], bench: Bench
) -> None:
    """Knots hears a transaction from us, Core from Knots; packages too (one parent, one child)."""
    port = free_port()
    peers = ("-listen=1", "-whitelist=noban@127.0.0.1", f"-bind=127.0.0.1:{port}")
    knots = start(find_bitcoind, *peers)
    core = start(find_core, f"-connect=127.0.0.1:{port}", "-whitelist=noban@127.0.0.1")
    chain, far = knots.chain(), core.chain()
    made = prepare(bench, chain, stratified(bench))
    wait_until(lambda: far.tip() == chain.tip())
    for ready in made:
        send(chain, ready)
    sent = {tx.txid for ready in made for tx in ready.package}
    wait_until(lambda: {tx.txid for tx in far.mempool()} == sent)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RELAY_LIMIT
    while not holds():
        assert time.monotonic() < deadline, "the peer has not got everything"
        time.sleep(0.2)


def test_the_inputs_of_the_bench_are_those_of_the_graph(bench: Bench) -> None:
    """What is relayed is what the graph has, but for the outpoints."""
    with EmbeddedChain() as chain:
        for ready in prepare(bench, chain, stratified(bench)[:20]):
            planned, tx = bench.graph.planned(ready.job.name), ready.package[0]
            assert (tx.version, tx.locktime) == (planned.tx.version, planned.tx.locktime)
            assert tx.outputs[1:] == planned.tx.outputs[1:]
            assert [i.sequence for i in tx.inputs] == [i.sequence for i in planned.tx.inputs]
            assert planned.free or tx.outputs[0] == planned.tx.outputs[0]
