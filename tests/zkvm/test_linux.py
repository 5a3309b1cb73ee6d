"""The loader of Linux programs and the micro kernel's answers, asked by programs of a few instructions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import read_kernel
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.elf import Elf, Segment, write_elf
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import KERNEL_ENTRY, STATEMENT_BYTES
from btc_l2.zkvm.linux import (
    DEADLOCK,
    HEAP,
    LOG_BYTES,
    MOST_STACK_BYTES,
    STACK_END,
    boot_linux,
    linux_image,
    read_output,
    stdin_statement,
)
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from taproot.errors import InvalidInput
from tests.zkvm.programs import CODE, DATA, MASK, encode

A0, V0, ERROR, S0, SP = 4, 2, 7, 16, 29  # registers
EXIT, READ, WRITE, OPENAT, GETPID, BRK, MMAP, CLONE, SCHED_YIELD, NANOSLEEP, FUTEX = (
    4001, 4003, 4004, 4288, 4020, 4045, 4090, 4120, 4162, 4166, 4238,
)  # fmt: skip
EPOLL_CTL, EPOLL_PWAIT, EVENTFD2, EXIT_GROUP, CLOCK_GETTIME, GETTID = 4249, 4313, 4325, 4246, 4263, 4222
FSTATAT64, GETRANDOM, FORK, BOOTED, MAP_BLOB = 4293, 4353, 4002, 9000, 9001
READV, WRITEV, UNAME, FSTAT64, LLSEEK, IOCTL, POLL, PIPE2, GETUID = 4145, 4146, 4122, 4215, 4140, 4054, 4188, 4328, 4024
SET_THREAD_AREA, SET_TID_ADDRESS, CLOCK_NANOSLEEP, CLOCK_GETTIME64, CLOCK_NANOSLEEP64 = 4283, 4252, 4265, 4403, 4407
ENOENT, EBADF, EAGAIN, ENOMEM, EINVAL, ENOSYS, ETIMEDOUT, ENOTTY, ESPIPE = 2, 9, 11, 12, 22, 89, 145, 25, 29
MAP_PRIVATE_ANONYMOUS, CLONE_THREAD_FLAGS = 0x802, 0x100
FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_WAIT_BITSET = 128, 129, 131, 137  # with the private flag
CLONE_SETTLS, CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID = 0x80000, 0x100000, 0x200000
SYSCALL, NOP = 0x0C, 0
CALL_NS = 1000
SAVED = DATA + 0x800  # answers of the calls: $2 and $7 each
MOST_STEPS = 1_000_000
TWO_ORDERS = pytest.mark.parametrize("endian", ["big", "little"])

kernel = cache(read_kernel)


def load(register: int, value: int) -> list[int]:
    return [encode("LUI", rt=register, low=value >> 16), encode("ORI", rs=register, rt=register, low=value)]


STORE = [
    encode("SW", rs=S0, rt=V0, low=0),
    encode("SW", rs=S0, rt=ERROR, low=4),
    encode("ADDIU", rs=S0, rt=S0, low=8),
]


def ask(number: int, *arguments: int) -> list[int]:
    words = [word for k, value in enumerate(arguments) for word in load(A0 + k, value)]
    return [*words, *load(V0, number), SYSCALL]


def call(number: int, *arguments: int) -> list[int]:
    """A call; its answer and error mark are stored where $16 points, which moves on."""
    return [*ask(number, *arguments), *STORE]


def program(*parts: Sequence[int]) -> list[int]:
    return [*load(S0, SAVED), *(word for part in parts for word in part), *call(EXIT_GROUP, 0)]


def elf_of(words: Sequence[int], data: bytes = b"", endian: Endian = "big", at: int = CODE) -> bytes:
    code = struct.pack(f"{'>' if endian == 'big' else '<'}{len(words)}I", *words)
    segments = (Segment(at, code, len(code)), Segment(DATA, data, 4096)) if data else (Segment(at, code, len(code)),)
    return write_elf(Elf(endian, at, segments, {}))


def run_program(
    words: Sequence[int], data: bytes = b"", statement: bytes = b"", endian: Endian = "big", code: int = 0
) -> Machine:
    machine = linux_image(elf_of(words, data, endian), kernel(endian), statement=statement).machine()
    run(machine, MOST_STEPS)
    assert (machine.exit_code, machine.trap) == (code, None)
    return machine


def answers(machine: Machine, count: int) -> list[int]:
    """What the calls returned; an error as minus its number."""
    pairs = [(machine.load_word(SAVED + 8 * k), machine.load_word(SAVED + 8 * k + 4)) for k in range(count)]
    return [-value if failed else value for value, failed in pairs]


def answer(*words: int) -> int:
    return answers(run_program(program(words)), 1)[0]


# The first state


def words_at_stack(image: Image) -> tuple[Machine, list[int]]:
    machine = image.machine()
    while machine.control.pc != CODE:
        assert run(machine, 1) == 1
    pointer = machine.register(SP)
    return machine, [machine.load_word(address) for address in range(pointer, STACK_END, 4)]


def text_at(machine: Machine, address: int) -> str:
    return machine.read_bytes(address, 64).split(b"\0")[0].decode()


@TWO_ORDERS
@given(st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=0x7F), max_size=20), min_size=1, max_size=5),
       st.lists(st.sampled_from(["GODEBUG=x=1", "A=", "HOME=/"]), max_size=3))  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_program_finds_arguments_environment_and_auxiliary_vector(
    endian: Endian, args: list[str], env: list[str]
) -> None:
    image = linux_image(elf_of([NOP], endian=endian), kernel(endian), args, env)
    machine, words = words_at_stack(image)
    assert machine.register(SP) % 8 == 0 and words[0] == len(args)
    assert [text_at(machine, address) for address in words[1 : len(args) + 1]] == args
    rest = words[len(args) + 2 :]
    assert words[len(args) + 1] == 0 == rest[len(env)]
    assert [text_at(machine, address) for address in rest[: len(env)]] == env
    auxiliary = dict(zip(rest[len(env) + 1 :: 2][:6], rest[len(env) + 2 :: 2][:6], strict=True))
    assert (auxiliary[6], auxiliary[9], auxiliary[23]) == (4096, CODE, 0), "AT_PAGESZ, AT_ENTRY, AT_SECURE"
    assert any(machine.read_bytes(auxiliary[25], 16)), "AT_RANDOM"


@TWO_ORDERS
def test_program_finds_its_own_headers_if_they_are_loaded(endian: Endian) -> None:
    elf = bytearray(elf_of([NOP], endian=endian))
    order = ">" if endian == "big" else "<"
    (headers,), (size, count) = struct.unpack_from(order + "I", elf, 28), struct.unpack_from(order + "2H", elf, 42)
    assert 3 not in auxiliary_vector(bytes(elf), endian), "the only segment is the code"
    start, address, _, length = struct.unpack_from(order + "4I", elf, headers + 4)
    wider = (0, address - start, 0, start + length, start + length)  # from the beginning of the file on
    struct.pack_into(order + "5I", elf, headers + 4, *wider)
    found = auxiliary_vector(bytes(elf), endian)
    assert (found[3], found[4], found[5]) == (address - start + headers, size, count), "AT_PHDR, AT_PHENT, AT_PHNUM"


def auxiliary_vector(elf: bytes, endian: Endian) -> dict[int, int]:
    _, words = words_at_stack(linux_image(elf, kernel(endian), ("x",)))
    pairs = words[4:]  # argc, argv and its end, the end of envp
    vector = dict(zip(pairs[::2], pairs[1::2], strict=False))
    return {key: vector[key] for key in list(vector)[: list(vector).index(0)]}


def test_program_begins_with_all_registers_zero_but_stack_pointer_and_kernel_register() -> None:
    machine, _ = words_at_stack(linux_image(elf_of([NOP]), kernel("big")))
    assert {k for k, value in enumerate(machine.registers) if value} == {26, SP}


def test_random_bytes_and_root_are_a_function_of_the_program() -> None:
    one, two = elf_of([NOP]), elf_of([NOP, NOP])
    roots = [linux_image(elf, kernel("big")).root() for elf in (one, one, two)]
    assert roots[0] == roots[1] != roots[2]


def test_other_byte_order_is_refused() -> None:
    with pytest.raises(InvalidInput, match="byte order"):
        linux_image(elf_of([NOP]), kernel("little"))


def test_program_that_stands_where_the_heap_will_be_is_refused() -> None:
    assert linux_image(elf_of([NOP], at=HEAP - 4), kernel("big"))
    with pytest.raises(InvalidInput, match="link it lower"):
        linux_image(elf_of([NOP], at=HEAP), kernel("big"))


@pytest.mark.parametrize("entry", [CODE, KERNEL_ENTRY])
def test_file_that_is_no_kernel_is_refused(entry: int) -> None:
    with pytest.raises(InvalidInput, match="no kernel"):
        linux_image(elf_of([NOP]), elf_of([NOP], at=entry))


@pytest.mark.parametrize("args", [["x" * MOST_STACK_BYTES], ["a\0b"]])
def test_arguments_that_cannot_be_passed_are_refused(args: list[str]) -> None:
    with pytest.raises(InvalidInput, match="arguments"):
        linux_image(elf_of([NOP]), kernel("big"), args)


# Files


@pytest.mark.parametrize("code", [0, 1, 255, 256 + 7])
def test_exit_group_ends_with_its_code(code: int) -> None:
    run_program(call(EXIT_GROUP, code), code=code & 0xFF)


@TWO_ORDERS
@given(pieces=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=9)), max_size=6), shift=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_output_is_what_the_program_wrote(endian: Endian, pieces: list[tuple[int, bytes]], shift: int) -> None:
    data, words = bytes(shift), []
    for file, content in pieces:
        words.append(call(WRITE, file, DATA + len(data), len(content)))
        data += content
    machine = run_program(program(*words), data + b"\0", endian=endian)
    output = read_output(machine)
    assert output.stdout == b"".join(content for file, content in pieces if file == 1)
    assert output.stderr == b"".join(content for file, content in pieces if file == 2)
    assert answers(machine, len(pieces)) == [len(content) for _, content in pieces]


def test_full_log_keeps_its_beginning_and_harms_nothing() -> None:
    chunk = 1 << 20
    words = [word for _ in range(17) for word in call(WRITE, 1, CODE, chunk)]
    machine = linux_image(elf_of(program(words, call(WRITE, 2, CODE, 4))), kernel("big")).machine()
    run(machine, 1 << 26)
    assert machine.exit_code == 0 and answers(machine, 17) == [chunk] * 17
    assert machine.load_word(0x8100_0000) == 17 * chunk > LOG_BYTES
    assert read_output(machine).stderr == machine.read_bytes(CODE, 4)
    assert machine.read_bytes(0x8100_0004 + LOG_BYTES - 4, 4) == machine.read_bytes(CODE + chunk - 8, 4)


@TWO_ORDERS
@pytest.mark.parametrize("shift", [0, 1])
def test_stdin_is_the_content_of_the_statement_and_then_ends(endian: Endian, shift: int) -> None:
    words = program(*(call(READ, 0, DATA + shift + 5 * k, 5) for k in range(4)))
    machine = run_program(words, bytes(1), stdin_statement(b"twelve bytes", endian), endian)
    assert machine.read_bytes(DATA + shift, 13) == b"twelve bytes\0"
    assert answers(machine, 4) == [5, 5, 2, 0]


def test_stdin_never_reaches_behind_the_statement_page() -> None:
    machine = run_program(program(call(READ, 0, DATA + 0x1000, 8192)), bytes(1), b"\xff" * STATEMENT_BYTES)
    assert answers(machine, 1) == [STATEMENT_BYTES - 4]


@TWO_ORDERS
def test_stdin_can_be_a_blob(endian: Endian) -> None:
    blob = b"content of the blob"
    root = blob_root(blob, endian)
    statement = root + stdin_statement(blob, endian)[:4]
    elf = elf_of(program(call(READ, 0, DATA, 64)), bytes(1), endian)
    machine = linux_image(elf, kernel(endian), statement=statement, stdin="blob").machine(blobs={root: blob})
    run(machine, MOST_STEPS)
    assert answers(machine, 1) == [len(blob)] and machine.read_bytes(DATA, len(blob)) == blob


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (call(OPENAT, 0, CODE, 0), ENOENT),
        (call(FSTATAT64, 0, CODE, DATA, 0), ENOENT),
        (call(READ, 7, DATA, 1), EBADF),
        (call(WRITE, 0, CODE, 1), EBADF),
        (call(GETRANDOM, DATA, 16, 0), ENOSYS),
        (call(FORK), ENOSYS),
        (call(CLONE, 0, 0), ENOSYS),
        (call(4999), ENOSYS),
        (call(LLSEEK, 0, 0, 0, DATA), ESPIPE),
        (call(IOCTL, 1, 0x5413, DATA), ENOTTY),
        (call(POLL, DATA, 3, 0), EINVAL),
        (call(FSTAT64, 3, DATA), EBADF),
        (call(MAP_BLOB, 15, DATA), EINVAL),
        (call(MMAP, 0, 4096, 3, 2), EINVAL),
        (call(MMAP, 0, 0, 3, MAP_PRIVATE_ANONYMOUS), EINVAL),
        (call(MMAP, 0, 0x2000_1000, 3, MAP_PRIVATE_ANONYMOUS), ENOMEM),
        (call(MMAP, 0x7EFF_F000, 0x2000, 3, MAP_PRIVATE_ANONYMOUS), ENOMEM),
        (call(FUTEX, CODE, FUTEX_WAIT, 0, 0), EAGAIN),
    ],
)
def test_call_that_cannot_be_served_answers_with_linux_error(words: list[int], error: int) -> None:
    assert answer(*words) == -error


# What C libraries ask


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


# Memory


def test_memory_is_given_out_once() -> None:
    asked = [call(MMAP, 0, size, 3, MAP_PRIVATE_ANONYMOUS) for size in (1, 4097, 4096)]
    assert answers(run_program(program(*asked)), 3) == [HEAP, HEAP + 0x1000, HEAP + 0x3000]


def test_wish_for_an_address_behind_the_break_is_granted() -> None:
    start = answer(*call(BRK, 0))
    assert start == 0x4000_0000
    assert answer(*call(MMAP, start, 0x2040_0000, 0, MAP_PRIVATE_ANONYMOUS)) == start


# Time and threads


@TWO_ORDERS
def test_clock_counts_a_microsecond_for_each_call_and_jumps_over_sleep(endian: Endian) -> None:
    times = [call(CLOCK_GETTIME, 1, DATA + 0x100 + 8 * k) for k in range(3)]
    words = program(times[0], times[1], call(NANOSLEEP, DATA, 0), times[2])
    duration = struct.pack(">2I" if endian == "big" else "<2I", 2, 999_999_999)
    machine = run_program(words, duration, endian=endian)
    seen = [[machine.load_word(DATA + 0x100 + 8 * k + word) for word in (0, 4)] for k in range(3)]
    first, second, third = (seconds * 10**9 + rest for seconds, rest in seen)
    assert second - first == CALL_NS and third - second == 2_999_999_999 + 2 * CALL_NS


def test_futex_wait_ends_with_its_timeout() -> None:
    words = program(call(FUTEX, DATA, FUTEX_WAIT, 0, DATA + 8))
    assert answers(run_program(words, struct.pack(">4I", 0, 0, 1, 5)), 1) == [-ETIMEDOUT]


@TWO_ORDERS
@pytest.mark.parametrize("number", [CLOCK_NANOSLEEP, CLOCK_NANOSLEEP64])
@pytest.mark.parametrize(("absolute", "wakes_at"), [(0, 4), (1, 3)])
def test_clock_nanosleep_ends_after_a_time_or_at_a_time(
    endian: Endian, number: int, absolute: int, wakes_at: int
) -> None:
    order, wide = (">" if endian == "big" else "<"), number == CLOCK_NANOSLEEP64
    words = program(call(number, 1, absolute, DATA, 0), call(CLOCK_GETTIME64, 1, DATA + 0x100))
    machine = run_program(words, struct.pack(order + ("2Q" if wide else "2I"), 3, 500), endian=endian)
    seconds, nanoseconds = struct.unpack(order + "2Q", machine.read_bytes(DATA + 0x100, 16))
    assert (seconds, nanoseconds) == (wakes_at, 500 + CALL_NS * (1 if absolute else 2))


def test_futex_wait_bitset_ends_at_a_time_since_the_epoch() -> None:
    words = program(call(FUTEX, DATA, FUTEX_WAIT_BITSET, 0, DATA + 8), call(CLOCK_GETTIME, 1, DATA + 0x10))
    machine = run_program(words, struct.pack(">4I", 0, 0, 7, 0))
    assert answers(machine, 2) == [-ETIMEDOUT, 0]
    assert (machine.load_word(DATA + 0x10), machine.load_word(DATA + 0x14)) == (7, CALL_NS)


def test_thread_that_waits_for_nobody_is_a_deadlock() -> None:
    run_program(program(call(FUTEX, DATA, FUTEX_WAIT, 0, 0)), bytes(8), code=DEADLOCK)


def test_event_wait_without_a_deadline_is_a_deadlock_and_with_one_ends() -> None:
    run_program(program(call(EPOLL_PWAIT, 100, DATA, 1, MASK)), bytes(8), code=DEADLOCK)
    assert answer(*call(EPOLL_PWAIT, 100, DATA, 1, 5)) == 0 == answer(*call(EPOLL_PWAIT, 100, DATA, 1, 0))


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


def with_thread(child: Sequence[int], parent: Sequence[int], clone: Sequence[int] = ()) -> list[int]:
    """Both sides of a clone; the child's answers stand 0x100 bytes behind."""
    child_words = [*load(S0, SAVED + 0x100), *child, *call(EXIT, 0)]
    branch = [encode("BNE", rs=V0, rt=0, low=len(child_words) + 1), NOP]  # the parent jumps over the child's part
    how = clone or ask(CLONE, CLONE_THREAD_FLAGS, 0x6000_0000)
    return program(how, branch, child_words, STORE, parent)


