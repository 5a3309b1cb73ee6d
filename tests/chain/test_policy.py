"""Each rule of the relay policy by name, at its limit and just beyond, and the verdict of a real node beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain import policy
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Rejected
from btc_l2.chain.rpc import RpcChain
from btc_l2.chain.tapscript_policy import check_tapscript
from regtest.node.bitcoind import Bitcoind
from taproot.nums import H
from taproot.script.script import push_bytes
from taproot.tree import Leaf, Shape, TapTree
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut, op_return_script
from taproot.units import Sats
from tests.chain.conftest import skip_without_bitcoind
from tests.chain.spends import DROP_ALL, OP_TRUE

VALUE = 1_000_000
BOTH = "core and knots"  # who refuses besides us
KNOTS = "knots"  # Core relays it, or did not in earlier versions
OURS = "nobody else"


@dataclass(frozen=True)
class Case:
    """A spend of one funded output; `reason` is None where every node relays it."""

    name: str
    reason: str | None = None
    refused_by: str = BOTH
    script: bytes = OP_TRUE
    items: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()  # witness items behind the control block
    depth: int = 0
    leaf_version: int = 0xC0
    version: int = 2
    script_sig: bytes = b""
    outputs: tuple[TxOut, ...] = field(default=(TxOut(Sats(VALUE - 120_000), b"\x51\x20" + H),))
    anchor: bool = False  # spends pay-to-anchor instead of the leaf

    @property
    def tree(self) -> TapTree:
        shape: Shape = "leaf"
        others = {f"n{i}": Leaf(bytes([i + 1])) for i in range(self.depth)}
        for name in others:
            shape = (shape, name)
        return TapTree.from_shape(H, {"leaf": Leaf(self.script, self.leaf_version), **others}, shape)

    @property
    def prevout(self) -> TxOut:
        return TxOut(Sats(VALUE), P2A_SCRIPT if self.anchor else self.tree.script_pubkey)

    def spend(self, outpoint: OutPoint) -> Transaction:
        leaf = () if self.anchor else self.tree.witness("leaf", ())
        tx_in = TxIn(outpoint, 0, self.script_sig, (*self.items, *leaf, *self.after))
        return Transaction(self.version, (tx_in,), self.outputs)


def to(value: int, script_pubkey: bytes) -> TxOut:
    return TxOut(Sats(value), script_pubkey)


def push(data: bytes) -> bytes:
    """A push of any size up to 65,535; the builder of scripts stops at 256."""
    return push_bytes(data) if len(data) <= 256 else b"\x4d" + len(data).to_bytes(2, "little") + data


def dropped(size: int) -> bytes:
    return push(bytes(size)) + b"\x75" + OP_TRUE


def filled(size: int) -> bytes:
    """A script of about `size` bytes made of pushes that are dropped."""
    return (push(bytes(255)) + b"\x75") * (size // 258) + OP_TRUE


REST = to(VALUE - 120_000, b"\x51\x20" + H)
CASES = [
    Case("plain"),
    Case("version 1", version=1),
    Case("version 3", version=3),
    Case("version 4", "version", version=4),
    Case("version 0", "version", version=0),
    Case("if", "tapscript-op-if", KNOTS, script=b"\x51\x63\x51\x68"),
    Case("notif", "tapscript-op-notif", KNOTS, script=b"\x00\x64\x51\x68"),
    Case("success", "tapscript-op-success", script=b"\x50"),
    Case("last success", "tapscript-op-success", script=b"\xfe"),
    Case("nop4", "tapscript-upgradable-nop", script=b"\xb3\x51"),
    Case("nop", script=b"\x61\x51"),
    Case("push of 256", script=dropped(256)),
    Case("push of 257", "tapscript-push-size", KNOTS, script=dropped(257)),
    Case("long push of 5", "tapscript-push-not-minimal", script=b"\x01\x05"),
    Case("PUSHDATA1 of 3", "tapscript-push-not-minimal", script=b"\x4c\x03\x01\x01\x01"),
    Case("depth 7", depth=7),
    Case("depth 8", "bad-witness-depth", KNOTS, depth=8),
    Case("leaf version", "bad-witness-leaf-version", leaf_version=0xC2),
    Case("item of 80", script=b"\x75" + OP_TRUE, items=(bytes(80),)),
    Case("item of 81", "bad-witness-item-size", script=b"\x75" + OP_TRUE, items=(bytes(81),)),
    Case("40 items", script=DROP_ALL, items=(bytes(20),) * 40),
    Case("annex", "bad-witness-annex", after=(b"\x50",)),
    Case("anchor", anchor=True),
    Case("anchor with witness", "bad-witness-anchor", anchor=True, items=(b"\x01",)),
    Case("script sig", "scriptsig-not-empty", script_sig=b"\x00"),
    Case("taproot of 330", outputs=(REST, to(330, b"\x51\x20" + H))),
    Case("taproot of 329", "dust", outputs=(REST, to(329, b"\x51\x20" + H))),
    Case("p2a of 240", outputs=(REST, to(240, P2A_SCRIPT))),
    Case("p2a of 239", "dust", outputs=(REST, to(239, P2A_SCRIPT))),
    Case("p2wpkh of 294", outputs=(REST, to(294, b"\x00\x14" + bytes(20)))),
    Case("p2wpkh of 293", "dust", outputs=(REST, to(293, b"\x00\x14" + bytes(20)))),
    Case("p2wsh, p2pkh, p2sh", outputs=(REST, to(330, b"\x00\x20" + bytes(32)),
         to(546, b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"), to(540, b"\xa9\x14" + bytes(20) + b"\x87"))),
    Case("bare script", "scriptpubkey", outputs=(REST, to(1_000, OP_TRUE))),
    Case("future witness version", "scriptpubkey", OURS, outputs=(REST, to(1_000, b"\x52\x20" + bytes(32)))),
    Case("80 bytes of data", outputs=(REST, to(0, op_return_script(bytes(80))))),
    Case("81 bytes of data", "scriptpubkey", KNOTS, outputs=(REST, to(0, op_return_script(bytes(81))))),
    Case("data twice", "multi-op-return", KNOTS, outputs=(REST, *[to(0, op_return_script(b"x"))] * 2)),
    Case("data that is no push", "scriptpubkey", outputs=(REST, to(0, b"\x6a\xac"))),
    Case("64 bytes", "tx-size-small", outputs=(to(VALUE - 120_000, P2A_SCRIPT),)),
    Case("version 3 of 10,000", version=3, script=filled(39_500)),
    Case("version 3 of more", "TRUC-violation", version=3, script=filled(40_500)),
    Case("version 2 of more", version=2, script=filled(40_500)),
    Case("close to 400,000", script=filled(399_000)),
    Case("over 400,000", "tx-size", script=filled(401_000)),
]  # fmt: skip
named = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def fund_cases(chain: EmbeddedChain | RpcChain) -> dict[str, OutPoint]:
    outpoints = fund_all(chain, [case.prevout for case in CASES])
    return {case.name: outpoint for case, outpoint in zip(CASES, outpoints, strict=True)}


@pytest.fixture(scope="module")
def ours() -> Iterator[tuple[EmbeddedChain, dict[str, OutPoint]]]:
    with EmbeddedChain() as chain:
        yield chain, fund_cases(chain)


@pytest.fixture(scope="module")
def theirs() -> Iterator[tuple[Bitcoind, RpcChain, dict[str, OutPoint]]]:
    skip_without_bitcoind()
    with Bitcoind() as node:
        chain = node.chain()
        yield node, chain, fund_cases(chain)


@named
def test_our_policy_refuses_exactly_what_is_beyond_a_limit_and_names_it(
    case: Case, ours: tuple[EmbeddedChain, dict[str, OutPoint]]
) -> None:
    chain, coins = ours
    tx = case.spend(coins[case.name])
    if case.reason is None:
        return chain.check(tx)
    with pytest.raises(Rejected) as refused:
        chain.check(tx)
    assert refused.value.reason == case.reason
    return None


@pytest.mark.bitcoind
@named
def test_a_node_relays_whatever_our_policy_lets_pass(
    case: Case, theirs: tuple[Bitcoind, RpcChain, dict[str, OutPoint]]
) -> None:
    node, chain, coins = theirs
    tx = case.spend(coins[case.name])
    if case.reason is None:
        return chain.check(tx)
    if case.refused_by == BOTH or (case.refused_by == KNOTS and node.is_knots):
        with pytest.raises(Rejected):
            chain.check(tx)
    return None


@named
def test_what_policy_refuses_consensus_mines(case: Case, ours: tuple[EmbeddedChain, dict[str, OutPoint]]) -> None:
    """The cases are refused by the rule they are about, not because the spend is false."""
    chain, coins = ours
    tx = case.spend(coins[case.name])
    block = chain.tip()
    if case.name == "script sig":  # BIP 141: consensus, too
        with pytest.raises(Rejected):
            chain.mine_block([tx])
        return
    chain.mine_block([tx])
    chain.invalidate(chain.tip().hash)
    assert chain.tip() == block


def test_without_policy_only_consensus_refuses() -> None:
    with EmbeddedChain(standard=False) as chain:
        coins = fund_cases(chain)
        for case in CASES:
            if case.name != "script sig":
                chain.check(case.spend(coins[case.name]))


# ---- rules that need no chain -----------------------------------------------------------------------------

PLAIN = Transaction(2, (TxIn(OutPoint(bytes(32), 1)),), (REST,))


def refusal(*witness: bytes, script_pubkey: bytes) -> str | None:
    tx = replace(PLAIN, inputs=(TxIn(OutPoint(bytes(32), 1), witness=witness),))
    try:
        policy.check_standard(tx, [TxOut(Sats(VALUE), script_pubkey)])
    except Rejected as error:
        return error.reason
    return None


def test_a_p2wsh_witness_has_three_limits() -> None:
    script_pubkey = b"\x00\x20" + bytes(32)
    for witness in ((bytes(80), bytes(3_600)), (*[b""] * 100, b"\x51"), ()):
        assert refusal(*witness, script_pubkey=script_pubkey) is None
    for witness in ((bytes(81), b"\x51"), (bytes(3_601),), (*[b""] * 101, b"\x51")):
        assert refusal(*witness, script_pubkey=script_pubkey) == "bad-witness-nonstandard"


def test_key_path_and_p2wpkh_spends_have_no_witness_policy() -> None:
    assert refusal(bytes(64), script_pubkey=b"\x51\x20" + H) is None
    assert refusal(bytes(72), bytes(33), script_pubkey=b"\x00\x14" + bytes(20)) is None


def test_spending_an_output_of_another_kind_is_refused() -> None:
    assert refusal(script_pubkey=OP_TRUE) == "bad-txns-nonstandard-inputs"


def test_more_than_1000_stack_items_are_refused() -> None:
    control = b"\xc0" + H
    taproot = b"\x51\x20" + H
    assert refusal(*[b""] * 1_000, OP_TRUE, control, script_pubkey=taproot) is None
    assert refusal(*[b""] * 1_001, OP_TRUE, control, script_pubkey=taproot) == "bad-witness-stack-size"


@given(st.binary(max_size=256))
def test_every_push_that_our_builder_makes_is_minimal(data: bytes) -> None:
    check_tapscript(0, push_bytes(data))


@given(st.binary(min_size=1, max_size=75))
def test_a_longer_form_of_a_push_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected, match="minimal"):
        check_tapscript(0, bytes([0x4C, len(data)]) + data)
    with pytest.raises(Rejected, match="minimal"):
        check_tapscript(0, bytes([0x4D, len(data), 0]) + data)


def test_a_push_over_the_end_is_left_to_consensus() -> None:
    check_tapscript(0, b"\x05\x01")
    check_tapscript(0, b"\x4c")


def chain_of(count: int, vbytes: int) -> Sequence[int]:
    return [vbytes] * count


def test_unconfirmed_chains_are_limited_in_number_and_size() -> None:
    policy.check_chain_limits(chain_of(25, 4_000), 25)
    policy.check_chain_limits([101_001], 1)
    for sizes, descendants in ((chain_of(26, 100), 1), (chain_of(2, 100), 26), (chain_of(2, 50_501), 2)):
        with pytest.raises(Rejected, match="too-long-mempool-chain"):
            policy.check_chain_limits(sizes, descendants)
