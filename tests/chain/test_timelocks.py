"""Timelocks against the judge: what we call final is what Bitcoin Core puts into a block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain.block import assemble
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.protocol import Rejected
from btc_l2.chain.timelocks import is_final, median_time, meets_relative_locks
from taproot.tx import OutPoint, Transaction, TxIn, TxOut
from taproot.units import SEQUENCE_FINAL, Sats
from tests.chain.spends import Lock, lock_coins

TIME_FLAG = 1 << 22
DISABLED = 1 << 31


@pytest.fixture(scope="module")
def aged() -> Iterator[tuple[EmbeddedChain, Lock]]:
    """A coin, and eleven blocks on it, each 100 seconds after the other."""
    with EmbeddedChain(standard=False) as chain:
        lock = lock_coins(chain)
        for _ in range(11):
            tip = chain.block(chain.tip().height)
            chain.submit_block(assemble(tip.hash, tip.height + 1, tip.time + 100, (), 0, b"\x51"))
        yield chain, lock


def judge(chain: EmbeddedChain, tx: Transaction) -> bool:
    """Whether Bitcoin Core connects a block with `tx`; the chain ends as it was."""
    try:
        block = chain.mine_block([tx])
    except Rejected as error:
        assert error.reason == "bad-txns-nonfinal"
        return False
    chain.invalidate(block)
    return True


def ours(chain: EmbeddedChain, tx: Transaction) -> bool:
    """Our own verdict on the next block."""

    def median_at(height: int) -> int:
        return median_time([chain.block(h).time for h in range(max(0, height - 10), height + 1)])

    height = chain.tip().height + 1
    coin = chain.utxo(tx.inputs[0].prevout)
    assert coin is not None
    final = is_final(tx, height, median_at(height - 1))
    return final and meets_relative_locks(tx, [coin.height], height, median_at)


def test_relative_locks_agree_with_the_kernel_at_their_borders(aged: tuple[EmbeddedChain, Lock]) -> None:
    chain, lock = aged
    coin = chain.utxo(lock.outpoint)
    assert coin is not None
    depth = chain.tip().height + 1 - coin.height
    verdicts = set()
    for sequence in (depth - 1, depth, depth + 1, 0, TIME_FLAG, TIME_FLAG + 1, TIME_FLAG + 2, TIME_FLAG + 9):
        tx = lock.spend(sequence=sequence)
        verdicts.add(ours(chain, tx))
        assert ours(chain, tx) == judge(chain, tx), sequence
    assert verdicts == {True, False}


def test_disabled_locks_and_version_1_are_always_met(aged: tuple[EmbeddedChain, Lock]) -> None:
    chain, lock = aged
    for tx in (lock.spend(sequence=DISABLED | 60_000), lock.spend(sequence=60_000, version=1)):
        assert ours(chain, tx)
        assert judge(chain, tx)
    assert not ours(chain, lock.spend(sequence=60_000))


def test_absolute_locks_agree_with_the_kernel_at_their_borders(aged: tuple[EmbeddedChain, Lock]) -> None:
    chain, lock = aged
    height = chain.tip().height
    median = median_time([chain.block(h).time for h in range(height - 10, height + 1)])
    for locktime in (height, height + 1, median - 1, median, median + 1):
        tx = lock.spend(locktime=locktime, sequence=0)
        assert ours(chain, tx) == judge(chain, tx) == (locktime in (height, median - 1)), locktime
        assert ours(chain, lock.spend(locktime=locktime))  # all inputs final


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=30))
def test_the_median_is_that_of_the_last_eleven(times: list[int]) -> None:
    recent = times[-11:]
    found = median_time(times)
    assert found in recent
    assert sum(t < found for t in recent) <= len(recent) // 2
    assert sum(t > found for t in recent) <= len(recent) // 2


def spend_of(*sequences: int, locktime: int = 0) -> Transaction:
    inputs = tuple(TxIn(OutPoint(bytes([n]) * 32, 0), s) for n, s in enumerate(sequences))
    return Transaction(2, inputs, (TxOut(Sats(0), b"\x51"),), locktime)


def test_every_input_must_meet_its_lock() -> None:
    def clock(height: int) -> int:
        return 600 * height

    tx = spend_of(5, 10)
    assert meets_relative_locks(tx, [100, 95], 105, clock)
    assert not meets_relative_locks(tx, [100, 96], 105, clock)
    assert not meets_relative_locks(tx, [101, 95], 105, clock)


def test_one_final_input_does_not_switch_the_locktime_off() -> None:
    assert not is_final(spend_of(SEQUENCE_FINAL, 0, locktime=100), 100, 0)
    assert is_final(spend_of(SEQUENCE_FINAL, SEQUENCE_FINAL, locktime=100), 100, 0)
    assert is_final(spend_of(SEQUENCE_FINAL, 0, locktime=99), 100, 0)
