"""Blocks that we assemble are those that Bitcoin Core accepts; blocks that we parse are those that it made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain.block import Block, assemble, compute_merkle_root, compute_subsidy
from btc_l2.chain.embedded import EmbeddedChain
from taproot.errors import InvalidInput
from taproot.hashes import hash256
from tests.chain.spends import lock_coins

# Bitcoin block 100,000: four transactions, txids in display order, and its Merkle root.
BLOCK_100000 = [
    "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
    "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
    "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
    "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
]
ROOT_100000 = "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"
GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"


def internal(display: str) -> bytes:
    return bytes.fromhex(display)[::-1]


def test_the_merkle_root_of_block_100000() -> None:
    assert compute_merkle_root([internal(t) for t in BLOCK_100000]) == internal(ROOT_100000)
    swapped = [BLOCK_100000[1], BLOCK_100000[0], *BLOCK_100000[2:]]
    assert compute_merkle_root([internal(t) for t in swapped]) != internal(ROOT_100000)


def test_an_odd_row_pairs_the_last_with_itself() -> None:
    a, b, c = (bytes([n]) * 32 for n in (1, 2, 3))
    assert compute_merkle_root([a, b, c]) == hash256(hash256(a + b) + hash256(c + c))
    assert compute_merkle_root([a]) == a


def test_the_genesis_block_is_that_of_regtest(embedded: EmbeddedChain) -> None:
    assert embedded.tip().hash == internal(GENESIS)
    assert embedded.block(0).transactions[0].outputs[0].value == compute_subsidy(0)


def test_the_subsidy_halves_every_150_blocks() -> None:
    assert [compute_subsidy(h) for h in (149, 150, 299, 300)] == [
        50 * 10**8,
        25 * 10**8,
        25 * 10**8,
        125 * 10**7,
    ]


def test_heights_of_one_two_and_three_bytes_are_accepted(embedded: EmbeddedChain) -> None:
    embedded.mine(300)
    assert embedded.tip().height == 300


@pytest.mark.parametrize("count", [1, 2, 3, 5, 260])
def test_blocks_of_many_transactions_are_accepted(embedded: EmbeddedChain, count: int) -> None:
    lock = lock_coins(embedded)
    txs = []
    for _ in range(count):
        txs.append(lock.spend(fee=1_000))
        lock = lock.follow(txs[-1])
    embedded.mine_block(txs)
    block = embedded.block(embedded.tip().height)
    assert block.transactions[1:] == tuple(txs)
    assert Block.from_bytes(block.serialize(), block.height) == block


def test_what_is_no_block_is_invalid_input(embedded: EmbeddedChain) -> None:
    raw = embedded.block(0).serialize()
    for broken in (b"", raw[:80], raw[:-1], raw + b"\x00"):
        with pytest.raises(InvalidInput):
            Block.from_bytes(broken, 0)


@given(st.integers(1, 2**31), st.integers(0, 2**32 - 1))
def test_every_assembled_block_has_its_work_and_parses(height: int, extra_nonce: int) -> None:
    raw = assemble(bytes(32), height, 1, (), 0, b"\x51", extra_nonce)
    block = Block.from_bytes(raw, height)
    assert block.hash[-1] <= 0x7F
    assert (block.previous, block.time) == (bytes(32), 1)
    assert 2 <= len(block.transactions[0].inputs[0].script_sig) <= 100
