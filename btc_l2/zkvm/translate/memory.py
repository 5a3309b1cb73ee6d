"""Loads and stores: `instructions/memory.py` and `unaligned.py` in LLVM's language, behind guards.

One guard for each root (`writer.Value`) covers every access near it: the root is far enough from both borders of
program memory. Everything outside, map slots, statement and claim included, is left to the interpreter. A store
goes on only if its page has the mark WRITTEN: clean pages, and pages with translated code, have another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from btc_l2.zkvm.decode import decode, rs, rt, signed_immediate
from btc_l2.zkvm.layout import PAGE_BYTES, PROGRAM_END, PROGRAM_START
from btc_l2.zkvm.marks import WRITTEN
from btc_l2.zkvm.outcome import may_store, signed
from btc_l2.zkvm.translate.alu import Emit
from btc_l2.zkvm.translate.blocks import written_register
from btc_l2.zkvm.translate.writer import LINKED, MARKS, Value, Writer, constant

MARGIN = 0x1_0000  # bytes between a guarded root and the border
LOWEST, SPAN = PROGRAM_START + MARGIN, PROGRAM_END - PROGRAM_START - 2 * MARGIN
_SIZES = {"LW": 4, "LL": 4, "SW": 4, "SC": 4, "LH": 2, "LHU": 2, "SH": 2}  # else one byte
_PAGE_SHIFT = 12


class Access:
    """The guarded address of one load or store."""

    def __init__(self, w: Writer, word: int) -> None:
        self._w = w
        self._size = _SIZES.get(decode(word).name, 1)
        self._base = _near_root(w.get(rs(word)))
        self._offset = signed(signed_immediate(word)) + self._base.offset
        self._number = self._base.constant  # of an address that is known now
        self._full: str | None = None
        if self._number is not None:
            self._number = self._number + signed(signed_immediate(word))
            fits = may_store(self._number) and may_store(self._number + 3) and self._number % self._size == 0
            w.guard("true" if fits else "false")
            self._number = self._number if fits else PROGRAM_START
        else:
            self._guard_range()

    @property
    def address(self) -> str:
        """The guest's address."""
        if self._number is not None:
            return constant(self._number).name
        if self._full is None:
            self._full = self._w.name(f"add i32 {self._root}, {self._offset}") if self._offset else self._root
        return self._full

    @property
    def host(self) -> str:
        """The host's address of the word, half or byte; of the word for the unaligned instructions, see `word_host`."""
        turned = self._w.flip & ~(self._size - 1) & 3
        if self._number is not None:
            return self._at(None, self._number ^ turned)
        if not turned or self._root in self._w.aligned:
            return self._at(self._root, self._offset ^ turned)
        address = self._w.name(f"xor i32 {self.address}, {turned}")
        return self._at(address, 0)

    @property
    def word_host(self) -> str:
        """The host's address of the word that the address stands in."""
        if self._number is not None:
            return self._at(None, self._number & ~3)
        if self._root in self._w.aligned:
            return self._at(self._root, self._offset & ~3)
        return self._at(self._w.name(f"and i32 {self.address}, -4"), 0)

    def guard_page(self, words: tuple[int, ...]) -> None:
        """Let a store go on only if its page is written already; `words`: what follows, this store first."""
        key = "" if self._number is not None else self._root
        here = self._number if self._number is not None else self._offset
        low, high = self._w.stores.get(key, (1, 0))
        if low <= here <= high:
            return
        low, high = _reach(words, here)
        marks = [self._mark(offset) for offset in sorted({low, high})]
        mark = marks[0] if len(marks) == 1 else self._w.name(f"and i8 {marks[0]}, {marks[1]}")
        self._w.guard(self._w.name(f"icmp eq i8 {mark}, {WRITTEN}"))
        self._w.stores[key] = (low, high)

    @property
    def _root(self) -> str:
        assert self._base.root is not None, "a constant has no root"
        return self._base.root

    def _guard_range(self) -> None:
        w, root = self._w, self._root
        whole_words = self._size == 4 and self._offset % 4 == 0
        if whole_words and root not in w.aligned:
            turned = w.name(f"call i32 @llvm.fshl.i32(i32 {root}, i32 {root}, i32 30)")
            w.guard(w.name(f"icmp ult i32 {w.name(f'add i32 {turned}, {-LOWEST // 4}')}, {SPAN // 4}"))
            w.aligned.add(root)
            w.ranged.add(root)
        elif root not in w.ranged:
            w.guard(w.name(f"icmp ult i32 {w.name(f'add i32 {root}, {-LOWEST}')}, {constant(SPAN).name}"))
            w.ranged.add(root)
        if self._size > 1 and not (root in w.aligned and self._offset % self._size == 0):
            low_bits = w.name(f"and i32 {self.address}, {self._size - 1}")
            w.guard(w.name(f"icmp eq i32 {low_bits}, 0"))

    def _at(self, root: str | None, offset: int) -> str:
        pointer = "%M" if root is None else self._w.pointer(root)
        return self._w.name(f"getelementptr i8, ptr {pointer}, i64 {offset}") if offset else pointer

    def _mark(self, offset: int) -> str:
        if self._number is not None:
            place = self._w.name(f"getelementptr i8, ptr %M, i64 {(offset >> _PAGE_SHIFT) - MARKS}")
            return self._w.name(f"load i8, ptr {place}")
        address = self._w.name(f"add i32 {self._root}, {offset}") if offset else self._root
        page = self._w.name(f"zext i32 {self._w.name(f'lshr i32 {address}, {_PAGE_SHIFT}')} to i64")
        marks = self._w.name(f"getelementptr i8, ptr %M, i64 {-MARKS}")
        return self._w.name(f"load i8, ptr {self._w.name(f'getelementptr i8, ptr {marks}, i64 {page}')}")


