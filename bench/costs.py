"""What a dispute over 2^32 steps costs on chain, by digest and arity; details in `docs/costs.md`."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import Figure, at_most, plain
from challenger.cost import arities_of, compute_cost, compute_ways

MOST_WEIGHT = 400_000  # MAX_STANDARD_TX_WEIGHT, Bitcoin Core policy/policy.h
SHORT = {192: (90_000, 65_000), 160: (82_000, 59_000)}  # bits of a signed root: worst, relation
GOAL = 85_000


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    cost = compute_cost(arities_of(32, 4), 5)
    yield at_most("worst dispute", cost.worst.vbytes, "vB", 105_000)
    yield at_most("its transactions", cost.worst.transactions, "transactions", 46)
    yield at_most("dispute that a relation leaf decides", cost.relation.vbytes, "vB", 78_000)
    yield at_most("undisputed exit", cost.undisputed.vbytes, "vB", 530)
    yield at_most("heaviest transaction", cost.heaviest, "WU", MOST_WEIGHT)
    yield at_most("largest version 3 transaction", cost.largest_v3, "vB", 10_000)
    for digest, (worst, relation) in SHORT.items():
        ways = compute_ways(arities_of(32, 4), digest)
        yield at_most(f"worst dispute, {digest} bits", ways.worst.vbytes, "vB", worst)
        yield at_most(f"a relation leaf decides, {digest} bits", ways.relation.vbytes, "vB", relation)
    yield at_most("worst dispute at arity 2", compute_ways(arities_of(32, 2)).worst.vbytes, "vB", 95_000)
    for arity in (3, 8):
        yield plain(f"worst dispute at arity {arity}", compute_ways(arities_of(32, arity)).worst.vbytes, "vB")
    for arity in (2, 3, 4):
        vbytes = compute_ways(arities_of(32, arity), 160).worst.vbytes
        yield at_most(f"worst dispute at arity {arity}, 160 bits", vbytes, "vB", GOAL)