def test_child_gets_zero_its_own_stack_and_its_own_number() -> None:
    child = [*call(GETTID), encode("SW", rs=S0, rt=SP, low=0)]
    machine = run_program(with_thread(child, [*call(SCHED_YIELD), *call(GETTID)]))
    assert answers(machine, 3) == [2, 0, 1], "clone, sched_yield, gettid of the parent"
    assert (machine.load_word(SAVED + 0x100), machine.load_word(SAVED + 0x108)) == (2, 0x6000_0000)


def test_child_runs_only_when_the_parent_waits() -> None:
    machine = run_program(with_thread(call(GETTID), call(GETPID)))
    assert machine.load_word(SAVED + 0x100) == 0


def test_woken_thread_goes_on_and_the_waker_is_told() -> None:
    child = [*call(FUTEX, DATA, FUTEX_WAIT, 0, 0), *call(GETTID)]
    parent = [*call(SCHED_YIELD), *call(FUTEX, DATA, FUTEX_WAKE, 9), *call(FUTEX, DATA + 4, FUTEX_WAKE, 9),
              *call(SCHED_YIELD)]  # fmt: skip
    machine = run_program(with_thread(child, parent), bytes(8))
    assert answers(machine, 5) == [2, 0, 1, 0, 0]
    assert [machine.load_word(SAVED + 0x100 + 8 * k) for k in (0, 1)] == [0, 2]


