"""The loader of Linux programs and the micro kernel's answers, asked by programs of a few instructions."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.blobs import blob_root
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
from tests.zkvm.linux_calls import (
    A0,
    BOOTED,
    BRK,
    CALL_NS,
    CLOCK_GETTIME,
    CLOCK_GETTIME64,
    CLOCK_NANOSLEEP,
    CLOCK_NANOSLEEP64,
    CLONE,
    CLONE_THREAD_FLAGS,
    EAGAIN,
    EBADF,
    EINVAL,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ENOTTY,
    EPOLL_CTL,
    EPOLL_PWAIT,
    ERROR,
    ESPIPE,
    ETIMEDOUT,
    EVENTFD2,
    EXIT,
    EXIT_GROUP,
    FORK,
    FSTAT64,
    FSTATAT64,
    FUTEX,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    GETPID,
    GETRANDOM,
    GETTID,
    IOCTL,
    LLSEEK,
    MAP_BLOB,
    MAP_PRIVATE_ANONYMOUS,
    MMAP,
    MOST_STEPS,
    NANOSLEEP,
    NOP,
    OPENAT,
    POLL,
    READ,
    S0,
    SAVED,
    SCHED_YIELD,
    SP,
    SYSCALL,
    TWO_ORDERS,
    V0,
    WRITE,
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
from tests.zkvm.programs import CODE, DATA, MASK, encode

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
