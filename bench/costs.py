"""What a dispute over 2^32 steps costs on chain; details in `docs/costs.md`."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import Figure, at_most, plain
from challenger.cost import arities_of, compute_cost

MOST_WEIGHT = 400_000  # MAX_STANDARD_TX_WEIGHT, Bitcoin Core policy/policy.h


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    cost = compute_cost(arities_of(32, 4), 5)
    yield at_most("worst dispute", cost.worst.vbytes, "vB", 105_000)
    yield at_most("its transactions", cost.worst.transactions, "transactions", 46)
    yield at_most("dispute that a relation leaf decides", cost.relation.vbytes, "vB", 78_000)
    yield at_most("undisputed exit", cost.undisputed.vbytes, "vB", 530)
    yield at_most("heaviest transaction", cost.heaviest, "WU", MOST_WEIGHT)
    yield at_most("largest version 3 transaction", cost.largest_v3, "vB", 10_000)
    for arity in (2, 3):
        yield plain(f"worst dispute at arity {arity}", compute_cost(arities_of(32, arity), 2).worst.vbytes, "vB")
