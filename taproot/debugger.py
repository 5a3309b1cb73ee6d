"""A tapscript opcode by opcode, with names for what lies on the stacks: for people, never as a judge.

With a witness every item has its value (None where nobody knows it: without a witness all items do). Names come from
three places: the notes of the builder (`taproot.script.origin`), the caller's names of the witness items, and the
opcodes themselves, which move names about and leave `hash160(x)`. Signatures are taken to be valid where they are not
empty, and timelocks to be met: whether a spend is valid is for libbitcoinkernel to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from taproot.hashes import hash160, sha256
from taproot.script import Op, Script, decode_number, encode_number
from taproot.script.opcodes import MAIN_EFFECT
from taproot.script.origin import Note, notes_of
from taproot.script.script import parse

_TRUE, _FALSE = b"\x01", b""
_LONGEST_NAME = 24
_ANY = "?"


@dataclass(frozen=True, slots=True)
class Item:
    """A stack item: its name, and its value if it is known."""

    name: str
    value: bytes | None = None

    def __str__(self) -> str:
        value = None if self.value is None else _show(self.value)
        return self.name if value in (None, self.name) else f"{self.name}={value}"


@dataclass(frozen=True, slots=True)
class Moment:
    """The stacks (bottom first) before an opcode. `note` stands where a part of the script begins."""

    offset: int
    opcode: str
    main: tuple[Item, ...]
    alt: tuple[Item, ...]
    note: Note | None


class Failed(Exception):
    """The script stops here; the message says why."""


def walk(leaf: Script, items: Sequence[Item]) -> Iterator[Moment]:
    """Every moment of a leaf that starts on `items`, bottom first; the last one has the opcode `end`.

    Raises Failed where the known values make an opcode fail.
    """
    notes, stacks = notes_of(leaf), _Stacks(list(items))
    for offset, op, pushed in parse(leaf.code):
        note = notes.get(offset)
        if note is not None:
            stacks.rename(note.names or ())
        yield Moment(offset, _text(op, pushed), tuple(stacks.main), tuple(stacks.alt), note)
        if pushed is None:
            stacks.apply(Op(op))
        else:
            stacks.push(pushed)
    yield Moment(len(leaf.code), "end", tuple(stacks.main), tuple(stacks.alt), None)


def witness_items(stack: Sequence[bytes]) -> list[Item]:
    """Items of a witness (bottom first, without script and control block), named by their place."""
    return [Item(f"w{i}", value) for i, value in enumerate(stack)]


def unknown_items(count: int) -> list[Item]:
    """As many items without values."""
    return [Item(f"w{i}") for i in range(count)]


class _Stacks:
    """Main and alt stack while a script runs."""

    def __init__(self, main: list[Item]) -> None:
        self.main = main
        self.alt: list[Item] = []

    def rename(self, names: tuple[str, ...]) -> None:
        """Give the topmost items the names that the builder had for them."""
        many = min(len(names), len(self.main))
        for at, name in zip(range(-many, 0), names[len(names) - many :], strict=True):
            self.main[at] = Item(name, self.main[at].value)

    def push(self, value: bytes) -> None:
        self.main.append(Item(_show(value), value))

    def apply(self, op: Op) -> None:
        if op in _MOVES:
            self._take(len(_MOVES[op][0]), lambda old: [old[i] for i in _MOVES[op][1]])
        elif op in (Op.PICK, Op.ROLL):
            self._reach(op)
        elif op is Op.TOALTSTACK:
            self.alt.append(self._pop())
        elif op is Op.FROMALTSTACK:
            if not self.alt:
                raise Failed("FROMALTSTACK on an empty alt stack")
            self.main.append(self.alt.pop())
        elif op is Op.DEPTH:
            self.main.append(Item("depth", encode_number(len(self.main))))
        elif op is Op.SIZE:
            size = self.main[-1].value
            self.main.append(Item(f"size({self.main[-1].name})", None if size is None else encode_number(len(size))))
        else:
            self._compute(op)

    def _reach(self, op: Op) -> None:
        index = self._pop()
        if index.value is None:
            self._reach_somewhere(op, index)
            return
        depth = _number(index.value)
        if not 0 <= depth < len(self.main):
            raise Failed(f"{op.name} {depth} on {len(self.main)} items")
        at = len(self.main) - 1 - depth
        self.main.append(self.main[at] if op is Op.PICK else self.main.pop(at))

    def _reach_somewhere(self, op: Op, index: Item) -> None:
        """PICK or ROLL by an index that nobody knows: a roll may have moved any item."""
        if op is Op.ROLL:
            self._pop()
            self.main = [Item(_ANY)] * len(self.main)
        self.main.append(Item(f"{op.name.lower()}({index.name})"))

    def _compute(self, op: Op) -> None:
        takes, gives = MAIN_EFFECT[op]
        taken = self._pop_many(takes)
        values = [item.value for item in taken]
        if op in (Op.CHECKLOCKTIMEVERIFY, Op.CHECKSEQUENCEVERIFY):
            self.main += taken
            return
        known = [value for value in values if value is not None]
        result = _RESULT[op](known) if len(known) == len(values) and op in _RESULT else None
        refused = op.name.endswith("VERIFY") and result is not None and not _is_true(result)
        if refused or op is Op.RETURN:
            raise Failed(f"{op.name} of {', '.join(map(str, taken))}")
        if gives:
            name = f"{op.name.lower()}({','.join(item.name for item in taken)})"
            self.main.append(Item(name if len(name) <= _LONGEST_NAME else f"{op.name.lower()}(…)", result))

    def _take(self, many: int, arrange: Callable[[list[Item]], list[Item]]) -> None:
        self.main += arrange(self._pop_many(many))

    def _pop(self) -> Item:
        return self._pop_many(1)[0]

    def _pop_many(self, many: int) -> list[Item]:
        if many > len(self.main):
            raise Failed(f"{many} items wanted, {len(self.main)} on the stack")
        taken = self.main[len(self.main) - many :]
        del self.main[len(self.main) - many :]
        return taken


# What opcodes do that only move items: the items they take, bottom first, and which of them they leave in which order.
_MOVES: dict[Op, tuple[range, tuple[int, ...]]] = {
    Op.DROP: (range(1), ()),
    Op.TWODROP: (range(2), ()),
    Op.DUP: (range(1), (0, 0)),
    Op.TWODUP: (range(2), (0, 1, 0, 1)),
    Op.THREEDUP: (range(3), (0, 1, 2, 0, 1, 2)),
    Op.NIP: (range(2), (1,)),
    Op.OVER: (range(2), (0, 1, 0)),
    Op.TWOOVER: (range(4), (0, 1, 2, 3, 0, 1)),
    Op.ROT: (range(3), (1, 2, 0)),
    Op.TWOROT: (range(6), (2, 3, 4, 5, 0, 1)),
    Op.SWAP: (range(2), (1, 0)),
    Op.TWOSWAP: (range(4), (2, 3, 0, 1)),
    Op.TUCK: (range(2), (1, 0, 1)),
}


def _number(value: bytes) -> int:
    try:
        return decode_number(value)
    except ValueError as error:
        raise Failed(str(error)) from error


def _is_true(value: bytes) -> bool:
    return any(value[:-1]) or value[-1:] not in (b"", b"\x00", b"\x80")


def _arithmetic(compute: Callable[..., int]) -> Callable[[list[bytes]], bytes]:
    return lambda values: encode_number(int(compute(*map(_number, values))))


def _truth(holds: bool) -> bytes:
    return _TRUE if holds else _FALSE


_RESULT: Mapping[Op, Callable[[list[bytes]], bytes]] = {
    Op.VERIFY: lambda v: v[0],
    Op.EQUAL: lambda v: _truth(v[0] == v[1]),
    Op.EQUALVERIFY: lambda v: _truth(v[0] == v[1]),
    Op.ONEADD: _arithmetic(lambda a: a + 1),
    Op.ONESUB: _arithmetic(lambda a: a - 1),
    Op.NEGATE: _arithmetic(lambda a: -a),
    Op.ABS: _arithmetic(abs),
    Op.NOT: _arithmetic(lambda a: a == 0),
    Op.ZERONOTEQUAL: _arithmetic(lambda a: a != 0),
    Op.ADD: _arithmetic(lambda a, b: a + b),
    Op.SUB: _arithmetic(lambda a, b: a - b),
    Op.BOOLAND: _arithmetic(lambda a, b: a != 0 and b != 0),
    Op.BOOLOR: _arithmetic(lambda a, b: a != 0 or b != 0),
    Op.NUMEQUAL: _arithmetic(lambda a, b: a == b),
    Op.NUMEQUALVERIFY: _arithmetic(lambda a, b: a == b),
    Op.NUMNOTEQUAL: _arithmetic(lambda a, b: a != b),
    Op.LESSTHAN: _arithmetic(lambda a, b: a < b),
    Op.GREATERTHAN: _arithmetic(lambda a, b: a > b),
    Op.LESSTHANOREQUAL: _arithmetic(lambda a, b: a <= b),
    Op.GREATERTHANOREQUAL: _arithmetic(lambda a, b: a >= b),
    Op.MIN: _arithmetic(min),
    Op.MAX: _arithmetic(max),
    Op.WITHIN: _arithmetic(lambda x, low, high: low <= x < high),
    Op.SHA256: lambda v: sha256(v[0]),
    Op.HASH160: lambda v: hash160(v[0]),
    Op.CHECKSIG: lambda v: _truth(bool(v[0])),
    Op.CHECKSIGVERIFY: lambda v: _truth(bool(v[0])),
    Op.CHECKSIGADD: lambda v: encode_number(_number(v[1]) + bool(v[0])),
}


def _text(op: int, pushed: bytes | None) -> str:
    return Op(op).name if pushed is None else _show(pushed)


def _show(value: bytes) -> str:
    """A number where it is one, else the first bytes."""
    if len(value) <= 4:
        try:
            return str(decode_number(value))
        except ValueError:
            return f"<{value.hex()}>"
    return f"<{value.hex()}>" if len(value) <= 6 else f"<{value[:4].hex()}…{len(value)}>"
