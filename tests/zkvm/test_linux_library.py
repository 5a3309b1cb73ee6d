"""The micro kernel's answers to what C libraries and Rust's standard library ask besides."""

from __future__ import annotations

import struct

import pytest

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import linux_image, read_output, stdin_statement
from btc_l2.zkvm.outcome import Endian
from tests.zkvm.linux_calls import (
    CLONE,
    CLONE_CHILD_CLEARTID,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CLONE_THREAD_FLAGS,
    EAGAIN,
    EBADF,
    ENOSYS,
    EPOLL_CTL,
    EPOLL_PWAIT,
    FSTAT64,
    FUTEX,
    FUTEX_REQUEUE,
    FUTEX_WAIT,
    GETPID,
    GETRANDOM,
    GETTID,
    GETUID,
    MAP_BLOB,
    MOST_STEPS,
    PIPE2,
    READ,
    READV,
    S0,
    SAVED,
    SCHED_YIELD,
    SET_THREAD_AREA,
    SET_TID_ADDRESS,
    SP,
    TWO_ORDERS,
    UNAME,
    WRITE,
    WRITEV,
    answer,
    answers,
    ask,
    call,
    elf_of,
    kernel,
    load,
    program,
    run_program,
    with_thread,
)
from tests.zkvm.programs import DATA, MASK, encode


def parts(*places: tuple[int, int], endian: Endian = "big") -> bytes:
    """struct iovec."""
    return b"".join(struct.pack(">2I" if endian == "big" else "<2I", *place) for place in places)


@TWO_ORDERS
@pytest.mark.parametrize("lengths", [(), (0,), (3, 0, 5), (8,)])
def test_writev_writes_its_parts_one_after_the_other(endian: Endian, lengths: tuple[int, ...]) -> None:
    places = [(DATA + 0x100 + sum(lengths[:k]), length) for k, length in enumerate(lengths)]
    data = parts(*places, endian=endian).ljust(0x100, b"\0") + b"abcdefgh"
    machine = run_program(program(call(WRITEV, 1, DATA, len(lengths))), data, endian=endian)
    assert answers(machine, 1) == [sum(lengths)]
    assert read_output(machine).stdout == b"abcdefgh"[: sum(lengths)]


def test_readv_fills_its_parts_until_stdin_ends() -> None:
    words = program(*(call(READV, 0, DATA, 3) for _ in range(2)))
    data = parts((DATA + 0x100, 2), (DATA + 0x110, 3), (DATA + 0x120, 8))
    machine = run_program(words, data, stdin_statement(b"abcdefg", "big"))
    assert answers(machine, 2) == [7, 0]
    assert [machine.read_bytes(DATA + at, 4) for at in (0x100, 0x110, 0x120)] == [b"ab\0\0", b"cde\0", b"fg\0\0"]


def test_error_of_the_first_part_is_the_error_of_writev() -> None:
    machine = run_program(program(call(WRITEV, 7, DATA, 1)), parts((DATA, 1)))
    assert answers(machine, 1) == [-EBADF]


def test_uname_and_fstat_and_getuid_describe_a_quiet_computer() -> None:
    data = b"\xff" * 0x400
    machine = run_program(program(call(UNAME, DATA), call(FSTAT64, 1, DATA + 0x200), call(GETUID)), data)
    assert answers(machine, 3) == [0, 0, 0]
    names = machine.read_bytes(DATA, 391)
    assert [names[k : k + 65].rstrip(b"\0") for k in range(0, 390, 65)] == [b"Linux", b"", b"5.10.0", b"", b"mips", b""]
    assert names[390] == 0xFF
    status = struct.unpack(">26I", machine.read_bytes(DATA + 0x200, 104))
    assert status[6] == 0o010600 and sum(status) == status[6] and machine.read_bytes(DATA + 0x268, 1) == b"\xff"


def test_random_bytes_are_given_only_to_who_needs_no_secret_and_are_the_same_each_time() -> None:
    words = program(call(GETRANDOM, DATA, 16, 4), call(GETRANDOM, DATA + 16, 16, 4), call(GETRANDOM, DATA, 16, 1))
    machine, again = (run_program(words, bytes(64)) for _ in range(2))
    assert answers(machine, 3) == [16, 16, -ENOSYS]
    first, second = machine.read_bytes(DATA, 16), machine.read_bytes(DATA + 16, 16)
    assert any(first) and first != second and first == again.read_bytes(DATA, 16)


