"""One compression of BLAKE3 in Script: the hash of 64 bytes, 43 kB.

Source: BLAKE3 paper, sections 2.1, 2.2 and 2.4 (one block that is chunk start, chunk end and root at once, counter 0).
The generator is explained in docs/spec/blake3_script.md.

A word is eight nibbles, least significant first. The state lies above the tables of `taproot.gadgets.spread`; each
nibble that is replaced is taken out and its successor put on top, so STATE items stay above the tables. Rotations by
16, 12 and 8 only rename nibbles. Message nibbles lie below the tables as 2·n; the last round takes them away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.gadgets import spread
from taproot.gadgets.spread import BIAS, BIAS_AB, BIAS_CD
from taproot.script import Op, Script, Stack

Word = tuple[str, ...]  # names of eight stack items, least significant nibble first

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
BLOCK_BYTES = 64
FLAGS = 1 | 2 | 8  # CHUNK_START, CHUNK_END, ROOT
ROUNDS = 7
NIBBLES = 8
COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))

# Within a round the four columns, then the four diagonals may come in any order. These orders, and the order in which
# the words are put on the stack, were found by search: they bring nibbles up from the least depth.
COLUMN_ORDER = (2, 0, 1, 3)
DIAGONAL_ORDER = (2, 0, 3, 1)
LAST_DIAGONAL_ORDER = (2, 1, 3, 0)
WORD_ORDER = (7, 4, 1, 13, 6, 8, 12, 15, 0, 9, 10, 2, 5, 11, 3, 14)

_TABLES = "tables"  # name of the top table item


def nibbles(word: int) -> tuple[int, ...]:
    """The eight nibbles of a 32-bit word, least significant first."""
    return tuple(word >> 4 * i & 15 for i in range(NIBBLES))


def message_names() -> list[Word]:
    """The names under which the 16 message words are expected on the stack."""
    return [tuple(f"m{w}.{i}" for i in range(NIBBLES)) for w in range(16)]


@dataclass(frozen=True, slots=True)
class Compression:
    """The script and the stack after it, from the lowest table item up.

    stack:  m0.0 … m15.7 in any order (2·nibble)  →  tables, 128 state nibbles

    `state[w]` names the nibbles of word w of the last state v; word w of the digest is v[w] ^ v[w + 8]. `stack` lists
    all items that are left; the top table item is called `tables`, the deeper ones `table`.
    """

    script: Script
    stack: tuple[str, ...]
    state: tuple[Word, ...]


@lru_cache(maxsize=8)
def compression(message: tuple[str, ...]) -> Compression:
    """Generate the compression for message nibbles that lie on the stack in this order (bottom first)."""
    machine = _Machine(message)
    machine.push_tables()
    machine.push_initial_state()
    schedule = list(range(16))
    for round_ in range(ROUNDS):
        machine.run_round(round_, schedule)
        schedule = [schedule[i] for i in PERMUTATION]
    return Compression(machine.stack.code(), tuple(machine.stack.main), tuple(machine.state))


def push_xor(s: Stack, x: str, y: str, bias: int, name: str = "xor") -> None:
    """XOR of two state nibbles whose biases sum to `bias`, in the form of role b.

    stack:  … x … y …  →  … x … y … xor        (stack of a finished compression)
    """
    s.copy(x, "x")
    s.copy(y, "y")
    s.op(Op.ADD, "index")
    look_up(s, spread.XOR_B, bias, name)


def look_up(s: Stack, place: int, bias: int, name: str) -> None:
    """Replace an index into one of the tables by the table's entry.

    stack:  STRIDE·k + bias  →  entry k at `place`        (for LOW2, LOW3: 2·k + bias)
    """
    above = s.depth(_TABLES) - 1  # items between index and tables
    _add_constant(s, above + place - bias)
    s.pick_dynamic(above + spread.ITEMS - 1, name)


def _add_constant(s: Stack, n: int) -> None:
    if n in (1, -1):
        s.op(Op.ONEADD if n == 1 else Op.ONESUB, s.main[-1])
    elif n:
        s.push(abs(n))
        s.op(Op.ADD if n > 0 else Op.SUB, s.main[-2])


@dataclass(frozen=True, slots=True)
class _Half:
    """Half of half a G: x = x + y (+ message word), z = (z ^ x) >>> rotation; for roles (a, b, d) or (c, d, b)."""

    x: str
    z: str
    sums: int  # place of the table of x + y
    bias: int  # of its entries
    low: int  # place of the table of low nibbles and carries
    xor: int  # place of the table of z ^ x
    rotation: int


_A16 = _Half("a", "d", spread.SUM_AB, BIAS_AB, spread.LOW3, spread.XOR_D, 16)
_A8 = _Half("a", "d", spread.SUM_AB, BIAS_AB, spread.LOW3, spread.XOR_D, 8)
_C12 = _Half("c", "b", spread.SUM_CD, BIAS_CD, spread.LOW2, spread.XOR_B, 12)
_C7 = _Half("c", "b", spread.SUM_CD, BIAS_CD, spread.LOW2, spread.XOR_B, 7)


class _Machine:
    """The generator's view of the stack: which item is which nibble of the state, and the bias it carries."""

    def __init__(self, message: Sequence[str]) -> None:
        self.stack = Stack(*message)
        self.message = message_names()
        self.state: list[Word] = [()] * 16
        self._names = 0
        self._last_round = False

    def push_tables(self) -> None:
        """Put the tables above the message."""
        names = ["table"] * (spread.ITEMS - 1) + [_TABLES]
        self.stack.run(spread.push_tables(), 0, names)

    def push_initial_state(self) -> None:
        """v0…v15. The first step adds b to a in each column: a word of role a is pushed as that sum at once."""
        words = (*IV, *IV[:4], 0, 0, BLOCK_BYTES, FLAGS)
        for w in WORD_ORDER:
            self.state[w] = tuple(self._fresh() for _ in range(NIBBLES))
            other = nibbles(words[(w + 4) % 16])
            for i, n in enumerate(nibbles(words[w])):
                value = 2 * (n + other[i]) + BIAS_AB if w < 4 else spread.form(n, BIAS["abcd"[w // 4]])
                self.stack.push(value, self.state[w][i])

    def run_round(self, round_: int, schedule: Sequence[int]) -> None:
        """Columns, then diagonals; G number i takes message words 2i and 2i + 1 of the schedule."""
        self._last_round = round_ == ROUNDS - 1
        for i in COLUMN_ORDER:
            self._mix(COLUMNS[i], schedule[2 * i], schedule[2 * i + 1], summed=round_ == 0)
        for i in LAST_DIAGONAL_ORDER if self._last_round else DIAGONAL_ORDER:
            self._mix(DIAGONALS[i], schedule[8 + 2 * i], schedule[9 + 2 * i], summed=False)

    def _mix(self, where: tuple[int, int, int, int], m0: int, m1: int, summed: bool) -> None:
        """The function G on four words of the state; `summed`: the word of role a already holds a + b."""
        a, b, c, d = where
        self._half(_A16, a, b, d, m0, summed)
        self._half(_C12, c, d, b)
        self._half(_A8, a, b, d, m1)
        self._half(_C7, c, d, b)

    def _half(self, half: _Half, x: int, y: int, z: int, message: int | None = None, summed: bool = False) -> None:
        new_x: list[str] = []
        new_z: list[str] = []
        for i in range(NIBBLES):
            self._push_sum(half, i, self.state[x][i], None if summed else self.state[y][i], message)
            if i < NIBBLES - 1:
                self.stack.copy("sum")  # for its carry
            new_x.append(self._look_up(half.low, half.bias, self._fresh()))
            self._push_xor(half, i, self.state[z][i], new_z)
            if i < NIBBLES - 1:
                self.stack.move("sum")
                self._look_up(half.low + 1, half.bias, "carry")
        self.state[x] = tuple(new_x)
        self.state[z] = self._rotate(half.rotation, new_z)

    def _push_sum(self, half: _Half, i: int, x: str, y: str | None, message: int | None) -> None:
        """stack:  … x … (carry)  →  … sum        sum = 2·(x + y + message) + carry + bias"""
        s = self.stack
        early = message is not None and i == 0 and y is not None  # stands in for the carry: the heights stay the same
        if message is not None and early:
            self._push_message(message, i)
        s.move(x, "sum")
        if y is not None:
            s.copy(y, "y")
            s.op(Op.ADD, "index")
            self._look_up(half.sums, BIAS[half.x] + self._bias_of_partner(half), "sum")
        if message is not None and not early:
            self._push_message(message, i)
            s.op(Op.ADD, "sum")
        if i or early:
            s.op(Op.ADD, "sum")

    def _push_message(self, word: int, i: int) -> None:
        (self.stack.move if self._last_round else self.stack.copy)(self.message[word][i], "message")

    def _push_xor(self, half: _Half, i: int, z: str, new_z: list[str]) -> None:
        """stack:  … z … x  →  … x (z ^ x)        when rotating by 7: low bits shifted up, the bit from below put in"""
        s = self.stack
        s.copy(s.main[-1], "index")
        s.move(z, "z")
        s.op(Op.ADD, "index")
        bias = BIAS[half.x] + BIAS[half.z]
        if half.rotation != 7:
            new_z.append(self._look_up(half.xor, bias, self._fresh()))
            return
        s.copy("index", "index2")
        low = self._look_up(spread.LOW7, bias, self._fresh())
        if i:
            s.from_alt("top")
        s.move("index")
        self._look_up(spread.TOP1, bias, "top")
        s.to_alt()
        if i:
            s.op(Op.ADD, low)
        new_z.append(low)

    def _rotate(self, rotation: int, z: list[str]) -> Word:
        """Name the nibbles of z >>> rotation; by 7 each holds its low bits shifted up and the bit from below."""
        if rotation == 7:
            self.stack.move(z[0])
            self.stack.from_alt("top")
            self.stack.op(Op.ADD, z[0])
            rotation = 8
        shift = rotation // 4
        return tuple(z[(i + shift) % NIBBLES] for i in range(NIBBLES))

    def _bias_of_partner(self, half: _Half) -> int:
        return BIAS["b" if half.x == "a" else "d"]

    def _look_up(self, place: int, bias: int, name: str) -> str:
        look_up(self.stack, place, bias, name)
        return name

    def _fresh(self) -> str:
        self._names += 1
        return f"n{self._names}"
