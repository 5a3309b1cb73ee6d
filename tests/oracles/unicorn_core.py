"""A core of Unicorn (QEMU's translator as a library) that runs short programs from our machine's states.

Unicorn goes wrong where it is stopped between a branch and its delay slot; so programs run from their first word to the
address behind their last one, in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from btc_l2.zkvm.layout import PAGE_BYTES
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.page import bytes_of_words, words_of_bytes
from btc_l2.zkvm.state import Machine
from tests.zkvm.programs import CODE, DATA

DATA_PAGES = range((DATA - 0x1_0000) // PAGE_BYTES, (DATA + 0x1_0000) // PAGE_BYTES)
ROOM = 1 << 16  # bytes from CODE on


class Core:
    """One Unicorn core. Memory: ROOM bytes of code, DATA_PAGES of data."""

    def __init__(self, endian: Endian) -> None:
        uc = pytest.importorskip("unicorn", reason="no Unicorn (it is in requirements.lock)")
        names = uc.mips_const
        self._endian: Endian = endian
        self._error = uc.UcError
        order = uc.UC_MODE_BIG_ENDIAN if endian == "big" else uc.UC_MODE_LITTLE_ENDIAN
        self._core: Any = uc.Uc(uc.UC_ARCH_MIPS, uc.UC_MODE_MIPS32 | order)
        self._core.ctl_set_cpu_model(names.UC_CPU_MIPS32_24KF)
        self._core.mem_map(CODE, ROOM)
        self._core.mem_map(DATA_PAGES.start * PAGE_BYTES, len(DATA_PAGES) * PAGE_BYTES)
        numbers = [getattr(names, f"UC_MIPS_REG_{k}") for k in range(1, 32)]
        self._registers = [*numbers, names.UC_MIPS_REG_HI, names.UC_MIPS_REG_LO]

    def run(self, machine: Machine, words: Sequence[int]) -> tuple[int, ...] | None:
        """$1 … $31, HI, LO after `words`, from the machine's state on; None: exception.

        The data page DATA is that of the machine before; read it afterwards with `data`.
        """
        code = b"".join(word.to_bytes(4, self._endian) for word in words)
        self._core.mem_write(CODE, code)
        self._core.ctl_remove_cache(CODE, CODE + len(code))
        for number in (DATA // PAGE_BYTES, DATA // PAGE_BYTES + 1):
            page = machine.memory.page(number).words
            self._core.mem_write(number * PAGE_BYTES, bytes_of_words(page, self._endian))
        values = (*machine.registers[1:], machine.control.hi, machine.control.lo)
        self._core.reg_write_batch(list(zip(self._registers, values, strict=True)))
        try:
            self._core.emu_start(CODE, CODE + len(code))
        except self._error:
            return None
        return tuple(value & 0xFFFF_FFFF for value in self._core.reg_read_batch(self._registers))

    def data(self, number: int) -> list[int]:
        """Words of a page."""
        content = bytes(self._core.mem_read(number * PAGE_BYTES, PAGE_BYTES))
        return [int(word) for word in words_of_bytes(content, self._endian)]
