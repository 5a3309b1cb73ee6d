"""DIV DIVU MULT MULTU, MADD MADDU MSUB MSUBU: to HI and LO; MUL: to a register.

Mirrors `btc_l2/zkvm/instructions/muldiv.py`.
"""

from __future__ import annotations

from itertools import pairwise

from challenger.disprove.control import WRONG, advance, collect
from challenger.disprove.effect import RESULT, into_rd, no_access, nothing_written, write
from taproot.gadgets.product import (
    Digit,
    Entry,
    Multiple,
    clamp,
    entry,
    push_multiples,
    raise_into,
    sum_columns,
    wrap,
)
from taproot.gadgets.u32 import (
    NIBBLES,
    TOP,
    Term,
    Word,
    less_than,
    magnitude,
    negative,
    nibble,
    nonzero,
    sign_extension,
    weigh,
    word,
)
from taproot.script import Op, Stack

A, B = word("a"), word("b")
HI_LO_BEFORE = (*word("lo").items, *word("hi").items)
HI_LO_AFTER = (*word("lo'").items, *word("hi'").items)
_HALF = 4  # nibbles of a limb where the whole product counts
_LIMIT = 1 << 18  # a true carry is below 2 · 15 · 65,535 / 15 + 2
_CUTS = (11, 8, 5, 2, 0)  # from ±2^18 three columns stay within 31 bits; what is above 2^64 shows at 16^11
_BYTE = 2  # nibbles of a limb where the low word counts: smaller limbs, smaller carries out of it
_BYTE_CUT, _BYTE_DOUBLINGS, _BYTE_LIMIT = 5, 10, 1 << 11  # 3 columns above −2^12 · 2^10


def madd(s: Stack) -> None:
    """HI:LO := HI:LO + rs · rt modulo 2^64, signed factors."""
    _to_hi_lo(s, signed=True, accumulated=1)


def maddu(s: Stack) -> None:
    """HI:LO := HI:LO + rs · rt modulo 2^64, unsigned factors."""
    _to_hi_lo(s, signed=False, accumulated=1)


def msub(s: Stack) -> None:
    """HI:LO := HI:LO − rs · rt modulo 2^64, signed factors."""
    _to_hi_lo(s, signed=True, accumulated=-1)


def msubu(s: Stack) -> None:
    """HI:LO := HI:LO − rs · rt modulo 2^64, unsigned factors."""
    _to_hi_lo(s, signed=False, accumulated=-1)


def mult(s: Stack) -> None:
    """HI:LO := rs · rt, signed."""
    _to_hi_lo(s, signed=True, accumulated=0)


def multu(s: Stack) -> None:
    """HI:LO := rs · rt, unsigned."""
    _to_hi_lo(s, signed=False, accumulated=0)


def div(s: Stack) -> None:
    """LO := rs / rt rounded towards zero, HI := the remainder with the sign of rs; signed.

    Magnitudes are divided; each is eight digits and one more if the number is negative (`magnitude`). A quotient of
    −2^31 where it should be 2^31 has the right magnitude: −2^31 / −1.
    """
    _push_signs(s)
    _push_limbs_of_magnitude(s, word("lo'"), "q<0")
    magnitude(s, A, "a<0", "|a|")
    magnitude(s, word("hi'"), "r<0", "|r|")
    magnitude(s, B, "b<0", "|b|")
    columns = _minus_product(_HALF, NIBBLES + _HALF, word("|b|"))
    for k in range(NIBBLES):
        columns[k][:0] = [Digit(nibble("|a|", k)), Digit(nibble("|r|", k), -1, keep=True)]
    columns[0] += [Digit("a<0", keep=True), Digit("r<0", -1, keep=True)]
    for k in (0, _HALF):
        columns[k].append(Multiple(_limb(k), "b more"))
    _sum_with_clamps(s, columns)
    _push_remainder_too_large(s)
    s.op(Op.BOOLOR, WRONG)
    _drop_factors(s, "a<0")
    collect(s)
    advance(s)

    nothing_written(s)


def divu(s: Stack) -> None:
    """LO := rs / rt rounded down, HI := the remainder; unsigned."""
    nonzero(s, Word(B.items, keep=True), "divides")
    s.op(Op.NOT)
    s.move(B.items[0])
    s.op(Op.ADD, B.items[0])  # division by zero divides by one
    remainder = Word(word("hi'").items, keep=True)
    _push_limbs(s, word("lo'"), _HALF)
    _lift(s, B)
    columns = _minus_product(_HALF, NIBBLES + _HALF, B)
    for k in range(NIBBLES):
        columns[k][:0] = [Digit(A.items[k]), Digit(remainder.items[k], -1, keep=True)]
    _sum_with_clamps(s, columns)
    less_than(s, remainder, B, "less")
    s.op(Op.NOT)
    s.op(Op.BOOLOR, WRONG)
    _drop_factors(s, entry(_limb(0), 0))
    collect(s)
    advance(s)

    nothing_written(s)


def mul(s: Stack) -> None:
    """rd := low word of rs · rt."""
    advance(s)

    into_rd(s)
    no_access(s)
    _push_limbs(s, A, _BYTE)
    _lift(s, B)
    columns = _minus_product(_BYTE, NIBBLES, B)
    for k in range(NIBBLES):
        columns[k].insert(0, Digit(RESULT.items[k], keep=True))
    sum_columns(s, columns[_BYTE_CUT:], fresh=True)
    raise_into(s, 16 ** (NIBBLES - _BYTE_CUT), _BYTE_DOUBLINGS)  # what leaves the 32 bits is not asked for
    sum_columns(s, columns[2:_BYTE_CUT])
    clamp(s, _BYTE_LIMIT)
    sum_columns(s, columns[:2])
    _drop_factors(s, entry(_limb(0), 0))
    write(s)


