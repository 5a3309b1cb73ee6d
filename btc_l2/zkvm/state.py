"""The machine's state: memory, 32 registers and the eight control words, all of them leaves of one tree.

Registers and control are fields here and leaves of the reserved page in the tree. Host access (this module) knows
no permissions; the step asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from btc_l2.zkvm.blobs import Blobs
from btc_l2.zkvm.layout import (
    CONTROL_LEAF,
    G0,
    LEAF_BYTES,
    LEAF_WORDS,
    LEAVES,
    PAGE_BYTES,
    REGION_LEVEL,
    RESERVED_PAGE,
    ROOT_LEVEL,
)
from btc_l2.zkvm.memory import Memory
from btc_l2.zkvm.outcome import EXITED, MASK, RUNNING, TRAPPED, Control, Endian
from btc_l2.zkvm.page import Page, bytes_of_words, words_of_bytes

REGISTERS = 32
_RESERVED_PAGE_NUMBER = RESERVED_PAGE // PAGE_BYTES
_STATE_WORDS = REGISTERS + LEAF_WORDS  # words of the reserved page that mean something


class Machine:
    """One state of the machine. `memory` is its content, `blobs` finds what the guest maps."""

    __slots__ = ("_control", "_dirty", "_registers", "endian", "memory")

    def __init__(self, endian: Endian, blobs: Mapping[bytes, bytes] | None = None) -> None:
        """An empty machine: all memory, registers and control words are zero."""
        self.endian: Endian = endian
        self.memory = Memory(Blobs(blobs or {}, endian))
        self._registers = [0] * REGISTERS
        self._control = Control()
        self._dirty = False  # the reserved page lags behind the fields

    def copy(self) -> Machine:
        """The same state; what is done to one is not seen by the other. Cheap: pages are shared until written."""
        twin = Machine.__new__(Machine)
        twin.endian, twin.memory = self.endian, self.memory.copy()
        twin._registers, twin._control, twin._dirty = list(self._registers), self._control, self._dirty
        return twin

    @property
    def control(self) -> Control:
        """The eight words of leaf C."""
        return self._control

    @control.setter
    def control(self, words: Sequence[int]) -> None:
        self._control = Control(*words)
        self._dirty = True

    @property
    def registers(self) -> tuple[int, ...]:
        """$0 to $31."""
        return tuple(self._registers)

    @registers.setter
    def registers(self, words: Sequence[int]) -> None:
        assert len(words) == REGISTERS
        self._registers = [int(word) for word in words]
        self._dirty = True

    def register(self, number: int) -> int:
        """Value of one register."""
        return self._registers[number]

    def set_register(self, number: int, value: int) -> None:
        """Set one register, also $0: the tree does not know that it is always zero."""
        self._registers[number] = value & MASK
        self._dirty = True

    @property
    def exited(self) -> bool:
        """Whether the machine stopped, by an exit or a trap: it steps to itself."""
        return self._control.status != RUNNING

    @property
    def exit_code(self) -> int | None:
        """Code of the exit; None while it runs and after a trap."""
        status = self._control.status
        return status & 0xFF if status & 0xFFFF_FF00 == EXITED else None

    @property
    def trap(self) -> int | None:
        """Cause of the trap; None if there was none."""
        status = self._control.status
        return status & 0xFF if status & 0xFFFF_FF00 == TRAPPED else None

    def load_word(self, address: int) -> int:
        """Word that the (aligned) address stands in; Unavailable in a mapped slot whose blob is missing."""
        if address >= RESERVED_PAGE:
            self._write_reserved_page()
        return self.memory.load(address & ~3)

    def store_word(self, address: int, value: int) -> None:
        """Set the word that the (aligned) address stands in, permissions aside."""
        if address >= RESERVED_PAGE:
            self._write_reserved_page()
        self.memory.store(address & ~3, value & MASK)
        if address >= RESERVED_PAGE:
            self._read_reserved_page()

    def read_bytes(self, address: int, length: int) -> bytes:
        """Bytes of memory as the guest sees them."""
        first, last = address & ~3, address + length + 3 & ~3
        words = np.array([self.load_word(a) for a in range(first, last, 4)], dtype=np.uint32)
        return bytes_of_words(words, self.endian)[address - first :][:length]

    def write_bytes(self, address: int, data: bytes) -> None:
        """Write bytes from an aligned address on; zero bytes fill up the last word."""
        assert address % 4 == 0, "bytes are written from a word's start on"
        for k, word in enumerate(words_of_bytes(data, self.endian)):
            self.store_word(address + 4 * k, int(word))

    def leaf(self, index: int) -> bytes:
        """Leaf of 32 bytes: eight words as little-endian bytes."""
        return self.node(0, index)

    def write_leaf(self, index: int, leaf: bytes) -> None:
        """Replace a leaf; G0 to G3 and C change registers and control."""
        assert len(leaf) == LEAF_BYTES and 0 <= index < LEAVES
        for k, word in enumerate(np.frombuffer(leaf, dtype="<u4")):
            self.store_word(index * LEAF_BYTES + 4 * k, int(word))

    def node(self, level: int, index: int) -> bytes:
        """Node of the state tree; level 0 are the leaves, level 27 is the root."""
        self._write_reserved_page()
        return self.memory.node(level, index)

    def write_node(self, level: int, index: int, root: bytes) -> None:
        """Make `root` the node of 64 MiB (level 21): MAP. Its content is the blob with this root, if there is one."""
        assert level == REGION_LEVEL, "only whole slots are mapped"
        self._write_reserved_page()
        self.memory.map_node(index, root)

    def siblings(self, index: int, level: int = 0) -> list[bytes]:
        """Siblings on the way from node (level, index) to the root: 27 − level of them."""
        return [self.node(above, index >> above - level ^ 1) for above in range(level, ROOT_LEVEL)]

    def root(self) -> bytes:
        """Merkle root of the whole state."""
        return self.node(ROOT_LEVEL, 0)

    def put_pages(self, numbers: Sequence[int], pages: Sequence[Page]) -> None:
        """Replace whole pages of memory (not the reserved page)."""
        self.memory.put_pages(numbers, pages)

    def restore(self, numbers: Sequence[int], pages: Sequence[Page]) -> None:
        """Replace whole pages, also the reserved page: registers and control are then what stands there."""
        self._write_reserved_page()
        self.memory.put_pages(numbers, pages)
        self._read_reserved_page()

    def _write_reserved_page(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        for k, word in enumerate((*self._registers, *self._control)):
            if self.memory.load(RESERVED_PAGE + 4 * k) != word:
                self.memory.store(RESERVED_PAGE + 4 * k, word)

    def _read_reserved_page(self) -> None:
        words = self.memory.page(_RESERVED_PAGE_NUMBER).words[:_STATE_WORDS].tolist()
        self._registers, self._control = words[:REGISTERS], Control(*words[REGISTERS:])


assert CONTROL_LEAF - G0 == REGISTERS // LEAF_WORDS
