"""The choices of `docs/spec/machine.md`: permissions, traps, calls of the machine, what the manual leaves open."""

from __future__ import annotations

import pytest

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.outcome import EXITED, Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import Unavailable
from tests.zkvm.programs import CODE, DATA, encode, machine_with

LOADS = ["LB", "LBU", "LH", "LHU", "LW", "LL", "LWL", "LWR"]
STORES = ["SB", "SH", "SW", "SC", "SWL", "SWR"]


def after(machine: Machine, steps: int = 1) -> Machine:
    for _ in range(steps):
        step(machine)
    return machine


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("address", [0x1_0000, 0xBFFF_FFFC, 0xC000_0000, 0xFC00_0000, 0xFFFF_D000, 0xFFFF_EFFC])
def test_a_load_within_the_borders_is_allowed(name: str, address: int) -> None:
    assert not after(machine_with([encode(name, rs=4, rt=2)], {4: address})).exited


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("address", [0, 0xFFFC, 0xFFFF_F000, 0xFFFF_F080, 0xFFFF_FFFC])
def test_a_load_outside_the_borders_is_trap_4(name: str, address: int) -> None:
    assert after(machine_with([encode(name, rs=4, rt=2)], {4: address})).trap == 4


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("address", [0x1_0000, 0x8000_0000, 0xBFFF_FFFC])
def test_a_store_to_program_memory_is_allowed(name: str, address: int) -> None:
    assert not after(machine_with([encode(name, rs=4, rt=2)], {4: address})).exited


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("address", [0, 0xFFFC, 0xC000_0000, 0xFC00_0000, 0xFFFF_D000, 0xFFFF_E000, 0xFFFF_F080])
def test_a_store_elsewhere_is_trap_5_and_writes_nothing(name: str, address: int) -> None:
    machine = machine_with([encode(name, rs=4, rt=2)], {4: address, 2: 0x5555_5555}, ll=address | 1)
    before = machine.copy()
    assert after(machine).trap == 5
    machine.control = before.control
    assert machine.root() == before.root()


@pytest.mark.parametrize(("name", "bad"), [("LH", 1), ("LHU", 3), ("LW", 1), ("LW", 2), ("LL", 2), ("LW", 3)])
def test_an_unaligned_load_is_trap_4(name: str, bad: int) -> None:
    assert after(machine_with([encode(name, rs=4, rt=2)], {4: DATA + bad})).trap == 4


@pytest.mark.parametrize(("name", "bad"), [("SH", 1), ("SW", 1), ("SW", 2), ("SC", 2), ("SW", 3)])
def test_an_unaligned_store_is_trap_5(name: str, bad: int) -> None:
    assert after(machine_with([encode(name, rs=4, rt=2)], {4: DATA + bad})).trap == 5


@pytest.mark.parametrize("name", ["LWL", "LWR", "SWL", "SWR"])
@pytest.mark.parametrize("distance", range(4))
def test_parts_of_words_never_trap_for_alignment(name: str, distance: int) -> None:
    assert not after(machine_with([encode(name, rs=4, rt=2)], {4: DATA + distance})).exited


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("distance", range(4))
def test_a_pair_of_parts_moves_an_unaligned_word(order: Endian, distance: int) -> None:
    left, right = ("L", "R") if order == "big" else ("R", "L")
    words = [encode(f"LW{left}", rs=4, rt=2), encode(f"LW{right}", rs=4, rt=2, low=3)]
    words += [encode(f"SW{left}", rs=5, rt=2), encode(f"SW{right}", rs=5, rt=2, low=3)]
    machine = machine_with(words, {4: DATA + distance, 5: DATA + 64 + distance}, order)
    machine.write_bytes(DATA, b"abcdefgh")
    after(machine, 4)
    assert machine.register(2) == int.from_bytes(b"abcdefgh"[distance : distance + 4], order)
    assert machine.read_bytes(DATA + 64, 8) == b"abcdefgh"[distance : distance + 4].rjust(4 + distance, b"\0").ljust(
        8, b"\0"
    )


@pytest.mark.parametrize("pc", [CODE + 1, CODE + 2, 0, 0xFFFC, 0xFFFF_F000, 0xFFFF_FFFC])
def test_a_bad_fetch_is_trap_4_and_leaves_the_program_counter(pc: int) -> None:
    machine = after(machine_with([], pc=pc))
    assert (machine.trap, machine.control.pc, machine.control.npc) == (4, pc, CODE + 4)


@pytest.mark.parametrize("pc", [0x1_0000, 0xC000_0000, 0xFFFF_D000, 0xFFFF_EFFC])
def test_a_fetch_is_allowed_wherever_a_load_is(pc: int) -> None:
    assert not after(machine_with([], pc=pc)).exited  # zero is SLL $0,$0,0