def _to_hi_lo(s: Stack, signed: bool, accumulated: int = 0) -> None:
    """±(HI':LO' − HI:LO) − rs · rt = 0 modulo 2^64, without HI:LO if not accumulated.

    Of a negative factor the word is 2^32 too much: the other factor, times 2^32, is added again.
    """
    sign = -1 if accumulated < 0 else 1
    columns = _minus_product(_HALF, 2 * NIBBLES, B)
    for k, column in enumerate(columns):
        before = [Digit(HI_LO_BEFORE[k], -sign)] if accumulated else []
        column[:0] = [Digit(HI_LO_AFTER[k], sign), *before]
    if signed:
        sign_extension(s, A.items[TOP], "a<0")
        negative(s, B.items[TOP], "b<0")
        for k, item in enumerate(B.items):
            columns[NIBBLES + k].append(Digit(item, keep=True, mask="a<0"))
        for k in (0, _HALF):
            columns[NIBBLES + k].append(Multiple(_limb(k), "b<0", 1))
    _push_limbs(s, A, _HALF)
    _lift(s, B)
    _sum_with_clamps(s, columns)
    _drop_factors(s, "a<0" if signed else entry(_limb(0), 0))
    collect(s)
    advance(s)

    nothing_written(s)


def _lift(s: Stack, w: Word) -> None:
    """Bring a word to the top, where its digits are near."""
    for item in w.items:
        s.move(item)


def _drop_factors(s: Stack, lowest: str) -> None:
    """stack:  lowest … sum  →  wrong"""
    s.to_alt()
    s.drop_all(keep=s.main.index(lowest))
    s.from_alt(WRONG)


def _push_signs(s: Stack) -> None:
    """Which numbers are taken as negative; of rt also whether its magnitude is one more than its digits.

    stack:  →  a<0 b<0 b-more q<0 r<0
    """
    negative(s, A.items[TOP], "a<0")
    negative(s, B.items[TOP], "b<0")
    nonzero(s, Word(B.items, keep=True), "divides")
    s.op(Op.NOT)
    s.copy("b<0")
    s.op(Op.ADD, "b more")  # negative, or zero: division by zero divides by one
    nonzero(s, Word(word("lo'").items, keep=True), "q")
    s.copy("a<0")
    s.copy("b<0")
    s.op(Op.NUMNOTEQUAL)
    s.op(Op.BOOLAND, "q<0")
    nonzero(s, Word(word("hi'").items, keep=True), "r")
    s.copy("a<0")
    s.op(Op.BOOLAND, "r<0")


def _push_limbs_of_magnitude(s: Stack, w: Word, flag: str) -> None:
    """As `_push_limbs` of the magnitude of w (moved)."""
    magnitude(s, w, flag, "|w|")
    for k in range(0, NIBBLES, _HALF):
        weigh(s, [Term(Word(word("|w|").items[k : k + _HALF]))], _limb(k), _HALF - 1)
        if not k:
            s.copy(flag)
            s.op(Op.ADD, _limb(k))
        push_multiples(s, _limb(k))


def _push_remainder_too_large(s: Stack) -> None:
    """stack:  |r|… |b|…  →  1 if |r| ≥ |b|, else 0"""
    terms = [Term(word("|b|")), Term(word("|r|"), -1)]
    weigh(s, [Term(Word(t.word.items[_HALF:]), t.sign) for t in terms], "difference", _HALF - 1)
    clamp(s, 2)  # no sign is lost: what follows is within ±2^16
    sum_columns(s, [[Digit(t.word.items[k], t.sign) for t in terms] for k in range(_HALF)])
    for item, op in (("b more", Op.ADD), ("r<0", Op.SUB)):
        s.copy(item)
        s.op(op, "difference")
    s.push(0)
    s.op(Op.LESSTHANOREQUAL, "too large")


def _limb(k: int) -> str:
    """Name of the table of the limb that starts at nibble k."""
    return f"limb.{k}"


def _push_limbs(s: Stack, w: Word, nibbles: int) -> None:
    """Tables of the multiples of each limb of a word (moved)."""
    for k in range(0, NIBBLES, nibbles):
        weigh(s, [Term(Word(w.items[k : k + nibbles]))], _limb(k), nibbles - 1)
        push_multiples(s, _limb(k))


def _minus_product(nibbles: int, count: int, w: Word) -> list[list[Entry]]:
    """The first columns of minus the product of a word and the one in the tables."""
    columns: list[list[Entry]] = [[] for _ in range(count)]
    for k in range(0, NIBBLES, nibbles):
        for j, digit in enumerate(w.items[: count - k]):
            columns[k + j].append(Multiple(_limb(k), digit))
    return columns


def _sum_with_clamps(s: Stack, columns: list[list[Entry]]) -> None:
    """Sum all 16 columns modulo 2^64."""
    sum_columns(s, columns[_CUTS[0] :], fresh=True)
    wrap(s, 16 ** (2 * NIBBLES - _CUTS[0]))
    for above, cut in pairwise(_CUTS):
        clamp(s, _LIMIT)
        sum_columns(s, columns[cut:above])
