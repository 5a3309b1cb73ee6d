"""Nibbles in ternary spread: one index that serves XOR and addition, and the tables that it points into.

A nibble x = Σ bᵢ·2ⁱ is kept as S(x) = Σ bᵢ·3ⁱ (0…40). The ternary digits of k = S(x) + S(y) (0…80) are the sums of the
bits, so k determines x ^ y as well as x + y: one table of 81 entries each, no table of rows.

On the stack a nibble lies as STRIDE·S(x) + β, where the bias β depends on its role a, b, c or d in the G function of
BLAKE3. The six tables with 81 entries are interleaved (entry k of each next to the other), and the biases are chosen so
that the plain sum of two items is the OP_PICK index of the wanted entry when STATE items lie above the tables:

    βa + βb → SUM_AB      βc + βd → SUM_CD      βd + βa → XOR_D
    βb + βc → XOR_B (with one item more above the tables LOW7, with two more TOP1)

The results of SUM_AB and SUM_CD are again indices, 2·(x + y) + bias, into LOW3 and LOW2: pairs (low nibble in the form
of its role, 2·carry). So a message nibble and a carry are added to them as 2·n.
"""

from __future__ import annotations

from taproot.script import Script, script

STATE = 128  # nibbles of the state, on top of the tables
STRIDE = 6
SUMS = 81

# Places in the tables, counted from their top item. LOW2 and LOW3: two items for each sum of two nibbles and a carry,
# or of three and a carry. Then STRIDE items for each k.
LOW2 = 0
LOW3 = LOW2 + 2 * 32
TOP1 = LOW3 + 2 * 48  # STRIDE · (top bit of x ^ y): goes one nibble up when a word is rotated by 7
LOW7 = TOP1 + 1  # the three low bits of x ^ y, shifted left
XOR_B = TOP1 + 2
SUM_AB = TOP1 + 3
SUM_CD = TOP1 + 4
XOR_D = TOP1 + 5
ITEMS = TOP1 + STRIDE * SUMS

BIAS_B = -113  # free; this value makes the pushes of the tables shortest
BIAS_A = STATE + SUM_AB - BIAS_B
BIAS_C = STATE + XOR_B - BIAS_B
BIAS_D = STATE + XOR_D - BIAS_A
assert BIAS_C + BIAS_D == STATE + SUM_CD

BIAS = {"a": BIAS_A, "b": BIAS_B, "c": BIAS_C, "d": BIAS_D}
BIAS_AB = STATE + LOW3  # of 2·(a + b)
BIAS_CD = STATE + LOW2  # of 2·(c + d)


def spread(nibble: int) -> int:
    """S(x): the bits of a nibble as ternary digits."""
    return sum((nibble >> i & 1) * 3**i for i in range(4))


def form(nibble: int, bias: int) -> int:
    """How a nibble lies on the stack."""
    return STRIDE * spread(nibble) + bias


def xor_of(k: int) -> int:
    """x ^ y from k = S(x) + S(y)."""
    return sum((k // 3**i % 3 & 1) << i for i in range(4))


def sum_of(k: int) -> int:
    """x + y from k = S(x) + S(y)."""
    return sum((k // 3**i % 3) << i for i in range(4))


def table_items() -> list[int]:
    """All ITEMS table items, top item first."""
    table = [0] * ITEMS
    for start, count, bias in ((LOW2, 32, BIAS_C), (LOW3, 48, BIAS_A)):
        for total in range(count):
            table[start + 2 * total] = form(total % 16, bias)
            table[start + 2 * total + 1] = 2 * (total // 16)
    for k in range(SUMS):
        x, at = xor_of(k), STRIDE * k
        table[at + TOP1] = STRIDE * (x >> 3)
        table[at + LOW7] = form(x << 1 & 15, BIAS_B)
        table[at + XOR_B] = form(x, BIAS_B)
        table[at + XOR_D] = form(x, BIAS_D)
        table[at + SUM_AB] = 2 * sum_of(k) + BIAS_AB
        table[at + SUM_CD] = 2 * sum_of(k) + BIAS_CD
    return table


def push_tables() -> Script:
    """stack:  →  ITEMS table items"""
    return script(*reversed(table_items()))
