"""`btc-l2 vm`: run a program on the zkMIPS machine, see its roots, single steps and instructions.

IMAGE is an ELF file, with `--raw ADDR --endian ORDER` a file of plain bytes, or the name of a guest of the project
(then its default statement is used unless another is given). A static Linux program, such as one that Go builds for
GOARCH=mips, is loaded with the micro kernel by --linux; guests that need it have it. The commands succeed when the
machine did what was asked, whatever the guest's exit code is: that is part of the result.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli import vm_blob, vm_debug, vm_profile, vm_translate
from btc_l2.cli.options import (
    MOST_STEPS,
    AsJson,
    Blob,
    Blobs,
    Claim,
    ImageArgument,
    InfoAt,
    Kernel,
    Linux,
    Order,
    ProofAt,
    ProofFormat,
    Raw,
    Reg,
    SnapshotAt,
    Statement,
    Stdin,
    StopAt,
    TraceFolder,
)
from btc_l2.cli.output import print_document
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from btc_l2.cli.execution import Run
    from btc_l2.cli.progress import Progress
    from btc_l2.zkvm.state import Machine

PAGES_OF_A_MIB = 256

app = typer.Typer(help="Run programs on the zkMIPS machine.", no_args_is_help=True)
app.command("step")(vm_debug.show_step)
app.command("disasm")(vm_debug.disassemble_program)
app.command("trace")(vm_debug.trace_program)
app.command("profile")(vm_profile.profile_program)
app.command("watch")(vm_profile.watch_program)
app.command("translate")(vm_translate.translate_guest)
app.add_typer(vm_blob.app, name="blob")


@app.command("run")
def run_program(
    image: ImageArgument,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    reg: Reg = None,
    blob: Blob = None,
    blobs: Blobs = None,
    stop_pc: Annotated[str | None, typer.Option(metavar="ADDR", help="Stop before this address or symbol.")] = None,
    max_steps: Annotated[int, typer.Option(min=0, help="Stop after so many steps.")] = MOST_STEPS,
    max_memory: Annotated[int, typer.Option(min=1, metavar="MIB", help="Most memory that the guest may use.")] = 1024,
    dump: Annotated[list[str] | None, typer.Option(metavar="ADDR:LEN", help="Show memory at the end.")] = None,
    trace: TraceFolder = None,
    info_at: InfoAt = None,
    snapshot_at: SnapshotAt = None,
    stop_at: StopAt = None,
    proof_at: ProofAt = None,
    proof_fmt: ProofFormat = "proof-%d.json",
    kernel: Kernel = True,
    tier: vm_translate.Tier = None,
    linux: Linux = False,
    stdin: Stdin = None,
    as_json: AsJson = False,
) -> None:
    """Run until the exit, a stop address or a number of steps; show where the machine stands then.

    PATTERN names steps by the number of steps made before them: never, always, =N or %N (every N steps).
    """
    from btc_l2.cli.execution import execute
    from btc_l2.cli.program import load_program
    from btc_l2.cli.progress import Progress

    program = load_program(image, raw, endian, statement, claim, reg or [], blob or [], linux, stdin, blobs)
    ranges = [program.find_range(text) for text in dump or []]
    stop = program.find_address(stop_pc) if stop_pc is not None else None
    vm_translate.choose_tier(image, tier)
    progress, pages = Progress(program.image), max_memory * PAGES_OF_A_MIB
    if trace is None and not (info_at or snapshot_at or stop_at or proof_at):
        done = execute(program.machine(), max_steps, stop, not kernel, pages, progress)
    else:
        if stop is not None or not kernel:
            raise InvalidInput("patterns of steps and --trace go with the compiled machine and no stop address; both "
                               "ways to run cannot be had at once; leave out --stop-pc and --no-kernel")  # fmt: skip
        patterns = (info_at, snapshot_at, stop_at, proof_at)
        done = _run_stations(program.machine(), trace, patterns, max_steps, proof_fmt, pages, progress)
    tell = _describe_run if as_json else _tell_run
    print_document(tell(done, ranges, program.linux), as_json)


def _run_stations(
    machine: Machine,
    folder: Path | None,
    patterns: tuple[str | None, str | None, str | None, str | None],
    limit: int,
    proof_format: str,
    max_pages: int,
    progress: Progress,
) -> Run:
    """Run with the patterns of --info-at, --snapshot-at, --stop-at, --proof-at, in a folder if there is one."""
    from btc_l2.cli.output import note
    from btc_l2.cli.patterns import NEVER, parse_pattern
    from btc_l2.cli.stations import MachineCourse, Stations, TraceCourse, open_trace, run_stations

    info, snapshot, stop, proof = (parse_pattern(text) if text is not None else NEVER for text in patterns)
    stations = Stations(info, snapshot, stop, proof, limit, proof_format)
    if folder is None:
        if snapshot != NEVER:
            raise InvalidInput("--snapshot-at has no place for snapshots; they need a folder; add --trace DIR")
        return run_stations(MachineCourse(machine, max_pages), stations, progress)
    trace, left = open_trace(machine, folder, snapshot if patterns[1] is not None else None, max_pages)
    if trace.steps:
        note(f"{folder} has {trace.steps:,} steps; they are not made again")
    return run_stations(TraceCourse(trace, stations.first_asked()), replace(stations, snapshot=left), progress)


@app.command("root")
def show_root(
    image: ImageArgument,
    raw: Raw = None,
    endian: Order = None,
    statement: Statement = None,
    claim: Claim = None,
    linux: Linux = False,
    as_json: AsJson = False,
) -> None:
    """Root of the state before the first step: the image root, with a claim z_0."""
    from btc_l2.cli.program import load_program

    root = load_program(image, raw, endian, statement, claim, linux=linux).machine().root().hex()
    if as_json:
        print_document({"root": root}, as_json)
    else:
        print(root)


@app.command("claim")
def show_claim(
    guest: Annotated[str, typer.Argument(metavar="GUEST", help="Name of a guest of the project.")],
    statement: Statement = None,
    as_json: AsJson = False,
) -> None:
    """The claim (128 bytes) that a guest accepts, found by running it once."""
    from btc_l2.cli.arguments import parse_bytes
    from btc_l2.guests import find_guest

    given = parse_bytes(statement, "statement") if statement is not None else None
    claim = find_guest(guest).honest_claim(given).hex()
    if as_json:
        print_document({"claim": claim}, as_json)
    else:
        print(claim)


def _describe_run(run: Run, ranges: list[tuple[int, int]], linux: bool) -> dict[str, Any]:
    from btc_l2.zkvm.linux import Output, read_output

    machine = run.machine
    output = read_output(machine) if linux else Output(b"", b"")  # the bare machine has no files
    return {
        "steps": run.steps,
        "pc": machine.control.pc,
        "exited": machine.exited,
        "exit_code": machine.exit_code,
        "trap": machine.trap,
        "registers": list(machine.registers),
        "hi": machine.control.hi,
        "lo": machine.control.lo,
        "root": machine.root().hex(),
        "dump": [{"address": at, "bytes": machine.read_bytes(at, length).hex()} for at, length in ranges],
        "stdout": output.stdout.decode(errors="replace"),
        "stderr": output.stderr.decode(errors="replace"),
        "steps_per_second": run.steps_per_second,
    }


def _tell_run(run: Run, ranges: list[tuple[int, int]], linux: bool) -> dict[str, Any]:
    """The same for people: addresses and registers in hexadecimal, no line without content."""
    from btc_l2.cli.arguments import REGISTER_NAMES

    fields = _describe_run(run, ranges, linux)
    for name in ("stdout", "stderr"):
        if not fields[name]:
            del fields[name]
    del fields["dump"]
    words = [*zip(REGISTER_NAMES, fields["registers"], strict=True), ("hi", fields.pop("hi")), ("lo", fields.pop("lo"))]
    fields["pc"] = f"{fields['pc']:#010x}"
    fields["registers"] = " ".join(f"{name}={value:#x}" for name, value in words if value) or "all zero"
    dumps = {f"{at:#010x}": run.machine.read_bytes(at, length).hex() for at, length in ranges}
    return fields | dumps
