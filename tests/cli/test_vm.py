"""`btc-l2 vm`: ELF files, plain bytes and guests; limits, stop addresses, dumps, statement and claim."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.cli.execution import execute
from btc_l2.guests import CLAIM_BYTES, claim_of_result, find_guest
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import PROGRAM_END, SLOT_BASE
from btc_l2.zkvm.outcome import ADDRESS_LOAD, BREAKPOINT
from tests.cli.conftest import Command
from tests.guest import oracles

START = 0x1_0000
LOOP = (0x24080003, 0x2508FFFF, 0x1500FFFE, 0x00000000, 0x24040007, 0x0000004C)
#       li $8, 3    addiu $8,-1  bne $8,$0   nop         li $4, 7    syscall 1
LOOP_STEPS = 1 + 3 * 3 + 2
ECHO = (0x00A02021, 0x0000004C)  # move $4, $5; syscall 1
BREAK_ONLY = (0x0000000D,)


def write_words(path: Path, words: tuple[int, ...], order: str = ">") -> Path:
    path.write_bytes(struct.pack(f"{order}{len(words)}I", *words))
    return path


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    return write_words(tmp_path / "loop.bin", LOOP)


def raw(path: Path, endian: str = "big") -> tuple[object, ...]:
    return (path, "--raw", hex(START), "--endian", endian)


def small_statement(n: int) -> str:
    return n.to_bytes(4, "big").hex()


def fibonacci_claim(n: int) -> str:
    return claim_of_result(oracles.fibonacci(n.to_bytes(4, "big"))).hex()


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("engine", [(), ("--no-kernel",)], ids=["compiled", "readable"])
def test_run_tells_all_about_the_end_of_a_run(
    btc_l2: Command, tmp_path: Path, endian: str, engine: tuple[str, ...]
) -> None:
    path = write_words(tmp_path / "loop.bin", LOOP, ">" if endian == "big" else "<")
    answer = btc_l2("vm", "run", *raw(path, endian), "--dump", f"{START}:4", *engine, "--json")
    told = answer.json()
    assert answer.code == 0
    assert (told["steps"], told["pc"]) == (LOOP_STEPS, START + 4 * 5)
    assert (told["exited"], told["exit_code"], told["trap"], told["stdout"]) == (True, 7, None, "")
    assert [told["registers"][4], told["registers"][8], len(told["registers"])] == [7, 0, 32]
    assert told["dump"] == [{"address": START, "bytes": path.read_bytes()[:4].hex()}]
    image = Image.from_raw(path.read_bytes(), START, "big" if endian == "big" else "little")
    assert told["root"] == execute(image.machine(), 100, reference=True).machine.root().hex()
    assert isinstance(told["steps_per_second"], int)


def test_run_for_people_shows_addresses_in_hexadecimal(btc_l2: Command, loop: Path) -> None:
    answer = btc_l2("vm", "run", *raw(loop), "--dump", f"{START:#x}:4")
    assert "pc: 0x00010014\n" in answer.stdout and "registers: a0=0x7\n" in answer.stdout
    assert "0x00010000: 24080003\n" in answer.stdout and answer.stderr == ""


@pytest.mark.parametrize("limit", [0, 1, 5, LOOP_STEPS - 1, LOOP_STEPS, 100])
def test_run_stops_after_max_steps(btc_l2: Command, loop: Path, limit: int) -> None:
    told = btc_l2("vm", "run", *raw(loop), "--max-steps", limit, "--json").json()
    assert told["steps"] == min(limit, LOOP_STEPS)
    assert told["exited"] == (limit >= LOOP_STEPS) == (told["exit_code"] == 7)


def test_run_stops_before_the_stop_address(btc_l2: Command, loop: Path) -> None:
    told = btc_l2("vm", "run", *raw(loop), "--stop-pc", hex(START + 16), "--json").json()
    assert (told["pc"], told["exited"], told["steps"]) == (START + 16, False, LOOP_STEPS - 2)


def test_run_takes_a_symbol_as_stop_address_and_in_a_dump(btc_l2: Command) -> None:
    told = btc_l2("vm", "run", "fibonacci", "--stop-pc", "halt", "--dump", "result:8", "--json").json()
    fibonacci = find_guest("fibonacci")
    assert (told["steps"], told["exited"]) == (fibonacci.steps - 1, False)
    assert told["dump"] == [
        {"address": fibonacci.result_address, "bytes": oracles.fibonacci(fibonacci.statement)[:8].hex()}
    ]


def test_run_reports_a_trap(btc_l2: Command, tmp_path: Path) -> None:
    path = write_words(tmp_path / "break.bin", BREAK_ONLY)
    told = btc_l2("vm", "run", *raw(path), "--json").json()
    assert (told["exited"], told["exit_code"], told["trap"], told["steps"]) == (True, None, BREAKPOINT, 1)


def test_run_sets_registers(btc_l2: Command, tmp_path: Path) -> None:
    path = write_words(tmp_path / "echo.bin", (0, *ECHO))
    settings_ = ("--reg", "a1=0x2a", "--reg", f"pc={START + 4}", "--reg", "$31=7", "--reg", "hi=9")
    told = btc_l2("vm", "run", *raw(path), *settings_, "--json").json()
    assert (told["exit_code"], told["steps"], told["registers"][31], told["hi"]) == (42, 2, 7, 9)


@pytest.mark.parametrize("text", ["a9=1", "$32=1", "a0", "a0=x", "a0=0x100000000", "a0=-1", "zero=1", "=1"])
def test_run_refuses_registers_and_values_that_do_not_exist(btc_l2: Command, loop: Path, text: str) -> None:
    answer = btc_l2("vm", "run", *raw(loop), "--reg", text)
    assert (answer.code, answer.stdout) == (2, "")


@pytest.mark.parametrize("text", ["0x10000", "0x10000:x", "0xffffffff:2", "nowhere:4", ":4"])
def test_run_refuses_dumps_of_what_does_not_exist(btc_l2: Command, loop: Path, text: str) -> None:
    assert btc_l2("vm", "run", *raw(loop), "--dump", text).code == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--raw", "0x10000"), "--endian"),
        (("--raw", "0x10000", "--endian", "middle"), "middle"),
        (("--raw", "0x8000", "--endian", "big"), "0x10000"),
        (("--endian", "big"), "--raw"),
        ((), "ELF"),
    ],
)
def test_run_refuses_a_plain_file_without_a_place_and_an_order(
    btc_l2: Command, loop: Path, options: tuple[str, ...], why: str
) -> None:
    answer = btc_l2("vm", "run", loop, *options)
    assert answer.code == 2 and why in answer.stderr


def test_run_names_the_guests_when_it_knows_neither_file_nor_guest(btc_l2: Command) -> None:
    answer = btc_l2("vm", "run", "fibbonacci")
    assert answer.code == 2 and "hashchain, sortproof, fibonacci, blobsum" in answer.stderr
    assert "no file" in btc_l2("vm", "run", "nowhere/x.elf").stderr


def test_the_compiled_kernel_and_the_readable_step_end_in_the_same_state(btc_l2: Command) -> None:
    told = [
        btc_l2("vm", "run", "fibonacci", "--statement", "00000005", flag, "--json").json()
        for flag in ("--kernel", "--no-kernel")
    ]
    fast, readable = ({k: v for k, v in t.items() if k != "steps_per_second"} for t in told)
    assert fast == readable and fast["exited"]


@pytest.mark.parametrize("n", [0, 4])
def test_run_judges_a_claim_about_a_statement(btc_l2: Command, tmp_path: Path, n: int) -> None:
    honest, statement = fibonacci_claim(n), tmp_path / "statement"
    statement.write_bytes(n.to_bytes(4, "big"))
    assert btc_l2("vm", "claim", "fibonacci", "--statement", small_statement(n)).stdout.strip() == honest
    false = f"{honest[:-1]}1"
    for claim, code in ((honest, 0), (false, 1)):
        told = btc_l2("vm", "run", "fibonacci", "--statement", statement, "--claim", claim, "--json").json()
        assert told["exit_code"] == code


def test_run_refuses_a_claim_and_a_statement_that_are_too_long_or_no_hex(btc_l2: Command) -> None:
    for option in ("--claim", "--statement"):
        assert btc_l2("vm", "run", "fibonacci", option, "00" * (CLAIM_BYTES + 4000)).code == 2
        assert "neither a file nor hex" in btc_l2("vm", "run", "fibonacci", option, "nonsense").stderr


def test_run_maps_the_blobs_that_are_given(btc_l2: Command, tmp_path: Path) -> None:
    guest = find_guest("blobsum")
    blob, elf = tmp_path / "blob", guest.path
    blob.write_bytes(guest.blob)
    arguments = ("vm", "run", elf, "--statement", guest.statement.hex(), "--json")
    assert btc_l2(*arguments, "--blob", blob).json()["steps"] == guest.steps
    assert btc_l2("vm", "run", "blobsum", "--json").json()["steps"] == guest.steps
    missing = btc_l2(*arguments)
    assert missing.code == 3 and "blob" in missing.stderr


def test_root_is_the_image_root_and_with_a_claim_z_0(btc_l2: Command) -> None:
    guest = find_guest("fibonacci")
    assert btc_l2("vm", "root", "fibonacci").stdout.strip() == guest.root.hex()
    told = btc_l2("vm", "root", "fibonacci", "--claim", "01", "--json").json()
    assert told["root"] == guest.load_image().machine(b"\1").root().hex() != guest.root.hex()


def test_step_shows_what_the_step_reads_and_writes(btc_l2: Command, loop: Path) -> None:
    told = btc_l2("vm", "step", *raw(loop), "--at", 1, "--json").json()
    assert told["text"] == "addiu $8,$8,-1"
    assert (told["a"], told["dest"], told["result"], told["before"]["pc"]) == (3, 8, 2, START + 4)
    after = btc_l2("vm", "step", *raw(loop), "--at", 2, "--json").json()
    assert told["root_after"] == after["root_before"] != told["root_before"]


def test_disasm_names_instructions_and_symbols(btc_l2: Command, loop: Path) -> None:
    rows = btc_l2("vm", "disasm", *raw(loop), "--count", 3, "--json").json()
    assert [row["instruction"] for row in rows] == ["addiu $8,$0,3", "addiu $8,$8,-1", "bne $8,$0,0x10004"]
    first = btc_l2("vm", "disasm", "hashchain", "--from", "main", "--count", 1, "--json").json()[0]
    assert first["symbol"] == "main"


@pytest.mark.parametrize("options", [("--from", "0x10001"), ("--from", "0xfffffffc", "--count", "2"), ("--from", "x")])
def test_disasm_refuses_addresses_that_hold_no_instruction(btc_l2: Command, options: tuple[str, ...]) -> None:
    assert btc_l2("vm", "disasm", "fibonacci", *options).code == 2


@given(stop=st.integers(0, 100), limit=st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_stop_address_means_the_same_in_both_engines(stop: int, limit: int) -> None:
    image = find_guest("fibonacci").load_image((3).to_bytes(4, "big"))
    address = image.entry + 4 * stop
    fast = execute(image.machine(), limit, address)
    slow = execute(image.machine(), limit, address, reference=True)
    assert (fast.steps, fast.machine.root()) == (slow.steps, slow.machine.root())


@pytest.mark.parametrize(
    "target", [0, 8, 0xFFFF, START + 2, START + 0x2000, PROGRAM_END - 4, PROGRAM_END, SLOT_BASE + 4]
)
def test_stop_address_may_be_where_nothing_can_run(target: int) -> None:
    jump = struct.pack(">3I", 0x03E00008, 0, 0)  # jr $31
    ends = []
    for reference in (False, True):
        machine = Image.from_raw(jump, START, "big").machine()
        machine.set_register(31, target)
        ends.append(execute(machine, 10, target, reference))
        assert (machine.control.pc, machine.exited, ends[-1].steps) == (target, False, 2)
    assert ends[0].machine.root() == ends[1].machine.root()


def test_stop_address_elsewhere_does_not_hide_a_trap() -> None:
    machine = Image.from_raw(struct.pack(">2I", 0x03E00008, 0), START, "big").machine()
    assert execute(machine, 10, 8).steps == 3  # $31 is 0: jump, delay slot, trap
    assert machine.trap == ADDRESS_LOAD and machine.control.pc == 0
