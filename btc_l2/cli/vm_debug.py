"""Looking at instructions and steps: `btc-l2 vm disasm`, `step`, `trace`. `docs/debugging.md` shows them at work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.changes import describe_change, describe_end
from btc_l2.cli.options import (
    AsJson,
    Blob,
    Blobs,
    Claim,
    ImageArgument,
    Kernel,
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
    from btc_l2.zkvm.state import Machine
    from btc_l2.zkvm.symbols import SymbolTable
    from btc_l2.zkvm.witness import StepWitness

MOST_TRACED = 1_000_000  # steps: a minute of reading them by the readable machine


def show_step(
    image: ImageArgument,
    at: Annotated[int, typer.Option(min=0, help="Steps to make before the one that is shown.")] = 0,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    reg: Reg = None,
    blob: Blob = None,
    blobs: Blobs = None,
    kernel: Kernel = True,
    linux: Linux = False,
    stdin: Stdin = None,
    as_json: AsJson = False,
) -> None:
    """One step as it would be claimed in a dispute: what it reads and writes, and the four roots around it.

    Example: btc-l2 vm step fibonacci --at 1000
    """
    from btc_l2.cli.execution import execute
    from btc_l2.cli.program import load_program
    from btc_l2.zkvm.witness import step_witness

    machine = load_program(image, raw, endian, statement, claim, reg or [], blob or [], linux, stdin, blobs).machine()
    made = execute(machine, at, None, not kernel).steps
    if made < at:
        note(f"the run ends after {made} steps; from there on the machine steps to itself")
    print_document({"index": at, **describe_step(machine, step_witness(machine))}, as_json)


def disassemble_program(
    image: ImageArgument,
    start: Annotated[str | None, typer.Option("--from", metavar="ADDR", help="First address; default entry.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of instructions.")] = 32,
    raw: Raw = None,
    endian: Order = None,
    linux: Linux = False,
    as_json: AsJson = False,
) -> None:
    """Instructions of an image as text, in the way of GNU objdump.

    Example: btc-l2 vm disasm go-hello --from main.main --count 8
    """
    from btc_l2.cli.program import load_program
    from btc_l2.zkvm.disasm import disassemble
    from btc_l2.zkvm.symbols import symbols_of

    program = load_program(image, raw, endian, linux=linux)
    loaded = program.image
    first = program.find_address(start) if start is not None else loaded.entry
    if first % 4 or first + 4 * count > 1 << 32:
        raise InvalidInput(f"{count} instructions from {first:#x} on do not exist; give an aligned address below 2^32")
    machine, names = loaded.machine(), symbols_of(loaded).names
    rows = []
    for address in range(first, first + 4 * count, 4):
        word = machine.load_word(address)
        text = disassemble(word, address, names).replace("\t", " ")
        rows.append((f"{address:08x}", f"{word:08x}", names.get(address, ""), text))
    print_rows(("address", "word", "symbol", "instruction"), rows, as_json)


def trace_program(
    image: ImageArgument,
    first: Annotated[int, typer.Argument(metavar="FROM", min=0, help="Index of the first step, from 0 on.")],
    last: Annotated[int, typer.Argument(metavar="TO", min=0, help="Index of the last step.")],
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
    """The steps FROM to TO, one line each: index, address, symbol, instruction, what it changed.

    Example: btc-l2 vm trace fibonacci 1000 1010
    """
    from btc_l2.cli.program import load_program
    from btc_l2.zkvm.symbols import symbols_of

    if first > last or last - first >= MOST_TRACED:
        raise InvalidInput(f"FROM {first} and TO {last} are no part of a run that can be shown; it begins with the "
                           f"first and has up to {MOST_TRACED} steps; give FROM ≤ TO, closer together")  # fmt: skip
    program = load_program(image, raw, endian, statement, claim, reg or [], blob or [], linux, stdin, blobs)
    machine = program.machine()
    forward(machine, first)
    rows = _trace_rows(machine, symbols_of(program.image), range(first, last + 1))
    columns = ("step", "pc", "symbol", "instruction", "change")
    if as_json:
        print_rows(columns, list(rows), as_json)
        return
    for index, *cells in rows:
        print(f"{index:>{len(str(last))}} {cells[0]}  {cells[1]:<28} {cells[2]:<28} {cells[3]}".rstrip())
    if machine.exited:
        note(f"the run ends here: {describe_end(machine.control.status)}")


def forward(machine: Machine, position: int) -> None:
    """Run up to a position that must be before the exit."""
    from btc_l2.cli.execution import execute

    made = execute(machine, position).steps
    if machine.exited:
        raise InvalidInput(f"there is no step {position}; the run ends after {made} steps; ask for an earlier one")


def _trace_rows(machine: Machine, symbols: SymbolTable, positions: range) -> Iterator[tuple[str, ...]]:
    from btc_l2.zkvm.disasm import disassemble
    from btc_l2.zkvm.step import step

    for position in positions:
        if machine.exited:
            return
        claim = step(machine)
        pc = claim.before.pc
        text = disassemble(claim.instruction, pc & ~3, symbols.names).replace("\t", " ")
        yield str(position), f"{pc:08x}", symbols.label(pc), text, describe_change(claim)


def describe_step(machine: Machine, witness: StepWitness) -> dict[str, Any]:
    """The document about a step: claim, roots, leaves."""
    from btc_l2.zkvm.accesses import accesses_of, leaf_name
    from btc_l2.zkvm.disasm import disassemble

    claim = witness.claim
    accesses = accesses_of(claim)
    return {
        "text": disassemble(claim.instruction, claim.before.pc & ~3).replace("\t", " "),
        "pc": claim.before.pc,
        "instruction": claim.instruction,
        "a": claim.a,
        "b": claim.b,
        "dest": claim.dest,
        "result": claim.result,
        "address": claim.address,
        "old": claim.old,
        "new": claim.new,
        "key": claim.key.hex(),
        "before": claim.before._asdict(),
        "after": claim.after._asdict(),
        "root_before": witness.pre.hex(),
        "root_control": witness.r1.hex(),
        "root_register": witness.r2.hex(),
        "root_after": witness.post.hex(),
        "leaves_read": [leaf_name(index) for index in sorted(accesses.read)],
        "leaves_written": [leaf_name(index) for index in sorted(accesses.written)],
        "exited": machine.exited,
    }
