"""RESERVED: the words that are no instruction of the machine, found by the instruction table itself.

A word is looked up twice: its opcode, and for SPECIAL its function, name a *condition* on the other fields. A condition
is a set of rows, each a set of fields with fixed values; a word breaks it if it breaks every row. All conditions are
evaluated, and the two tables pick the one that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from btc_l2.zkvm.isa import FUNCTION, INSTRUCTIONS, RD, RS, RT, SA, SPECIAL, SYSCALL_OTHER, Instruction
from challenger.disprove.control import BAD
from taproot.gadgets.nibbles import HIGH_BIT, ODD
from taproot.gadgets.shift import split_two_bits
from taproot.gadgets.u32 import NIBBLES, double, nibble
from taproot.script import Op, Stack

# field → (mask, shift that its value on the stack has); rs stands there doubled, as a nibble cannot be halved
_FIELDS = {"rs": (RS, 20), "rt": (RT, 16), "rd": (RD, 11), "sa": (SA, 6), "function": (FUNCTION, 0)}
_CODES = 64  # of opcodes, and of functions

Row = frozenset[tuple[str, int]]  # fields with the values they must have
Condition = frozenset[Row]  # of which one must hold

# With SYSCALL_OTHER every word of SYSCALL is known; its rows with a code need not be looked at
_ROWS = (*(row for row in INSTRUCTIONS if row.mask != 0xFFFF_FFFF), SYSCALL_OTHER)


def require_reserved(s: Stack) -> None:
    """Fail unless the instruction word belongs to no row; it must be the lowest, and all else but the flag goes.

    stack:  instruction… (anything) bad  →  bad
    """
    s.to_alt(BAD)
    s.drop_all(keep=NIBBLES)
    _push_fields(s)
    of_special = [row for row in _ROWS if row.match >> 26 == SPECIAL]
    functions = {f: _condition((r for r in of_special if r.match & FUNCTION == f), "function") for f in range(_CODES)}
    _look_up(s, "function", functions, {}, "special")
    opcodes = {o: _condition(r for r in _ROWS if r.match >> 26 == o) for o in range(_CODES)}
    _look_up(s, "opcode", opcodes, {SPECIAL: "special"}, "broken")
    s.op(Op.VERIFY)
    s.drop_all()
    s.from_alt(BAD)


def _condition(rows: Iterable[Instruction], known: str = "") -> Condition:
    """What the fields of a word must be for one of the rows, but for the field `known`."""
    return frozenset(
        frozenset(
            (field, (row.match & mask) >> shift)
            for field, (mask, shift) in _FIELDS.items()
            if row.mask & mask and field != known
        )
        for row in rows
    )


def _push_fields(s: Stack) -> None:
    """stack:  instruction…  →  opcode rs (doubled) rt rd sa function"""
    move = [nibble("instruction", i) for i in range(NIBBLES)]
    s.move(move[7])
    double(s, 2)
    s.move(move[6])
    split_two_bits(s)
    s.to_alt()
    s.op(Op.ADD, "opcode")
    s.copy(move[5])
    s.run(ODD, 1, ("odd",))
    s.move(move[5])
    s.op(Op.OVER)
    s.op(Op.SUB)
    s.from_alt()
    s.op(Op.ADD, "rs")
    s.op(Op.SWAP, "rs", "odd")
    double(s, 4)
    s.move(move[4])
    s.op(Op.ADD, "rt")
    s.move(move[3])
    double(s)
    s.move(move[2])
    s.op(Op.DUP)
    s.run(HIGH_BIT, 1, ("bit",))
    s.op(Op.TUCK, "bit", "nibble", "bit")
    double(s, 3)
    s.op(Op.SUB, "low")
    s.to_alt()
    s.op(Op.ADD, "rd")
    s.from_alt()
    double(s, 2)
    s.move(move[1])
    split_two_bits(s)
    s.to_alt()
    s.op(Op.ADD, "sa")
    s.from_alt()
    s.move(move[0])
    s.op(Op.ADD, "function")


def _look_up(s: Stack, key: str, conditions: Mapping[int, Condition], pushed: Mapping[int, str], name: str) -> None:
    """Leave whether the condition of the code `key` is broken; for the codes in `pushed` an item says so.

    stack:  →  0 if the condition holds
    """
    kinds = list(dict.fromkeys(pushed.get(code) or conditions[code] for code in range(_CODES)))
    for kind in reversed(kinds):
        if isinstance(kind, str):
            s.copy(kind)
        else:
            _push_broken(s, kind)
    for code in reversed(range(_CODES)):
        s.push(kinds.index(pushed.get(code) or conditions[code]), "kind")
    s.copy(key)
    s.pick_dynamic(_CODES - 1, "kind")
    s.push(_CODES)
    s.op(Op.ADD)
    s.pick_dynamic(_CODES + len(kinds) - 1, name)
    s.to_alt()
    s.drop_top(_CODES + len(kinds))
    s.from_alt()


def _push_broken(s: Stack, condition: Condition) -> None:
    """stack:  →  0 if one row of the condition holds"""
    s.push(1, "broken")
    for row in sorted(condition, key=sorted):
        s.push(0, "differs")
        for field, value in sorted(row):
            s.copy(field)
            s.push(value)
            s.op(Op.NUMNOTEQUAL)
            s.op(Op.BOOLOR, "differs")
        s.op(Op.BOOLAND, "broken")
