"""Where the steps go and who changes a value: `btc-l2 vm profile` and `watch`, on the fast machine and exact."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.arguments import REGISTER_NAMES, parse_register_name
from btc_l2.cli.changes import describe_end
from btc_l2.cli.options import (
    MOST_STEPS,
    AsJson,
    Blob,
    Blobs,
    Claim,
    ImageArgument,
    Linux,
    Order,
    Raw,
    Reg,
    Statement,
    Stdin,
)
from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from btc_l2.cli.program import Program
    from btc_l2.zkvm.observe import Profile, Watched
    from btc_l2.zkvm.state import Machine
    from btc_l2.zkvm.symbols import SymbolTable

MOST_WATCHED_BYTES = 1 << 16
SAY_EVERY = 10.0  # seconds
Start = Annotated[int, typer.Option("--from", metavar="STEP", min=0, help="Steps to make before.")]
Steps = Annotated[int, typer.Option(min=1, help="Stop after so many steps.")]


def profile_program(
    image: ImageArgument,
    start: Start = 0,
    steps: Steps = MOST_STEPS,
    top: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    by_address: Annotated[bool, typer.Option("--addresses", help="One row per instruction, not per symbol.")] = False,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    reg: Reg = None,
    blob: Blob = None,
    blobs: Blobs = None,
    linux: Linux = False,
    stdin: Stdin = None,
    as_json: AsJson = False,
) -> None:
    """Count every step by the symbol, or the address, of its instruction: a flat profile.

    Example: btc-l2 vm profile go-sha256 --top 5
    """
    from btc_l2.cli.program import load_program
    from btc_l2.cli.vm_debug import forward
    from btc_l2.zkvm.observe import count_steps
    from btc_l2.zkvm.symbols import symbols_of

    program = load_program(image, raw, endian, statement, claim, reg or [], blob or [], linux, stdin, blobs)
    machine = program.machine()
    forward(machine, start)
    profile = count_steps(machine, steps, say_progress(start))
    symbols = symbols_of(program.image)
    rows = _address_rows(profile, symbols, machine) if by_address else _symbol_rows(profile, symbols)
    shown = rows[:top]
    if as_json:
        status = machine.control.status
        print_document({"from": start, "steps": profile.steps, "status": status, "rows": shown}, as_json)
        return
    table = [(f"{row['steps']:,}", f"{100 * row['steps'] / profile.steps:.2f} %", *_text(row)) for row in shown]
    print_rows(("steps", "share", *list(shown[0])[1:]), table, as_json)
    rest = f", {len(rows) - len(shown)} rows more" if len(rows) > len(shown) else ""
    note(f"{profile.steps:,} steps from step {start:,} on{_end(machine)}{rest}")


def watch_program(
    image: ImageArgument,
    reg: Annotated[
        list[str] | None, typer.Option(metavar="NAME|NAME=VALUE", help="Register to watch; with a value: to set.")
    ] = None,
    mem: Annotated[list[str] | None, typer.Option(metavar="ADDR:LEN", help="Memory to watch.")] = None,
    times: Annotated[int, typer.Option(min=1, help="Stop after so many changes.")] = 10,
    start: Start = 0,
    steps: Steps = MOST_STEPS,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    blob: Blob = None,
    blobs: Blobs = None,
    linux: Linux = False,
    stdin: Stdin = None,
    as_json: AsJson = False,
) -> None:
    """Show each step that changes a register or bytes of memory. No change is missed, also one that is undone.

    Example: btc-l2 vm watch fibonacci --mem result:4 --times 3
    """
    from btc_l2.cli.program import load_program
    from btc_l2.cli.vm_debug import forward
    from btc_l2.zkvm.symbols import symbols_of

    given = [text for text in reg or [] if "=" in text]
    program = load_program(image, raw, endian, statement, claim, given, blob or [], linux, stdin, blobs)
    watched = _watched(program, [text for text in reg or [] if "=" not in text], mem or [])
    machine = program.machine()
    forward(machine, start)
    rows = _watch_rows(machine, watched, symbols_of(program.image), start, steps, times)
    print_rows(("step", "pc", "symbol", "instruction", "change"), rows, as_json)
    if not as_json:
        note(f"{len(rows)} changes shown{_end(machine)}")


def say_progress(start: int) -> Callable[[int], None]:
    """Tells the person now and then how far a run is that began at a position."""
    said = time.monotonic()

    def say(made: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            note(f"{start + made:,} steps")

    return say


def _symbol_rows(profile: Profile, symbols: SymbolTable) -> list[dict[str, Any]]:
    """Steps by symbol, most first; addresses before the first symbol count as `?`."""
    counted: Counter[int | None] = Counter()
    for address, count in profile.counts.items():
        counted[symbols.start_of(address)] += count
    return [
        {"steps": count, "address": address or 0, "symbol": symbols.names[address] if address is not None else "?"}
        for address, count in sorted(counted.items(), key=lambda item: (-item[1], item[0] or 0))
    ]


def _address_rows(profile: Profile, symbols: SymbolTable, machine: Machine) -> list[dict[str, Any]]:
    """Steps by instruction, most first, with the text of what stands there at the end."""
    from btc_l2.zkvm.disasm import disassemble

    return [
        {
            "steps": count,
            "address": address,
            "symbol": symbols.label(address),
            "instruction": disassemble(machine.load_word(address & ~3), address, symbols.names).replace("\t", " "),
        }
        for address, count in sorted(profile.counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _text(row: Mapping[str, Any]) -> list[str]:
    return [f"{value:08x}" if name == "address" else str(value) for name, value in row.items() if name != "steps"]


def _watched(program: Program, registers: Sequence[str], ranges: Sequence[str]) -> Watched:
    from btc_l2.zkvm.observe import Watched
    from btc_l2.zkvm.outcome import Control, byte_shift

    names = [parse_register_name(text) for text in registers]
    words: dict[int, int] = {}
    for text in ranges:
        address, length = program.find_range(text)
        if length > MOST_WATCHED_BYTES:
            raise InvalidInput(f"{text!r} is too much to watch; {MOST_WATCHED_BYTES} bytes are the most; shorten it")
        for at in range(address, address + length):
            words[at & ~3] = words.get(at & ~3, 0) | 0xFF << byte_shift(at, program.image.endian)
    if not names and not words:
        raise InvalidInput("nothing is watched; a register or some memory must be named; add --reg NAME or --mem A:N")
    control = [Control._fields.index(name) for name in names if not name.isdigit()]
    return Watched([int(name) for name in names if name.isdigit()], control, words)


def _watch_rows(
    machine: Machine, watched: Watched, symbols: SymbolTable, done: int, steps: int, times: int
) -> list[tuple[str, ...]]:
    """One row per change, up to `times` of them."""
    from btc_l2.zkvm.disasm import disassemble
    from btc_l2.zkvm.observe import run_to_change

    rows: list[tuple[str, ...]] = []
    last = done + steps
    while len(rows) < times and done < last and not machine.exited:
        before = watched.read(machine)
        stop = run_to_change(machine, watched, last - done, say_progress(done))
        done += stop.steps
        if stop.changed:
            text = disassemble(machine.load_word(stop.pc), stop.pc, symbols.names).replace("\t", " ")
            change = _describe_difference(watched, before, watched.read(machine))
            rows.append((str(done - 1), f"{stop.pc:08x}", symbols.label(stop.pc), text, change))
    return rows


def _describe_difference(watched: Watched, before: Sequence[int], after: Sequence[int]) -> str:
    from btc_l2.zkvm.outcome import Control

    names = [REGISTER_NAMES[k] for k in watched.registers] + [Control._fields[k] for k in watched.control]
    names += [f"[{address:#010x}]" for address in watched.words]
    pairs = zip(names, before, after, strict=True)
    return ", ".join(f"{name} := {new:#x} (was {old:#x})" for name, old, new in pairs if old != new)


def _end(machine: Machine) -> str:
    return f", up to {describe_end(machine.control.status)}" if machine.exited else ""
