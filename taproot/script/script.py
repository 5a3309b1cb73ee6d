"""A tapscript and what it does to the stacks, known when it is built.

`script(...)` joins opcodes, numbers, byte strings and other scripts. Because no branches are used, the effect of a
script is five numbers, and joining two scripts joins their effects:

    need      items of the main stack below the start that it looks at
    delta     change of the main stack's depth
    alt_need  items of the alt stack that it takes
    alt_delta change of the alt stack's depth
    peak      most items (main + alt, relative to the start) at any point

The limit is 1,000 items, main and alt together (BIP 342, "Resource limits"). A PICK or ROLL whose index is not a
constant needs a proven range: write `pick_within(n)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from taproot.script.opcodes import ALT_EFFECT, MAIN_EFFECT, Op
from taproot.script.origin import Origin, origin_of

MAX_STACK_ITEMS = 1000
MAX_PUSH = 256  # consensus allows 520; some nodes relay 256 at most


class ScriptError(AssertionError):
    """A script was built wrongly: our own mistake, never the user's."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a straight-line script does to the stacks; see the module's text."""

    need: int = 0
    delta: int = 0
    alt_need: int = 0
    alt_delta: int = 0
    peak: int = 0

    def then(self, after: Effect) -> Effect:
        """The effect of this script followed by `after`."""
        return Effect(
            need=max(self.need, after.need - self.delta),
            delta=self.delta + after.delta,
            alt_need=max(self.alt_need, after.alt_need - self.alt_delta),
            alt_delta=self.alt_delta + after.alt_delta,
            peak=max(self.peak, self.delta + self.alt_delta + after.peak),
        )


@dataclass(frozen=True, slots=True)
class Script:
    """Code bytes with their effect; `origin` says where its parts come from, if somebody asked for it."""

    code: bytes = b""
    effect: Effect = Effect()
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def __add__(self, after: Script) -> Script:
        return Script(self.code + after.code, self.effect.then(after.effect), origin_of((self, after)))

    def __mul__(self, times: int) -> Script:
        return join([self] * times)

    def __len__(self) -> int:
        return len(self.code)


Part = Op | int | bytes | Script


def encode_number(n: int) -> bytes:
    """Minimal script number: little endian, sign in the top bit (Core's CScriptNum)."""
    if n == 0:
        return b""
    size = (abs(n).bit_length() + 8) // 8
    body = bytearray(abs(n).to_bytes(size, "little"))
    if n < 0:
        body[-1] |= 0x80
    return bytes(body)


def decode_number(item: bytes) -> int:
    """Inverse of `encode_number`; ValueError where the item is not a minimal number of at most four bytes."""
    if len(item) > 4:
        raise ValueError("script number longer than four bytes")
    if not item:
        return 0
    magnitude = int.from_bytes(item[:-1] + bytes([item[-1] & 0x7F]), "little")
    n = -magnitude if item[-1] & 0x80 else magnitude
    if encode_number(n) != item:
        raise ValueError("script number not minimal")
    return n


def push_bytes(item: bytes) -> bytes:
    """The minimal push of one item (BIP 62 rule 3, policy MINIMALDATA)."""
    if len(item) > MAX_PUSH:
        raise ScriptError(f"push of {len(item)} bytes; nodes relay {MAX_PUSH} at most")
    if not item:
        return b"\x00"
    if len(item) == 1 and 1 <= item[0] <= 16:
        return bytes([0x50 + item[0]])
    if item == b"\x81":
        return b"\x4f"
    if len(item) < 0x4C:
        return bytes([len(item)]) + item
    if len(item) < 0x100:
        return b"\x4c" + bytes([len(item)]) + item
    return b"\x4d" + len(item).to_bytes(2, "little") + item


_PUSH = Effect(delta=1, peak=1)


def _effect_of(op: Op) -> Effect:
    takes, gives = MAIN_EFFECT[op]
    alt = ALT_EFFECT.get(op, 0)
    delta = gives - takes
    return Effect(takes, delta, 1 if alt < 0 else 0, alt, max(0, delta + alt))


_OPS: dict[Op, Script] = {op: Script(bytes([op]), _effect_of(op)) for op in MAIN_EFFECT}
_NUMBERS: dict[int, Script] = {}
_KNOWN = {int(op) for op in Op}


def number(n: int) -> Script:
    """Push a number, minimally."""
    known = _NUMBERS.get(n)
    if known is None:
        known = _NUMBERS[n] = Script(push_bytes(encode_number(n)), _PUSH)
    return known


def data(item: bytes) -> Script:
    """Push bytes, minimally."""
    return Script(push_bytes(item), _PUSH)


def pick_within(highest: int) -> Script:
    """OP_PICK with an index on the stack that is proven to be 0…highest."""
    return Script(bytes([Op.PICK]), Effect(need=highest + 2))


def roll_within(highest: int) -> Script:
    """OP_ROLL with an index on the stack that is proven to be 0…highest."""
    return Script(bytes([Op.ROLL]), Effect(need=highest + 2, delta=-1))


def _constant_index(op: Op, index: int) -> Script:
    if index < 0:
        raise ScriptError(f"{op.name} with the constant index {index}")
    return (pick_within if op is Op.PICK else roll_within)(index)


def join(scripts: Iterable[Script]) -> Script:
    """One script after the other; linear in the number of parts."""
    parts = list(scripts)
    need = delta = alt_need = alt_delta = peak = 0
    code: list[bytes] = []
    for s in parts:
        e = s.effect
        code.append(s.code)
        wanted, alt_wanted, reached = e.need - delta, e.alt_need - alt_delta, delta + alt_delta + e.peak
        if wanted > need:  # no calls of `max`: a graph joins millions of parts
            need = wanted
        if alt_wanted > alt_need:
            alt_need = alt_wanted
        if reached > peak:
            peak = reached
        delta += e.delta
        alt_delta += e.alt_delta
    return Script(b"".join(code), Effect(need, delta, alt_need, alt_delta, peak), origin_of(parts))


def script(*parts: Part) -> Script:
    """Join opcodes, numbers, byte strings and scripts; PICK and ROLL take the constant before them as index."""
    pieces: list[Script] = []
    constant: int | None = None
    for part in parts:
        if isinstance(part, Script):
            pieces.append(part)
        elif isinstance(part, Op):
            if part in (Op.PICK, Op.ROLL):
                if constant is None:
                    raise ScriptError(f"{part.name} without a constant index: use pick_within or roll_within")
                pieces.append(_constant_index(part, constant))
            else:
                pieces.append(_OPS[part])
        elif isinstance(part, bytes):
            pieces.append(data(part))
        else:
            pieces.append(number(part))
        constant = part if type(part) is int else None
    return join(pieces)


def check_leaf(leaf: Script, witness_items: int) -> Script:
    """Return `leaf` if, started on `witness_items` items, it ends with exactly one and stays within the limit.

    Raises ScriptError otherwise: such a leaf could never be spent.
    """
    e = leaf.effect
    if e.need > witness_items or e.alt_need > 0:
        raise ScriptError(f"leaf looks at {e.need} items (alt {e.alt_need}), witness has {witness_items}")
    if witness_items + e.delta != 1:
        raise ScriptError(f"leaf leaves {witness_items + e.delta} items, must leave one (clean stack)")
    if witness_items + e.peak > MAX_STACK_ITEMS:
        raise ScriptError(f"leaf reaches {witness_items + e.peak} stack items, limit {MAX_STACK_ITEMS}")
    return leaf


def parse(code: bytes) -> Iterator[tuple[int, int, bytes | None]]:
    """Offset and byte of each opcode; for a push also what it pushes. ScriptError for an opcode that we do not use."""
    at = 0
    while at < len(code):
        start, op = at, code[at]
        at += 1
        if 0 < op <= 0x4D:
            size = op
            if op >= 0x4C:
                width = op - 0x4B
                size, at = int.from_bytes(code[at : at + width], "little"), at + width
            yield start, op, code[at : at + size]
            at += size
        elif op in (0x00, 0x4F) or 0x51 <= op <= 0x60:
            yield start, op, encode_number(0 if op == 0 else op - 0x50)
        elif op in _KNOWN:
            yield start, op, None
        else:
            raise ScriptError(f"opcode {op:#04x} at offset {start} is none that the project uses")


def disassemble(code: bytes) -> list[str]:
    """One line per opcode or push, names without OP_."""
    return [
        Op(op).name if pushed is None else f"<{pushed.hex()}>" if 0 < op <= 0x4D else str(decode_number(pushed))
        for _, op, pushed in parse(code)
    ]
