"""MAP out of the blob store: all fifteen slots, to the last word, read-only, in both machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from btc_l2.blobstore import BlobStore, StoredBlobs
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.layout import G1, REGION_BYTES, SLOT_BASE, SLOTS
from btc_l2.zkvm.outcome import ADDRESS_STORE, SYSCALL, Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable
from tests.zkvm.programs import CODE, encode

ENGINES = ["readable", "compiled"]


def advance(machine: Machine, steps: int, engine: str) -> None:
    if engine == "compiled":
        run(machine, steps)
    else:
        for _ in range(steps):
            step(machine)


def mapping_machine(store: BlobStore, endian: Endian, root: bytes, slot: int) -> Machine:
    """About to map a root, load the first and the last word of the slot, and store to it."""
    machine = Machine(endian, StoredBlobs(store, endian, {}))
    words = (
        encode("SYSCALL_MAP"), encode("LW", rs=16, rt=2), encode("LW", rs=17, rt=3), encode("SW", rs=16, rt=2),
    )  # fmt: skip
    for k, word in enumerate(words):
        machine.store_word(CODE + 4 * k, word)
    machine.write_leaf(G1, root)
    machine.set_register(4, slot)
    machine.set_register(16, SLOT_BASE + slot * REGION_BYTES)
    machine.set_register(17, SLOT_BASE + slot * REGION_BYTES + REGION_BYTES - 4)
    machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
    return machine


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_slot_holds_a_blob_of_the_store_and_cannot_be_written(
    tmp_path: Path, engine: str, endian: Endian
) -> None:
    store = BlobStore(tmp_path)
    for slot in range(SLOTS):
        content = bytes([slot + 1, 2, 3, 4])
        machine = mapping_machine(store, endian, store.add(content)[endian], slot)
        advance(machine, 3, engine)
        assert (machine.register(2), machine.register(3)) == (int.from_bytes(content, endian), 0)
        advance(machine, 1, engine)
        assert machine.trap == ADDRESS_STORE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blob_of_64_mib_is_read_to_its_last_word(tmp_path: Path, engine: str) -> None:
    store, content = BlobStore(tmp_path), b"begin".ljust(REGION_BYTES - 4, b"\0") + b"last"
    machine = mapping_machine(store, "big", store.add(content)["big"], 14)
    advance(machine, 3, engine)
    assert machine.register(3).to_bytes(4, "big") == b"last"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blob_that_is_missing_stops_the_run_before_the_load_and_is_named(tmp_path: Path, engine: str) -> None:
    root = blob_root(b"nowhere", "big")
    machine = mapping_machine(BlobStore(tmp_path), "big", root, 3)
    advance(machine, 1, engine)
    with pytest.raises(Unavailable, match=root.hex()):
        advance(machine, 1, engine)
    assert machine.control.pc == CODE + 4 and not machine.exited


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("slot", [15, 0xFFFF_FFFF])
def test_a_slot_that_does_not_exist_is_trap_8(tmp_path: Path, engine: str, slot: int) -> None:
    machine = mapping_machine(BlobStore(tmp_path), "big", bytes(32), 0)
    machine.set_register(4, slot)
    advance(machine, 1, engine)
    assert machine.trap == SYSCALL
