"""Products, quotients, bit fields and conditional traps: `instructions/` of these names, in LLVM's language.

A division by zero divides by one; a trap whose condition holds is left to the interpreter by a guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from btc_l2.zkvm.decode import rd, rs, rt, sa, signed_immediate
from btc_l2.zkvm.translate.alu import Emit
from btc_l2.zkvm.translate.writer import HI, LO, MASK, Value, Writer, constant


def _wide(w: Writer, kind: str, value: Value) -> str:
    return w.name(f"{kind}ext i32 {value.name} to i64")


def _set_hi_lo(w: Writer, pair: str) -> None:
    w.put(LO, w.value(f"trunc i64 {pair} to i32"))
    w.put(HI, w.value(f"trunc i64 {w.name(f'lshr i64 {pair}, 32')} to i32"))


def _product(w: Writer, kind: str, word: int) -> str:
    return w.name(f"mul i64 {_wide(w, kind, w.get(rs(word)))}, {_wide(w, kind, w.get(rt(word)))}")


def _multiply(kind: str, w: Writer, word: int) -> None:
    _set_hi_lo(w, _product(w, kind, word))


def _accumulate(kind: str, operation: str, w: Writer, word: int) -> None:
    product = _product(w, kind, word)
    high = w.name(f"shl i64 {_wide(w, 'z', w.get(HI))}, 32")
    before = w.name(f"or i64 {high}, {_wide(w, 'z', w.get(LO))}")
    _set_hi_lo(w, w.name(f"{operation} i64 {before}, {product}"))


def _mul(w: Writer, word: int) -> None:
    w.put(rd(word), w.value(f"mul i32 {w.get(rs(word)).name}, {w.get(rt(word)).name}"))


def _divide(w: Writer, word: int, a: str, b: str, width: int, kind: str) -> None:
    """LO and HI from a quotient and a remainder of `width` bits."""
    for target, operation in ((LO, "div"), (HI, "rem")):
        result = w.name(f"{kind}{operation} i{width} {a}, {b}")
        w.put(target, w.value(f"trunc i64 {result} to i32") if width == 64 else Value(result, result, 0))


def _divisor(w: Writer, word: int) -> str:
    b = w.get(rt(word)).name
    return w.name(f"select i1 {w.name(f'icmp eq i32 {b}, 0')}, i32 1, i32 {b}")


def _div(w: Writer, word: int) -> None:
    """In 64 bits: −2^31 / −1 has a quotient there."""
    a, b = w.get(rs(word)), _divisor(w, word)
    _divide(w, word, _wide(w, "s", a), w.name(f"sext i32 {b} to i64"), 64, "s")


def _divu(w: Writer, word: int) -> None:
    _divide(w, word, w.get(rs(word)).name, _divisor(w, word), 32, "u")


def _leading_zeros(w: Writer, word: int) -> None:
    w.put(rd(word), w.value(f"call i32 @llvm.ctlz.i32(i32 {w.get(rs(word)).name}, i1 false)"))


def _leading_ones(w: Writer, word: int) -> None:
    inverted = w.name(f"xor i32 {w.get(rs(word)).name}, -1")
    w.put(rd(word), w.value(f"call i32 @llvm.ctlz.i32(i32 {inverted}, i1 false)"))


def _mask(size: int) -> int:
    return (1 << size) - 1


def _ext(w: Writer, word: int) -> None:
    """pos = sa, size = rd + 1; a field that reaches beyond bit 31 traps."""
    if sa(word) + rd(word) > 31:
        w.guard("false")
        return
    shifted = w.name(f"lshr i32 {w.get(rs(word)).name}, {sa(word)}")
    w.put(rt(word), w.value(f"and i32 {shifted}, {constant(_mask(rd(word) + 1)).name}"))


def _ins(w: Writer, word: int) -> None:
    """lsb = sa, msb = rd; msb below lsb traps."""
    if rd(word) < sa(word):
        w.guard("false")
        return
    field = _mask(rd(word) - sa(word) + 1) << sa(word)
    shifted = w.name(f"shl i32 {w.get(rs(word)).name}, {sa(word)}")
    new = w.name(f"and i32 {shifted}, {constant(field).name}")
    kept = w.name(f"and i32 {w.get(rt(word)).name}, {constant(~field & MASK).name}")
    w.put(rt(word), w.value(f"or i32 {kept}, {new}"))


def _extend_sign(bits: int, w: Writer, word: int) -> None:
    part = w.name(f"trunc i32 {w.get(rt(word)).name} to i{bits}")
    w.put(rd(word), w.value(f"sext i{bits} {part} to i32"))


def _wsbh(w: Writer, word: int) -> None:
    """Bytes swapped within each half: all four reversed, then the halves exchanged."""
    reversed_bytes = w.name(f"call i32 @llvm.bswap.i32(i32 {w.get(rt(word)).name})")
    w.put(rd(word), w.value(f"call i32 @llvm.fshr.i32(i32 {reversed_bytes}, i32 {reversed_bytes}, i32 16)"))


def _trap_unless(relation: str, w: Writer, word: int) -> None:
    w.guard(w.name(f"icmp {relation} i32 {w.get(rs(word)).name}, {w.get(rt(word)).name}"))


def _trap_unless_immediate(relation: str, w: Writer, word: int) -> None:
    w.guard(w.name(f"icmp {relation} i32 {w.get(rs(word)).name}, {constant(signed_immediate(word)).name}"))


_GOES_ON_IF = {"TGE": "slt", "TGEU": "ult", "TLT": "sge", "TLTU": "uge", "TEQ": "ne", "TNE": "eq"}
_IMMEDIATE_GOES_ON_IF = {"TGEI": "slt", "TGEIU": "ult", "TLTI": "sge", "TLTIU": "uge", "TEQI": "ne", "TNEI": "eq"}

EMITTERS: Mapping[str, Emit] = {
    "MULT": partial(_multiply, "s"),
    "MULTU": partial(_multiply, "z"),
    "MADD": partial(_accumulate, "s", "add"),
    "MADDU": partial(_accumulate, "z", "add"),
    "MSUB": partial(_accumulate, "s", "sub"),
    "MSUBU": partial(_accumulate, "z", "sub"),
    "MUL": _mul,
    "DIV": _div,
    "DIVU": _divu,
    "CLZ": _leading_zeros,
    "CLO": _leading_ones,
    "EXT": _ext,
    "INS": _ins,
    "SEB": partial(_extend_sign, 8),
    "SEH": partial(_extend_sign, 16),
    "WSBH": _wsbh,
    **{name: partial(_trap_unless, relation) for name, relation in _GOES_ON_IF.items()},
    **{name: partial(_trap_unless_immediate, relation) for name, relation in _IMMEDIATE_GOES_ON_IF.items()},
}