def test_event_counter_wakes_the_thread_that_waits_for_it() -> None:
    child = call(EPOLL_PWAIT, 100, DATA + 0x20, 1, MASK)
    parent = [*call(EVENTFD2, 0, 0), *call(EPOLL_CTL, 100, 1, 101, DATA), *call(SCHED_YIELD),
              *call(WRITE, 101, DATA + 16, 8), *call(SCHED_YIELD),
              *call(READ, 101, DATA + 0x40, 8), *call(READ, 101, DATA + 0x48, 8)]  # fmt: skip
    machine = run_program(with_thread(child, parent), struct.pack(">6I", 1, 0, 0xAA, 0xBB, 0, 3))
    assert answers(machine, 8) == [2, 101, 0, 0, 8, 0, 8, -EAGAIN]
    assert machine.load_word(SAVED + 0x100) == 1
    assert [machine.load_word(DATA + 0x20 + at) for at in (0, 8, 12)] == [1, 0xAA, 0xBB]
    assert [machine.load_word(DATA + 0x40 + at) for at in (0, 4)] == [0, 3]


def test_last_thread_that_ends_ends_the_program_with_its_code() -> None:
    run_program(call(EXIT, 9), code=9)


def test_more_threads_than_the_kernel_has_are_refused() -> None:
    clones = [call(CLONE, CLONE_THREAD_FLAGS, 0x6000_0000) for _ in range(32)]
    machine = run_program(program(*clones))
    assert answers(machine, 32) == [*range(2, 33), -EAGAIN]


