"""Looking into a run: `btc-l2 vm step` and `disasm`. `docs/debugging.md` shows them at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.options import AsJson, Blob, Claim, ImageArgument, Kernel, Linux, Order, Raw, Reg, Statement
from btc_l2.cli.output import print_document, print_rows
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from btc_l2.zkvm.state import Machine
    from btc_l2.zkvm.witness import StepWitness


def show_step(
    image: ImageArgument,
    at: Annotated[int, typer.Option(min=0, help="Steps to make before the one that is shown.")] = 0,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    reg: Reg = None,
    blob: Blob = None,
    kernel: Kernel = True,
    linux: Linux = False,
    as_json: AsJson = False,
) -> None:
    """One step as it would be claimed in a dispute: what it reads and writes, and the four roots around it."""
    from btc_l2.cli.execution import execute
    from btc_l2.cli.program import load_program
    from btc_l2.zkvm.witness import step_witness

    machine = load_program(image, raw, endian, statement, claim, reg or [], blob or [], linux).machine()
    execute(machine, at, None, not kernel)
    print_document({"index": at, **_describe_step(machine, step_witness(machine))}, as_json)


def disassemble_program(
    image: ImageArgument,
    start: Annotated[str | None, typer.Option("--from", metavar="ADDR", help="First address; default entry.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of instructions.")] = 32,
    raw: Raw = None,
    endian: Order = None,
    linux: Linux = False,
    as_json: AsJson = False,
) -> None:
    """Instructions of an image as text, in the way of GNU objdump."""
    from btc_l2.cli.program import load_program
    from btc_l2.zkvm.disasm import disassemble, name_addresses

    program = load_program(image, raw, endian, linux=linux)
    loaded = program.image
    first = program.find_address(start) if start is not None else loaded.entry
    if first % 4 or first + 4 * count > 1 << 32:
        raise InvalidInput(f"{count} instructions from {first:#x} on do not exist; give an aligned address below 2^32")
    machine, names = loaded.machine(), name_addresses(loaded.symbols)
    rows = []
    for address in range(first, first + 4 * count, 4):
        word = machine.load_word(address)
        text = disassemble(word, address, names).replace("\t", " ")
        rows.append((f"{address:08x}", f"{word:08x}", names.get(address, ""), text))
    print_rows(("address", "word", "symbol", "instruction"), rows, as_json)


def _describe_step(machine: Machine, witness: StepWitness) -> dict[str, Any]:
    from btc_l2.zkvm.disasm import disassemble

    claim = witness.claim
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
        "exited": machine.exited,
    }
