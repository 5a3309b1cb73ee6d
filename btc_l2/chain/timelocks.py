"""When a transaction may stand in a block: nLockTime (BIP 113) and relative locks (BIP 68).

Times are compared with the median time of the eleven blocks that end at the parent, never with a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taproot.tx import Transaction
from taproot.units import (
    LOCKTIME_THRESHOLD,
    SEQUENCE_FINAL,
    SEQUENCE_LOCKTIME_DISABLE_FLAG,
    SEQUENCE_LOCKTIME_MASK,
    SEQUENCE_LOCKTIME_TYPE_FLAG,
)

RELATIVE_TIME_UNIT = 512  # seconds
MEDIAN_TIME_SPAN = 11  # blocks


def median_time(times: Sequence[int]) -> int:
    """Median of the last eleven block times (fewer near the genesis block)."""
    recent = sorted(times[-MEDIAN_TIME_SPAN:])
    return recent[len(recent) // 2]


def is_final(tx: Transaction, height: int, parent_median_time: int) -> bool:
    """Whether nLockTime lets `tx` into the block at `height`."""
    if tx.locktime == 0 or all(i.sequence == SEQUENCE_FINAL for i in tx.inputs):
        return True
    return tx.locktime < (height if tx.locktime < LOCKTIME_THRESHOLD else parent_median_time)


def meets_relative_locks(
    tx: Transaction, coin_heights: Sequence[int], height: int, median_time_at: Callable[[int], int]
) -> bool:
    """Whether BIP 68 lets `tx` into the block at `height`.

    `coin_heights` gives for each input the height of the block that made its coin (`height` itself if that is
    unconfirmed); `median_time_at(h)` is the median time of the eleven blocks that end at h.
    """
    if tx.version < 2:
        return True
    return all(
        _meets(i.sequence, coin_height, height, median_time_at)
        for i, coin_height in zip(tx.inputs, coin_heights, strict=True)
    )


def _meets(sequence: int, coin_height: int, height: int, median_time_at: Callable[[int], int]) -> bool:
    if sequence & SEQUENCE_LOCKTIME_DISABLE_FLAG:
        return True
    amount = sequence & SEQUENCE_LOCKTIME_MASK
    if not sequence & SEQUENCE_LOCKTIME_TYPE_FLAG:
        return coin_height + amount <= height
    start = median_time_at(max(coin_height - 1, 0))
    return start + amount * RELATIVE_TIME_UNIT <= median_time_at(height - 1)
