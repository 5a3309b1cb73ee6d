"""The machine beside others: the demo's guest in Unicorn, a Linux program in qemu-mips; same run, results compared.

Both only execute: no exact number of steps, no record of written pages, no root. qemu-mips hands system calls and
threads to Linux.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, absent, plain, timed
from btc_l2.guests import Guest, find_guest
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import read_output
from btc_l2.zkvm.page import bytes_of_words
from btc_l2.zkvm.warm import warm
from regtest.node.oracles_install import find_oracle
from taproot.errors import VerificationFailed

GUEST = "hashchain"
LINUX_GUEST = "go-stress"
RESULT_BYTES = 32
# Guest memory that the example uses: program with heap, stack, statement and claim.
RANGES = ((0x0040_0000, 0x0100_0000), (0x7FE0_0000, 0x0020_0000), (0xFFFF_D000, 0x2000))
RESERVED_PAGE_NUMBER = 0xFFFFF


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    warm()
    yield from _beside_unicorn(find_guest(GUEST))
    yield from _beside_qemu(find_guest(LINUX_GUEST))


def _beside_unicorn(guest: Guest) -> Iterator[Figure]:
    ours, result = _run_ours(guest)
    yield plain(f"btc_l2.zkvm, {guest.steps:,} steps of {GUEST}", ours / 1e6, "M steps/s")
    try:
        import unicorn
    except ImportError:
        yield absent("Unicorn", "not installed; `make setup` does it")
        return
    theirs, their_result = run_unicorn(guest, unicorn)
    if their_result != result:
        raise VerificationFailed("Unicorn and the machine leave different results; one is wrong; compare their traces")
    yield plain(f"Unicorn {unicorn.__version__}, the same", theirs / 1e6, "M steps/s")


def _beside_qemu(guest: Guest) -> Iterator[Figure]:
    """Seconds of a whole Linux program, start included; what it prints must be the same."""
    machine = guest.load_image().machine()
    steps, ours = timed(lambda: run(machine, guest.steps))
    yield plain(f"btc_l2.zkvm, {guest.name} under Linux, {steps:,} steps", ours, "s")
    qemu = find_oracle("qemu-mips")
    if qemu is None:
        yield absent("qemu-mips", "not installed; `make oracles` fetches it")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, guest.name)
        program.write_bytes(guest.read_elf())
        program.chmod(0o755)
        done, theirs = timed(lambda: subprocess.run([qemu, program], stdin=subprocess.DEVNULL, capture_output=True))
    if done.stdout != read_output(machine).stdout:
        raise VerificationFailed(f"{guest.name} prints another text under qemu-mips; one is wrong; compare them")
    yield plain("qemu-mips, the same program", theirs, "s")


def _run_ours(guest: Guest) -> tuple[float, bytes]:
    machine = guest.load_image().machine()
    steps, seconds = timed(lambda: run(machine, guest.steps))
    return steps / seconds, machine.read_bytes(guest.result_address, RESULT_BYTES)


def run_unicorn(guest: Guest, unicorn: Any) -> tuple[float, bytes]:
    """Addresses are translated to themselves, so that the statement page is where the guest looks for it."""
    image = guest.load_image()
    machine = image.machine()
    emulator = unicorn.Uc(unicorn.UC_ARCH_MIPS, unicorn.UC_MODE_MIPS32 | unicorn.UC_MODE_BIG_ENDIAN)
    emulator.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
    emulator.hook_add(unicorn.UC_HOOK_TLB_FILL, _translate)
    for start, length in RANGES:
        emulator.mem_map(start, length)
    for number in machine.memory.page_numbers():
        if number != RESERVED_PAGE_NUMBER:
            emulator.mem_write(number << 12, bytes_of_words(machine.memory.page(number).words, guest.endian))
    _, seconds = timed(lambda: emulator.emu_start(image.entry, image.symbols["halt"]))
    return guest.steps / seconds, bytes(emulator.mem_read(guest.result_address, RESULT_BYTES))


def _translate(_emulator: Any, address: int, _access: int, entry: Any, _data: Any) -> bool:
    entry.paddr, entry.perms = address, 7  # read, write, execute
    return True