@TWO_ORDERS
def test_blob_is_mapped_into_a_slot(endian: Endian) -> None:
    blob = b"content of the blob."
    root, shown = blob_root(blob, endian), 0xC000_0000 + (3 << 26)
    elf = elf_of(program(call(MAP_BLOB, 3, DATA), call(WRITE, 1, shown, len(blob))), root, endian)
    machine = linux_image(elf, kernel(endian)).machine(blobs={root: blob})
    run(machine, MOST_STEPS)
    assert answers(machine, 2) == [0, len(blob)] and read_output(machine).stdout == blob


def test_pipe_wakes_the_poller_and_counts_what_goes_through_it() -> None:
    child = call(EPOLL_PWAIT, 100, DATA + 0x20, 1, MASK)
    parent = [*call(PIPE2, DATA + 0x40, 0), *call(EPOLL_CTL, 100, 1, 102, DATA), *call(SCHED_YIELD),
              *call(WRITE, 103, DATA, 5), *call(SCHED_YIELD),
              *(word for length in (3, 8, 1) for word in call(READ, 102, DATA + 0x50, length))]  # fmt: skip
    machine = run_program(with_thread(child, parent), struct.pack(">4I", 1, 0, 0xAA, 0xBB))
    assert answers(machine, 9) == [2, 0, 0, 0, 5, 0, 3, 2, -EAGAIN]
    assert (machine.load_word(DATA + 0x40), machine.load_word(DATA + 0x44)) == (102, 103)
    assert machine.load_word(SAVED + 0x100) == 1 and machine.load_word(DATA + 0x28) == 0xAA


READ_LOCAL = [0x7C08_E83B, encode("SW", rs=S0, rt=8, low=0), encode("ADDIU", rs=S0, rt=S0, low=8)]  # RDHWR $8, $29


def test_thread_local_pointer_belongs_to_its_thread() -> None:
    flags = CLONE_THREAD_FLAGS | CLONE_SETTLS
    clone = ask(CLONE, flags, 0x6000_0000, 0, 0x1234_5670)
    child = [*READ_LOCAL, *call(SCHED_YIELD), *READ_LOCAL]
    parent = [*call(SET_THREAD_AREA, 0x7654_3210), *call(SCHED_YIELD), *READ_LOCAL, *call(SCHED_YIELD)]
    machine = run_program(with_thread(child, parent, clone))
    assert [machine.load_word(SAVED + 0x100 + 8 * k) for k in (0, 2)] == [0x1234_5670] * 2
    assert machine.load_word(SAVED + 8 * 3) == 0x7654_3210


def test_thread_that_ends_clears_its_word_and_wakes_who_waits_for_it() -> None:
    flags = CLONE_THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID
    place = [*load(8, DATA + 4), encode("SW", rs=SP, rt=8, low=16)]  # the fifth argument
    clone = [*load(SP, 0x6100_0000), *place, *ask(CLONE, flags, 0x6000_0000, DATA)]
    parent = [*call(FUTEX, DATA + 4, FUTEX_WAIT, 9, 0), *call(GETPID)]
    machine = run_program(with_thread([], parent, clone), struct.pack(">2I", 0, 9))
    assert answers(machine, 3) == [2, 0, 1]
    assert (machine.load_word(DATA), machine.load_word(DATA + 4)) == (2, 0)


def test_set_tid_address_tells_the_number_of_the_thread() -> None:
    assert answer(*call(SET_TID_ADDRESS, DATA)) == 1


def test_requeued_threads_are_woken() -> None:
    child = [*call(FUTEX, DATA, FUTEX_WAIT, 0, 0), *call(GETTID)]
    parent = [*call(SCHED_YIELD), *call(FUTEX, DATA, FUTEX_REQUEUE, 0), *call(SCHED_YIELD)]
    machine = run_program(with_thread(child, parent), bytes(8))
    assert answers(machine, 4) == [2, 0, 1, 0] and machine.load_word(SAVED + 0x108) == 2
