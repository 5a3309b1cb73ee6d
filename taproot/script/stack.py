"""Writing scripts with names: a symbolic stack that knows where everything is.

`Stack("a", "b")` starts with a below b. Operations name what they leave; `copy` and `move` find an item wherever it
lies (DUP, OVER, PICK; SWAP, ROT, ROLL). A name may stand on the stack more than once; the topmost is meant. `finish`
checks what is left and returns the `Script` with its effect.
"""

from __future__ import annotations

from collections.abc import Sequence

from taproot.script.opcodes import MAIN_EFFECT, Op
from taproot.script.origin import is_recording, origin_of
from taproot.script.script import Part, Script, ScriptError, join, pick_within, roll_within, script


class Stack:
    """A script under construction; `main` and `alt` hold the names, bottom first."""

    def __init__(self, *names: str, alt: Sequence[str] = ()) -> None:
        self.main: list[str] = list(names)
        self.alt: list[str] = list(alt)
        self._parts: list[Script] = []

    def _add(self, part: Script) -> None:
        """Append a part; the names are still those before it."""
        if is_recording():
            part = Script(part.code, part.effect, origin_of((part,), self.main))
        self._parts.append(part)

    def depth(self, name: str) -> int:
        """Items above the topmost item of that name."""
        for d, have in enumerate(reversed(self.main)):
            if have == name:
                return d
        raise ScriptError(f"no item {name!r} on the stack {self.main[-12:]}")

    def emit(self, *parts: Part) -> None:
        """Append code without touching the names (the caller keeps them right)."""
        self._add(script(*parts))

    def push(self, value: int | bytes, name: str = "") -> None:
        """Push a constant."""
        self.emit(value)
        self.main.append(name or str(value))

    def copy(self, name: str, as_name: str = "") -> None:
        """Copy an item to the top."""
        d = self.depth(name)
        self.emit(*((Op.DUP,) if d == 0 else (Op.OVER,) if d == 1 else (d, Op.PICK)))
        self.main.append(as_name or name)

    def move(self, name: str, as_name: str = "") -> None:
        """Bring an item to the top."""
        d = self.depth(name)
        if d:
            self.emit(*((Op.SWAP,) if d == 1 else (Op.ROT,) if d == 2 else (d, Op.ROLL)))
        self.main.append(self.main.pop(-1 - d))
        if as_name:
            self.main[-1] = as_name

    def op(self, op: Op, *results: str) -> None:
        """Apply an opcode; `results` names what it leaves, bottom first (default: the opcode's name)."""
        takes, gives = MAIN_EFFECT[op]
        if takes > len(self.main):
            raise ScriptError(f"{op.name} on a stack of {len(self.main)}")
        if results and len(results) != gives:
            raise ScriptError(f"{op.name} leaves {gives} items, {len(results)} names were given")
        self.emit(op)
        if op is Op.TOALTSTACK:
            self.alt.append(self.main[-1])
        if op is Op.FROMALTSTACK:
            results = results or (self.alt[-1],)
            self.alt.pop()
        del self.main[len(self.main) - takes :]
        self.main.extend(results or [op.name.lower()] * gives)

    def run(self, fragment: Script, takes: int, gives: Sequence[str] = ()) -> None:
        """Apply a fragment that replaces the top `takes` items by `gives` and leaves the alt stack as it is."""
        if fragment.effect.delta != len(gives) - takes or fragment.effect.alt_delta:
            raise ScriptError(f"fragment changes the stack by {fragment.effect}, declared −{takes} +{len(gives)}")
        self._add(fragment)
        del self.main[len(self.main) - takes :]
        self.main.extend(gives)

    def to_alt(self, name: str = "") -> None:
        """Bring `name` (default: the top) to the top and put it on the alt stack."""
        if name:
            self.move(name)
        self.op(Op.TOALTSTACK)

    def from_alt(self, name: str = "") -> None:
        """Take the top of the alt stack; `name` renames it."""
        self.op(Op.FROMALTSTACK, name or self.alt[-1])

    def drop(self, *names: str) -> None:
        """Drop the named items (default: the top)."""
        for name in names or (self.main[-1],):
            d = self.depth(name)
            if d == 1:
                self.emit(Op.NIP)
            else:
                self.move(name)
                d = 0
                self.emit(Op.DROP)
            self.main.pop(-1 - d)

    def drop_top(self, count: int = 1) -> None:
        """Drop the topmost `count` items."""
        self._add(drop_many(count))
        del self.main[len(self.main) - count :]

    def drop_all(self, keep: int = 0) -> None:
        """Drop everything but the lowest `keep` items."""
        many = len(self.main) - keep
        self._add(drop_many(many))
        del self.main[keep:]

    def rename(self, *names: str) -> None:
        """Rename the topmost items, bottom first."""
        self.main[len(self.main) - len(names) :] = names

    def pick_dynamic(self, highest: int, name: str) -> None:
        """OP_PICK with the index on top, proven to be 0…highest."""
        self._check_reach(highest)
        self._add(pick_within(highest))
        self.main[-1] = name

    def roll_dynamic(self, highest: int, names: Sequence[str]) -> None:
        """OP_ROLL with the index on top, proven to be 0…highest; `names` are the topmost items after it."""
        self._check_reach(highest)
        self._add(roll_within(highest))
        self.main.pop()
        self.rename(*names)

    def _check_reach(self, highest: int) -> None:
        if highest + 2 > len(self.main):
            raise ScriptError(f"index up to {highest} on a stack of {len(self.main) - 1}")

    def finish(self, *expect: str) -> Script:
        """The script; `expect` names what must be left on the main stack, bottom first."""
        if tuple(self.main) != expect or self.alt:
            raise ScriptError(f"left over: {self.main} (alt {self.alt}), expected {list(expect)}")
        return join(self._parts)

    def code(self) -> Script:
        """The script so far, whatever the stacks hold."""
        return join(self._parts)


def drop_many(count: int) -> Script:
    """Drop the top `count` items."""
    return script(*[Op.TWODROP] * (count // 2), *[Op.DROP] * (count % 2))
