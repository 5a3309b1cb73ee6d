"""Sums, logic, shifts, comparisons and moves: the same lines as `instructions/` of these names, in LLVM's language.

An overflow of ADD, ADDI or SUB is left to the interpreter by a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from btc_l2.zkvm.decode import immediate, rd, rs, rt, sa, signed_immediate
from btc_l2.zkvm.outcome import signed
from btc_l2.zkvm.translate.writer import HI, LO, MASK, TLS, Value, Writer, constant

Emit = Callable[[Writer, int], None]
_FARTHEST = 0x8000  # a sum that is farther from its root becomes a root itself


def add_constant(w: Writer, a: Value, number: int) -> Value:
    """a + a signed number; knows what it is a constant away from."""
    if a.constant is not None:
        return constant(a.constant + number)
    if number == 0:
        return a
    name = w.name(f"add i32 {a.name}, {number}")
    offset = a.offset + number
    return Value(name, a.root, offset) if abs(offset) <= _FARTHEST else Value(name, name, 0)


def _addiu(w: Writer, word: int) -> None:
    w.put(rt(word), add_constant(w, w.get(rs(word)), signed(signed_immediate(word))))


def _addi(w: Writer, word: int) -> None:
    _guard_overflow(w, "sadd", w.get(rs(word)), constant(signed_immediate(word)))
    _addiu(w, word)


def _guard_overflow(w: Writer, kind: str, a: Value, b: Value) -> None:
    pair = w.name(f"call {{i32, i1}} @llvm.{kind}.with.overflow.i32(i32 {a.name}, i32 {b.name})")
    over = w.name(f"extractvalue {{i32, i1}} {pair}, 1")
    w.guard(w.name(f"xor i1 {over}, true"))


def _checked(kind: str, operation: str, w: Writer, word: int) -> None:
    _guard_overflow(w, kind, w.get(rs(word)), w.get(rt(word)))
    _two(operation, w, word)


def _two(operation: str, w: Writer, word: int) -> None:
    """rd := rs ∘ rt; a sum or OR with $0 is a move and keeps what is known of the value."""
    a, b = w.get(rs(word)), w.get(rt(word))
    if operation in ("add", "or", "xor", "sub") and b.constant == 0:
        w.put(rd(word), a)
    elif operation in ("add", "or", "xor") and a.constant == 0:
        w.put(rd(word), b)
    else:
        w.put(rd(word), w.value(f"{operation} i32 {a.name}, {b.name}"))


def _nor(w: Writer, word: int) -> None:
    either = w.name(f"or i32 {w.get(rs(word)).name}, {w.get(rt(word)).name}")
    w.put(rd(word), w.value(f"xor i32 {either}, -1"))


def _logic_immediate(operation: str, w: Writer, word: int) -> None:
    a = w.get(rs(word))
    if a.constant is not None and operation == "or":
        w.put(rt(word), constant(a.constant | immediate(word)))
    else:
        w.put(rt(word), w.value(f"{operation} i32 {a.name}, {immediate(word)}"))


def _lui(w: Writer, word: int) -> None:
    w.put(rt(word), constant(immediate(word) << 16 & MASK))


def _shift_fixed(operation: str, w: Writer, word: int) -> None:
    b = w.get(rt(word))
    w.put(rd(word), w.value(f"{operation} i32 {b.name}, {sa(word)}") if sa(word) else b)


def _shift_variable(operation: str, w: Writer, word: int) -> None:
    amount = w.name(f"and i32 {w.get(rs(word)).name}, 31")
    w.put(rd(word), w.value(f"{operation} i32 {w.get(rt(word)).name}, {amount}"))


def _rotate(w: Writer, target: int, b: Value, amount: str) -> None:
    w.put(target, w.value(f"call i32 @llvm.fshr.i32(i32 {b.name}, i32 {b.name}, i32 {amount})"))


def _rotr(w: Writer, word: int) -> None:
    _rotate(w, rd(word), w.get(rt(word)), str(sa(word)))


def _rotrv(w: Writer, word: int) -> None:
    _rotate(w, rd(word), w.get(rt(word)), w.get(rs(word)).name)  # fshr takes the amount modulo 32


def _set(w: Writer, target: int, condition: str) -> None:
    w.put(target, w.value(f"zext i1 {w.name(condition)} to i32"))


def _compare(relation: str, w: Writer, word: int) -> None:
    _set(w, rd(word), f"icmp {relation} i32 {w.get(rs(word)).name}, {w.get(rt(word)).name}")


def _compare_immediate(relation: str, w: Writer, word: int) -> None:
    _set(w, rt(word), f"icmp {relation} i32 {w.get(rs(word)).name}, {signed(signed_immediate(word))}")


def _move_if(relation: str, w: Writer, word: int) -> None:
    moves = w.name(f"icmp {relation} i32 {w.get(rt(word)).name}, 0")
    w.put(rd(word), w.value(f"select i1 {moves}, i32 {w.get(rs(word)).name}, i32 {w.get(rd(word)).name}"))


def _copy(source: int, w: Writer, word: int) -> None:
    w.put(rd(word), w.get(source))


def _move_to(target: int, w: Writer, word: int) -> None:
    w.put(target, w.get(rs(word)))


def _rdhwr(w: Writer, word: int) -> None:
    w.put(rt(word), w.get(TLS))


def _mtc0_userlocal(w: Writer, word: int) -> None:
    w.put(TLS, w.get(rt(word)))


def _nothing(w: Writer, word: int) -> None:
    """PREF, SYNC, SYNCI and the end-of-boot mark only go on."""


EMITTERS: Mapping[str, Emit] = {
    "ADDIU": _addiu,
    "ADDI": _addi,
    "ADDU": partial(_two, "add"),
    "SUBU": partial(_two, "sub"),
    "ADD": partial(_checked, "sadd", "add"),
    "SUB": partial(_checked, "ssub", "sub"),
    "AND": partial(_two, "and"),
    "OR": partial(_two, "or"),
    "XOR": partial(_two, "xor"),
    "NOR": _nor,
    "ANDI": partial(_logic_immediate, "and"),
    "ORI": partial(_logic_immediate, "or"),
    "XORI": partial(_logic_immediate, "xor"),
    "LUI": _lui,
    "SLL": partial(_shift_fixed, "shl"),
    "SRL": partial(_shift_fixed, "lshr"),
    "SRA": partial(_shift_fixed, "ashr"),
    "ROTR": _rotr,
    "SLLV": partial(_shift_variable, "shl"),
    "SRLV": partial(_shift_variable, "lshr"),
    "SRAV": partial(_shift_variable, "ashr"),
    "ROTRV": _rotrv,
    "SLT": partial(_compare, "slt"),
    "SLTU": partial(_compare, "ult"),
    "SLTI": partial(_compare_immediate, "slt"),
    "SLTIU": partial(_compare_immediate, "ult"),
    "MOVZ": partial(_move_if, "eq"),
    "MOVN": partial(_move_if, "ne"),
    "MFHI": partial(_copy, HI),
    "MFLO": partial(_copy, LO),
    "MTHI": partial(_move_to, HI),
    "MTLO": partial(_move_to, LO),
    "RDHWR": _rdhwr,
    "MTC0_USERLOCAL": _mtc0_userlocal,
    "SYNC": _nothing,
    "SYNCI": _nothing,
    "PREF": _nothing,
    "SYSCALL_NOP": _nothing,
}