def test_registers_hi_and_lo_survive_a_call_but_for_the_answer() -> None:
    values = {k: 0x0101_0101 * k for k in range(1, 32) if k not in (V0, A0, ERROR, 26, 27)}
    setup = [word for k, value in values.items() for word in load(k, value)]
    setup += [encode("MTHI", rs=8), encode("MTLO", rs=9), *load(V0, GETPID)]
    machine = linux_image(elf_of([*setup, SYSCALL, encode("BREAK")]), kernel("big")).machine()
    run(machine, MOST_STEPS)
    assert machine.trap == 9 and machine.register(V0) == 1
    assert {k: machine.register(k) for k in values} == values
    assert (machine.control.hi, machine.control.lo) == (values[8], values[9])


# The end of the boot


KEPT = 0x40  # where the register goes, behind $16


def keeping_program() -> list[int]:
    """Registers set before the mark are stored after it, then stdin is read."""
    keep = load(20, 0xCAFE_F00D)
    return program(call(GETPID), keep, ask(BOOTED), [encode("SW", rs=S0, rt=20, low=KEPT)], call(READ, 0, DATA, 4))


@TWO_ORDERS
def test_program_goes_on_from_the_mark_with_its_registers_and_reads_its_inputs_then(endian: Endian) -> None:
    image = linux_image(elf_of(keeping_program(), bytes(1), endian), kernel(endian))
    booted = boot_linux(image).image.with_statement(stdin_statement(b"abcd", endian))
    machine = booted.machine()
    run(machine, MOST_STEPS)
    assert machine.exit_code == 0 and machine.read_bytes(DATA, 4) == b"abcd"
    assert answers(machine, 2) == [1, 4], "getpid before, read after the mark"
    assert machine.load_word(SAVED + 8 + KEPT) == 0xCAFE_F00D


def test_booted_image_is_the_state_that_the_program_comes_to() -> None:
    image = linux_image(elf_of(keeping_program(), bytes(1)), kernel("big"))
    booted = boot_linux(image)
    machine = image.machine()
    assert run(machine, booted.steps) == booted.steps
    assert booted.image.root() == machine.root() != image.root()
    assert not any(machine.registers) and machine.control.pc == image.symbols["kernel.boot_mark"] + 4


def test_booted_image_does_not_depend_on_the_statement() -> None:
    elf = elf_of(keeping_program(), bytes(1))
    roots = {boot_linux(linux_image(elf, kernel("big"), statement=content)).image.root() for content in (b"", b"x")}
    assert len(roots) == 1


def test_program_that_never_says_that_it_is_ready_has_no_booted_image() -> None:
    with pytest.raises(InvalidInput, match="end-of-boot"):
        boot_linux(linux_image(elf_of(program()), kernel("big")))


def test_program_that_says_so_where_nobody_takes_an_image_just_goes_on() -> None:
    machine = run_program(keeping_program(), bytes(1), stdin_statement(b"abcd", "big"))
    assert machine.read_bytes(DATA, 4) == b"abcd"