def test_a_stopped_machine_steps_to_itself() -> None:
    machine = after(machine_with([encode("SYSCALL_HALT")], {4: 0x1_2345}))
    root = machine.root()
    assert machine.control.status == EXITED | 0x45
    claim = step(machine)
    assert machine.root() == root
    assert (claim.instruction, claim.a, claim.before, claim.dest) == (0x4C, 0x1_2345, claim.after, 0)


def test_halt_changes_the_status_alone() -> None:
    machine = machine_with([encode("SYSCALL_HALT")], {4: 7})
    before = machine.control
    assert after(machine).control == before._replace(status=EXITED | 7)


def test_enter_goes_to_the_kernel_with_the_next_address_and_breaks_the_link() -> None:
    machine = after(machine_with([encode("SYSCALL_ENTER")], ll=DATA | 1))
    assert machine.register(26) == CODE + 4
    assert machine.control[:2] == (0x8000_0000, 0x8000_0004)
    assert machine.control.ll == 0


def test_enter_in_a_delay_slot_comes_back_to_the_branch_target() -> None:
    machine = after(machine_with([encode("BEQ", low=5), encode("SYSCALL_ENTER")]), 2)
    assert machine.register(26) == CODE + 24


def test_end_of_boot_does_nothing() -> None:
    machine = after(machine_with([encode("SYSCALL_NOP")]))
    assert machine.control == (CODE + 4, CODE + 8, 0, 0, 0, 0, 0, 0)


class TestMap:
    """SYSCALL 2."""

    blob = b"Metis" * 1000

    def machine(self, slot: int, with_blob: bool = True) -> Machine:
        root = blob_root(self.blob, "big")
        words = [encode("SYSCALL_MAP"), encode("LW", rs=5, rt=6, low=4)]
        machine = Machine("big", {root: self.blob} if with_blob else {})
        for k, word in enumerate(words):
            machine.store_word(CODE + 4 * k, word)
        machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
        machine.registers = (
            [0, 0, 0, 0, slot, 0xC000_0000 + (slot << 26) & 0xFFFF_FFFF, 0, 0]
            + [int.from_bytes(root[4 * k : 4 * k + 4], "little") for k in range(8)]
            + [0] * 16
        )
        return machine

    @pytest.mark.parametrize("slot", [0, 7, 14])
    def test_a_mapped_blob_can_be_loaded(self, slot: int) -> None:
        machine = after(self.machine(slot), 2)
        assert machine.register(6) == int.from_bytes(self.blob[4:8], "big")

    @pytest.mark.parametrize("slot", [15, 16, 0xFFFF_FFFF])
    def test_no_such_slot_is_trap_8(self, slot: int) -> None:
        machine = self.machine(slot)
        claim = step(machine)
        assert (machine.trap, claim.key, claim.address) == (8, b"", 0)

    def test_mapping_needs_no_blob_but_loading_does(self) -> None:
        machine = after(self.machine(2, with_blob=False))
        before = machine.root()
        with pytest.raises(Unavailable, match="blob"):
            step(machine)
        assert machine.root() == before

    def test_mapping_again_replaces_the_slot(self) -> None:
        machine = after(self.machine(2))
        machine.registers = machine.registers[:8] + (0,) * 24
        machine.control = machine.control._replace(pc=CODE, npc=CODE + 4)
        step(machine)
        assert machine.node(21, 48 + 2) == bytes(32)


def test_division_by_zero_divides_by_one() -> None:
    for name in ("DIV", "DIVU"):
        control = after(machine_with([encode(name, rs=4, rt=5)], {4: 0x8000_0007}, hi=1, lo=1)).control
        assert (control.lo, control.hi) == (0x8000_0007, 0)


def test_the_least_number_by_minus_one_is_itself() -> None:
    control = after(machine_with([encode("DIV", rs=4, rt=5)], {4: 0x8000_0000, 5: 0xFFFF_FFFF})).control
    assert (control.lo, control.hi) == (0x8000_0000, 0)


def test_mul_keeps_hi_and_lo() -> None:
    machine = after(machine_with([encode("MUL", rs=4, rt=4, rd=2)], {4: 0x1_0001}, hi=5, lo=6))
    assert (machine.register(2), machine.control.hi, machine.control.lo) == (0x2_0001, 5, 6)


@pytest.mark.parametrize(("pos", "size"), [(31, 1), (0, 32), (16, 16)])
def test_ext_within_the_word_is_allowed(pos: int, size: int) -> None:
    machine = after(machine_with([encode("EXT", rs=4, rt=2, sa=pos, rd=size - 1)], {4: 0x8765_4321}))
    assert machine.register(2) == 0x8765_4321 >> pos & (1 << size) - 1


@pytest.mark.parametrize(("pos", "size"), [(31, 2), (1, 32), (16, 17)])
def test_ext_beyond_the_word_is_trap_10(pos: int, size: int) -> None:
    assert after(machine_with([encode("EXT", rs=4, rt=2, sa=pos, rd=size - 1)])).trap == 10


