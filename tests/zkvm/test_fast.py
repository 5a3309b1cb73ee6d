"""The fast machine around its loop: limits, arenas, blobs, states that no honest run reaches; the guests' results."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from btc_l2.guests import Guest, list_guests
from btc_l2.zkvm import fast
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import REGION_LEVEL
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable
from tests.guest import oracles
from tests.zkvm.programs import CODE, DATA, encode, machine_with, random_machine

LOOP = [encode("BEQ", low=-1), encode("ADDIU", rs=2, rt=2, low=1)]  # counts in $2 for ever


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 1000, 12_345])
def test_a_run_makes_as_many_steps_as_it_may(limit: int) -> None:
    machine = machine_with(LOOP)
    assert run(machine, limit) == limit
    assert machine.register(2) == limit // 2


def test_a_run_ends_with_the_exit_and_counts_its_step() -> None:
    machine = machine_with([0, 0, encode("SYSCALL_HALT")], {4: 3})
    assert run(machine, 100) == 3
    assert machine.exit_code == 3
    assert run(machine, 100) == 0


def test_a_run_in_pieces_is_the_run() -> None:
    whole = random_machine(random.Random(11), 100, "big")
    pieces = whole.copy()
    run(whole, 3000)
    for piece in (1, 0, 7, 992, 2000):
        run(pieces, piece)
    assert pieces.root() == whole.root()


def test_copies_made_between_runs_keep_their_state() -> None:
    """What the arena holds is not seen in machines that shared pages with it."""
    machine = machine_with(
        [encode("SW", rs=4, rt=4), encode("BEQ", low=-2), encode("ADDIU", rs=4, rt=4, low=4)], {4: DATA}
    )
    copies, roots = [], []
    for _ in range(6):
        copies.append(machine.copy())
        roots.append(machine.root())
        run(machine, 999)
    assert [copy.root() for copy in copies] == roots
    assert len(set(roots)) == 6


def test_host_writes_between_runs_are_seen_by_the_guest() -> None:
    machine = machine_with([encode("LW", rs=4, rt=5), encode("BEQ", low=-2), 0], {4: DATA})
    for value in (1, 2, 3):
        run(machine, 30)
        machine.store_word(DATA, value)
        run(machine, 30)
        assert machine.register(5) == value


def test_machines_that_take_turns_do_not_mix() -> None:
    """Different programs at the same addresses, run alternately through the same arena."""
    fast = [random_machine(random.Random(seed), 50, "big") for seed in range(5)]
    slow = [machine.copy() for machine in fast]
    for _ in range(4):
        for machine in fast:
            run(machine, 50)
    for machine, reference in zip(fast, slow, strict=True):
        for _ in range(200):
            step(reference)
        assert machine.root() == reference.root()


def test_concurrent_runs_do_not_mix() -> None:
    machines = [random_machine(random.Random(seed), 80, "little") for seed in range(8)]
    alone = [machine.copy() for machine in machines]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda machine: run(machine, 20_000), machines))
    for machine, reference in zip(machines, alone, strict=True):
        run(reference, 20_000)
        assert machine.root() == reference.root()


def test_code_that_rewrites_itself_runs_as_rewritten() -> None:
    new = encode("ADDIU", rs=0, rt=7, low=42)
    words = [encode("SW", rs=4, rt=5), 0, encode("ADDIU", rs=0, rt=7, low=1), encode("SYSCALL_HALT")]
    machine = machine_with(words, {4: CODE + 8, 5: new})
    run(machine, 10)
    assert machine.register(7) == 42


class TestBlobs:
    """Mapped slots in the fast machine."""

    blob = bytes(range(256)) * 300

    def mapping(self, blobs: dict[bytes, bytes]) -> Machine:
        root = blob_root(self.blob, "big")
        words = [encode("SYSCALL_MAP"), encode("LUI", rt=5, low=0xC400), encode("LW", rs=5, rt=6, low=0x5000)]
        machine = Machine("big", blobs)
        for k, word in enumerate(words):
            machine.store_word(CODE + 4 * k, word)
        machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
        machine.set_register(4, 1)
        for k in range(8):
            machine.set_register(8 + k, int.from_bytes(root[4 * k : 4 * k + 4], "little"))
        return machine

    def test_a_mapped_blob_is_loaded(self) -> None:
        machine = self.mapping({blob_root(self.blob, "big"): self.blob})
        run(machine, 3)
        assert machine.register(6) == int.from_bytes(self.blob[0x5000:0x5004], "big")

    def test_a_missing_blob_stops_the_run_before_the_load(self) -> None:
        machine, slow = self.mapping({}), self.mapping({})
        with pytest.raises(Unavailable, match=blob_root(self.blob, "big").hex()):
            run(machine, 3)
        for _ in range(2):
            step(slow)
        assert machine.root() == slow.root()

    def test_after_a_missing_blob_others_run_on(self) -> None:
        with pytest.raises(Unavailable):
            run(self.mapping({}), 3)
        machine = self.mapping({blob_root(self.blob, "big"): self.blob})
        run(machine, 3)
        assert machine.register(6) != 0
        machine = machine_with([encode("LUI", rt=5, low=0xC400), encode("LW", rs=5, rt=6, low=0x5000)], {6: 5})
        run(machine, 2)
        assert machine.register(6) == 0


def test_a_state_with_something_in_register_zero_runs_as_the_reference() -> None:
    machine = machine_with([encode("ADDU", rs=0, rt=0, rd=3), encode("SYNC"), encode("ADDU", rs=0, rt=0, rd=5)], {0: 7})
    reference = machine.copy()
    run(machine, 3)
    for _ in range(3):
        step(reference)
    assert machine.registers[3:6] == (14, 0, 0)
    assert machine.root() == reference.root()


def test_a_state_with_a_mapped_node_over_program_memory_runs_as_the_reference() -> None:
    machine = machine_with(LOOP)
    machine.write_node(REGION_LEVEL, 5, b"\7" * 32)
    reference = machine.copy()
    assert run(machine, 9) == 9
    for _ in range(9):
        step(reference)
    assert machine.root() == reference.root()


def test_after_such_a_state_others_run_in_the_loop_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_with(LOOP)
    machine.write_node(REGION_LEVEL, 5, b"\7" * 32)
    run(machine, 2)
    monkeypatch.setattr(fast, "step", None)  # the readable step is not needed
    assert run(machine_with(LOOP), 1000) == 1000


def oracle_of(guest: Guest) -> str:
    return guest.name.replace("-", "_")


@pytest.mark.parametrize("guest", [g for g in list_guests() if hasattr(oracles, oracle_of(g))], ids=oracle_of)
def test_a_guest_takes_the_manifests_steps_and_leaves_the_oracles_result(guest: Guest) -> None:
    image = Image.from_elf(guest.read_elf(), guest.statement)
    machine = image.machine(blobs={blob_root(guest.blob, guest.endian): guest.blob})
    assert run(machine, 1 << 32) == guest.steps
    result = machine.read_bytes(guest.result_address, 32)
    oracle = getattr(oracles, oracle_of(guest))
    assert result == (oracle(guest.statement, guest.blob) if guest.blob else oracle(guest.statement))