def _near_root(base: Value) -> Value:
    """The base, a root of its own if it is so far from its root that the margin does not cover it."""
    if base.root is None or abs(base.offset) + 0x8004 <= MARGIN:
        return base
    return Value(base.name, base.name, 0)


def _reach(words: tuple[int, ...], here: int) -> tuple[int, int]:
    """Lowest and highest offset of the stores to come through this base register, within a page's length."""
    low = high = here
    base, shift = rs(words[0]), here - signed(signed_immediate(words[0]))
    for word in words:
        if decode(word).access == "store" and rs(word) == base:
            offset = signed(signed_immediate(word)) + shift
            if max(high, offset) - min(low, offset) < PAGE_BYTES - 4:
                low, high = min(low, offset), max(high, offset)
        if written_register(word) == base:
            break
    return low, high


def _load(kind: str, w: Writer, word: int) -> None:
    """`kind`: what is loaded and how it becomes a word, as "sext i8"; "i32" for a whole word."""
    host = Access(w, word).host
    loaded = w.value(f"load {kind.split()[-1]}, ptr {host}")
    if kind != "i32":
        extension, narrow = kind.split()
        loaded = w.value(f"{extension} {narrow} {loaded.name} to i32")
    w.put(rt(word), loaded)


def _ll(w: Writer, word: int) -> None:
    access = Access(w, word)
    loaded = w.value(f"load i32, ptr {access.host}")
    w.put(LINKED, w.value(f"or i32 {access.address}, 1"))
    w.put(rt(word), loaded)


def _store(width: int, w: Writer, words: tuple[int, ...]) -> None:
    access = Access(w, words[0])
    access.guard_page(words)
    value = w.get(rt(words[0])).name
    if width < 32:
        value = w.name(f"trunc i32 {value} to i{width}")
    w.line(f"store i{width} {value}, ptr {access.host}")


def _sc(w: Writer, words: tuple[int, ...]) -> None:
    """Only the store that succeeds; where the link is gone the interpreter decides."""
    word = words[0]
    access = Access(w, word)
    access.guard_page(words)
    linked = w.name(f"or i32 {access.address}, 1")
    w.guard(w.name(f"icmp eq i32 {w.get(LINKED).name}, {linked}"))
    w.line(f"store i32 {w.get(rt(word)).name}, ptr {access.host}")
    w.put(LINKED, constant(0))
    w.put(rt(word), constant(1))


def _bits_below(w: Writer, access: Access, left: bool) -> str:
    """Bits below the addressed byte in its word; for the left part 24 minus that."""
    flip = w.flip ^ 3 if left else w.flip
    place = w.name(f"xor i32 {access.address}, {flip}") if flip else access.address
    return w.name(f"shl i32 {w.name(f'and i32 {place}, 3')}, 3")


def _merge(w: Writer, moved: str, kept: str, operation: str, bits: str) -> str:
    """`moved` shifted, and the bits of `kept` where the shift leaves none."""
    new = w.name(f"{operation} i32 {moved}, {bits}")
    filled = w.name(f"{operation} i32 -1, {bits}")
    old = w.name(f"and i32 {kept}, {w.name(f'xor i32 {filled}, -1')}")
    return w.name(f"or i32 {new}, {old}")


def _load_part(left: bool, w: Writer, word: int) -> None:
    """LWL moves the word up, LWR down."""
    access = Access(w, word)
    memory = w.name(f"load i32, ptr {access.word_host}")
    bits = _bits_below(w, access, left)
    merged = _merge(w, memory, w.get(rt(word)).name, "shl" if left else "lshr", bits)
    w.put(rt(word), Value(merged, merged, 0))


def _store_part(left: bool, w: Writer, words: tuple[int, ...]) -> None:
    """SWL moves rt down, SWR up."""
    access = Access(w, words[0])
    access.guard_page(words)
    host = access.word_host
    memory = w.name(f"load i32, ptr {host}")
    bits = _bits_below(w, access, left)
    merged = _merge(w, w.get(rt(words[0])).name, memory, "lshr" if left else "shl", bits)
    w.line(f"store i32 {merged}, ptr {host}")


LOADS: Mapping[str, Emit] = {
    "LW": partial(_load, "i32"),
    "LB": partial(_load, "sext i8"),
    "LBU": partial(_load, "zext i8"),
    "LH": partial(_load, "sext i16"),
    "LHU": partial(_load, "zext i16"),
    "LL": _ll,
    "LWL": partial(_load_part, True),
    "LWR": partial(_load_part, False),
}
STORES: Mapping[str, Callable[[Writer, tuple[int, ...]], None]] = {
    "SW": partial(_store, 32),
    "SH": partial(_store, 16),
    "SB": partial(_store, 8),
    "SC": _sc,
    "SWL": partial(_store_part, True),
    "SWR": partial(_store_part, False),
}