@pytest.mark.parametrize(("msb", "lsb", "trap"), [(4, 4, None), (4, 5, 10), (0, 31, 10), (31, 0, None)])
def test_ins_traps_if_its_top_is_below_its_bottom(msb: int, lsb: int, trap: int | None) -> None:
    assert after(machine_with([encode("INS", rs=4, rt=2, rd=msb, sa=lsb)])).trap == trap


@pytest.mark.parametrize(
    ("name", "a", "b"), [("ADD", 0x7FFF_FFFF, 1), ("ADD", 0x8000_0000, 0xFFFF_FFFF), ("SUB", 0x8000_0000, 1)]
)
def test_overflow_is_trap_12_and_writes_nothing(name: str, a: int, b: int) -> None:
    machine = after(machine_with([encode(name, rs=4, rt=5, rd=2)], {4: a, 5: b, 2: 9}))
    assert (machine.trap, machine.register(2)) == (12, 9)


def test_addi_overflows_too_and_addiu_does_not() -> None:
    assert after(machine_with([encode("ADDI", rs=4, rt=2, low=1)], {4: 0x7FFF_FFFF})).trap == 12
    assert after(machine_with([encode("ADDIU", rs=4, rt=2, low=1)], {4: 0x7FFF_FFFF})).register(2) == 0x8000_0000


class TestLoadLink:
    """LL and SC."""

    def test_sc_after_ll_stores_once(self) -> None:
        words = [encode("LL", rs=4, rt=2), encode("SC", rs=4, rt=3), encode("SC", rs=4, rt=5)]
        machine = after(machine_with(words, {4: DATA, 3: 77, 5: 88}), 3)
        assert (machine.load_word(DATA), machine.register(3), machine.register(5)) == (77, 1, 0)
        assert machine.control.ll == 0

    def test_sc_at_another_address_fails_and_breaks_the_link(self) -> None:
        words = [encode("LL", rs=4, rt=2), encode("SC", rs=4, rt=3, low=4)]
        machine = after(machine_with(words, {4: DATA, 3: 77}), 2)
        assert (machine.load_word(DATA + 4), machine.register(3), machine.control.ll) == (0, 0, 0)

    def test_an_ordinary_store_keeps_the_link(self) -> None:
        words = [encode("LL", rs=4, rt=2), encode("SW", rs=4, rt=3), encode("SC", rs=4, rt=3)]
        assert after(machine_with(words, {4: DATA, 3: 77}), 3).register(3) == 1

    def test_a_failed_sc_names_its_address_and_keeps_its_word(self) -> None:
        machine = machine_with([encode("SC", rs=4, rt=3)], {4: DATA, 3: 77})
        machine.store_word(DATA, 5)
        claim = step(machine)
        assert (claim.address, claim.old, claim.new, claim.dest, claim.result) == (DATA, 5, 5, 3, 0)


def test_userlocal_is_written_by_mtc0_and_read_by_rdhwr() -> None:
    machine = after(machine_with([encode("MTC0_USERLOCAL", rt=4), encode("RDHWR", rt=2)], {4: 0xABCD}), 2)
    assert (machine.register(2), machine.control.tls) == (0xABCD, 0xABCD)


@pytest.mark.parametrize("name", ["PREF", "SYNC", "SYNCI"])
def test_hints_do_nothing_even_with_a_bad_address(name: str) -> None:
    machine = after(machine_with([encode(name)]))
    assert (machine.control.pc, machine.exited) == (CODE + 4, False)


@pytest.mark.parametrize("name", ["MOVZ", "MOVN"])
def test_a_move_that_does_not_happen_writes_nothing(name: str) -> None:
    claim = step(machine_with([encode(name, rs=4, rt=5, rd=2)], {4: 1, 2: 9, 5: int(name == "MOVZ")}))
    assert (claim.dest, claim.result) == (0, 0)


def test_a_write_to_register_zero_is_none() -> None:
    claim = step(machine_with([encode("ADDIU", rs=4, rt=0, low=5)], {4: 1}))
    assert (claim.dest, claim.result) == (0, 0)


def test_a_branch_in_a_delay_slot_counts_from_its_own_delay_slot() -> None:
    words = [encode("BEQ", low=9), encode("BEQ", low=3)]
    machine = after(machine_with(words), 2)
    assert machine.control[:2] == (CODE + 40, CODE + 40 + 12)


def test_jalr_reads_its_target_before_it_writes_the_link() -> None:
    machine = after(machine_with([encode("JALR", rs=4, rd=4)], {4: DATA}))
    assert (machine.register(4), machine.control.npc) == (CODE + 8, DATA)


@pytest.mark.parametrize(("value", "taken"), [(0x8000_0000, True), (1, False)])
def test_a_branch_with_link_links_whether_taken_or_not(value: int, taken: bool) -> None:
    machine = after(machine_with([encode("BLTZAL", rs=4, low=5)], {4: value}))
    assert (machine.register(31), machine.control.npc) == (CODE + 8, CODE + 24 if taken else CODE + 8)
