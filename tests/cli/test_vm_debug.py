"""`btc-l2 vm step`, `trace`, `profile`, `watch`: what they show, and what they say to positions that do not exist."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from btc_l2.guests import find_guest
from tests.cli.conftest import Command

START = 0x1_0000
PROGRAM = (
    0x3C080050, 0xAD00_0000, 0x2409_0007, 0xAD09_0000, 0xA100_0003, 0x00E9_0018, 0x0000_004C,
)  # fmt: skip
#  lui $8,0x50  sw $0,0($8)  li $9,7  sw $9,0($8)  sb $0,3($8)  mult $7,$9  syscall 1


@pytest.fixture
def program(tmp_path: Path) -> tuple[object, ...]:
    path = tmp_path / "program.bin"
    path.write_bytes(struct.pack(f">{len(PROGRAM)}I", *PROGRAM))
    return (path, "--raw", hex(START), "--endian", "big", "--reg", "a3=3")


def test_trace_tells_what_each_step_changes(btc_l2: Command, program: tuple[object, ...]) -> None:
    rows = btc_l2("vm", "trace", program[0], 0, 6, *program[1:], "--json").json()
    assert [row["change"] for row in rows] == [
        "t0 := 0x500000", "", "t1 := 0x7", "[0x00500000] := 0x7 (was 0x0)", "[0x00500000] := 0x0 (was 0x7)",
        "lo := 0x15", "exit 0",
    ]  # fmt: skip
    assert (rows[3]["step"], rows[3]["pc"], rows[3]["instruction"]) == ("3", "0001000c", "sw $9,0($8)")


def test_trace_names_symbols_and_agrees_with_step(btc_l2: Command) -> None:
    (row,) = btc_l2("vm", "trace", "fibonacci", 1000, 1000, "--json").json()
    step = btc_l2("vm", "step", "fibonacci", "--at", 1000, "--json").json()
    assert (int(row["pc"], 16), row["instruction"]) == (step["pc"], step["text"])
    assert row["symbol"].partition("+")[0] in find_guest("fibonacci").load_image().symbols
    assert row["change"].endswith(f":= {step['result']:#x}")


def test_trace_ends_at_the_exit_and_says_so(btc_l2: Command, program: tuple[object, ...]) -> None:
    answer = btc_l2("vm", "trace", program[0], 5, 100, *program[1:])
    assert answer.stdout.count("\n") == 2 and "ends here: exit 0" in answer.stderr


@pytest.mark.parametrize(("first", "last"), [(5, 4), (7, 8), (1 << 40, 1 << 40), (0, 1 << 40)])
def test_trace_refuses_positions_that_are_no_part_of_the_run(
    btc_l2: Command, program: tuple[object, ...], first: int, last: int
) -> None:
    answer = btc_l2("vm", "trace", program[0], first, last, *program[1:])
    assert (answer.code, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)


def test_step_names_the_leaves_it_reads_and_writes(btc_l2: Command, program: tuple[object, ...]) -> None:
    store = btc_l2("vm", "step", *program, "--at", 3, "--json").json()
    assert store["leaves_read"] == ["0x00010000", "0x00500000", "G1", "C"]
    assert store["leaves_written"] == ["0x00500000", "C"]
    behind = btc_l2("vm", "step", *program, "--at", 99, "--json")
    assert behind.json()["exited"] and "ends after 7 steps" in behind.stderr


def test_profile_counts_every_step_by_symbol(btc_l2: Command) -> None:
    told = btc_l2("vm", "profile", "fibonacci", "--top", 100, "--json").json()
    assert told["steps"] == sum(row["steps"] for row in told["rows"]) == find_guest("fibonacci").steps
    assert [row["steps"] for row in told["rows"]] == sorted((row["steps"] for row in told["rows"]), reverse=True)
    assert {"_start", "halt"} <= {row["symbol"] for row in told["rows"]}


def test_profile_of_a_part_by_address(btc_l2: Command, program: tuple[object, ...]) -> None:
    told = btc_l2("vm", "profile", *program, "--from", 2, "--steps", 3, "--addresses", "--json").json()
    assert [(row["address"], row["steps"]) for row in told["rows"]] == [(START + 4 * k, 1) for k in (2, 3, 4)]
    shown = btc_l2("vm", "profile", *program)
    assert shown.stdout == "7\t100.00 %\t00000000\t?\n" and "7 steps" in shown.stderr


def test_profile_names_the_functions_of_a_stripped_go_program(btc_l2: Command) -> None:
    told = btc_l2("vm", "profile", "go-sha256", "--steps", 3_000_000, "--top", 3, "--json").json()
    assert told["rows"][0]["symbol"] == "crypto/internal/fips140/sha256.blockGeneric"


def test_watch_shows_every_change_also_one_that_is_undone(btc_l2: Command, program: tuple[object, ...]) -> None:
    rows = btc_l2("vm", "watch", *program, "--mem", "0x500003:1", "--json").json()
    assert [(row["step"], row["change"]) for row in rows] == [
        ("3", "[0x00500000] := 0x7 (was 0x0)"), ("4", "[0x00500000] := 0x0 (was 0x7)"),
    ]  # fmt: skip
    assert btc_l2("vm", "watch", *program, "--mem", "0x500000:3", "--json").json() == []
    rows = btc_l2("vm", "watch", *program, "--reg", "t1", "--reg", "lo", "--times", 1, "--json").json()
    assert [(row["step"], row["change"]) for row in rows] == [("2", "t1 := 0x7 (was 0x0)")]


def test_watch_takes_symbols_and_stops_after_so_many_steps(btc_l2: Command) -> None:
    answer = btc_l2("vm", "watch", "fibonacci", "--mem", "result:32")
    assert answer.stdout.count("\n") == 3 and "exit 1" in answer.stderr
    assert btc_l2("vm", "watch", "fibonacci", "--mem", "result:32", "--steps", 1000, "--json").json() == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--reg", "a9"),
        ("--mem", "nowhere:4"),
        ("--mem", "0x10000"),
        ("--mem", "0x10000:0x20000"),
        ("--mem", "0xfffff000:4"),
        ("--reg", "a0", "--from", "100"),
    ],
)
def test_watch_refuses_what_it_cannot_watch(
    btc_l2: Command, program: tuple[object, ...], options: tuple[str, ...]
) -> None:
    answer = btc_l2("vm", "watch", *program, *options)
    assert (answer.code, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)


def test_an_unknown_symbol_is_refused_and_the_nearest_named(btc_l2: Command) -> None:
    answer = btc_l2("vm", "disasm", "go-hello", "--from", "main.mian")
    assert answer.code == 2 and "main.main" in answer.stderr
    assert btc_l2("vm", "disasm", "go-hello", "--from", "main.main", "--count", 1, "--json").json()[0]["symbol"] == (
        "main.main"
    )


def test_a_guest_with_a_damaged_table_of_functions_is_profiled_without_names(btc_l2: Command, tmp_path: Path) -> None:
    elf = bytearray(find_guest("go-hello").read_elf())
    at = elf.find(bytes.fromhex("fffffff100000404"))
    elf[at + 8 : at + 40] = b"\xff" * 32
    path = tmp_path / "damaged"
    path.write_bytes(elf)
    told = btc_l2("vm", "profile", "--linux", path, "--steps", 1000, "--json").json()
    assert told["steps"] == 1000 and not any(row["symbol"].startswith("main.") for row in told["rows"])


@pytest.mark.parametrize("command", ["step", "disasm", "trace", "profile", "watch"])
def test_help_has_an_example(btc_l2: Command, command: str) -> None:
    assert f"Example: btc-l2 vm {command} " in btc_l2("vm", command, "--help").stdout
