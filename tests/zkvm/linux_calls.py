"""Programs of a few instructions that ask the micro kernel, and what it answered."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

import pytest

from btc_l2.guests import read_kernel
from btc_l2.zkvm.elf import Elf, Segment, write_elf
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import linux_image
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from tests.zkvm.programs import CODE, DATA, encode

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


def with_thread(child: Sequence[int], parent: Sequence[int], clone: Sequence[int] = ()) -> list[int]:
    """Both sides of a clone; the child's answers stand 0x100 bytes behind."""
    child_words = [*load(S0, SAVED + 0x100), *child, *call(EXIT, 0)]
    branch = [encode("BNE", rs=V0, rt=0, low=len(child_words) + 1), NOP]  # the parent jumps over the child's part
    how = clone or ask(CLONE, CLONE_THREAD_FLAGS, 0x6000_0000)
    return program(how, branch, child_words, STORE, parent)
