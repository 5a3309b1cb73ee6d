"""State and tree: leaves, nodes, paths and roots against a plain computation; copies that share nothing visible."""

from __future__ import annotations

import hashlib

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.layout import CONTROL_LEAF, G0, LEAVES, REGION_LEVEL, RESERVED_PAGE, register_leaf, slot_region
from btc_l2.zkvm.outcome import Control, Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.tree import ZERO_NODES, hash_pair, root_from_path
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

ADDRESSES = st.integers(0, (1 << 30) - 1).map(lambda word: 4 * word)
INDICES = st.integers(0, LEAVES - 1)


def plain_root(leaves: dict[int, bytes]) -> bytes:
    """Root over some leaves, the others zero, level by level, with the blake3 package alone."""
    nodes, zero = leaves, bytes(32)
    for _ in range(27):
        parents = {index // 2 for index in nodes}
        nodes = {p: blake3(nodes.get(2 * p, zero) + nodes.get(2 * p + 1, zero)).digest() for p in parents}
        zero = blake3(zero + zero).digest()
    return nodes.get(0, zero)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ADDRESSES, st.integers(0, 0xFFFF_FFFF), max_size=12))
def test_root_is_that_of_a_plain_tree_over_the_words(words: dict[int, int]) -> None:
    machine = Machine("big")
    leaves: dict[int, bytearray] = {}
    for address, word in words.items():
        machine.store_word(address, word)
        leaf = leaves.setdefault(address // 32, bytearray(32))
        leaf[address % 32 : address % 32 + 4] = word.to_bytes(4, "little")
    assert machine.root() == plain_root({index: bytes(leaf) for index, leaf in leaves.items()})


def test_an_empty_machine_has_the_root_of_the_empty_tree() -> None:
    assert Machine("big").root() == Machine("little").root() == ZERO_NODES[27] == plain_root({})


@settings(max_examples=40, deadline=None)
@given(st.lists(INDICES, min_size=1, max_size=6), st.binary(min_size=32, max_size=32), st.integers(0, 26))
def test_siblings_lead_from_every_node_to_the_root(indices: list[int], leaf: bytes, level: int) -> None:
    machine = Machine("little")
    for index in indices:
        machine.write_leaf(index, leaf)
    for index in (*indices, 0, LEAVES - 1, G0):
        siblings = machine.siblings(index >> level, level)
        assert len(siblings) == 27 - level
        node = machine.node(level, index >> level)
        assert root_from_path(node, index >> level, siblings, level) == machine.root()


def test_a_wrong_sibling_leads_elsewhere() -> None:
    machine = Machine("big")
    machine.store_word(0x1_0000, 7)
    siblings = machine.siblings(0x1_0000 // 32)
    for level in range(27):
        wrong = [*siblings[:level], hash_pair(siblings[level], siblings[level]), *siblings[level + 1 :]]
        assert root_from_path(machine.leaf(0x1_0000 // 32), 0x1_0000 // 32, wrong) != machine.root()


def test_every_node_stands_above_its_two_children() -> None:
    machine = Machine("big")
    for k in range(40):
        machine.store_word(int.from_bytes(hashlib.sha256(bytes([k])).digest()[:4], "big") & ~3, k + 1)
    for level in range(1, 28):
        for index in {address >> level for address in (0, G0, *(LEAVES // 7 * k for k in range(7)))}:
            below = machine.node(level - 1, 2 * index), machine.node(level - 1, 2 * index + 1)
            assert machine.node(level, index) == hash_pair(*below)


def test_registers_and_control_are_leaves_of_the_reserved_page() -> None:
    machine = Machine("big")
    machine.registers = [100 + k for k in range(32)]
    machine.control = Control(1, 2, 3, 4, 5, 6, 7, 8)
    words = b"".join(word.to_bytes(4, "little") for word in (*machine.registers, *machine.control))
    assert [machine.leaf(G0 + k) for k in range(5)] == [words[32 * k : 32 * k + 32] for k in range(5)]
    assert machine.load_word(RESERVED_PAGE + 4 * 9) == 109
    assert (register_leaf(9), CONTROL_LEAF) == (G0 + 1, G0 + 4)


def test_writing_the_leaves_of_the_reserved_page_changes_registers_and_control() -> None:
    machine = Machine("little")
    machine.write_leaf(G0 + 1, b"".join(k.to_bytes(4, "little") for k in range(8)))
    machine.write_leaf(CONTROL_LEAF, b"".join(k.to_bytes(4, "little") for k in range(1, 9)))
    machine.write_leaf(CONTROL_LEAF + 1, bytes(31) + b"\1")
    assert machine.registers == (0,) * 8 + tuple(range(8)) + (0,) * 16
    assert machine.control == (1, 2, 3, 4, 5, 6, 7, 8)
    assert machine.leaf(CONTROL_LEAF + 1) == bytes(31) + b"\1"


def test_a_leaf_that_was_written_is_read_again_and_can_be_undone() -> None:
    machine = Machine("big")
    before = machine.root()
    machine.write_leaf(77, bytes(range(32)))
    assert machine.leaf(77) == bytes(range(32))
    assert machine.root() != before
    machine.write_leaf(77, bytes(32))
    assert machine.root() == before


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), ADDRESSES, st.integers(0, 0xFFFF_FFFF)), max_size=30))
def test_copies_do_not_see_each_other(writes: list[tuple[int, int, int]]) -> None:
    """Three machines, each copied from the one before between writes; each has exactly its own words."""
    machines = [Machine("big")]
    machines += [machines[0].copy(), machines[0].copy().copy()]
    seen: list[dict[int, int]] = [{}, {}, {}]
    for which, address, word in writes:
        if address >= RESERVED_PAGE:
            continue
        machines[which].store_word(address, word)
        seen[which][address] = word
        machines[2], seen[2] = machines[0].copy(), dict(seen[0])
    for machine, words in zip(machines, seen, strict=True):
        assert all(machine.load_word(address) == word for address, word in words.items())
        assert machine.root() == with_words(words).root()


def with_words(words: dict[int, int]) -> Machine:
    machine = Machine("big")
    for address, word in words.items():
        machine.store_word(address, word)
    return machine


@pytest.mark.parametrize(
    ("status", "exited", "exit_code", "trap"),
    [
        (0, False, None, None),
        (0x8000_0000, True, 0, None),
        (0x8000_00FF, True, 255, None),
        (0xC000_000A, True, None, 10),
    ],
)
def test_status_says_how_the_machine_ended(status: int, exited: bool, exit_code: int | None, trap: int | None) -> None:
    machine = Machine("big")
    machine.control = machine.control._replace(status=status)
    assert (machine.exited, machine.exit_code, machine.trap) == (exited, exit_code, trap)


@pytest.mark.parametrize("endian", ["big", "little"])
def test_bytes_are_read_as_they_were_written(endian: Endian) -> None:
    machine = Machine(endian)
    machine.write_bytes(0x1_0004, b"abcdefg")
    assert machine.read_bytes(0x1_0003, 10) == b"\0abcdefg\0\0"
    assert machine.load_word(0x1_0004) == int.from_bytes(b"abcd", machine.endian)


class TestMappedNodes:
    """Nodes of 64 MiB that stand for a blob."""

    blob = bytes(range(1, 200)) * 50

    def test_a_mapped_blob_reads_as_its_bytes(self) -> None:
        root = blob_root(self.blob, "big")
        machine = Machine("big", {root: self.blob})
        machine.write_node(REGION_LEVEL, slot_region(3), root)
        assert machine.read_bytes(0xC000_0000 + 3 * (1 << 26), len(self.blob)) == self.blob
        assert machine.node(REGION_LEVEL, slot_region(3)) == root

    def test_a_mapped_node_has_the_root_of_the_same_content_written_word_by_word(self) -> None:
        root = blob_root(self.blob, "little")
        mapped, written = Machine("little", {root: self.blob}), Machine("little")
        mapped.write_node(REGION_LEVEL, slot_region(0), root)
        written.write_bytes(0xC000_0000, self.blob)
        assert mapped.root() == written.root()
        assert mapped.siblings(0xC000_0000 // 32 + 5) == written.siblings(0xC000_0000 // 32 + 5)

    def test_without_the_blob_the_root_is_known_and_the_content_is_not(self) -> None:
        root = blob_root(self.blob, "big")
        known, unknown = Machine("big", {root: self.blob}), Machine("big")
        for machine in (known, unknown):
            machine.write_node(REGION_LEVEL, slot_region(14), root)
        assert known.root() == unknown.root()
        with pytest.raises(Unavailable, match=root.hex()):
            unknown.load_word(0xFBFF_FFFC)

    def test_a_blob_that_is_not_what_it_is_called_is_refused(self) -> None:
        root = blob_root(self.blob, "big")
        machine = Machine("big", {root: self.blob + b"\1"})
        machine.write_node(REGION_LEVEL, slot_region(1), root)
        with pytest.raises(VerificationFailed):
            machine.load_word(0xC400_0000)

    def test_bytes_have_another_root_in_the_other_byte_order(self) -> None:
        assert blob_root(b"abcd", "big") != blob_root(b"abcd", "little") == blob_root(b"dcba", "big")

    def test_zero_bytes_at_the_end_of_a_blob_do_not_count(self) -> None:
        assert blob_root(b"abc", "big") == blob_root(b"abc" + bytes(9000), "big")
        assert blob_root(b"", "big") == ZERO_NODES[REGION_LEVEL]

    def test_a_blob_longer_than_a_slot_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            blob_root(bytes((1 << 26) + 1), "big")

    def test_writing_into_a_mapped_node_changes_this_machine_only(self) -> None:
        root = blob_root(self.blob, "big")
        machine = Machine("big", {root: self.blob})
        machine.write_node(REGION_LEVEL, slot_region(3), root)
        twin = machine.copy()
        twin.store_word(0xCC00_0000, 9)
        assert machine.node(REGION_LEVEL, slot_region(3)) == root != twin.node(REGION_LEVEL, slot_region(3))
        twin.store_word(0xCC00_0000, machine.load_word(0xCC00_0000))
        assert twin.root() == machine.root()
