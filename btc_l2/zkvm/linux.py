"""Linux programs on the machine: static executable, micro kernel in MIPS code, first stack (`docs/spec/linux.md`).

The image is one program more: the kernel stands at the address that SYSCALL 0 jumps to, its entry sets the stack
pointer and jumps to the program. So the machine knows nothing of Linux. The first stack is that of the System V ABI,
MIPS supplement, "Process Stack and Registers".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from btc_l2.zkvm.elf import Elf, Segment, parse_elf, write_elf
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import KERNEL_ENTRY, PAGE_BYTES
from btc_l2.zkvm.outcome import BREAKPOINT, RUNNING, Endian
from btc_l2.zkvm.page import bytes_of_words
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from taproot.errors import InvalidInput

HEAP = 0x2000_0000  # the kernel gives out memory from here on
STACK_END = 0x7FFF_F000
MOST_STACK_BYTES = 1 << 17  # of arguments and environment
RESULT = 0xA000_0000  # where a program that decides about a claim leaves its result
LOG_BYTES = 0x00FF_FFFC  # what the kernel keeps of each output
MOST_BOOT_STEPS = 1 << 30
DEADLOCK = 254  # exit code: every thread waits and none has a deadline

Stdin = Literal["statement", "blob"]

_BREAK = 0x0000_000D  # MIPS32 Vol. II-A, BREAK with code 0
_STDOUT_LOG, _STDERR_LOG = 0x8100_0000, 0x8200_0000
_STDIN_KINDS: Mapping[Stdin, int] = {"statement": 0, "blob": 1}
_AT_NULL, _AT_PAGESZ, _AT_ENTRY, _AT_HWCAP, _AT_CLKTCK, _AT_SECURE, _AT_RANDOM = 0, 6, 9, 16, 17, 23, 25
_AT_PHDR, _AT_PHENT, _AT_PHNUM = 3, 4, 5
_PT_LOAD = 1
_RANDOM_BYTES = 16


@dataclass(frozen=True, slots=True)
class Output:
    """What a program has written so far."""

    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Booted:
    """A program that is ready for its inputs."""

    image: Image
    steps: int  # that nobody has to make any more


def linux_image(
    program_elf: bytes,
    kernel_elf: bytes,
    args: Sequence[str] = ("guest",),
    env: Sequence[str] = (),
    statement: bytes = b"",
    stdin: Stdin = "statement",
) -> Image:
    """Program, kernel and first stack as one image; `args[0]` is the program's name, `env` are NAME=VALUE.

    The kernel's symbols are called `kernel.NAME`.

    `stdin`: "statement": u32 length, then the bytes; "blob": root, u32 length, the bytes are those of the blob.
    InvalidInput for a file that is no static executable, of the other byte order, or where kernel and heap stand.
    """
    program, kernel = parse_elf(program_elf), parse_elf(kernel_elf)
    if program.endian != kernel.endian:
        raise InvalidInput(
            f"the program is {program.endian} endian, the kernel is {kernel.endian} endian; they share one machine; "
            "take the kernel of the program's byte order"
        )
    end = program.segments[-1].end
    if end > HEAP:
        raise InvalidInput(f"the program reaches up to {end:#x}; from {HEAP:#x} on the kernel gives out memory; "
                           "link it lower")  # fmt: skip
    headers = _find_program_headers(program_elf, program.endian)
    stack = _first_stack(program, headers, args, env, sha256(program_elf).digest()[:_RANDOM_BYTES])
    boot = struct.pack(_order(kernel.endian) + "3I", program.entry, stack.address, _STDIN_KINDS[stdin])
    segments = (*program.segments, stack, *_fill_in(kernel, "boot", boot))
    symbols = {**program.symbols, **{f"kernel.{name}": address for name, address in kernel.symbols.items()}}
    return Image.from_elf(write_elf(Elf(kernel.endian, kernel.entry, segments, symbols)), statement)


def boot_linux(image: Image) -> Booted:
    """Run an image of `linux_image` up to its end-of-boot mark (SYSCALL 3) and take the memory there as a new image.

    It is run with an empty statement and a zero claim. InvalidInput if it does not reach the mark.
    """
    machine = image.with_statement(b"").machine()
    mark = image.symbols["kernel.boot_mark"]
    covered = machine.load_word(mark)
    machine.store_word(mark, _BREAK)  # the only way to stop the compiled machine at an address
    steps = run(machine, MOST_BOOT_STEPS)
    if machine.control.pc != mark or machine.trap != BREAKPOINT:
        raise InvalidInput(
            f"the program does not come to its end-of-boot mark; after {steps} steps it stands at "
            f"{machine.control.pc:#x}; let it make call 9000"
        )
    machine.store_word(mark, covered)
    machine.control = machine.control._replace(status=RUNNING)
    step(machine)
    return Booted(replace(Image.from_machine(machine), symbols=image.symbols), steps)


def stdin_statement(content: bytes, endian: Endian) -> bytes:
    """The statement that makes `content` the program's stdin (kind "statement")."""
    return struct.pack(_order(endian) + "I", len(content)) + content


