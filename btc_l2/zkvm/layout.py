"""Addresses: where everything stands in the 2^32 bytes of the machine (`docs/spec/machine.md`, "State")."""

from __future__ import annotations

WORD_BYTES = 4
LEAF_BYTES = 32  # eight words
LEAF_WORDS = 8
PAGE_BYTES = 4096  # unit of copying and hashing
PAGE_WORDS = 1024
PAGE_LEVEL = 7  # level of a page's node above the leaves: 2^7 leaves
REGION_LEVEL = 21  # level of a map slot's node: 2^21 leaves, 64 MiB
REGION_BYTES = 1 << 26
REGION_PAGES = 1 << REGION_LEVEL - PAGE_LEVEL
ROOT_LEVEL = 27
LEAVES = 1 << ROOT_LEVEL

PROGRAM_START = 0x0001_0000  # below it the null guard
KERNEL_ENTRY = 0x8000_0000  # SYSCALL 0 jumps here
PROGRAM_END = 0xC000_0000  # from here on nothing can be stored
SLOT_BASE = 0xC000_0000
SLOTS = 15
STATEMENT = 0xFFFF_D000
STATEMENT_BYTES = 4096
CLAIM = 0xFFFF_E000
CLAIM_BYTES = 128
RESERVED_PAGE = 0xFFFF_F000

# Leaf indices of the reserved page: four register leaves, then control
G0 = RESERVED_PAGE // LEAF_BYTES
G1 = G0 + 1
CONTROL_LEAF = G0 + 4


def register_leaf(register: int) -> int:
    """Index of the leaf that holds a register."""
    return G0 + register // LEAF_WORDS


def slot_region(slot: int) -> int:
    """Index of a map slot's node at level 21."""
    return SLOT_BASE // REGION_BYTES + slot
