"""States of a QEMU core before each instruction, read from its log (`-singlestep -d cpu,nochain`).

A record of the log begins with `pc=0x…` and shows HI, LO, flags, 32 registers and some of coprocessor 0. Records of the
boot program and of the handler (`board`) are left out; where the handler stays, the cause says why.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from numpy.typing import NDArray

from btc_l2.zkvm.memory import Memory
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from regtest.node.oracles_install import find_oracle
from tests.oracles.board import BOOT, MEMORY, REFILL, STAYS, board_elf

States = NDArray[np.uint32]  # rows: pc, hi, lo, $0 … $31
COLUMNS = 35
_NAMES = {"big": "qemu-system-mips", "little": "qemu-system-mipsel"}
_SETTINGS = (
    "-M", "none", "-cpu", "P5600", "-m", MEMORY, "-display", "none", "-monitor", "none", "-serial", "none",
    "-nodefaults", "-d", "cpu,nochain", "-D", "/dev/stdout",
)  # fmt: skip
_CHUNK = 1 << 20
_REST = 500  # bytes of a record that are looked at, from its first register on
_REGISTER_LINE, _FIRST_REGISTER, _REGISTER_WIDTH = 55, 10, 12
_CAUSE_AT = 8 * _REGISTER_LINE + 33
_NIBBLES = np.zeros(256, dtype=np.uint32)
_NIBBLES[[ord(c) for c in "0123456789abcdef"]] = range(16)


@dataclass(frozen=True, slots=True)
class Trace:
    """States before each instruction, the last one that of the exception if there was one."""

    states: States
    cause: int | None  # ExcCode of the exception that ended it


def qemu_of(endian: Endian) -> Path:
    """The system emulator of a byte order; skips the test where there is none."""
    path = find_oracle(_NAMES[endian])
    if path is None:
        pytest.skip(f"no {_NAMES[endian]} on PATH or in .cache/oracles (make oracles)")
    return path


def trace(machine: Machine, steps: int, mapped: Memory | None = None) -> Trace:
    """Up to `steps` states from this one on, on QEMU; fewer only where an exception came. `mapped`: see `board_elf`."""
    command = [str(qemu_of(machine.endian)), *_SETTINGS, *_single_step(qemu_of(machine.endian))]
    with tempfile.NamedTemporaryFile(suffix=".elf") as file:
        file.write(board_elf(machine, mapped))
        file.flush()
        loader = ["-device", f"loader,file={file.name},cpu-num=0"]
        process = subprocess.Popen([*command, *loader], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        try:
            return _collect(process.stdout, steps)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _single_step(qemu: Path) -> list[str]:
    """One instruction per translated block: an option of its own until QEMU 8.0, of the accelerator from 8.1 on."""
    said = subprocess.run([str(qemu), "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in said.split("version ")[1].split()[0].split(".")[:2])
    return ["-singlestep"] if version < (8, 1) else ["-accel", "tcg,one-insn-per-tb=on"]


def _collect(stream: IO[bytes], steps: int) -> Trace:
    blocks: list[States] = []
    count = 0
    for states, causes in _blocks(stream):
        guest = (states[:, 0] < BOOT) | (states[:, 0] >= BOOT + 0x1_0000)
        ends = np.flatnonzero(_stays(states[:, 0]))
        last = int(ends[0]) if len(ends) else len(states)
        blocks.append(states[:last][guest[:last]])
        count += len(blocks[-1])
        if len(ends):
            return Trace(np.concatenate(blocks)[:steps], int(causes[last]) >> 2 & 31 if count <= steps else None)
        if count >= steps:
            break
    return Trace(np.concatenate(blocks)[:steps], None)


def _stays(pc: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where the handler is known to stay."""
    return np.asarray((pc == REFILL) | (pc == STAYS))


def _blocks(stream: IO[bytes]) -> Iterator[tuple[States, NDArray[np.uint32]]]:
    """Records of the log in blocks: states and words of the Cause register."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        *records, rest = (rest + chunk).split(b"\npc=0x")
        if whole := [record.removeprefix(b"pc=0x") for record in records]:
            yield _parse(whole)


def _parse(records: list[bytes]) -> tuple[States, NDArray[np.uint32]]:
    """`00400000 HI=0x00000000 LO=0x00000000 ds …`, eight lines of four registers, then CP0 Status and Cause."""
    heads = np.frombuffer(b"".join([record[:40] for record in records]), dtype=np.uint8).reshape(-1, 40)
    starts = [record.index(b"\n") + 1 for record in records]
    parts = [record[start : start + _REST] for record, start in zip(records, starts, strict=True)]
    tails = np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, _REST)
    states = np.empty((len(records), COLUMNS), dtype=np.uint32)
    for column, at in enumerate((0, 14, 28)):
        states[:, column] = _hex(heads, at)
    for register in range(32):
        at = register // 4 * _REGISTER_LINE + _FIRST_REGISTER + register % 4 * _REGISTER_WIDTH
        states[:, 3 + register] = _hex(tails, at)
    return states, _hex(tails, _CAUSE_AT)


def _hex(text: NDArray[np.uint8], at: int) -> NDArray[np.uint32]:
    """Numbers of eight hexadecimal digits in a column of all lines."""
    digits = _NIBBLES[text[:, at : at + 8]]
    return np.asarray(np.bitwise_or.reduce(digits << np.arange(28, -1, -4, dtype=np.uint32), axis=1))