def read_output(machine: Machine) -> Output:
    """What the program has written to stdout and stderr; a log that is full keeps its first LOG_BYTES bytes."""
    return Output(_read_log(machine, _STDOUT_LOG), _read_log(machine, _STDERR_LOG))


def _read_log(machine: Machine, address: int) -> bytes:
    length = min(machine.load_word(address), LOG_BYTES)
    pages = range(address // PAGE_BYTES, (address + 4 + length - 1) // PAGE_BYTES + 1)
    return b"".join(bytes_of_words(machine.memory.page(n).words, machine.endian) for n in pages)[4 : 4 + length]


def _order(endian: Endian) -> str:
    return ">" if endian == "big" else "<"


def _fill_in(elf: Elf, symbol: str, content: bytes) -> tuple[Segment, ...]:
    """The segments with other bytes at a symbol."""
    address = elf.symbols.get(symbol)
    if elf.entry < KERNEL_ENTRY or address is None:
        raise InvalidInput(f"the second file is no kernel; it stands below {KERNEL_ENTRY:#x} or has no {symbol!r}; "
                           "give one that guest/build makes")  # fmt: skip
    return tuple(_write(segment, address, content) for segment in elf.segments)


def _write(segment: Segment, address: int, content: bytes) -> Segment:
    start = address - segment.address
    if not 0 <= start <= len(segment.data) - len(content):
        return segment
    return replace(segment, data=segment.data[:start] + content + segment.data[start + len(content) :])


def _find_program_headers(elf: bytes, endian: Endian) -> tuple[int, ...]:
    """Pairs of the auxiliary vector that say where the program finds its own program headers, if they are loaded.

    A C library looks there for the contents of thread-local variables (PT_TLS).
    """
    order = _order(endian)
    (offset,) = struct.unpack_from(order + "I", elf, 28)  # e_phoff
    size, count = struct.unpack_from(order + "2H", elf, 42)  # e_phentsize, e_phnum
    for number in range(count):
        kind, start, address, _, length = struct.unpack_from(order + "5I", elf, offset + number * size)
        if kind == _PT_LOAD and start <= offset and offset + count * size <= start + length:
            return (_AT_PHDR, address + offset - start, _AT_PHENT, size, _AT_PHNUM, count)
    return ()


def _first_stack(
    program: Elf, headers: tuple[int, ...], args: Sequence[str], env: Sequence[str], random: bytes
) -> Segment:
    """argc, argv, envp, auxv and what they point to; its address is the stack pointer.

    AT_RANDOM is a function of the program: a run is a function of its image, and nothing in it is secret.
    """
    texts = [text.encode() + b"\0" for text in (*args, *env)]
    room = len(random) + sum(map(len, texts))
    if room > MOST_STACK_BYTES or any(b"\0" in text[:-1] for text in texts):
        raise InvalidInput(f"arguments and environment have {room} bytes or a zero byte within; {MOST_STACK_BYTES} "
                           "bytes are the most; put data into stdin")  # fmt: skip
    strings_start = STACK_END - room & -16
    places = [strings_start + len(random) + sum(map(len, texts[:k])) for k in range(len(texts))]
    auxiliary = (
        _AT_PAGESZ, PAGE_BYTES, _AT_ENTRY, program.entry, _AT_HWCAP, 0, _AT_CLKTCK, 100, _AT_SECURE, 0,
        _AT_RANDOM, strings_start, *headers, _AT_NULL, 0,
    )  # fmt: skip
    words = (len(args), *places[: len(args)], 0, *places[len(args) :], 0, *auxiliary)
    table = struct.pack(f"{_order(program.endian)}{len(words)}I", *words)
    start = strings_start - len(table) & -16
    data = table.ljust(strings_start - start, b"\0") + random + b"".join(texts)
    return Segment(start, data, len(data))
