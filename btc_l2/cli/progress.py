"""One line about a running machine: how far, how fast, where, how big."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from btc_l2.cli.output import note
from btc_l2.zkvm.disasm import disassemble
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import PROGRAM_START
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.symbols import SymbolTable, symbols_of
from btc_l2.zkvm.warm import is_compiled, warm

SAY_EVERY = 10.0  # seconds


def get_ready() -> None:
    """Compile the machine, or load what every run needs; who has to wait for the compiler is told so."""
    with _no_collection():
        if not is_compiled():
            note("compiling the machine for this processor; this takes some seconds, once")
            warm()
        run(idle_machine(), 2)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Loading a compiler makes half a million objects and no garbage: looking for some is a tenth of a start."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def idle_machine() -> Machine:
    """No-ops all over."""
    machine = Machine("big")
    machine.control = machine.control._replace(pc=PROGRAM_START, npc=PROGRAM_START + 4)
    return machine


class Progress:
    """Writes lines to stderr; `image` names addresses, if there is one."""

    def __init__(self, image: Image | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._image = image
        self._clock = clock
        self._began = self._said = clock()
        self._from = 0

    def begin(self, step: int) -> None:
        """The run begins, or goes on, at this step."""
        self._began = self._said = self._clock()
        self._from = step

    def now_and_then(self, step: int, machine: Machine) -> None:
        """A line if the last one is some time ago."""
        if self._clock() - self._said >= SAY_EVERY:
            self.say(step, machine)

    def say(self, step: int, machine: Machine, instruction: bool = False) -> None:
        """A line now; `instruction`: with the one that comes next."""
        self._said = self._clock()
        control = machine.control
        parts = [f"{step:,} steps", f"{self._speed(step):.3g} M steps/s", f"pc {control.pc:#010x}"]
        parts += [self._symbols.label(control.pc)] if self._symbols.label(control.pc) else []
        if instruction:
            word = machine.load_word(control.pc & ~3)
            parts.append(disassemble(word, control.pc & ~3, self._symbols.names).replace("\t", " "))
        note(", ".join([*parts, f"{machine.memory.page_count:,} pages"]))

    def _speed(self, step: int) -> float:
        seconds = self._clock() - self._began
        return max(0, step - self._from) / seconds / 1e6 if seconds else 0.0

    @cached_property
    def _symbols(self) -> SymbolTable:
        return symbols_of(self._image) if self._image is not None else SymbolTable.of({})
